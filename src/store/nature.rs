//! What is known of a store beside its objects.

/// What is known of a store beside its objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nature {
    /// Whether stores of this kind are known to put an object only where there is none, in one step, and
    /// whoever else puts there: what several writers need. That it does so is for [`probe`](super::probe) to
    /// find out.
    pub is_for_several_writers: bool,
    /// Where it really is, when [`location`](super::Store::location) does not say it all: the endpoint of a service.
    pub endpoint: String,
    /// By how many seconds its clock was ahead of ours when it last answered, negative where it was behind;
    /// none when it does not tell.
    pub clock_ahead: Option<i64>,
    /// Whether an object that readers see survives whatever it has to survive, whoever has put it: so it is in
    /// services, which answer when they keep it. Then nobody needs to put it again.
    pub is_durable_when_visible: bool,
}

impl Nature {
    /// A store of a kind that is known to be for several writers.
    pub fn for_several_writers() -> Self {
        Self { is_for_several_writers: true, ..Self::default() }
    }
}

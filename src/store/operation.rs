//! The calls of a store, as values.

/// One kind of call to a [`Store`](super::Store); the wrappers that count and break calls speak of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`Store::put_new`](super::Store::put_new)
    PutNew,
    /// [`Store::barrier`](super::Store::barrier)
    Barrier,
    /// [`Store::get`](super::Store::get)
    Get,
    /// [`Store::get_range`](super::Store::get_range)
    GetRange,
    /// [`Store::size`](super::Store::size)
    Size,
    /// [`Store::list`](super::Store::list)
    List,
    /// [`Store::delete`](super::Store::delete)
    Delete,
}

impl Operation {
    /// The operation in the words of an error: "cannot write".
    pub fn verb(self) -> &'static str {
        match self {
            Self::PutNew => "write",
            Self::Barrier => "make durable what was written to",
            Self::Get | Self::GetRange => "read",
            Self::Size => "look up",
            Self::List => "list",
            Self::Delete => "delete",
        }
    }
}

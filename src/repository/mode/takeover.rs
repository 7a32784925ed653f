//! Changing who may append: the owner says so in the log.

use super::{Mode, Probed, host};
use crate::repository::error::{Error, Result};
use crate::repository::{Repository, log};
use esker_format::cbor::Extra;
use esker_format::ids::{Seq, SessionId};
use esker_format::log_entry::{Body, Takeover};

/// What a takeover has done.
#[derive(Debug)]
pub struct Taken {
    /// Who could append before.
    pub before: Mode,
    /// Who may from now on.
    pub now: Mode,
    /// The entry that says so; none when it was so before.
    pub seq: Option<Seq>,
    /// What the store was found to be.
    pub probed: Probed,
}

impl Repository {
    /// Makes this machine the only one that may append.
    ///
    /// # Errors
    /// [`Error::NeedsOwner`], [`Error::Busy`], [`Error::Unfit`], or what store and log say.
    pub fn take_over(&mut self, reason: Option<&str>) -> Result<Taken> {
        let probed = self.prepare_takeover()?;
        let holder = host::make(self.here.folder.as_deref())?;
        self.change_mode(Mode::Single { holder }, reason, probed)
    }

    /// Lets every machine append.
    ///
    /// # Errors
    /// As [`take_over`](Self::take_over), [`Error::NotForSeveral`] and [`Error::Unproven`].
    pub fn share(&mut self, reason: Option<&str>) -> Result<Taken> {
        let probed = self.prepare_takeover()?;
        probed.expect_for_several_writers(&*self.store)?;
        self.change_mode(Mode::Shared, reason, probed)
    }

    /// What must hold whoever held it before: what is found out now counts, not what was known.
    fn prepare_takeover(&self) -> Result<Probed> {
        self.access.secret()?;
        self.expect_own_history()?;
        self.expect_in_service()?;
        let probed = self.probe(true)?;
        probed.expect_fit(&*self.store)?;
        Ok(probed)
    }

    fn change_mode(&mut self, now: Mode, reason: Option<&str>, probed: Probed) -> Result<Taken> {
        let before = self.mode();
        // Another run of this machine has the lock, if any has.
        if let Err(busy @ Error::Busy { .. }) = self.here.expect(&self.state) {
            return Err(busy);
        }
        if let (Mode::Single { .. }, Some(folder)) = (&now, self.here.folder.clone()) {
            self.here.lock(&folder)?;
        }
        if before == now {
            return Ok(Taken { before, now, seq: None, probed });
        }
        let body = Takeover {
            holder: now.holder().map(str::to_owned),
            reason: reason.map(str::to_owned),
            extra: Extra::default(),
        };
        let none = SessionId::new([0; 16]);
        let make = &mut |_: &_| Ok(Body::Takeover(body.clone()));
        let appended = log::append(&*self.store, &self.access, &mut self.state, none, make);
        self.remember();
        Ok(Taken { before, now, seq: Some(appended?), probed })
    }
}

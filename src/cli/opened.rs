//! A repository in use, and what is said of it beside the results.

use crate::cli::place::describe;
use crate::cli::show;
use crate::repository::{Doubt, Error, Repository};
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A repository in use. What is wrong with it is told when it is opened; what a command meets later,
/// while it reads on in the log, when it ends, however it ends.
pub struct Opened(Repository);

/// Warnings that were told.
static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Opened {
    /// One that was just opened, with a word on the history that was accepted.
    pub fn new(repository: Repository) -> Self {
        if let Some(doubt) = repository.accepted() {
            tell_accepted(&doubt);
        }
        Self(repository)
    }

    /// Does not tell that the history is not the right one: for who finds that himself.
    pub fn keep_history_back(&self) {
        let history = self.0.warnings().iter().filter(|w| matches!(w, Error::History(_)));
        told().extend(history.map(|warning| describe(warning)));
    }

    /// Tells what was not told before.
    pub fn tell(&self) {
        for text in self.0.warnings().iter().map(|warning| describe(warning)) {
            if told().insert(text.clone()) {
                show::warning(&text);
            }
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.tell();
    }
}

impl Deref for Opened {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.0
    }
}

impl DerefMut for Opened {
    fn deref_mut(&mut self) -> &mut Repository {
        &mut self.0
    }
}

fn told() -> MutexGuard<'static, BTreeSet<String>> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an error was told as a warning already.
pub fn was_told(error: &Error) -> bool {
    told().contains(&describe(error))
}

/// Says what accepting a history undoes.
fn tell_accepted(doubt: &Doubt) {
    show::warning(&format!("accepted the log as it is now: {doubt}"));
    let undone = match doubt {
        Doubt::Shorter { end, .. } => format!("after entry {} of the log", end.seq),
        Doubt::Other { .. } => "in the history that is gone".to_owned(),
    };
    show::warning(&format!(
        "what was saved, forgotten, held, tagged, enrolled or revoked {undone} is undone: look at \
         `esker snapshots` and `esker key list`, and revoke again whom you had revoked"
    ));
}

//! Objects that no snapshot needs, and why they are there.

use crate::repository::Repository;
use crate::repository::check::{Finding, Report};
use crate::repository::error::Result;
use crate::repository::gc::{Inventory, Listed};
use esker_format::checkpoint::PackState;
use esker_format::names;

/// Finds objects that the log does not name or has given up, and packs that it holds in reserve. The
/// log was read after the listing.
pub fn find(repository: &Repository, listed: Listed, report: &mut Report) -> Result<()> {
    let state = repository.state();
    let inventory = Inventory::of(repository, listed)?;
    let mut tell = |name: &str, message: String| {
        report.findings.push(Finding::Leftover { name: name.to_owned(), message });
    };
    for stray in &inventory.given_up {
        tell(&stray.name, "was given up and is still there".to_owned());
    }
    for (session, strays) in &inventory.pending {
        for stray in strays {
            let message = format!("is of session {session}, which has not ended or was killed");
            tell(&stray.name, message);
        }
    }
    for name in &inventory.unreadable {
        tell(name, "is in no log entry, and its header cannot be read: gc leaves it".to_owned());
    }
    let needed = state.needed();
    for (pack, _) in state.packs.iter().zip(needed).filter(|(_, needed)| !needed) {
        let message = match pack.state {
            PackState::Live => "is in no snapshot that is not forgotten",
            PackState::Marked => "is out of use, until it is given up or needed again",
            PackState::Deleting => continue,
        };
        tell(&names::pack(pack.id), message.to_owned());
    }
    Ok(())
}

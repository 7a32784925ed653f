//! When a copy was synced last from here: kept on this machine, for people.

use crate::cli::place::Places;
use crate::cli::show;
use esker_format::ids::RepositoryId;
use esker_format::node::Time;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The memory of one copy.
pub struct Last {
    path: Option<PathBuf>,
    destination: String,
}

/// What is remembered.
#[derive(Serialize, Deserialize)]
struct Kept {
    destination: String,
    seconds: i64,
    entries: u64,
}

impl Last {
    /// The memory of the copy at a place.
    pub fn of(places: &Places, repository: RepositoryId, destination: &str) -> Self {
        let place = blake3::hash(destination.as_bytes()).to_hex();
        let name = format!("{repository}-{}", &place[..16]);
        let path = places.state.as_ref().map(|folder| folder.join("sync").join(name));
        Self { path, destination: destination.to_owned() }
    }

    /// When a sync to it ended last, as far as is known here.
    pub fn read(&self) -> Option<Time> {
        let text = std::fs::read(self.path.as_ref()?).ok()?;
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        let is_it = kept.destination == self.destination;
        is_it.then_some(Time { seconds: kept.seconds, nanos: 0 })
    }

    /// Remembers that one has ended now. Where that cannot be written, nothing but a line of output is lost.
    pub fn write(&self, entries: u64) {
        let destination = self.destination.clone();
        let kept = Kept { destination, seconds: show::now().seconds, entries };
        if let (Some(path), Ok(text)) = (&self.path, serde_json::to_vec(&kept)) {
            let folder = path.parent().map(std::fs::create_dir_all);
            let _ = folder.and_then(Result::ok).and_then(|()| std::fs::write(path, text).ok());
        }
    }
}

//! Finding all objects, a page at a time.

use futures_util::TryStreamExt;

use super::RemoteStore;
use super::attempt::Attempt;
use super::fault::Stop;
use super::tries::Failed;
use crate::store::{Listed, Operation, StoreError, StoreErrorKind, is_valid_name, is_valid_prefix};

/// Finds all objects below `prefix`. Names that no object can have are passed over, as in a folder.
pub(super) fn list(
    store: &RemoteStore,
    prefix: &str,
    found: &mut dyn FnMut(Listed),
) -> Result<(), StoreError> {
    match store.operator.info().capability().list_with_recursive {
        true => in_order(store, prefix, found),
        false => by_folders(store, prefix, found),
    }
}

/// A listing by names in order. After an error it goes on behind the last name: a new listing from there
/// where the service can, else the same once more without what was found.
fn in_order(
    store: &RemoteStore,
    prefix: &str,
    found: &mut dyn FnMut(Listed),
) -> Result<(), StoreError> {
    let mut progress = Progress { last: None, is_ordered: true, had: 0 };
    let listed =
        store.call(Operation::List, prefix, async |_| progress.pages(store, prefix, found).await);
    finish(store, prefix, listed)
}

struct Progress {
    last: Option<String>,
    is_ordered: bool,
    had: u64,
}

impl Progress {
    async fn pages(
        &mut self,
        store: &RemoteStore,
        prefix: &str,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), Stop> {
        if self.had > 0 && !self.is_ordered {
            // What was found cannot be told from what was not.
            return Err(Stop::Kind(StoreErrorKind::Unreachable));
        }
        let begin = self.last.clone();
        let can_begin = store.operator.info().capability().list_with_start_after;
        let mut lister = store.operator.lister_with(prefix).recursive(true);
        if let Some(last) = begin.as_deref().filter(|_| can_begin) {
            lister = lister.start_after(last);
        }
        let mut lister = lister.await?;
        while let Some(entry) = lister.try_next().await? {
            if !entry.metadata().is_file() || !is_valid_name(entry.path()) {
                continue;
            }
            let name = entry.path();
            if begin.as_deref().is_some_and(|begin| name <= begin) {
                continue;
            }
            self.is_ordered &= self.last.as_deref().is_none_or(|last| last < name);
            self.last = Some(name.to_owned());
            self.had += 1;
            let size = entry.metadata().content_length();
            found(Listed { name: name.to_owned(), size });
        }
        Ok(())
    }
}

/// A listing of one folder after the other, each told when it is whole.
fn by_folders(
    store: &RemoteStore,
    prefix: &str,
    found: &mut dyn FnMut(Listed),
) -> Result<(), StoreError> {
    let mut folders = vec![prefix.to_owned()];
    while let Some(folder) = folders.pop() {
        let listed = store.call(Operation::List, &folder, async |_: &Attempt| {
            let mut entries = Vec::new();
            let mut lister = store.operator.lister(&folder).await?;
            while let Some(entry) = lister.try_next().await? {
                entries.push(entry);
            }
            Ok(entries)
        });
        let entries = match listed {
            Ok(entries) => entries,
            Err(failed) => {
                finish(store, &folder, Err(failed))?;
                continue;
            }
        };
        for entry in entries {
            let (name, metadata) = entry.into_parts();
            if metadata.is_dir() {
                // A folder may list itself.
                if is_valid_prefix(&name) && name.len() > folder.len() {
                    folders.push(name);
                }
            } else if is_valid_name(&name) {
                found(Listed { name, size: metadata.content_length() });
            }
        }
    }
    Ok(())
}

/// A folder that is not there has no objects; a place that is not there is an error.
fn finish(store: &RemoteStore, prefix: &str, listed: Result<(), Failed>) -> Result<(), StoreError> {
    match listed {
        Err(failed) if failed.error.kind == StoreErrorKind::NotFound && !failed.is_place => {
            if prefix.is_empty() {
                Err(failed.into())
            } else {
                Ok(())
            }
        }
        Err(failed) if failed.error.source.is_none() => {
            let because = "the listing was cut off, and it has no order to go on from";
            Err(store.error(failed.error.kind, Operation::List, prefix).because(because))
        }
        listed => Ok(listed?),
    }
}

//! Ways to look into a repository without restoring it: thin adapters over
//! [`view`](crate::repository::view), which reads what they show.

pub mod mount;
pub mod nbd;
mod only;
mod part;

pub use only::{Paths, only};
pub use part::{Part, partitions};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock that a panicking thread held is still a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

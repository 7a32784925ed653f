//! Ways to look into a repository without restoring it.

mod nbd;

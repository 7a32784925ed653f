//! Repositories in services, with the real program and real servers.

mod errors;
mod requests;
mod s3;

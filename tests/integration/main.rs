//! Integration tests: the program and the house, from the outside.

mod bad_input;
mod browse;
mod crash;
mod damage;
mod disks;
#[cfg(feature = "s3")]
mod faults;
mod finding;
mod first_use;
mod forget;
mod golden;
mod heal;
mod history;
mod hostile;
mod house;
mod model;
mod offsite;
mod one_writer;
mod over_ssh;
mod reader;
mod repair;
mod restore_over;
mod roles;
mod select;
#[cfg(feature = "s3")]
mod stores;
mod streams;
mod support;
mod trees;
mod unchanged;

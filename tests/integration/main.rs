//! Integration tests: the program and the house, from the outside.

mod first_use;
mod golden;
mod house;
mod support;

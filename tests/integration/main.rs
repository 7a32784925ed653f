//! Integration tests: the program and the house, from the outside.

mod bad_input;
mod damage;
mod first_use;
mod golden;
mod heal;
mod house;
mod reader;
mod restore_over;
mod support;
mod trees;

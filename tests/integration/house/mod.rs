//! The house keeps its walls: who may use what, and the habits of its files.

mod document;
mod files;
mod habits;
mod names;
mod walls;

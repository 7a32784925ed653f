//! The exhaustive model of the log: every state that some writers, collections and a mirror can come
//! to, with the real rules of the log. `docs/model.md` tells what is in it and how to read it.

mod bounds;
mod collector;
mod controls;
mod deed;
mod explorations;
mod explore;
mod history;
mod invariants;
mod mirror;
mod protocol;
mod scene;
mod view;
mod words;
mod world;
mod writer;

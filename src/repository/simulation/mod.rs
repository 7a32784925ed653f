//! The repository in a world of its own: the real code on a simulated store, clock and scheduler,
//! all from one seed. Requests are lost, late or repeated, processes are killed between any two of
//! their calls, machines sleep for a week, clocks are a year off, caches are lost or come back from
//! before a collection, and the power fails.
//!
//! What must hold is in `oracle`: a plain model of what was acknowledged, and the invariants of the
//! design. `ESKER_SEEDS=N` looks at N seeds; `ESKER_SEED=S` replays one and prints what happens.

mod actors;
mod control;
mod counters;
mod faults;
mod host;
mod keys;
mod objects;
mod oracle;
mod random;
mod schedule;
mod seed;
mod store;
mod tests;
mod tree;
mod world;

pub use control::{is_blind, minds, off, unless_off};
pub use seed::drawn;

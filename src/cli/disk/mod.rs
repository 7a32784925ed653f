//! What commands that write disks have in common: options, the question before, what is shown.

mod hint;
mod looks;
mod onto;
mod report;

pub use hint::hint;
pub use looks::ShownGeometry;
pub use onto::{Onto, Over};
pub use report::{Range, Shown, print};

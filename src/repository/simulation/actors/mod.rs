//! Those who use the repository.

pub mod checker;
pub mod collector;
pub mod forgetter;
pub mod reader;
pub mod writer;

use super::host::Host;
use super::world::{Killed, Stopped};
use crate::repository::{Error, Result};
use crate::store::StoreErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What an actor does, again and again.
pub trait Part: Send {
    /// What one process does, from its begin to its end.
    ///
    /// # Errors
    /// What ends a process early.
    fn run(&mut self, host: &mut Host) -> Result<()>;
}

/// Plays a part for so many processes.
pub fn play(host: &mut Host, part: &mut dyn Part, processes: u64) {
    let (world, number) = (host.world.clone(), host.number);
    let life = catch_unwind(AssertUnwindSafe(|| {
        world.begin(number);
        for _ in 0..processes {
            let seconds = host.random.below(24 * 3600);
            world.pause(number, seconds);
            world.end_process(number);
            host.shake_cache();
            one_process(host, part);
            world.end_process(number);
        }
    }));
    if let Err(payload) = life
        && !payload.is::<Stopped>()
    {
        world.fail(format!("actor {number} panicked: {}", words(&*payload)));
    }
    world.finish(number);
}

fn one_process(host: &mut Host, part: &mut dyn Part) {
    let (world, number) = (host.world.clone(), host.number);
    match catch_unwind(AssertUnwindSafe(|| part.run(host))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            world.look().say(|| format!("{number} ends: {error:?}"));
            if !is_to_be_expected(&error) {
                world.stop(format!("actor {number} met what must not be: {error:?}"));
            }
        }
        Err(payload) if payload.is::<Killed>() => {
            world.look().say(|| format!("{number} was killed"));
        }
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Whether lost requests and lost races alone explain an error.
fn is_to_be_expected(error: &Error) -> bool {
    match error {
        Error::Store(error) => error.kind() == StoreErrorKind::Unreachable,
        _ => false,
    }
}

fn words(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "without a word".to_owned())
}

//! What is said while a device is shown.

use crate::browse::nbd::{Event, Observer};
use crate::cli::place::describe;
use crate::cli::show;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was said.
pub struct Told {
    /// Snapshot and path.
    from: String,
    /// The file that takes what is written.
    overlay: Option<String>,
    was_damage: Arc<AtomicBool>,
}

impl Told {
    /// Nothing yet.
    pub fn new(from: String, overlay: Option<String>) -> Self {
        Self { from, overlay, was_damage: Arc::default() }
    }

    /// Who says it.
    pub fn observer(&self) -> Observer {
        let (from, was_damage) = (self.from.clone(), Arc::clone(&self.was_damage));
        let overlay = self.overlay.clone();
        Box::new(move |event| {
            let is_damage = matches!(&event, Event::Unreadable(_, error) if error.is_damage());
            if is_damage {
                was_damage.store(true, Ordering::Relaxed);
            }
            say(&from, overlay.as_deref(), &event);
        })
    }

    /// Whether something of the snapshot is lost.
    pub fn was_damage(&self) -> bool {
        self.was_damage.load(Ordering::Relaxed)
    }
}

fn say(from: &str, overlay: Option<&str>, event: &Event<'_>) {
    match event {
        Event::Unreadable(offset, error) => {
            show::error(&format!("{from}, at {offset}: {}", describe(error)));
        }
        Event::Overlay(error) if error.kind() == ErrorKind::StorageFull => show::error(&format!(
            "overlay {}: {error}; clients can go on once there is room",
            overlay.unwrap_or_default()
        )),
        Event::Overlay(error) => {
            show::error(&format!("overlay {}: {error}", overlay.unwrap_or_default()));
        }
        Event::Collected => {
            show::error(&format!(
                "{from} was forgotten, and a collection has taken what it needs: it cannot be read any more"
            ));
        }
        Event::More => {
            show::note("more goes wrong, and is not listed; `esker check` finds all of it")
        }
        Event::Crowded => {
            show::warning("there are as many connections as may be; others are sent away");
        }
    }
}

//! What a negative control switches off, so that the simulation has something to find.

use crate::repository::validate::Rule;
use esker_format::log_entry::Body;
use std::cell::Cell;

/// What is switched off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Off {
    /// A rule of the log that nobody minds, neither who appends nor who reads.
    pub rule: Option<Rule>,
    /// Whoever commits does not look whether that is valid where the entry comes to lie.
    pub validation: bool,
    /// Whoever collects does not look whether what it found by walking still holds.
    pub marks: bool,
    /// Barriers do nothing.
    pub barriers: bool,
}

thread_local! {
    static OFF: Cell<Off> =
        const { Cell::new(Off { rule: None, validation: false, marks: false, barriers: false }) };
}

/// Switches off on this thread.
pub fn switch(off: Off) {
    OFF.set(off);
}

/// What is switched off on this thread.
pub fn off() -> Off {
    OFF.get()
}

/// What a rule says, unless it is switched off.
///
/// # Errors
/// The rule.
pub fn unless_off(followed: Result<(), Rule>) -> Result<(), Rule> {
    followed.or_else(|rule| if OFF.get().rule == Some(rule) { Ok(()) } else { Err(rule) })
}

/// Whether an entry is appended whatever has happened to what it relies on.
pub fn is_blind(body: &Body) -> bool {
    OFF.get().validation && matches!(body, Body::Commit(_))
}

/// Whether a writer minds a rule before it appends.
pub fn minds(rule: Rule) -> bool {
    let off = OFF.get();
    !off.validation && off.rule != Some(rule)
}

//! Restoring over what is there.

mod bad_targets;
mod counted;
mod deletes;
mod equal;
mod failed;
mod filters;
mod kept;
mod killed;
mod links;
mod listing;
mod lost;
mod mutate;
mod swapped;
mod verified;

use crate::support::{Home, Ran};
use std::path::Path;

/// Runs `esker restore --json WHAT TARGET` with these options.
pub fn restore(home: &Home, what: &str, target: &Path, options: &[&str]) -> Ran {
    let mut arguments = vec!["restore", "--json", what, target.to_str().unwrap()];
    arguments.extend(options);
    let mut ran = home.run(arguments);
    // An error is a JSON object here; the tests read it as people do.
    if let Some(error) = ran.err.lines().last()
        && let Ok(error) = serde_json::from_str::<serde_json::Value>(error)
    {
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        ran.err.push_str(&format!("error: {}\nhint: {}\n", text("error"), text("hint")));
        for cause in error["causes"].as_array().into_iter().flatten() {
            ran.err.push_str(&format!("caused by: {}\n", cause.as_str().unwrap_or_default()));
        }
    }
    ran
}

/// The last line of its output.
pub fn summary(ran: &Ran) -> serde_json::Value {
    ran.json().pop().unwrap()
}

/// Added, changed, unchanged, kept and deleted.
pub fn counts(ran: &Ran) -> [u64; 5] {
    let summary = summary(ran);
    ["added", "changed", "unchanged", "kept", "deleted"].map(|name| summary[name].as_u64().unwrap())
}

/// `latest:PATH`
pub fn latest(path: &Path) -> String {
    format!("latest:{}", path.display())
}

/// Whether a file has the name of a journal or of a temporary file of a restore.
pub fn is_litter(name: &str) -> bool {
    name.starts_with(".esker-")
}

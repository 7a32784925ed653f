//! Runs an exploration: prints its numbers, and the way to what it finds.
#![expect(clippy::print_stdout, reason = "numbers and ways to a loss are what a model is run for")]

use super::bounds::Bounds;
use super::history::Log;
use super::protocol::Protocol;
use stateright::{Checker, Expectation, HasDiscoveries, Model};
use std::io::Write;
use std::time::Instant;

/// Looks at every state within the bounds. Everything that must hold does, and everything that must
/// happen does; returns how many states there are.
pub fn all(name: &str, bounds: Bounds) -> usize {
    let start = Instant::now();
    let checker = Protocol::new(bounds).checker().threads(2).spawn_bfs().join();
    tell(&format!(
        "model: {name}: {} states, {} steps, {} deep, {} logs, in {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        checker.model().history.len(),
        start.elapsed().as_secs_f64(),
    ));
    let mut failures = Vec::new();
    for property in checker.model().properties() {
        match (property.expectation, checker.discovery(property.name)) {
            (Expectation::Always, Some(path)) => {
                let way = way(checker.model(), path.into_actions());
                failures.push(format!("not so: {}\n{way}", property.name));
            }
            (Expectation::Sometimes, None) => {
                failures.push(format!("never happens: {}", property.name));
            }
            _ => {}
        }
    }
    assert!(failures.is_empty(), "{name}\n{}", failures.join("\n"));
    checker.unique_state_count()
}

/// Finds a state in which something does not hold that should, prints the way to it, and returns
/// that in words.
pub fn loss(name: &str, bounds: Bounds, invariant: &'static str) -> String {
    let checker = Protocol::new(bounds)
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyOf([invariant].into()))
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    let Some(path) = checker.discovery(invariant) else {
        panic!("{name}: {invariant}: no loss in {states} states");
    };
    let way = way(checker.model(), path.into_actions());
    println!("{name}: not so after {states} states: {invariant}\n{way}");
    way
}

/// The steps of a path, each with what the log got by it.
fn way(model: &Protocol, actions: Vec<super::protocol::Action>) -> String {
    let mut scene = model.init_states().remove(0);
    let mut lines = String::new();
    for (number, action) in (1..).zip(actions) {
        let before = scene.log;
        lines += &format!("  {number:>2}. {action}\n");
        match model.next_state(&scene, action) {
            Some(next) => scene = next,
            None => return lines + "      (cannot be done again)\n",
        }
        if scene.log != before {
            lines += &format!("      log: {}\n", entry(model, scene.log));
        }
    }
    lines
}

fn entry(model: &Protocol, log: Log) -> String {
    let node = model.history.node(log);
    let Some(deed) = node.deed else { return "begins".to_owned() };
    match model.history.weigh(node.parent, deed) {
        Ok(()) => format!("{deed}"),
        Err(rule) => format!("{deed} (against a rule: {rule})"),
    }
}

/// Prints a line, and keeps it for the summary of `tests/run`, which shows no output of tests.
fn tell(line: &str) {
    println!("{line}");
    let Some(path) = std::env::var_os("ESKER_MODEL_NUMBERS") else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| writeln!(file, "{line}")).unwrap();
}

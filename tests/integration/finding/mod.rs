//! Finding things: which snapshot, where a file is, what differs, what it costs.

mod changes;
mod choosing;
mod costs;
mod diffs;
mod finds;
mod listing;
mod live;
mod words;

use serde_json::Value;

/// The bytes of a name in a row, as `docs/json.md` says.
fn bytes(row: &Value, member: &str) -> Vec<u8> {
    let text = row[member].as_str().unwrap();
    match row.get(format!("{member}_hex")).and_then(Value::as_str) {
        Some(hex) => {
            assert!(text.contains("\\x"), "{text}");
            let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            (0..hex.len()).step_by(2).map(digits).collect()
        }
        None => text.replace("\\\\", "\\").into_bytes(),
    }
}

//! Tables of the index database and their migrations, oldest first. A migration that landed is
//! never changed; a new one is added behind it.

use rusqlite::Connection;
use std::path::Path;

const MIGRATIONS: [&str; 3] = [
    // chunk: 63 bits of the id -> (31 more) << 32 | pack. further: the same for other copies.
    // directory: what a segment says of one pack. head: position, writers, sessions, tokens.
    "CREATE TABLE chunk(k INTEGER PRIMARY KEY, v INTEGER NOT NULL);
     CREATE TABLE further(k INTEGER NOT NULL, v INTEGER NOT NULL, PRIMARY KEY(k, v)) WITHOUT ROWID;
     CREATE TABLE pack(no INTEGER PRIMARY KEY, row BLOB NOT NULL);
     CREATE TABLE directory(pack INTEGER PRIMARY KEY, row BLOB NOT NULL);
     CREATE TABLE snapshot(no INTEGER PRIMARY KEY, row BLOB NOT NULL);
     CREATE TABLE segment(id BLOB PRIMARY KEY) WITHOUT ROWID;
     CREATE TABLE head(only INTEGER PRIMARY KEY CHECK(only = 1), row BLOB NOT NULL);",
    // remark: entries that change nothing. The other tables begin again: the log has other heads,
    // and their rows do not have all of the state.
    "DELETE FROM chunk; DELETE FROM further; DELETE FROM pack; DELETE FROM directory;
     DELETE FROM snapshot; DELETE FROM segment; DELETE FROM head;
     CREATE TABLE remark(seq INTEGER PRIMARY KEY, void INTEGER NOT NULL, why TEXT NOT NULL);",
    // Rows with a sum: the tables begin again.
    "DELETE FROM chunk; DELETE FROM further; DELETE FROM pack; DELETE FROM directory;
     DELETE FROM snapshot; DELETE FROM segment; DELETE FROM head; DELETE FROM remark;",
];

/// Opens the file, making or renewing it as needed; none when that cannot be done here.
pub fn open_file(path: &Path) -> Option<Connection> {
    open_with(path, &MIGRATIONS, "SELECT count(*) FROM head")
}

/// The same for any list of migrations; `look` is a query that a sound file answers.
pub(super) fn open_with(path: &Path, migrations: &[&str], look: &str) -> Option<Connection> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).ok()?;
    }
    let open_sound = || {
        let connection = Connection::open(path).ok()?;
        prepare(&connection, migrations, look).ok()?;
        Some(connection)
    };
    open_sound().or_else(|| {
        // Not a database of ours, or of a newer version: it is a cache, so begin again.
        remove(path);
        open_sound()
    })
}

/// Removes the file and what SQLite keeps beside it.
pub fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
}

fn prepare(connection: &Connection, migrations: &[&str], look: &str) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    // NORMAL: a power cut may lose the last transactions, which the log brings back, but never
    // tears the file: a row that is there by accident would be a chunk that is never stored.
    connection.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;",
    )?;
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let version = version as usize;
    if version > migrations.len() {
        return Err(rusqlite::Error::InvalidQuery);
    }
    for (number, migration) in migrations.iter().enumerate().skip(version) {
        let next = number + 1;
        connection
            .execute_batch(&format!("BEGIN; {migration} PRAGMA user_version = {next}; COMMIT"))?;
    }
    // A torn file shows itself here, not in the middle of a run.
    connection.query_row(look, [], |_| Ok(()))
}

/// Empties all tables.
pub fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "BEGIN; DELETE FROM chunk; DELETE FROM further; DELETE FROM pack; DELETE FROM directory;
         DELETE FROM snapshot; DELETE FROM segment; DELETE FROM head;
         DELETE FROM remark; COMMIT",
    )
}

//! Tables of the index database and their migrations, oldest first. A migration that landed is
//! never changed; a new one is added behind it.

use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// How often a file that somebody holds is tried again: for three seconds.
const BUSY_TRIES: u32 = 150;

const MIGRATIONS: [&str; 4] = [
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
    // Sessions in rows of their own, who signed a void entry, snapshots by the number of their
    // commit: the tables begin again.
    "DELETE FROM chunk; DELETE FROM further; DELETE FROM pack; DELETE FROM directory;
     DELETE FROM snapshot; DELETE FROM segment; DELETE FROM head; DROP TABLE remark;
     CREATE TABLE remark(seq INTEGER PRIMARY KEY, void INTEGER NOT NULL, writer BLOB,
         why TEXT NOT NULL);
     CREATE TABLE seen(key BLOB PRIMARY KEY, sign INTEGER NOT NULL, time INTEGER NOT NULL)
         WITHOUT ROWID;
     CREATE TABLE session(id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;",
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
    let open_sound = || -> rusqlite::Result<Connection> {
        let mut connection = Connection::open(path)?;
        prepare(&mut connection, migrations, look)?;
        Ok(connection)
    };
    let mut opened = open_sound();
    for _ in 0..BUSY_TRIES {
        // Whoever makes the file at the same moment is not waited for by SQLite itself.
        if !matches!(&opened, Err(error) if is_busy(error)) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        opened = open_sound();
    }
    match opened {
        Ok(connection) => Some(connection),
        // Others may be using it, and may go on.
        Err(error) if is_busy(&error) || is_of_the_place(&error) => None,
        Err(_) => {
            // Not a database of ours, or of a newer version: it is a cache, so begin again.
            remove(path);
            open_sound().ok()
        }
    }
}

/// Whether somebody holds the file.
fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

/// Whether the place is at fault, and not what is in the file.
fn is_of_the_place(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DiskFull, PermissionDenied, ReadOnly};
    matches!(error.sqlite_error_code(), Some(DiskFull | PermissionDenied | ReadOnly))
}

/// Removes the file and what SQLite keeps beside it.
pub fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
}

fn prepare(connection: &mut Connection, migrations: &[&str], look: &str) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    // NORMAL: a power cut may lose the last transactions, which the log brings back, but never
    // tears the file: a row that is there by accident would be a chunk that is never stored.
    connection.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;",
    )?;
    let version_of = |connection: &Connection| {
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
    };
    if version_of(connection)? as usize != migrations.len() {
        // Two first runs at once: one makes the tables, and the other finds them.
        let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = version_of(&writing)? as usize;
        if version > migrations.len() {
            return Err(rusqlite::Error::InvalidQuery);
        }
        for migration in migrations.iter().skip(version) {
            writing.execute_batch(migration)?;
        }
        writing.execute_batch(&format!("PRAGMA user_version = {}", migrations.len()))?;
        writing.commit()?;
    }
    // A torn file shows itself here, not in the middle of a run.
    connection.query_row(look, [], |_| Ok(()))
}

/// Empties all tables.
pub fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "BEGIN; DELETE FROM chunk; DELETE FROM further; DELETE FROM pack; DELETE FROM directory;
         DELETE FROM snapshot; DELETE FROM segment; DELETE FROM head;
         DELETE FROM remark; DELETE FROM session; COMMIT",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_begin_at_once_share_the_database_that_one_of_them_makes() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("index.sqlite");
            std::thread::scope(|scope| {
                let open = || open_file(&path).expect("every one of them opens it");
                let all: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
                for (number, opened) in all.into_iter().enumerate() {
                    let insert = "INSERT INTO segment(id) VALUES(?1)";
                    opened.join().unwrap().execute(insert, [number as i64]).unwrap();
                }
            });
            let count = "SELECT count(*) FROM segment";
            let last = open_file(&path).unwrap();
            assert_eq!(last.query_row(count, [], |row| row.get::<_, i64>(0)), Ok(6));
        }
    }
}

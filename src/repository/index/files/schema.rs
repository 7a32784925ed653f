//! Tables of the file table and their migrations, oldest first. A migration that landed is never
//! changed; a new one is added behind it.

use rusqlite::Connection;
use std::path::Path;

const MIGRATIONS: [&str; 1] = [
    // source: host and label, hashed; the snapshot that its rows stand for. turn counts them.
    // run: a run that writes rows; done once they stand for a snapshot.
    // pack: what a run that is not done may have uploaded.
    // leaf: a page of a path map, with what the file system said of its entries.
    "CREATE TABLE source(no INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, snapshot BLOB,
         root BLOB, level INTEGER NOT NULL, turn INTEGER NOT NULL);
     CREATE TABLE run(no INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL,
         session BLOB NOT NULL, done INTEGER NOT NULL);
     CREATE TABLE pack(run INTEGER NOT NULL, id BLOB NOT NULL, len INTEGER NOT NULL,
         PRIMARY KEY(run, id)) WITHOUT ROWID;
     CREATE TABLE leaf(no INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL,
         run INTEGER NOT NULL, parent BLOB NOT NULL, name BLOB NOT NULL, reference BLOB NOT NULL,
         sum BLOB NOT NULL, len INTEGER NOT NULL, codec INTEGER NOT NULL, marks BLOB NOT NULL,
         page_codec INTEGER NOT NULL, page BLOB NOT NULL, lists BLOB NOT NULL);
     CREATE INDEX leaf_order ON leaf(source, parent, name);
     CREATE INDEX leaf_run ON leaf(run);",
];

/// Opens the file, making or renewing it as needed; none when that cannot be done here.
pub fn open_file(path: &Path) -> Option<Connection> {
    super::super::schema::open_with(path, &MIGRATIONS, "SELECT count(*) FROM run")
}

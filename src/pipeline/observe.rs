//! Telling of each entry what became of it.

use crate::pipeline::base::Compared;
use crate::pipeline::marks::{self, Cursor};
use esker_format::path::MapKey;

/// Is told the path of each entry, in the order of the map, and how it compares with the base.
pub type Observer<'o> = Option<&'o (dyn Fn(&[u8], Compared) + Sync)>;

/// Tells of all entries of a leaf that did not change.
pub fn tell_leaf(marks: &[u8], observer: &(dyn Fn(&[u8], Compared) + Sync)) {
    let Some((_, at)) = marks::counts(marks) else { return };
    let mut cursor = Cursor::new(at);
    while let Some(marked) = cursor.next(marks) {
        let key = MapKey { parent: marked.parent.to_vec(), name: marked.name.to_vec() };
        observer(&key.path(), Compared::Same);
    }
}

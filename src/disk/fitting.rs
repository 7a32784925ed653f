//! Whether an image fits onto a disk, and how.

use super::error::{Error, Result};
use super::geometry::Geometry;
use super::table::Table;
use std::path::Path;

/// How an image goes onto a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fitting {
    /// Bytes of it that are written.
    pub len: u64,
    /// Whether the second copy of its GPT has to move to the end of the disk.
    pub moves_gpt: bool,
}

/// How an image goes onto a disk of `size` bytes and with sectors of `sector` bytes, where it has any.
///
/// # Errors
/// When the disk is too small, and partitions or what nobody knows would be cut off; when it counts
/// in other sectors.
pub fn fitting(image: &Geometry, path: &Path, size: u64, sector: Option<u32>) -> Result<Fitting> {
    if let (Some(needs), Some(has)) = (image.sector(), sector)
        && needs != has
    {
        return Err(Error::Sectors { path: path.to_owned(), has, needs });
    }
    let is_gpt = matches!(image.table, Table::Gpt(_));
    if size >= image.size {
        return Ok(Fitting { len: image.size, moves_gpt: is_gpt && size > image.size });
    }
    // With a damaged table nobody can tell what is behind the last partition.
    let sound = image.table.partitions().filter(|table| table.flaw.is_none());
    let needs = sound.map_or(image.size, |table| table.end() + table.tail);
    if size < needs {
        return Err(Error::TooSmall { path: path.to_owned(), has: size, needs });
    }
    Ok(Fitting { len: size, moves_gpt: is_gpt })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::table::{Partition, Partitions};

    fn image(flaw: Option<&str>) -> Geometry {
        let partition = Partition {
            number: 1,
            start: 1 << 20,
            len: 2 << 20,
            kind: "83".into(),
            id: None,
            name: None,
            file_system: None,
        };
        let flaw = flaw.map(str::to_owned);
        let partitions =
            Partitions { id: None, sector: 512, list: vec![partition], tail: 33 * 512, flaw };
        let table = Table::Gpt(partitions);
        Geometry { size: 8 << 20, logical: Some(512), table, ..Geometry::default() }
    }

    #[test]
    fn only_a_tail_without_partitions_may_be_cut_off() {
        let fit =
            |image: &Geometry, size| fitting(image, Path::new("/dev/x"), size, Some(512)).ok();
        let needs = (3 << 20) + 33 * 512;
        let whole = Fitting { len: 8 << 20, moves_gpt: false };
        assert_eq!(fit(&image(None), 8 << 20), Some(whole));
        assert_eq!(fit(&image(None), 9 << 20), Some(Fitting { moves_gpt: true, ..whole }));
        assert_eq!(fit(&image(None), needs), Some(Fitting { len: needs, moves_gpt: true }));
        assert_eq!(fit(&image(None), needs - 512), None);
        assert_eq!(fit(&image(Some("damaged")), needs), None);
        let plain = Geometry { table: Table::None, ..image(None) };
        assert_eq!(fit(&plain, (8 << 20) - 512), None);
        assert_eq!(fit(&plain, 9 << 20), Some(whole));
    }

    #[test]
    fn sectors_must_be_equal_where_both_have_them() {
        let path = Path::new("/dev/x");
        assert!(fitting(&image(None), path, 8 << 20, Some(4096)).is_err());
        assert!(fitting(&image(None), path, 8 << 20, None).is_ok());
    }
}

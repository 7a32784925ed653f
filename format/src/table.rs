//! Lists of rows of one width, as one byte string: for lists of which there can be millions.

use crate::cbor::{Cbor, Reader, Writer};
use crate::error::{FormatError, Result};
use crate::limits::CHECKPOINT_MAX;
use std::marker::PhantomData;

/// What a table is made of.
pub trait Row: Sized {
    /// Bytes of every row.
    const WIDTH: usize;
    /// What it is, for messages.
    const WHAT: &'static str;
    /// Appends the row.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a row of [`WIDTH`](Self::WIDTH) bytes.
    ///
    /// # Errors
    /// When they are not a row.
    fn get(bytes: &[u8]) -> Result<Self>;
}

/// Rows in their encoded form: they take no more memory than that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<R> {
    bytes: Vec<u8>,
    rows: PhantomData<R>,
}

impl<R: Row> Table<R> {
    /// An empty table with room for so many rows.
    pub fn with_capacity(rows: usize) -> Self {
        Self { bytes: Vec::with_capacity(rows * R::WIDTH), rows: PhantomData }
    }
    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.bytes.len() / R::WIDTH
    }
    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    /// Appends a row.
    pub fn push(&mut self, row: &R) {
        row.put(&mut self.bytes);
    }
    /// The rows in their order. All of them could be read when the table was.
    pub fn iter(&self) -> impl Iterator<Item = R> + '_ {
        self.raw().filter_map(|row| R::get(row).ok())
    }
    /// The rows in their encoded form.
    pub fn raw(&self) -> impl ExactSizeIterator<Item = &[u8]> + '_ {
        self.bytes.chunks_exact(R::WIDTH)
    }
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl<R: Row> FromIterator<R> for Table<R> {
    fn from_iter<I: IntoIterator<Item = R>>(rows: I) -> Self {
        let mut table = Self::default();
        rows.into_iter().for_each(|row| table.push(&row));
        table
    }
}

/// Absent means empty; present is never empty.
impl<R: Row> Cbor for Table<R> {
    fn put(&self, w: &mut Writer) {
        w.bytes(&self.bytes);
    }
    fn get(r: &mut Reader<'_>) -> Result<Self> {
        let bytes = r.bytes(R::WHAT, CHECKPOINT_MAX)?;
        if !bytes.len().is_multiple_of(R::WIDTH) {
            return Err(FormatError::Length { what: R::WHAT });
        }
        for row in bytes.chunks_exact(R::WIDTH) {
            R::get(row)?;
        }
        Ok(Self { bytes: bytes.to_vec(), rows: PhantomData })
    }
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

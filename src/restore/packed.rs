//! An archive that is compressed on its way out.

use std::io::{self, Write};

/// The level of zstd: what the program `zstd` takes when it is not told.
const LEVEL: i32 = 3;

/// Compresses what is written to it with zstd, as one frame.
pub struct Zstd<W: Write>(zstd::Encoder<'static, W>);

impl<W: Write> Zstd<W> {
    /// A stream into `out`.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(out: W) -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(out, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self(encoder))
    }

    /// Writes the end.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Zstd<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        // What is left is written at the end; a flush for each file would cost.
        Ok(())
    }
}

//! What clients see: bytes of a snapshot, and over them what they wrote.

use super::failed::Failed;
use super::overlay::{Below, Block, Overlay};
use super::trouble::Trouble;
use crate::browse::Part;
use crate::repository::view::Stretch;

/// Stretches that are put together for one answer at most; what is behind them is asked for again.
const STRETCHES_MAX: usize = 4096;

/// Looks into the list of the content for one stretch at most.
const LOOKS_MAX: usize = 256;

/// A device.
pub struct Shown {
    part: Part,
    overlay: Option<Overlay>,
    trouble: Trouble,
}

impl Shown {
    /// Bytes of a snapshot, with an overlay when they can be written to. Who can write needs one.
    pub const fn new(part: Part, overlay: Option<Overlay>, trouble: Trouble) -> Self {
        Self { part, overlay, trouble }
    }

    /// Bytes.
    pub const fn size(&self) -> u64 {
        self.part.len()
    }

    /// Whether it can be written to.
    pub const fn is_writable(&self) -> bool {
        self.overlay.is_some()
    }

    /// What goes wrong.
    pub(super) const fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// Reads bytes that are all within the device.
    ///
    /// # Errors
    /// When some of them cannot be read.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Failed> {
        let Some(overlay) = &self.overlay else { return self.read_below(offset, out) };
        let (end, mut at) = (offset + out.len() as u64, offset);
        while at < end {
            let (kind, len) = overlay.stretch(at, end);
            let from = (at - offset) as usize;
            let space = &mut out[from..from + len as usize];
            match kind {
                Block::Below => self.read_below(at, space)?,
                Block::Zero => space.fill(0),
                Block::Data => overlay.read(at, space).map_err(|error| self.told(error))?,
            }
            at += len;
        }
        Ok(())
    }

    /// What is at `offset` and how far it goes, at most to `end` and perhaps not as far as it does.
    ///
    /// # Errors
    /// When the list of the content cannot be read.
    pub(super) fn stretch(&self, offset: u64, end: u64) -> Result<Stretch, Failed> {
        let below_end = match &self.overlay {
            None => end,
            Some(overlay) => match overlay.stretch(offset, end) {
                (Block::Below, len) => offset + len,
                (kind, len) => return Ok(Stretch { len, is_zero: kind == Block::Zero }),
            },
        };
        let mut found: Option<Stretch> = None;
        for _ in 0..LOOKS_MAX {
            let at = offset + found.map_or(0, |stretch| stretch.len);
            if at >= below_end {
                break;
            }
            let next = self.part.stretch(at).map_err(|error| {
                self.trouble.unreadable(at, &error);
                Failed::Io
            })?;
            // A part ends nowhere but at its end.
            let Some(next) = next else { break };
            let len = next.len.min(below_end - at);
            match &mut found {
                None => found = Some(Stretch { len, is_zero: next.is_zero }),
                Some(found) if found.is_zero == next.is_zero => found.len += len,
                Some(_) => break,
            }
        }
        found.ok_or(Failed::Io)
    }

    /// The stretches of a range, from its front on, perhaps not to its end; only the first, when one is asked for.
    ///
    /// # Errors
    /// When the first one cannot be told.
    pub(super) fn stretches(
        &self,
        offset: u64,
        len: u64,
        one: bool,
    ) -> Result<Vec<Stretch>, Failed> {
        let (end, mut at) = (offset + len, offset);
        let mut found: Vec<Stretch> = Vec::new();
        for _ in 0..if one { 1 } else { STRETCHES_MAX } {
            if at >= end {
                break;
            }
            let next = match self.stretch(at, end) {
                Err(_) if !found.is_empty() => break,
                next => next?,
            };
            at += next.len;
            match found.last_mut() {
                Some(last) if last.is_zero == next.is_zero => last.len += next.len,
                _ => found.push(next),
            }
        }
        Ok(found)
    }

    /// Writes bytes that are all within the device.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Failed> {
        self.overlay.as_ref().map_or(Err(Failed::Io), |overlay| overlay.write(offset, bytes, self))
    }

    /// Makes bytes zero; without `holes` they keep their room.
    ///
    /// # Errors
    /// When that cannot be.
    pub(super) fn zero(&self, offset: u64, len: u64, holes: bool) -> Result<(), Failed> {
        static ZEROS: [u8; super::PIECE] = [0; super::PIECE];
        if !holes {
            let (mut at, end) = (offset, offset + len);
            while at < end {
                let piece = piece(at, end);
                self.write(at, &ZEROS[..piece])?;
                at += piece as u64;
            }
            return Ok(());
        }
        self.overlay.as_ref().map_or(Err(Failed::Io), |overlay| overlay.zero(offset, len, self))
    }

    /// Gives bytes up, as far as they fill whole blocks.
    pub(super) fn trim(&self, offset: u64, len: u64) {
        if let Some(overlay) = &self.overlay {
            overlay.trim(offset, len);
        }
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// When that cannot be.
    pub(super) fn flush(&self) -> Result<(), Failed> {
        self.overlay.as_ref().map_or(Ok(()), Overlay::flush).map_err(|error| self.told(error))
    }
}

impl Below for Shown {
    fn read_below(&self, offset: u64, out: &mut [u8]) -> Result<(), Failed> {
        match self.part.read_at(offset, out) {
            Ok(read) if read == out.len() => Ok(()),
            Ok(_) => Err(Failed::Io),
            Err(error) => {
                self.trouble.unreadable(offset, &error);
                Err(Failed::Io)
            }
        }
    }

    fn told(&self, error: std::io::Error) -> Failed {
        self.trouble.overlay(&error);
        error.into()
    }
}

/// How much of a range is done next: to a whole number of pieces from the front of the device.
pub fn piece(at: u64, end: u64) -> usize {
    let whole = super::PIECE as u64;
    (at / whole + 1).saturating_mul(whole).min(end).saturating_sub(at) as usize
}

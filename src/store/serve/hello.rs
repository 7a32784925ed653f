//! What a client says first.

use super::message::{Arrived, Frame, MAGIC, PATH_MAX, VERSION, ask};

/// How the folder is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It must exist.
    Open,
    /// It is made, and must be empty.
    Create,
    /// It must exist; what was written to it over a connection that was lost is made durable first.
    Resume,
}

/// A greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// How the folder is opened.
    pub opening: Opening,
    /// The folder.
    pub path: String,
}

impl Hello {
    /// As a frame.
    pub fn frame(&self, id: u32) -> Frame {
        let opening = match self.opening {
            Opening::Open => 0,
            Opening::Create => 1,
            Opening::Resume => 2,
        };
        let head = Frame::new(id, ask::HELLO).bytes(MAGIC).bytes(&VERSION.to_le_bytes());
        head.bytes(&[opening]).bytes(self.path.as_bytes())
    }

    /// Reads one; what is wrong with it else.
    pub fn read(frame: &Arrived<'_>) -> Result<Self, &'static str> {
        let rest = frame.body.strip_prefix(MAGIC).filter(|_| frame.kind == ask::HELLO);
        let rest = rest.ok_or("whoever asks is no esker")?;
        let (version, rest) = rest.split_first_chunk().ok_or("a greeting is cut off")?;
        if u16::from_le_bytes(*version) != VERSION {
            return Err(
                "the two programs speak different versions: use the same esker on both sides",
            );
        }
        let (opening, path) = rest.split_first().ok_or("a greeting is cut off")?;
        let opening = match opening {
            0 => Opening::Open,
            1 => Opening::Create,
            2 => Opening::Resume,
            _ => return Err("a greeting asks for something unknown"),
        };
        let path = std::str::from_utf8(path).map_err(|_| "a path is no text")?;
        if path.is_empty() || path.len() > PATH_MAX || path.contains('\0') {
            return Err("a path is empty or too long");
        }
        Ok(Self { opening, path: path.to_owned() })
    }
}

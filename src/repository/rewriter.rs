//! Chunks of old packs, written into new ones: what collections and repairs do with packs that they take out of use.

use crate::repository::Repository;
use crate::repository::access::Access;
use crate::repository::error::Result;
use crate::repository::frame_writer::FrameWriter;
use crate::repository::packer::Packer;
use esker_format::frame::FrameType;
use esker_format::ids::{ChunkId, SessionId};
use esker_format::segment::SegmentPack;
use std::sync::Arc;

/// Writes chunks into new packs of one scope, those of files and those of pages into frames of their own.
pub struct Rewriter {
    access: Arc<Access>,
    packer: Packer,
    data: FrameWriter,
    pages: FrameWriter,
}

impl Rewriter {
    /// One that has written nothing yet; its packs are of this session.
    pub fn new(repository: &Repository, access: &Arc<Access>, session: SessionId) -> Self {
        let (store, access) = (repository.shared_store(), Arc::clone(access));
        let packer = Packer::new(store, Arc::clone(&access), session, 1, None);
        Self { access, packer, data: FrameWriter::data(0), pages: FrameWriter::pages() }
    }

    /// The id of a chunk.
    pub fn id(&self, frame_type: FrameType, bytes: &[u8]) -> ChunkId {
        let keys = &self.access.scope_keys;
        match frame_type {
            FrameType::Data => keys.data_id(bytes),
            FrameType::Page => keys.page_id(bytes),
        }
    }

    /// Writes a chunk that has this id.
    ///
    /// # Errors
    /// When the store fails.
    pub fn write(&mut self, frame_type: FrameType, id: ChunkId, bytes: &[u8]) -> Result<()> {
        let writer = match frame_type {
            FrameType::Data => &mut self.data,
            FrameType::Page => &mut self.pages,
        };
        writer.space(bytes.len(), &self.packer)?.copy_from_slice(bytes);
        writer.keep(id, bytes.len());
        Ok(())
    }

    /// Closes all packs; returns them.
    ///
    /// # Errors
    /// When the store fails.
    pub fn finish(mut self) -> Result<Vec<SegmentPack>> {
        self.data.flush(&self.packer)?;
        self.pages.flush(&self.packer)?;
        self.packer.finish()?;
        Ok(self.packer.take_done())
    }
}

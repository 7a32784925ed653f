//! Pages of path maps that were decoded last: whoever lists a directory or looks names up comes back to
//! the same ones.

use crate::repository::chunks::Chunks;
use crate::repository::error::Result;
use crate::repository::map::read_page;
use crate::repository::packer::lock;
use esker_format::ids::ChunkId;
use esker_format::page::{Page, PageRef};
use std::sync::{Arc, Mutex};

/// Pages kept; one is some 32 KiB, and a few times that decoded.
const KEPT: usize = 32;

/// The pages.
#[derive(Default)]
pub struct Pages {
    /// Most recently used first, with the scope that they were read in.
    kept: Mutex<Vec<(u32, ChunkId, Arc<Page>)>>,
}

impl Pages {
    /// A page that is here already.
    pub fn kept(&self, scope: u32, reference: &PageRef) -> Option<Arc<Page>> {
        let mut kept = lock(&self.kept);
        let this = |(of, id, _): &(u32, ChunkId, Arc<Page>)| (*of, *id) == (scope, reference.page);
        let at = kept.iter().position(this)?;
        kept[..=at].rotate_right(1);
        kept.first().map(|(.., page)| Arc::clone(page))
    }

    /// Reads a page and keeps it.
    ///
    /// # Errors
    /// When it is missing or damaged, or not what its reference says.
    pub fn read(
        &self,
        chunks: &mut Chunks,
        scope: u32,
        reference: &PageRef,
        level: u8,
    ) -> Result<Arc<Page>> {
        let page = Arc::new(read_page(chunks, reference, level)?);
        let mut kept = lock(&self.kept);
        kept.truncate(KEPT - 1);
        kept.insert(0, (scope, reference.page, Arc::clone(&page)));
        Ok(page)
    }
}

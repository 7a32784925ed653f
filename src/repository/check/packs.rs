//! Reading all packs, several at a time, and checking every chunk in them.

use crate::repository::access::Access;
use crate::repository::check::objects::message;
use crate::repository::check::{Bad, Finding, Progress, Report};
use crate::repository::error::{Error, Result};
use crate::repository::state::Pack;
use crate::repository::{Lookup, Repository};
use crate::store::Store;
use esker_format::checkpoint::PackState;
use esker_format::codec::Decompressor;
use esker_format::data_key::decapsulate;
use esker_format::envelope::{Header, Kind};
use esker_format::frame::{FrameKey, FrameType};
use esker_format::ids::{Named, PackId};
use esker_format::limits::PACK_MAX;
use esker_format::{FormatError, names, pack};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What reading one pack gave.
#[derive(Debug, Default)]
pub struct Scanned {
    /// What is wrong with it as a whole.
    whole: Option<String>,
    /// Frames that are wrong, and how.
    frames: Vec<(u32, String)>,
    /// Chunks that are right.
    chunks: u64,
    /// Bytes read.
    bytes: u64,
    /// Why it could not be read at all, though it may be as sound as ever.
    unreadable: Option<Error>,
}

impl Scanned {
    /// Chunks that are right.
    pub const fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Why it could not be read at all, though it may be as sound as ever.
    pub const fn take_unreadable(&mut self) -> Option<Error> {
        self.unreadable.take()
    }

    /// Frames that are not.
    pub fn bad_frames(&self) -> impl Iterator<Item = u32> {
        self.frames.iter().map(|(frame, _)| *frame)
    }
}

/// Reads all packs that are there.
pub fn read(
    repository: &Repository,
    threads: usize,
    report: &mut Report,
    bad: &mut Bad,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<()> {
    let packs = &repository.state().packs;
    let wanted: Vec<u32> =
        (0..packs.len() as u32).filter(|o| is_there(&packs[*o as usize], *o, bad)).collect();
    let total = wanted.iter().map(|o| packs[*o as usize].len).sum();
    progress.of_bytes.store(total, Ordering::Relaxed);
    let next = AtomicUsize::new(0);
    let scan = |mut scanner: Scanner| -> Result<Vec<(u32, Scanned)>> {
        let mut out = Vec::new();
        while let Some(ordinal) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let scanned = scanner.scan(packs[*ordinal as usize].id, *ordinal)?;
            progress.bytes.fetch_add(scanned.bytes, Ordering::Relaxed);
            out.push((*ordinal, scanned));
        }
        Ok(out)
    };
    let results = std::thread::scope(|scope| {
        let mut running = Vec::new();
        for _ in 0..threads {
            let scanner = Scanner::new(repository)?;
            let scan = &scan;
            running.push(scope.spawn(move || scan(scanner)));
        }
        running
            .into_iter()
            .map(|t| t.join().map_err(|_| Error::Thread)?)
            .collect::<Result<Vec<_>>>()
    })?;
    let mut all: Vec<(u32, Scanned)> = results.into_iter().flatten().collect();
    all.sort_by_key(|(ordinal, _)| *ordinal);
    let needed = repository.state().needed();
    for (ordinal, scanned) in all {
        let name = names::pack(packs[ordinal as usize].id);
        let finding = |message: String| match needed[ordinal as usize] {
            true => Finding::Object { name: name.clone(), message },
            false => {
                let message = format!("{message}, and no snapshot needs it that is not forgotten");
                Finding::Leftover { name: name.clone(), message }
            }
        };
        report.chunks += scanned.chunks;
        report.bytes += scanned.bytes;
        if let Some(message) = scanned.whole {
            report.findings.push(finding(message));
            // A pack whose frames all open has lost nothing but its name or directory.
            if scanned.chunks == 0 && scanned.frames.is_empty() {
                bad.packs.insert(ordinal);
            }
        }
        for (frame, message) in scanned.frames {
            bad.frames.insert((ordinal, frame));
            report.findings.push(finding(format!("frame {frame} {message}")));
        }
    }
    Ok(())
}

fn is_there(pack: &Pack, ordinal: u32, bad: &Bad) -> bool {
    pack.state != PackState::Deleting && !bad.packs.contains(&ordinal)
}

/// Reads packs; with memory that one thread reuses from pack to pack.
pub struct Scanner {
    store: Arc<dyn Store>,
    access: Arc<Access>,
    lookup: Lookup,
    object: Vec<u8>,
    plain: Vec<u8>,
    zstd: Decompressor,
}

impl Scanner {
    /// A reader of its own for one thread.
    ///
    /// # Errors
    /// When the index database fails.
    pub fn new(repository: &Repository) -> Result<Self> {
        Ok(Self {
            store: repository.shared_store(),
            access: Arc::clone(&repository.access),
            lookup: repository.lookup_in_all()?,
            object: Vec::new(),
            plain: Vec::new(),
            zstd: Decompressor::default(),
        })
    }

    /// Reads a pack and checks every chunk in it, as far as anything tells what it has.
    ///
    /// # Errors
    /// When store or index fail; damage is in what it returns.
    pub fn scan(&mut self, id: PackId, ordinal: u32) -> Result<Scanned> {
        let mut out = Scanned::default();
        match self.store.get(&names::pack(id), PACK_MAX as u64, &mut self.object) {
            Ok(()) => {}
            Err(error) => {
                let error = Error::from_part(error);
                if !error.is_damage() {
                    return Err(error);
                }
                out.whole = Some(message(&error));
                out.unreadable = Some(error).filter(|e| matches!(e, Error::Unreadable { .. }));
                return Ok(out);
            }
        }
        out.bytes = self.object.len() as u64;
        if let Err(error) = id.check("pack", &self.object) {
            out.whole = Some(format!("is damaged: {error}"));
        }
        // Damage somewhere does not keep the frames elsewhere from being checked: the index has
        // a directory too, and the one in the pack is only the second witness.
        match self.own_directory() {
            Ok(()) => {}
            Err(error) => {
                out.whole.get_or_insert_with(|| format!("is damaged: {error}"));
            }
        }
        let Some(known) = self.lookup.pack_if_there(ordinal)? else {
            out.whole.get_or_insert_with(|| "is not in the index".to_owned());
            return Ok(out);
        };
        let access = &self.access;
        let keys = access.scope_keys_of(known.scope)?;
        let opened = Header::decode(&known.pack.header).and_then(|(h, _)| {
            h.expect(Kind::Pack, access.repository)?;
            // Only an owner gets here.
            let reading =
                access.reading().map_err(|_| FormatError::NotAuthentic { what: "key" })?;
            decapsulate(&h, reading, &access.epoch_secret)
        });
        let key = match opened {
            Ok(key) => FrameKey::new(key, &known.pack.header),
            Err(error) => {
                out.whole.get_or_insert_with(|| format!("is damaged: {error}"));
                return Ok(out);
            }
        };
        let mut chunks = known.pack.chunks.iter();
        for number in 0..known.pack.frames.len() as u32 {
            let Some((head, offset)) = known.frame(number) else { break };
            let mine: Vec<_> = chunks.by_ref().take(head.chunks as usize).collect();
            let start = offset as usize;
            let Some(sealed) = self.object.get_mut(start..start + head.sealed_len as usize) else {
                out.frames.push((number, "is cut off".to_owned()));
                continue;
            };
            if let Err(error) = key.open(number, &head, sealed, &mut self.zstd, &mut self.plain) {
                out.frames.push((number, format!("is damaged: {error}")));
                continue;
            }
            let mut at = 0;
            for (prefix, len) in mine {
                let end = at + *len as usize;
                let bytes = &self.plain[at..end];
                let found = match head.frame_type {
                    FrameType::Data => keys.data_id(bytes),
                    FrameType::Page => keys.page_id(bytes),
                };
                if found.as_bytes()[..16] == *prefix {
                    out.chunks += 1;
                } else {
                    out.frames.push((number, "has a chunk that does not match its id".to_owned()));
                }
                at = end;
            }
        }
        Ok(out)
    }

    /// Checks the directory at the end of the pack that was read.
    fn own_directory(&self) -> std::result::Result<(), FormatError> {
        let access = &self.access;
        let (header, _) = Header::decode(&self.object)?;
        // Only an owner gets here.
        let keys = access.scope_keys_of(header.scope);
        let keys = keys.map_err(|_| FormatError::NotAuthentic { what: "key" })?;
        let (header, _, _) = pack::decode_pack(&self.object, &keys.segment)?;
        header.expect(Kind::Pack, access.repository)
    }
}

//! Every limit of the format, once, with its reason. A decoder checks a size against its limit
//! before it allocates; an encoder never makes what a decoder would refuse.

/// Fixed part of every object header, in bytes.
pub const HEADER_LEN: usize = 80;
/// Fixed header and its TLVs, in bytes: room for a dozen recipients with post-quantum capsules.
pub const HEADER_MAX: usize = 64 * 1024;
/// One chunk of data: the largest maximum of any chunking profile, with room for larger ones.
pub const CHUNK_MAX: usize = 16 << 20;
/// Plaintext of one frame. A frame holds at least one chunk, so it can be no smaller than one.
pub const FRAME_MAX: usize = CHUNK_MAX;
/// Frames in one pack: 64 MiB of frames that hold a few KiB each.
pub const PACK_FRAMES_MAX: usize = 16 * 1024;
/// Chunks in one pack: 64 MiB of one-page chunks.
pub const PACK_CHUNKS_MAX: usize = 1 << 20;
/// One pack object, in bytes. Writers close a pack at 16 MiB; the rest is room for other stores.
pub const PACK_MAX: usize = 256 << 20;
/// One page of a path map or content list, in bytes: 1,024 entries of the largest size.
pub const PAGE_MAX: usize = 8 << 20;
/// Entries of a page before a cut is considered: keeps pages from degenerating.
pub const PAGE_ENTRIES_MIN: usize = 64;
/// Entries of a page at most.
pub const PAGE_ENTRIES_MAX: usize = 1024;
/// Key bytes of a path-map page at most, because parents can be 64 KiB each.
pub const PAGE_KEYS_MAX: usize = 1 << 20;
/// Levels of a path map or content list: 64^10 entries are more than any file system holds.
pub const LEVELS_MAX: u8 = 10;
/// One name inside a directory (NAME_MAX of Linux).
pub const NAME_MAX: usize = 255;
/// A whole parent path in bytes: sixteen times PATH_MAX.
pub const PATH_MAX: usize = 65_535;
/// Components of a path.
pub const DEPTH_MAX: usize = 16_384;
/// Target of a symbolic link (PATH_MAX of Linux).
pub const LINK_TARGET_MAX: usize = 4096;
/// Owner and group names.
pub const OWNER_NAME_MAX: usize = 255;
/// Content stored inside the node: below this an id and its index rows cost more than the bytes.
pub const INLINE_MAX: usize = 256;
/// Unknown fields of one node: more would make a full page longer than [`PAGE_MAX`].
pub const NODE_EXTRA_MAX: usize = 512;
/// Content references inside a node; a longer list goes to list pages.
pub const ITEMS_INLINE_MAX: usize = 16;
/// Extended attributes (names and values) inside a node; larger sets go out of line.
pub const XATTRS_INLINE_MAX: usize = 512;
/// Extended attributes of one file in all: what fits a page with the heads of 65,536 of them.
/// Linux allows 64 KiB a value and 64 KiB of names.
pub const XATTRS_MAX: usize = 7 << 20;
/// Number of extended attributes of one file.
pub const XATTRS_COUNT_MAX: usize = 65_536;
/// Body of a log entry, before sealing.
pub const ENTRY_MAX: usize = 4 << 20;
/// A manifest, before sealing.
pub const MANIFEST_MAX: usize = 16 << 20;
/// A segment, before sealing.
pub const SEGMENT_MAX: usize = 64 << 20;
/// What writers put into one segment: a reader has all of it in memory, several times.
pub const SEGMENT_WRITTEN: usize = 8 << 20;
/// A checkpoint, before sealing.
pub const CHECKPOINT_MAX: usize = 256 << 20;
/// The log entry that a checkpoint brings along: it enrols a writer, and has some hundred bytes.
pub const ENROLMENT_MAX: usize = 32 << 10;
/// Tokens that a reader remembers: a request that is repeated comes soon after its first try.
pub const TOKENS_KEPT: usize = 1024;
/// Checkpoints whose names a reader remembers: those that there may be, and some that are left over.
pub const CHECKPOINTS_NAMED: usize = 16;
/// The config, before sealing.
pub const CONFIG_MAX: usize = 64 * 1024;
/// A key slot or key file.
pub const SLOT_MAX: usize = 64 * 1024;
/// Argon2 memory that a slot may ask for, in KiB: a hostile slot must not exhaust the machine.
pub const ARGON_MEMORY_MAX_KIB: u32 = 2 << 20;
/// Argon2 passes that a slot may ask for.
pub const ARGON_TIME_MAX: u32 = 16;
/// Argon2 lanes that a slot may ask for.
pub const ARGON_LANES_MAX: u32 = 16;
/// Nesting of CBOR values that a decoder skips over.
pub const CBOR_DEPTH_MAX: u32 = 8;
/// Text fields (labels, host names, tags, reasons).
pub const TEXT_MAX: usize = 64 * 1024;
/// Tags of a snapshot. The limits of lists keep what a decoder takes near the size of its input.
pub const TAGS_MAX: usize = 1024;
/// Paths that one snapshot was asked to save.
pub const PATHS_MAX: usize = 65_536;
/// Problems that a manifest lists; there may be more.
pub const PROBLEMS_MAX: usize = 16_384;
/// Packs with replacements in one mark.
pub const REPLACEMENTS_MAX: usize = 65_536;
/// Pack sets that one narrow shrinks.
pub const NARROWED_MAX: usize = 65_536;

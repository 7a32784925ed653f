"""Segments, packs and chunks: docs/format.md, sections 14 and 15."""

from collections import OrderedDict, namedtuple

from canonical import Damaged, FormatError, Misplaced, Newer, need
from objects import (HEADER_MAX, PACK, SEGMENT, H, aead_open, decompress, expect, le, number, open_body,
                     open_data_key, parse_header)

DATA, PAGE = 1, 2
CHUNK_MAX = FRAME_MAX = 16 << 20
PACK_MAX = 256 << 20
FRAMES_MAX, CHUNKS_MAX = 16 * 1024, 1 << 20
Frame = namedtuple("Frame", "kind codec sealed plain chunks")
Place = namedtuple("Place", "pack frame offset length")


def frame_rows(data):
    rows = []
    for at in range(0, len(data), 16):
        kind, codec = data[at], data[at + 1]
        need(data[at + 2 : at + 4] == bytes(2), "a frame feature is not known", Newer)
        need(kind in (DATA, PAGE), f"frame type {kind} is not known", Newer)
        need(codec in (0, 1), f"codec {codec} is not known", Newer)
        rows.append(Frame(kind, codec, number(data, at + 4), number(data, at + 8), number(data, at + 12)))
    return rows


def check_frames(frames, lengths):
    """The chunks fill the frames exactly."""
    at = 0
    for frame in frames:
        need(frame.plain <= FRAME_MAX, "frame: over its limit")
        packed = frame.sealed - 16
        need(frame.chunks > 0 and packed > 0, "an empty frame")
        need(packed == frame.plain if frame.codec == 0 else packed < frame.plain, "a length that the codec does not make")
        need(at + frame.chunks <= len(lengths), "fewer chunks than the frames say")
        mine = lengths[at : at + frame.chunks]
        need(all(0 < n <= CHUNK_MAX for n in mine), "chunk: empty or over its limit")
        need(sum(mine) == frame.plain, "chunks do not fill their frame")
        at += frame.chunks
    need(at == len(lengths), "more chunks than the frames say")


class PackRow:
    """What a segment says of a pack."""

    def __init__(self, pack, length, raw, frames, prefixes, lengths):
        self.id, self.length, self.frames, self.prefixes, self.lengths = pack, length, frames, prefixes, lengths
        self.header = parse_header(raw)
        need(self.header.kind == PACK and len(self.header.raw) == len(raw), "not the header of a pack", Misplaced)
        need(pack_fits(self), "frames do not fit their pack")
        self.data_key = None

    def open(self, data, i, keys):
        """The plaintext of frame `i`, from the bytes of the pack."""
        if self.data_key is None:
            self.data_key = open_data_key(self.header, keys)
        frame = self.frames[i]
        at = len(self.header.raw) + sum(f.sealed for f in self.frames[:i])
        bind = (H(self.header.raw) + le(i) + bytes([frame.kind, frame.codec]) + le(frame.plain) + le(frame.chunks))
        sealed = data[at : at + frame.sealed]
        plain = aead_open(self.data_key, le(i) + bytes(20), bind, sealed, "frame")
        return decompress(frame.codec, plain, frame.plain, FRAME_MAX, "frame")

    def places(self):
        """(prefix, frame type, place) of each chunk."""
        at = 0
        for i, frame in enumerate(self.frames):
            offset = 0
            for _ in range(frame.chunks):
                yield self.prefixes[at], frame.kind, Place(self, i, offset, self.lengths[at])
                offset += self.lengths[at]
                at += 1


def pack_fits(row):
    least = len(row.header.raw) + sum(f.sealed for f in row.frames) + 45 + 16
    return least <= row.length <= PACK_MAX


def parse_segment(data, repository, keys):
    header = parse_header(data)
    expect(header, SEGMENT, repository)
    payload = open_body(keys.segment_key(header.scope), header.raw, data[len(header.raw) :], 64 << 20, "segment")
    at, packs = 0, []

    def take(n):
        nonlocal at
        need(at + n <= len(payload), "segment: wrong length")
        at += n
        return payload[at - n : at]

    for _ in range(number(take(4), 0)):
        pack, length = take(32), number(take(8), 0, 8)
        head, frames, chunks = (number(take(4), 0) for _ in range(3))
        need(head <= HEADER_MAX and frames <= FRAMES_MAX and chunks <= CHUNKS_MAX, "segment: over its limit")
        raw = take(head)
        rows = frame_rows(take(16 * frames))
        prefixes, lengths = take(16 * chunks), take(4 * chunks)
        prefixes = [prefixes[i : i + 16] for i in range(0, len(prefixes), 16)]
        lengths = [number(lengths, i) for i in range(0, len(lengths), 4)]
        check_frames(rows, lengths)
        packs.append(PackRow(pack, length, raw, rows, prefixes, lengths))
        expect(packs[-1].header, PACK, repository)
        need(packs[-1].header.scope == header.scope, "a pack of another scope", Misplaced)
    need(at == len(payload), "segment: bytes behind its end")
    return packs


def parse_directory(data, repository, keys):
    """Header, frames and chunks of a whole pack."""
    header = parse_header(data)
    expect(header, PACK, repository)
    need(len(data) <= PACK_MAX and len(data) >= len(header.raw) + 16, "pack: wrong length")
    need(data[-8:] == b"eskrpack" and data[-12:-8] == bytes(4), "not the end of a pack")
    start = len(data) - 16 - number(data, len(data) - 16)
    need(start >= len(header.raw), "pack: wrong length")
    limit = 8 + FRAMES_MAX * 16 + CHUNKS_MAX * 36
    key = keys.segment_key(header.scope)
    payload = open_body(key, header.raw, data[start:-16], limit, "pack directory")
    need(len(payload) >= 8, "pack directory: wrong length")
    frames, chunks = number(payload, 0), number(payload, 4)
    need(frames <= FRAMES_MAX and chunks <= CHUNKS_MAX, "pack directory: over its limit")
    ids_at = 8 + 16 * frames
    lengths_at = ids_at + 32 * chunks
    need(len(payload) == lengths_at + 4 * chunks, "pack directory: wrong length")
    rows = frame_rows(payload[8:ids_at])
    ids = [payload[i : i + 32] for i in range(ids_at, lengths_at, 32)]
    lengths = [number(payload, i) for i in range(lengths_at, len(payload), 4)]
    check_frames(rows, lengths)
    need(len(header.raw) + sum(f.sealed for f in rows) == start, "pack: its parts do not fill it")
    return header, rows, ids, lengths


class Chunks:
    """Finds chunks by the live segments and reads them."""

    def __init__(self, store, state, keys):
        self.store, self.keys, self.reports = store, keys, []
        self.frames, self.packs = OrderedDict(), OrderedDict()
        self.index, self.rows = {}, []
        for segment in state.segments:
            try:
                data = store.get(f"index/{segment.hex()}", segment)
                self.rows += parse_segment(data, keys.repository, keys)
            except (FormatError, OSError) as error:
                self.reports.append(f"segment {segment.hex()}: {error}")
        for row in self.rows:
            for prefix, kind, place in row.places():
                self.index.setdefault((prefix, kind), []).append(place)

    def read(self, chunk, kind, length):
        """The chunk, from the first place that has it."""
        errors = []
        for place in self.index.get((chunk[:16], kind), []):
            try:
                need(place.length == length, "another length")
                frame = self.frame(place.pack, place.frame)
                plain = frame[place.offset : place.offset + place.length]
                scope = place.pack.header.scope
                need(self.keys.chunk_id(scope, kind, plain) == chunk, "another chunk", Damaged)
                return plain
            except (FormatError, OSError) as error:
                errors.append(f"in pack {place.pack.id.hex()}: {error}")
        raise Damaged(f"chunk {chunk.hex()} is lost: " + ("; ".join(errors) or "no segment has it"))

    def frame(self, pack, i):
        key = (pack.id, i)
        if key not in self.frames:
            self.frames[key] = pack.open(self.pack(pack), i, self.keys)
            if len(self.frames) > 8:
                self.frames.popitem(last=False)
        self.frames.move_to_end(key)
        return self.frames[key]

    def pack(self, row):
        if row.id not in self.packs:
            data = self.store.pack(row.id)
            need(len(data) == row.length, "pack: wrong length", Damaged)
            self.packs[row.id] = data
            if len(self.packs) > 4:
                self.packs.popitem(last=False)
        self.packs.move_to_end(row.id)
        return self.packs[row.id]

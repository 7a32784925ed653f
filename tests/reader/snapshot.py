"""Manifests, the path map, nodes and content: docs/format.md, sections 16 to 18."""

from canonical import (Field, FormatError, Newer, decode, exactly, listed, need, one_of, pair, raw,
                       record, text, time, u32, u64)
from chunks import CHUNK_MAX, DATA, PAGE
from objects import MANIFEST, expect, open_body, open_data_key, parse_header

PAGE_MAX = 8 << 20
LEVELS_MAX, ENTRIES_MAX = 10, 1024
ID16, ID32 = exactly(16), exactly(32)

REFERENCE = record([Field(0, "parent", raw()), Field(1, "name", raw()), Field(2, "page", ID32),
                    Field(3, "page_len", u64), Field(4, "entries", u64), Field(5, "bytes", u64)])
COUNTS = record([Field(i, n, u64) for i, n in enumerate(
    ["files", "directories", "others", "bytes", "new", "changed", "unchanged", "added", "stored", "removed"])])
POSITION = record([
    Field(0, "chain", raw()), Field(1, "timeline", u32, "none"), Field(2, "first", raw(), "none"),
    Field(3, "last", raw(), "none"), Field(4, "previous", raw(), "none"),
    Field(5, "transactions", raw(), "none"), Field(6, "first_time", time, "none"),
    Field(7, "last_time", time, "none")])
SUMMARY = record([
    Field(0, "series", ID16), Field(1, "host", text), Field(2, "label", text), Field(3, "tags", text, "list", 1024),
    Field(4, "paths", raw(), "list", 65536), Field(5, "start", time), Field(6, "end", time), Field(7, "counts", COUNTS),
    Field(8, "problems", u64), Field(9, "base", ID32, "none"), Field(10, "position", POSITION, "none"),
    Field(11, "requires", ID32, "list"), Field(12, "replaces", ID32, "none")])
PROBLEM = record([Field(0, "path", raw()), Field(1, "message", text)])
MANIFEST_RECORD = record([
    Field(0, "summary", SUMMARY), Field(1, "root", lambda value: page_reference(value), "none"), Field(2, "root_level", u32),
    Field(3, "profiles", u32, "list"), Field(4, "problems", PROBLEM, "list", 16384), Field(5, "program", text)])


def ascends(values):
    return all(a < b for a, b in zip(values, values[1:]))


def read_manifest(store, snapshot, keys):
    data = store.get(f"snapshot/{snapshot.hex()}", snapshot)
    header = parse_header(data)
    expect(header, MANIFEST, keys.repository)
    key = open_data_key(header, keys)
    payload = open_body(key, header.raw, data[len(header.raw) :], 16 << 20, "manifest")
    manifest = MANIFEST_RECORD(decode(payload, 16 << 20, "manifest"))
    need(manifest["root_level"] <= LEVELS_MAX, "manifest: too many levels")
    need(ascends(manifest["profiles"]) and ascends(manifest["summary"]["tags"]), "manifest: a list is not in order")
    need(manifest["root"] or manifest["root_level"] == 0, "manifest: a level without a page")
    need(len(manifest["problems"]) <= manifest["summary"]["problems"], "manifest: more problems than counted")
    return manifest


def open_summary(snapshot, keys):
    """The summary in the commit of a snapshot, sealed for its session."""
    key, bound = keys.summary_key(snapshot.scope), keys.repository + snapshot.session
    return SUMMARY(decode(open_body(key, bound, snapshot.summary, 16 << 20, "summary"), 16 << 20, "summary"))


# Nodes

LIST_ROOT = record([Field(0, "page", ID32), Field(1, "page_len", u64), Field(2, "level", u32),
                    Field(3, "items", u64), Field(4, "bytes", u64)])
LIST_REF = record([Field(0, "page", ID32), Field(1, "page_len", u64), Field(2, "items", u64), Field(3, "bytes", u64)])
KINDS = {1: "directory", 2: "file", 3: "symlink", 4: "fifo", 5: "socket", 6: "block-device", 7: "char-device",
         8: "stream", 9: "image"}
FIDELITIES = {1: "changed", 2: "damaged", 3: "grew", 4: "unreadable"}
CONTENT_KINDS, DEVICE_KINDS = ("file", "stream", "image"), ("block-device", "char-device")


def item(value):
    """(length, chunk id) or (length, "hole" | "zero" | "lost")."""
    length, what = pair(u64, lambda x: x)(value)
    need(0 < length < 1 << 64, "an empty content item")
    if isinstance(what, bytes):
        need(length <= CHUNK_MAX, "chunk: over its limit")
        return (length, ID32(what))
    return (length, one_of("content item", {1: "hole", 2: "zero", 3: "lost"})(what))


def content(value):
    if isinstance(value, bytes):
        need(1 <= len(value) <= 256, "inline content: empty or over its limit")
        return value
    if isinstance(value, list):
        need(1 <= len(value) <= 16, "content items: none or over their limit")
        return [item(x) for x in value]
    root = LIST_ROOT(value)
    need(root["items"] > 16 and root["bytes"] >= root["items"], "content list: impossible counts")
    need(root["level"] <= LEVELS_MAX and 1 <= root["page_len"] <= PAGE_MAX, "content list: over its limit")
    return root


def list_reference(value):
    out = LIST_REF(value)
    need(1 <= out["items"] <= out["bytes"] and 1 <= out["page_len"] <= PAGE_MAX, "list page: impossible counts")
    return out


def page_reference(value):
    out = REFERENCE(value)
    check_key(out["parent"], out["name"])
    need(out["entries"] > 0 and 1 <= out["page_len"] <= PAGE_MAX, "page: impossible counts")
    return out


def attributes(value, limit, count=65536):
    out = listed(pair(raw(), raw()))(value)
    need(out and len(out) <= count, "extended attributes: none or over their limit")
    need(ascends([name for name, _ in out]), "extended attributes are not in order")
    need(all(1 <= len(name) <= 255 and 0 not in name for name, _ in out), "an impossible attribute name")
    need(sum(len(n) + len(v) for n, v in out) <= limit, "extended attributes: over their limit")
    return out


def xattrs(value):
    if isinstance(value, list):
        return attributes(value, 512)
    need(isinstance(value, dict) and set(value) == {0, 1}, "extended attributes: not a page")
    need(1 <= u64(value[1]) <= PAGE_MAX, "page: empty or over its limit")
    return (ID32(value[0]), value[1])


NODE = record([
    Field(0, "kind", one_of("kind of node", KINDS)), Field(1, "mode", u32), Field(2, "uid", u32),
    Field(3, "gid", u32), Field(4, "user", raw(255), "none"), Field(5, "group", raw(255), "none"),
    Field(6, "mtime", time), Field(7, "size", u64, "none"), Field(8, "content", content, "none"),
    Field(9, "target", raw(4096), "none"), Field(10, "device", pair(u32, u32), "none"),
    Field(11, "xattrs", xattrs, "none"), Field(12, "links", ID16, "none"),
    Field(13, "fidelity", one_of("fidelity", FIDELITIES), "none")])


def content_len(value):
    if isinstance(value, bytes):
        return len(value)
    total = value["bytes"] if isinstance(value, dict) else sum(length for length, _ in value)
    need(total < 1 << 64, "content: longer than 64 bits")
    return total


def node(value):
    out = NODE(value)
    kind, size = out["kind"], out["size"]
    need(out["mode"] <= 0o7777, "mode beyond 7777")
    need((size is not None) == (kind in CONTENT_KINDS), "size does not fit the kind")
    if out["content"] is not None:
        need(kind in CONTENT_KINDS, "content does not fit the kind")
        need(content_len(out["content"]) == size, "size and content differ")
    else:
        need(not size or out["fidelity"] == "unreadable", "a size without content")
    need((out["target"] is not None) == (kind == "symlink"), "link target does not fit the kind")
    if out["target"] is not None:
        need(out["target"] and 0 not in out["target"], "an impossible link target")
    need((out["device"] is not None) == (kind in DEVICE_KINDS), "device number does not fit the kind")
    need(out["links"] is None or kind != "directory", "a directory with several names")
    return out


# The map

def check_name(name):
    need(1 <= len(name) <= 255 and name not in (b".", b".."), "an impossible name")
    need(b"/" not in name and 0 not in name, "an impossible name")


def check_parent(parent):
    if parent:
        need(len(parent) <= 65535 and parent.count(0) < 16384, "parent path: over its limit")
        for component in parent.split(b"\0"):
            check_name(component)


def check_key(parent, name):
    if (parent, name) != (b"", b""):
        check_parent(parent)
        check_name(name)


def leaf_entries(groups):
    """[((parent, name), node)] of a leaf, in order."""
    need(isinstance(groups, list), "a page was expected")
    out = []
    for group in groups:
        parent, entries = pair(raw(65535), listed(pair(raw(255), lambda x: x)))(group)
        need(entries, "an empty group")
        need(not out or out[-1][0][0] < parent, "keys are not in order")
        for name, value in entries:
            check_key(parent, name)
            need(not out or out[-1][0] < (parent, name), "keys are not in order")
            out.append(((parent, name), node(value)))
    need(1 <= len(out) <= ENTRIES_MAX, "page: empty or over its limit")
    check_key_bytes([key for key, _ in out])
    return out


def check_key_bytes(keys):
    """A page may pass the limit with its last key only."""
    need(sum(len(p) + len(n) for p, n in keys[:-1]) < 1 << 20, "keys of a page: over their limit")


def page_parts(chunks, page, length, level, what):
    need(length <= PAGE_MAX, f"{what}: over its limit")
    value = decode(chunks.read(page, PAGE, length), PAGE_MAX, what)
    got, rest = pair(u64, lambda x: x)(value)
    need(got == level, f"{what}: on another level than its reference says")
    return rest


def walk(chunks, reference, level, wanted=None):
    """All entries below a page in map order; `wanted(first, last)` says which pages to skip."""
    rest = page_parts(chunks, reference["page"], reference["page_len"], level, "page")
    first = (reference["parent"], reference["name"])
    if level == 0:
        entries = leaf_entries(rest)
        need(entries[0][0] == first, "page: another first key than its reference says")
        need(len(entries) == reference["entries"], "page: other entries than its reference says")
        need(sum(n["size"] or 0 for _, n in entries) == reference["bytes"], "page: other bytes than its reference says")
        yield from entries
        return
    pages = listed(page_reference)(rest)
    need(1 <= len(pages) <= ENTRIES_MAX, "page: empty or over its limit")
    keys = [(p["parent"], p["name"]) for p in pages]
    check_key_bytes(keys)
    need(ascends(keys) and keys[0] == first, "page: keys are not in order")
    need(sum(p["entries"] for p in pages) == reference["entries"], "page: other entries than its reference says")
    need(sum(p["bytes"] for p in pages) == reference["bytes"], "page: other bytes than its reference says")
    for page in pages:
        yield from walk(chunks, page, level - 1)


def entries(chunks, manifest):
    """The whole map, in order."""
    if manifest["root"] is None:
        return
    last = None
    for key, value in walk(chunks, manifest["root"], manifest["root_level"]):
        need(last is None or last < key, "page: keys are not in order")
        last = key
        yield key, value


def items(chunks, value):
    """The items of a content, whatever its form: (length, bytes | id | word)."""
    if isinstance(value, bytes):
        yield (len(value), None, value)
    elif isinstance(value, list):
        yield from ((length, what, None) for length, what in value)
    elif value is not None:
        yield from ((length, what, None) for length, what in list_items(chunks, value, value["level"]))


def list_items(chunks, reference, level):
    rest = page_parts(chunks, reference["page"], reference["page_len"], level, "list page")
    parts = listed(item if level == 0 else list_reference)(rest)
    need(1 <= len(parts) <= ENTRIES_MAX, "list page: empty or over its limit")
    if level == 0:
        got = (len(parts), sum(length for length, _ in parts))
    else:
        got = (sum(p["items"] for p in parts), sum(p["bytes"] for p in parts))
    need(got == (reference["items"], reference["bytes"]), "list page: other content than its reference says")
    for part in parts:
        if level == 0:
            yield part
        else:
            yield from list_items(chunks, part, level - 1)


def pieces(chunks, value):
    """The bytes of a content: (length, bytes) or (length, "hole" | "zero" | "lost")."""
    for length, what, inline in items(chunks, value):
        if isinstance(what, bytes):
            yield length, chunks.read(what, DATA, length)
        else:
            yield length, inline if inline is not None else what


def xattrs_of(chunks, value):
    """The extended attributes of a node, from its page if they have one."""
    if value["xattrs"] is None:
        return []
    if isinstance(value["xattrs"], tuple):
        page, length = value["xattrs"]
        return attributes(decode(chunks.read(page, PAGE, length), PAGE_MAX, "extended attributes"), 7 << 20)
    return value["xattrs"]


def path_of(key):
    parent, name = key
    return b"/" + (parent.replace(b"\0", b"/") + b"/" if parent else b"") + name


def key_of(path):
    parts = [p for p in path.split(b"/") if p]
    return (b"\0".join(parts[:-1]), parts[-1]) if parts else (b"", b"")


def is_below(key, ancestor):
    """Whether `key` lies below `ancestor`, and is not it."""
    below = b"\0".join(p for p in ancestor if p)
    if key == ancestor:
        return False
    return not below or key[0] == below or key[0].startswith(below + b"\0")

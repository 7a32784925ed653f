#!/usr/bin/env python3
"""A reader of esker repositories, written from docs/format.md alone.

esker_reader.py --repo DIR (--key-file F | --recovery-key TEXT | --passphrase TEXT)
    snapshots | ls [--json] SNAPSHOT[:PATH] | restore SNAPSHOT TARGET | check

SNAPSHOT is the beginning of an id, or `latest`. Exit status: 0 all is well, 1 something was
reported, 2 nothing could be read.
"""

import argparse
import json
import os
import sys

from canonical import Damaged, FormatError, need
from chunks import Chunks, parse_directory
from history import replay
from objects import Newer, OwnerKeys, Store, keys_from_file, keys_from_slot, secret_from_recovery
from restoring import Restore
from snapshot import (entries, is_below, key_of, open_summary, path_of, pieces, read_manifest, xattrs_of)


def escaped(data):
    """Text that stands for any bytes: `\\\\` for a backslash, `\\xNN` for what is not UTF-8."""
    return None if data is None else data.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def rfc3339(time):
    seconds, nanos = time
    days, rest = divmod(seconds, 86400)
    # Years from March on, in eras of 400 years: leap days come last.
    era, day = divmod(days + 719468, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month += 3 if month < 10 else -9
    year += 400 * era + (month <= 2)
    if not 0 <= year <= 9999:
        return f"@{seconds}.{nanos:09}"
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{year:04}-{month:02}-{day:02}T{clock}.{nanos:09}Z"


def named(member, name):
    """A name, and its bytes in hexadecimal when it is not UTF-8."""
    shown = {member: escaped(name)}
    try:
        (name or b"").decode()
    except UnicodeDecodeError:
        shown[member + "_hex"] = name.hex()
    return shown


def row(chunks, key, node):
    return {
        **named("path", path_of(key)),
        "kind": node["kind"],
        "mode": node["mode"],
        "uid": node["uid"],
        "gid": node["gid"],
        **named("user", node["user"]),
        **named("group", node["group"]),
        "mtime": rfc3339(node["mtime"]),
        "size": node["size"],
        **named("target", node["target"]),
        "device": list(node["device"]) if node["device"] else None,
        "links": node["links"].hex() if node["links"] else None,
        "fidelity": node["fidelity"] or "complete",
        "xattrs": [[escaped(name), value.hex()] for name, value in xattrs_of(chunks, node)],
    }


class Reader:
    """An opened repository: its state, and everything that must be reported."""

    def __init__(self, store, keys):
        self.store, self.keys = store, keys
        self.state = replay(store, keys)
        self.reports = self.state.reports

    def chunks(self):
        chunks = Chunks(self.store, self.state, self.keys)
        self.reports += chunks.reports
        return chunks

    def find(self, name):
        live = self.state.snapshots
        if name == "latest":
            found = [s for s in live.values() if not s.forgotten][-1:]
        else:
            found = [s for s in live.values() if s.id.hex().startswith(name)]
        need(len(found) == 1, f"snapshot {name}: there are {len(found)} of this name")
        return found[0]

    def snapshots(self, out):
        for snapshot in self.state.snapshots.values():
            summary = open_summary(snapshot, self.keys)
            words = [snapshot.id.hex(), rfc3339(summary["start"]), summary["host"], summary["label"]]
            words += ["forgotten"] * snapshot.forgotten + ["held"] * snapshot.held
            words += [f"problems={summary['problems']}"] * (summary["problems"] > 0)
            out.write((" ".join(words) + "\n").encode())

    def ls(self, out, name, path, as_json):
        chunks, wanted = self.chunks(), key_of(os.fsencode(path or "/"))
        manifest = read_manifest(self.store, self.find(name).id, self.keys)
        seen = path is None
        for key, node in entries(chunks, manifest):
            is_it = key == wanted
            seen |= is_it or is_below(key, wanted)
            if path is None or is_below(key, wanted) or (is_it and node["kind"] != "directory"):
                shown = row(chunks, key, node)
                line = json.dumps(shown, ensure_ascii=False, separators=(",", ":")) if as_json else shown["path"]
                out.write((line + "\n").encode())
        need(seen, f"{path}: not in the snapshot")

    def restore(self, name, target):
        manifest = read_manifest(self.store, self.find(name).id, self.keys)
        restore = Restore(self.chunks(), target)
        restore.run(manifest)
        self.reports += restore.reports

    def check(self):
        """Reads everything that the log names."""
        chunks = self.chunks()
        rows = {row.id: row for row in chunks.rows}
        for pack in self.state.packs:
            if pack.state != "deleting":
                self.attempt(f"pack {pack.id.hex()}", self.check_pack, pack, rows.get(pack.id), chunks)
        for snapshot in self.state.snapshots.values():
            self.attempt(f"snapshot {snapshot.id.hex()}", self.check_snapshot, snapshot, chunks)

    def attempt(self, what, action, *arguments):
        try:
            action(*arguments)
        except (FormatError, OSError) as error:
            self.reports.append(f"{what}: {error}")

    def check_pack(self, pack, row, chunks):
        data = self.store.pack(pack.id)
        need(len(data) == pack.len, "another length than the log says", Damaged)
        header, frames, ids, lengths = parse_directory(data, self.keys.repository, self.keys)
        need(header.session == pack.session, "another session than the log says")
        need(row, "no live segment has it")
        need((row.header.raw, row.frames, row.lengths) == (header.raw, frames, lengths)
             and row.prefixes == [i[:16] for i in ids], "its segment differs from its directory")
        places = row.places()
        for chunk, (_, kind, place) in zip(ids, places):
            plain = chunks.frame(row, place.frame)[place.offset : place.offset + place.length]
            need(self.keys.chunk_id(header.scope, kind, plain) == chunk, f"chunk {chunk.hex()}", Damaged)

    def check_snapshot(self, snapshot, chunks):
        manifest = read_manifest(self.store, snapshot.id, self.keys)
        summary = open_summary(snapshot, self.keys)
        need(summary == manifest["summary"], "summary and manifest differ")
        for key, node in entries(chunks, manifest):
            self.attempt(escaped(path_of(key)), self.check_node, node, chunks)

    def check_node(self, node, chunks):
        xattrs_of(chunks, node)
        total = sum(length for length, _ in pieces(chunks, node["content"]))
        need(total == (node["size"] or 0) or node["content"] is None, "size and content differ")


def open_keys(arguments, store):
    if arguments.key_file:
        with open(arguments.key_file, encoding="utf-8") as file:
            return keys_from_file(file.read(65537))
    if arguments.recovery_key:
        return OwnerKeys(secret_from_recovery(arguments.recovery_key))
    errors = []
    for name in store.list("keys"):
        try:
            return keys_from_slot(store.get(f"keys/{name}"), arguments.passphrase)
        except (FormatError, OSError) as error:
            errors.append(f"{name}: {error}")
    raise FormatError("no key slot opens: " + "; ".join(errors))


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description="Reads an esker repository.")
    parser.add_argument("--repo", required=True)
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file")
    key.add_argument("--recovery-key")
    key.add_argument("--passphrase")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("snapshots")
    commands.add_parser("check")
    ls = commands.add_parser("ls")
    ls.add_argument("--json", action="store_true")
    ls.add_argument("snapshot", metavar="SNAPSHOT[:PATH]")
    restore = commands.add_parser("restore")
    restore.add_argument("snapshot")
    restore.add_argument("target")
    return parser.parse_args(arguments)


def main(arguments, out):
    arguments = parse_arguments(arguments)
    store, reports = Store(arguments.repo), []
    try:
        reader = Reader(store, open_keys(arguments, store))
        reports = reader.reports
        if arguments.command == "snapshots":
            reader.snapshots(out)
        elif arguments.command == "ls":
            name, _, path = arguments.snapshot.partition(":")
            reader.ls(out, name, path or None, arguments.json)
        elif arguments.command == "restore":
            reader.restore(arguments.snapshot, arguments.target)
        else:
            reader.check()
        status = 1 if reports else 0
    except (FormatError, OSError) as error:
        kind = "newer" if isinstance(error, Newer) else type(error).__name__
        reports = reports + [f"{kind}: {error}"]
        status = 2
    out.flush()
    for report in reports:
        print(report.encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout.buffer))

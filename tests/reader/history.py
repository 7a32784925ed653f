"""The log and its fold: docs/format.md, sections 10 to 12."""

from collections import deque
from dataclasses import dataclass, field

from canonical import (Damaged, Field, FormatError, Misplaced, Newer, NotAuthentic, decode, exactly, listed,
                       members, need, ordinals, raw, record, text, time, u32, u64)
from objects import CONFIG, ENTRY, D, H, Signed, expect, writer_id

ZERO16, ZERO32 = bytes(16), bytes(32)
APPEND, FORGET, COLLECT, ADMIN = 1, 2, 4, 8
ID16, ID32 = exactly(16), exactly(32)

PROFILE = record([Field(0, "number", u32), Field(1, "min", u32), Field(2, "average", u32),
                  Field(3, "max", u32), Field(4, "block", u32, "none")])
CONFIG_RECORD = record([Field(0, "genesis", ID32), Field(1, "profiles", PROFILE, "list")])
PACK_ADD = record([Field(0, "id", ID32), Field(1, "len", u64), Field(2, "session", ID16, "none")])
REPLACEMENT = record([Field(0, "old", u32), Field(1, "new", ordinals, "set")])
NARROWED = record([Field(0, "snapshot", ID32), Field(1, "set", ordinals, "set")])
NAMED = record([Field(0, "snapshots", ID32, "list"), Field(1, "reason", text, "none")])

KINDS = {
    0: ("genesis", 0, record([Field(0, "owner", ID32), Field(1, "time", time),
                              Field(2, "holder", text, "none"), Field(3, "program", text)])),
    1: ("writer", 0, record([Field(0, "key", ID32), Field(1, "scope", u32), Field(2, "roles", u32),
                             Field(3, "name", text)])),
    2: ("revoke", 0, record([Field(0, "writer", ID16)])),
    3: ("rekey", 0, record([Field(0, "epoch", u32)])),
    4: ("setting", ADMIN, record([Field(0, "read", u32, "list"), Field(1, "append", u32, "list"),
                                  Field(2, "collect", u32, "list")])),
    5: ("add", APPEND, record([Field(0, "session", ID16), Field(1, "segments", ID32, "list"),
                               Field(2, "packs", PACK_ADD, "list"), Field(3, "hold", ordinals, "set")])),
    6: ("commit", APPEND, record([
        Field(0, "session", ID16), Field(1, "manifest", ID32), Field(2, "segments", ID32, "list"),
        Field(3, "packs", PACK_ADD, "list"), Field(4, "bases", ID32, "list"),
        Field(5, "set", ordinals, "set"), Field(6, "set_object", ID32, "none"),
        Field(7, "summary", raw())])),
    7: ("abort", APPEND | COLLECT, record([Field(0, "session", ID16)])),
    8: ("forget", FORGET, NAMED),
    9: ("unforget", FORGET, NAMED),
    10: ("hold", FORGET, NAMED),
    11: ("unhold", FORGET, NAMED),
    12: ("note", FORGET, record([Field(0, "snapshot", ID32), Field(1, "add", text, "list", 1024),
                                 Field(2, "remove", text, "list", 1024), Field(3, "text", text, "none")])),
    13: ("damaged", FORGET | COLLECT, record([Field(0, "snapshots", ID32, "list"),
                                              Field(1, "packs", ordinals, "set"),
                                              Field(2, "mended", NARROWED, "list", 65536)])),
    14: ("mark", COLLECT, record([
        Field(0, "packs", ordinals, "set"), Field(1, "replacements", REPLACEMENT, "list", 65536),
        Field(2, "walked", ID32, "list"), Field(3, "segments", ID32, "list"),
        Field(4, "added", PACK_ADD, "list"), Field(5, "session", ID16, "none"), Field(6, "scope", u32, "none")])),
    15: ("delete", COLLECT, record([Field(0, "packs", ordinals, "set"), Field(1, "manifests", ID32, "list"),
                                    Field(2, "segments", ID32, "list"), Field(3, "sets", ID32, "list")])),
    16: ("narrow", COLLECT, record([Field(0, "sets", NARROWED, "list", 65536)])),
    17: ("compact", COLLECT, record([Field(0, "old", ID32, "list"), Field(1, "new", ID32, "list"),
                                     Field(2, "scope", u32)])),
    18: ("checkpoint", COLLECT, record([Field(0, "checkpoint", ID32), Field(1, "at", u64)])),
    19: ("takeover", ADMIN, record([Field(0, "holder", text, "none"), Field(1, "reason", text, "none")])),
}
OWNER_KINDS, DELETING_KINDS = {0, 1, 2, 3}, {7, 15, 17}


class Void(Exception):
    """A sound entry that breaks a rule."""


class Stop(Exception):
    """Nothing behind this entry can be trusted."""


def rule(condition, why):
    if not condition:
        raise Void(why)


@dataclass
class Writer:
    key: bytes
    scope: int
    roles: int
    revoked: bool = False


@dataclass
class Pack:
    id: bytes
    len: int
    session: bytes
    state: str = "live"
    damaged: bool = False


@dataclass
class Snapshot:
    id: bytes
    seq: int
    session: bytes
    scope: int
    set: set
    summary: bytes
    forgotten: bool = False
    held: bool = False
    damaged: bool = False
    tags: dict = field(default_factory=dict)  # tag -> added, or else taken away


@dataclass
class State:
    owner: bytes
    writers: dict = field(default_factory=dict)
    epoch: int = 0
    packs: list = field(default_factory=list)
    ordinals: dict = field(default_factory=dict)
    segments: dict = field(default_factory=dict)
    snapshots: dict = field(default_factory=dict)
    sessions: dict = field(default_factory=dict)  # id -> (writer, state)
    holds: dict = field(default_factory=dict)  # id of an open session -> ordinals
    tokens: deque = field(default_factory=lambda: deque(maxlen=1024))
    holder: str = None
    previous: bytes = ZERO32
    entries: int = 0
    reports: list = field(default_factory=list)
    stopped: bool = False


def read_config(store, keys):
    signed = Signed(store.get("config"), 65536, "config")
    expect(signed.parse(), CONFIG, keys.repository or signed.header.repository)
    need(signed.is_signed_by(keys.owner), "config: not signed by the owner of this key", NotAuthentic)
    keys.repository = signed.header.repository
    config = CONFIG_RECORD(decode(signed.open(keys.log_key(0)), 65536, "config"))
    numbers = [p["number"] for p in config["profiles"]]
    need(numbers == sorted(set(numbers)), "config: profiles out of order")
    return config


def replay(store, keys):
    """The state at the tail, with everything that must be reported."""
    config = read_config(store, keys)
    state = State(keys.owner)
    while store.exists(entry_name(state.entries)):
        n = state.entries
        try:
            data = store.get(entry_name(n))
            apply(data, n, state, keys)
        except Void as why:
            state.reports.append(f"log entry {n} is void: {why}")
        except Stop as why:
            state.reports.append(f"the log stops before entry {n}: {why}")
            state.stopped = True
            break
        if n == 0:
            need(H(data) == config["genesis"], "entry 0 is not the one in the config", NotAuthentic)
            need(state.tokens, "entry 0 is void: " + "".join(state.reports))
        state.entries += 1
    later = [int(n) for f in store.list("log") for n in store.list(f"log/{f}") if n.isdigit()]
    if not state.stopped and any(n > state.entries for n in later):
        state.reports.append(f"log entry {state.entries} is missing, but later ones are there")
        state.stopped = True
    need(state.entries > 0, "the log has no sound first entry")
    return state


def entry_name(n):
    return f"log/{n // 10000}/{n}"


def apply(data, n, state, keys):
    """Section 12.1, line by line."""
    previous = state.previous
    try:
        signed = Signed(data, 4 << 20, "log entry")
    except Damaged as error:
        raise Stop(error) from None
    state.previous = D("esker 0 log head", previous + H(data))
    try:
        header = signed.parse()
        expect(header, ENTRY, keys.repository)
        need(header.seq == n, "object with another number", Misplaced)
        before, token = header.tlv(2, 32), header.tlv(3, 16)
    except (Newer, Misplaced) as error:
        raise Stop(error) from None
    except FormatError as error:
        raise Void(error) from None
    by_owner = header.writer == writer_id(state.owner)
    writer = state.writers.get(header.writer)
    key = state.owner if by_owner else writer.key if writer and not writer.revoked else None
    rule(key, "its writer is not enrolled")
    rule(signed.is_signed_by(key), "its signature is wrong")
    if before != previous:
        raise Stop("the log before it is not the one that its writer saw")
    rule(header.epoch == state.epoch, "another epoch")
    try:
        body = decode(signed.open(keys.log_key(header.epoch)), 4 << 20, "log entry")
        need(isinstance(body, dict) and len(body) == 1, "not one kind")
        ((kind, value),) = body.items()
        need(isinstance(kind, int) and kind >= 0, "not a kind")
        if kind not in KINDS:
            if kind < 128:
                state.reports.append(f"log entry {n} is of kind {kind}, which is not known")
            return
        name, roles, check = KINDS[kind]
        value = check(value)
    except Newer as error:
        state.reports.append(f"log entry {n} is not understood: {error}")
        return
    except FormatError as error:
        raise Void(error) from None
    rule((kind in OWNER_KINDS) == by_owner, "not of a kind that this key may sign")
    if kind == 13 and value["mended"]:
        roles = COLLECT
    rule(by_owner or writer.roles & roles, "not of a kind that its writer may append")
    rule(header.scope == (0 if by_owner else writer.scope), "another scope than its writer's")
    rule(bool(header.flags & 1) == (kind in DELETING_KINDS), "the flag does not fit the kind")
    rule(token not in state.tokens, "its token was seen before")
    rule((kind == 0) == (n == 0), "genesis is the first entry and no other")
    Fold(state, n, header, writer, value).run(name)
    state.tokens.append(token)


class Fold:
    """Section 12.2: one method for each kind. A method checks everything before it changes anything."""

    def __init__(self, state, n, header, writer, body):
        self.state, self.n, self.header, self.by, self.body = state, n, header, writer, body

    def run(self, name):
        getattr(self, name)(**self.body)

    def genesis(self, owner, time, holder, program):
        rule(owner == self.state.owner, "another owner")
        rule(self.header.session == ZERO16, "a session in the first entry")
        rule(self.header.tlv(2) == ZERO32, "an entry before the first")
        self.state.holder = holder

    def writer(self, key, scope, roles, name):
        rule(writer_id(key) not in self.state.writers, "already enrolled")
        rule(key != self.state.owner, "the owner's own key")
        self.state.writers[writer_id(key)] = Writer(key, scope, roles)

    def revoke(self, writer):
        rule(writer in self.state.writers, "not enrolled")
        self.state.writers[writer].revoked = True

    def rekey(self, epoch):
        rule(epoch == self.state.epoch + 1, "not the next epoch")
        self.state.epoch = epoch

    def setting(self, read, append, collect):
        need(not read, f"features {read} are needed to read this repository", Newer)

    def check_session(self, session):
        rule(session == self.header.session and session != ZERO16, "another session in the header")
        owner, state = self.state.sessions.get(session, (self.header.writer, "open"))
        rule(state == "open", f"its session is {state}")
        rule(owner == self.header.writer, "another writer's session")

    def check_not_ended(self):
        rule(self.state.sessions.get(self.header.session, (None, "open"))[1] == "open", "its session has ended")

    def check_packs(self, packs, session):
        """The packs of an entry; none of them was there before."""
        new, seen = [], set()
        for row in packs:
            pack = Pack(row["id"], row["len"], row["session"] or session)
            rule(row["len"] <= 256 << 20, "a pack that is longer than any can be")
            rule(pack.session is not None, "a pack without a session")
            rule(self.state.sessions.get(pack.session, (None, "open"))[1] == "open", "a pack of a session that ended")
            rule(pack.id not in self.state.ordinals and pack.id not in seen, "a pack that is there already")
            seen.add(pack.id)
            new.append(pack)
        return new

    def revive(self, needed):
        for o in needed:
            if self.state.packs[o].state == "marked":
                self.state.packs[o].state = "live"

    def rule_kept(self, needed):
        old = [self.state.packs[o] for o in needed if o < len(self.state.packs)]
        rule(all(p.state != "deleting" for p in old), "it needs a pack that was given up")

    def take(self, packs, segments, scope=None):
        for pack in packs:
            self.state.ordinals[pack.id] = len(self.state.packs)
            self.state.packs.append(pack)
        for segment in segments:
            self.state.segments.setdefault(segment, self.header.scope if scope is None else scope)

    def check_set(self, runs, new):
        """Whether the ordinals exist; before they are expanded, because a run can be long."""
        rule(not runs or runs[-1][1] <= len(self.state.packs) + len(new), "an ordinal that no pack has")

    def add(self, session, segments, packs, hold):
        self.check_session(session)
        new = self.check_packs(packs, session)
        self.check_set(hold, [])
        held = members(hold)
        self.rule_kept(held)
        self.take(new, segments)
        self.revive(held)
        self.state.sessions[session] = (self.header.writer, "open")
        self.state.holds[session] = self.state.holds.get(session, frozenset()) | held

    def commit(self, session, manifest, segments, packs, bases, set, set_object, summary):
        self.check_session(session)
        rule(manifest not in self.state.snapshots, "a snapshot that exists")
        rule(set_object is None, "a pack set as an object")
        new = self.check_packs(packs, session)
        self.check_set(set, new)
        needed = members(set)
        self.rule_kept(needed)
        self.take(new, segments)
        self.revive(needed)
        self.state.sessions[session] = (self.header.writer, "committed")
        self.state.holds.pop(session, None)
        self.state.snapshots[manifest] = Snapshot(manifest, self.n, session, self.header.scope, needed, summary)

    def abort(self, session):
        owner, state = self.state.sessions.get(session, (None, None))
        if self.writer_roles() & COLLECT:
            rule(state != "committed", "its session is committed")
        else:
            rule(state == "open" and owner == self.header.writer, "not an open session of its writer")
        self.state.sessions[session] = (owner or self.header.writer, "aborted")
        self.state.holds.pop(session, None)

    def writer_roles(self):
        return self.state.writers[self.header.writer].roles

    def rows(self, snapshots):
        rule(all(s in self.state.snapshots for s in snapshots), "a snapshot that does not exist")
        return [self.state.snapshots[s] for s in snapshots]

    def forget(self, snapshots, reason):
        rows = self.rows(snapshots)
        rule(not any(row.held for row in rows), "a snapshot that is held")
        for row in rows:
            row.forgotten = True

    def unforget(self, snapshots, reason):
        rows = self.rows(snapshots)
        for row in rows:
            self.rule_kept(row.set)
        for row in rows:
            row.forgotten = False
            self.revive(row.set)

    def hold(self, snapshots, reason):
        rows = self.rows(snapshots)
        rule(not any(row.forgotten for row in rows), "a snapshot that is forgotten")
        for row in rows:
            row.held = True

    def unhold(self, snapshots, reason):
        for row in self.rows(snapshots):
            row.held = False

    def note(self, snapshot, add, remove, text):
        (row,) = self.rows([snapshot])
        tags = row.tags | {tag: False for tag in remove} | {tag: True for tag in add}
        added = sum(tags.values())
        rule(added <= 1024 and len(tags) - added <= 1024, "too many tags of one snapshot")
        row.tags = tags

    def damaged(self, snapshots, packs, mended):
        rows = self.rows(snapshots)
        self.check_set(packs, [])
        whole = self.rows([row["snapshot"] for row in mended])
        rule(len({row.id for row in whole}) == len(whole), "one snapshot is whole twice")
        rule(not any(row.forgotten for row in whole), "a snapshot that is forgotten")
        for row in mended:
            self.check_set(row["set"], [])
            self.rule_kept(members(row["set"]))
        for snapshot, row in zip(whole, mended):
            snapshot.damaged, snapshot.set = False, members(row["set"])
            self.revive(snapshot.set)
        for thing in rows + [self.state.packs[o] for o in members(packs)]:
            thing.damaged = True

    def mark(self, packs, replacements, walked, segments, added, session, scope):
        self.check_not_ended()
        new = self.check_packs(added, session or self.header.session)
        self.check_set(packs, new)
        goes = members(packs)
        known = self.state.packs + new
        for o in goes:
            rule(known[o].state != "deleting", "a pack that was given up")
            owner = self.state.sessions.get(known[o].session) if o < len(self.state.packs) else None
            rule(not owner or owner[1] != "open", "a pack of an open session")
        rule(not any(held & goes for held in self.state.holds.values()), "a pack that a session holds")
        live = [s for s in self.state.snapshots.values() if not s.forgotten]
        swap = {}
        for row in replacements:
            rule(row["old"] not in swap, "two replacements for one pack")
            rule(row["old"] in goes, "a replacement for a pack that stays")
            self.check_set(row["new"], new)
            swap[row["old"]] = members(row["new"])
            rule(not swap[row["old"]] & goes, "a replacement that goes itself")
            rule(all(known[o].state == "live" and not known[o].damaged for o in swap[row["old"]]), "a replacement that is not live")
        for snapshot in live:
            if snapshot.set & goes:
                rule(snapshot.id in walked, "a snapshot was not walked")
                rule(snapshot.set & goes <= set(swap), "a pack that is needed")
        self.take(new, segments, scope)
        for o in goes:
            self.state.packs[o].state = "marked"
        for snapshot in live:
            for old in snapshot.set & set(swap):
                snapshot.set = (snapshot.set - {old}) | swap[old]

    def delete(self, packs, manifests, segments, sets):
        self.check_set(packs, [])
        gone = [self.state.packs[o] for o in members(packs)]
        rule(all(p.state in ("marked", "deleting") for p in gone), "a pack that is not marked")
        rows = self.rows(manifests)
        rule(all(row.forgotten and not row.held for row in rows), "a snapshot that is not forgotten")
        rule(not any(s in self.state.segments for s in segments), "a segment that is live")
        for pack in gone:
            pack.state = "deleting"
        for row in rows:
            self.state.snapshots.pop(row.id, None)

    def narrow(self, sets):
        rows = self.rows([row["snapshot"] for row in sets])
        rule(len({row.id for row in rows}) == len(rows), "two sets for one snapshot")
        rule(not any(row.forgotten for row in rows), "a snapshot that is forgotten")
        for row, narrowed in zip(rows, sets):
            self.check_set(narrowed["set"], [])
            rule(members(narrowed["set"]) <= row.set, "more packs than before")
        for row, narrowed in zip(rows, sets):
            row.set = members(narrowed["set"])

    def compact(self, old, new, scope):
        self.check_not_ended()
        rule(all(self.state.segments.get(s) == scope for s in old), "a segment that is not live in the scope")
        rule(not any(s in self.state.segments for s in new), "a segment that is live")
        for segment in old:
            self.state.segments.pop(segment, None)
        for segment in new:
            self.state.segments[segment] = scope

    def checkpoint(self, checkpoint, at):
        rule(at < self.n, "of an entry that is not before it")

    def takeover(self, holder, reason):
        self.state.holder = holder

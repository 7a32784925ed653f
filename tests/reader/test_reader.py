"""Tests of the reader, and through it of docs/format.md. Run by run_tests.sh."""

import io
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest
from contextlib import redirect_stderr

import nacl.bindings
import nacl.signing

import esker_reader
import history
from canonical import (Damaged, Field, FormatError, Misplaced, Newer, NotAuthentic, decode, exactly, need,
                       ordinals, record, u32)
from chunks import Chunks, PAGE, parse_directory
from objects import (ENTRY, D, H, K, OwnerKeys, Signed, Store, expect, keys_from_file, keys_from_slot, le,
                     open_data_key, parse_header, secret_from_recovery, writer_id)
from snapshot import leaf_entries, node

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TINY = tempfile.mkdtemp(prefix="esker-tiny-")
PASSPHRASE = "a tiny passphrase"
SECRET = bytes([0x42]) * 32


def setUpModule():
    command = ["cargo", "run", "-q", "-p", "esker-format", "--example", "tiny_repository", TINY]
    subprocess.run(command, cwd=ROOT, check=True)


def tearDownModule():
    shutil.rmtree(TINY)


def read(name):
    with open(os.path.join(TINY, name), "rb") as file:
        return file.read()


def owner_keys():
    return OwnerKeys(SECRET, b"tiny repository!")


def run(*command, repo=None, key=("--key-file", os.path.join(TINY, "owner.key"))):
    """Exit status, output and reports of one run."""
    out, err = io.BytesIO(), io.StringIO()
    with redirect_stderr(err):
        repo = repo or os.path.join(TINY, "repository")
        status = esker_reader.main(["--repo", repo, *key, *command], out)
    return status, out.getvalue().decode(), err.getvalue().splitlines()


class Copy:
    """A copy of the tiny repository that a test may break."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="esker-copy-")
        self.repo = os.path.join(self.folder, "repository")
        shutil.copytree(os.path.join(TINY, "repository"), self.repo)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.repo, name)

    def names(self):
        found = [os.path.join(d, f) for d, _, files in os.walk(self.repo) for f in files]
        return sorted(os.path.relpath(f, self.repo) for f in found)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)

    def get(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def state(self):
        return history.replay(Store(self.repo), owner_keys())


class Reading(unittest.TestCase):
    VOID = ["log entry 3 is void: not of a kind that this key may sign",
            "log entry 8 is void: not of a kind that its writer may append"]

    def test_every_form_of_the_key_opens_the_repository(self):
        recovery = read("recovery.txt").decode()
        forms = [("--key-file", os.path.join(TINY, "owner.key")), ("--passphrase", PASSPHRASE),
                 ("--recovery-key", recovery), ("--recovery-key", recovery.lower().replace("-", " ").replace("1", "l"))]
        shown = {run("snapshots", key=form)[1] for form in forms}
        self.assertEqual(len(shown), 1)
        self.assertIn("everything problems=1\n", shown.pop())

    def test_a_writers_key_lists_and_cannot_read(self):
        key = ("--key-file", os.path.join(TINY, "writer.key"))
        self.assertEqual(run("snapshots", key=key)[1], run("snapshots")[1])
        status, _, reports = run("ls", "latest", key=key)
        self.assertEqual((status, "a writer's key cannot open content" in reports[-1]), (2, True))

    def test_check_reports_the_void_entries_and_nothing_else(self):
        self.assertEqual(run("check"), (1, "", self.VOID))

    def test_ls_prints_one_object_a_line_with_the_agreed_keys(self):
        lines = run("ls", "--json", "latest")[1].splitlines()
        self.assertEqual(len(lines), 720)
        self.assertEqual(
            lines[0],
            '{"path":"/","kind":"directory","mode":493,"uid":0,"gid":0,"user":"root","group":null,'
            '"mtime":"2020-09-13T12:26:40.123456789Z","size":null,"target":null,"device":null,"links":null,'
            '"fidelity":"complete","xattrs":[]}')
        rows = {row["path"]: row for row in map(json.loads, lines)}
        self.assertEqual(rows["/data/old"]["mtime"], "1969-12-31T23:59:59.500000000Z")
        self.assertEqual(rows["/data/bad \\xff\\\\ name"]["size"], 4)
        self.assertEqual(rows["/data/hello"]["xattrs"], [["user.a", "31"], ["user.b", "00ff"]])
        self.assertEqual(rows["/data/attributes"]["xattrs"], [["user.large", "78" * 2000]])
        self.assertEqual(rows["/data/loop"]["device"], [7, 300])
        self.assertEqual(rows["/data/link one"]["links"], rows["/data/link two"]["links"])
        self.assertEqual(rows["/data/secret"]["fidelity"], "unreadable")

    def test_ls_of_a_folder_shows_what_is_below_it_and_of_a_file_the_file(self):
        below = run("ls", "latest:/data")[1].splitlines()
        self.assertEqual(len(below), 17)
        self.assertEqual(run("ls", "latest:/data/")[1].splitlines(), below)
        self.assertEqual(run("ls", "latest:/data/fifo")[1], "/data/fifo\n")
        self.assertEqual(len(run("ls", "latest:/")[1].splitlines()), 719)
        self.assertEqual(run("ls", "latest:/nothing")[0], 2)

    def test_times_of_any_year_are_written(self):
        for time, shown in [((0, 0), "1970-01-01T00:00:00.000000000Z"),
                            ((951782400, 1), "2000-02-29T00:00:00.000000001Z"),
                            ((-62167219200, 0), "0000-01-01T00:00:00.000000000Z"),
                            ((-62167219201, 5), "@-62167219201.000000005"),
                            ((253402300799, 0), "9999-12-31T23:59:59.000000000Z"),
                            ((253402300800, 0), "@253402300800.000000000")]:
            self.assertEqual(esker_reader.rfc3339(time), shown)


class Restoring(unittest.TestCase):
    def setUp(self):
        self.target = tempfile.mkdtemp(prefix="esker-restored-")
        self.reports = run("restore", "latest", self.target)[2]

    def tearDown(self):
        shutil.rmtree(self.target)

    def at(self, name):
        return os.path.join(os.fsencode(self.target), b"data", name)

    def content(self, name):
        with open(self.at(name), "rb") as file:
            return file.read()

    def test_everything_comes_back(self):
        self.assertEqual(self.content(b"hello"), b"hello\n")
        self.assertEqual(self.content(b"bad \xff\\ name"), b"odd\n")
        self.assertEqual(self.content(b"empty"), b"")
        self.assertEqual(os.readlink(self.at(b"symlink")), b"hello")
        self.assertEqual(stat.S_IMODE(os.lstat(self.at(b"empty")).st_mode), 0o4755)
        self.assertEqual(os.lstat(self.at(b"hello")).st_mtime_ns, 1_600_000_000_123_456_789)
        self.assertEqual(os.lstat(self.at(b"old")).st_mtime_ns, -500_000_000)
        self.assertEqual(os.lstat(self.at(b"..")).st_mtime_ns, 1_600_000_000_123_456_789)
        self.assertTrue(stat.S_ISFIFO(os.lstat(self.at(b"fifo")).st_mode))
        self.assertTrue(stat.S_ISSOCK(os.lstat(self.at(b"socket")).st_mode))
        self.assertTrue(os.path.samefile(self.at(b"link one"), self.at(b"link two")))
        self.assertEqual(len(os.listdir(self.at(b"../many"))), 700)

    def test_content_of_every_form_has_the_right_bytes(self):
        a, b = noise(1, 5000), noise(2, 70001)
        self.assertEqual(self.content(b"big"), a + bytes(65536) + b + bytes(4096) + bytes(100) + a)
        self.assertEqual(self.content(b"hole"), bytes(1 << 20))
        self.assertLess(os.lstat(self.at(b"hole")).st_blocks, 16)
        pieces = [noise(1000 + i, 50 + i % 100) for i in range(1500)]
        pieces.insert(700, bytes(1 << 20))
        self.assertEqual(self.content(b"list"), b"".join(pieces))

    def test_lost_bytes_and_unreadable_files_are_reported(self):
        self.assertIn("/data/big: 100 bytes are lost and restored as zero", self.reports)
        self.assertIn("/data/secret: stored as unreadable", self.reports)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_owners_and_devices_come_back_for_root(self):
        owned = os.lstat(self.at(b"owned"))
        self.assertEqual((owned.st_uid, owned.st_gid), (1234, 5678))
        if not any("/data/null" in r for r in self.reports):
            self.assertEqual(os.lstat(self.at(b"null")).st_rdev, os.makedev(1, 3))

    def test_a_symbolic_link_in_the_way_is_not_followed(self):
        elsewhere, target = tempfile.mkdtemp(), tempfile.mkdtemp()
        os.symlink(elsewhere, os.path.join(target, "data"))
        status, _, reports = run("restore", "latest", target)
        self.assertEqual((status, os.listdir(elsewhere)), (1, []))
        self.assertTrue(any(r.startswith("/data/hello:") for r in reports))
        shutil.rmtree(elsewhere), shutil.rmtree(target)


def noise(number, size):
    """As the example makes it."""
    seed = number.to_bytes(8, "little") + bytes(24)
    return D("esker 0 entropy", seed, size)


class Damage(unittest.TestCase):
    def test_a_changed_byte_anywhere_is_noticed(self):
        with Copy() as copy:
            for name in copy.names():
                good, quiet = copy.get(name), name.startswith("keys/")
                for at in {0, 9, 13, 20, 45, 79, 81, len(good) // 2, len(good) - 40, len(good) - 1}:
                    bad = bytearray(good)
                    bad[at] ^= 1
                    copy.write(name, bad)
                    if quiet:
                        with self.assertRaises(FormatError, msg=f"{name} {at}"):
                            keys_from_slot(bytes(bad), PASSPHRASE)
                    else:
                        status, _, reports = run("check", repo=copy.repo)
                        self.assertGreater(status, 0)
                        self.assertNotEqual(reports, Reading.VOID, f"{name} {at}")
                copy.write(name, good)

    def test_a_missing_object_is_noticed(self):
        with Copy() as copy:
            last = sorted(n for n in copy.names() if n.startswith("log/"))[-1]
            for name in copy.names():
                good = copy.get(name)
                os.remove(copy.path(name))
                reports = run("check", repo=copy.repo)[2]
                # A shorter log and a missing slot cannot be told from ones that never were longer.
                if name != last and not name.startswith("keys/"):
                    self.assertNotEqual(reports, Reading.VOID, name)
                copy.write(name, good)

    def test_another_owners_key_is_refused_before_anything_is_believed(self):
        with self.assertRaises(NotAuthentic):
            history.replay(Store(os.path.join(TINY, "repository")), OwnerKeys(bytes(32)))

    def test_a_slot_that_asks_for_too_much_is_refused_at_once(self):
        slot = bytearray(read("repository/keys/" + "5a" * 16))
        for at, value in [(85, 1 << 30), (89, 1 << 20), (93, 1 << 20)]:
            bad = slot[:at] + le(value) + slot[at + 4 :]
            with self.assertRaisesRegex(FormatError, "cost over its limit"):
                keys_from_slot(bytes(bad), PASSPHRASE)


def number(n):
    """The canonical head of major type 0."""
    return encode_head(0, n)


def encode_head(major, n):
    for info, width in [(None, 0), (24, 1), (25, 2), (26, 4), (27, 8)]:
        if n < 24 and info is None:
            return bytes([major << 5 | n])
        if info and n < 1 << 8 * width:
            return bytes([major << 5 | info]) + n.to_bytes(width, "big")
    raise AssertionError(n)


def cbor(value):
    """Canonical CBOR of a value."""
    if isinstance(value, int):
        return encode_head(0, value) if value >= 0 else encode_head(1, -1 - value)
    if isinstance(value, bytes):
        return encode_head(2, len(value)) + value
    if isinstance(value, str):
        return encode_head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return encode_head(4, len(value)) + b"".join(map(cbor, value))
    pairs = sorted((cbor(k), cbor(v)) for k, v in value.items())
    return encode_head(5, len(pairs)) + b"".join(k + v for k, v in pairs)


WORKING = D("esker 0 working signing key", SECRET)
OWNER = D("esker 0 owner signing key", SECRET)
HOST = bytes([7]) * 32


def entry(copy, body, signer=WORKING, session=bytes(16), **changes):
    """Appends an entry made here. `changes` replace parts that are usually right."""
    state = copy.state()
    field = dict(n=state.entries, previous=state.previous, token=os.urandom(16), scope=0, epoch=0, version=0,
                 flags=1 if set(body) & {7, 15, 17} else 0, tlvs=b"", magic="8945534b0d0a1a0a", seal=0,
                 repository=b"tiny repository!") | changes
    tlvs = b"\x02\x00\x20\x00" + field["previous"] + b"\x03\x00\x10\x00" + field["token"] + field["tlvs"]
    key = nacl.signing.SigningKey(signer)
    header = (bytes.fromhex(field["magic"]) + bytes([ENTRY, field["version"], 1, field["flags"]]) + le(80 + len(tlvs))
              + field["repository"] + le(field["scope"]) + le(field["epoch"]) + writer_id(key.verify_key.encode())
              + session + field["n"].to_bytes(8, "little") + tlvs)
    payload = body if isinstance(body, bytes) else cbor(body)
    nonce, log_key = os.urandom(24), owner_keys().log_key(field["seal"])
    plain = b"\x00" + le(len(payload)) + payload
    data = header + nonce + nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, header, nonce, log_key)
    data += key.sign(D("esker 0 signature", data)).signature
    data += H(data)
    copy.write(f"log/0/{state.entries}", data)
    return data


class Log(unittest.TestCase):
    """docs/format.md, section 12.1, line by line."""

    def setUp(self):
        self.copy = Copy().__enter__()
        self.addCleanup(self.copy.__exit__)
        self.forget = {8: {0: [self.first()]}}

    def first(self):
        return next(iter(self.copy.state().snapshots))

    def last_report(self):
        return self.copy.state().reports[-1]

    def assert_void(self, why):
        state = self.copy.state()
        self.assertIn("is void: " + why, state.reports[-1])
        self.assertEqual((state.stopped, state.entries), (False, 11))
        # The next entry names the void one as its predecessor, and counts.
        entry(self.copy, {12: {0: self.first(), 1: ["later"]}})
        state = self.copy.state()
        self.assertIn("later", next(iter(state.snapshots.values())).tags)

    def test_a_good_entry_counts(self):
        entry(self.copy, self.forget)
        self.assertTrue(self.copy.state().snapshots[self.first()].forgotten)

    def test_a_damaged_entry_ends_the_log(self):
        data = bytearray(entry(self.copy, self.forget))
        data[200] ^= 1
        self.copy.write("log/0/10", data)
        state = self.copy.state()
        self.assertEqual((state.stopped, state.entries), (True, 10))
        self.assertIn("damaged", state.reports[-1])

    def test_a_newer_entry_ends_the_log_and_is_not_called_damaged(self):
        for changes in [{"version": 1}, {"flags": 2}, {"tlvs": b"\x05\x00\x00\x00"}]:
            entry(self.copy, self.forget, **changes)
            self.assertTrue(self.copy.state().stopped)
            self.assertIn("not known", self.last_report())
            os.remove(self.copy.path("log/0/10"))

    def test_an_unknown_ignorable_flag_or_field_is_ignored(self):
        entry(self.copy, self.forget, flags=16, tlvs=b"\x00\x80\x01\x00x")
        self.assertTrue(self.copy.state().snapshots[self.first()].forgotten)

    def test_an_entry_of_another_place_is_void(self):
        entry(self.copy, self.forget, n=11)
        self.assert_void("another number")

    def test_an_entry_of_another_repository_is_void(self):
        entry(self.copy, self.forget, repository=bytes(16))
        self.assert_void("object of another repository")

    def test_bytes_with_a_right_checksum_that_are_no_entry_are_void(self):
        entry(self.copy, self.forget, magic="00" * 8)
        self.assert_void("not an esker object")

    def test_an_entry_of_an_unknown_writer_is_void(self):
        entry(self.copy, self.forget, signer=bytes(32))
        self.assert_void("its writer is not enrolled")

    def test_a_wrong_signature_is_void(self):
        data = entry(self.copy, self.forget)[:-96] + bytes(64)
        self.copy.write("log/0/10", data + H(data))
        self.assert_void("its signature is wrong")

    def test_an_entry_of_a_revoked_writer_is_void(self):
        host = nacl.signing.SigningKey(HOST).verify_key.encode()
        entry(self.copy, {2: {0: writer_id(host)}}, signer=OWNER)
        entry(self.copy, {5: {0: b"s" * 16}}, signer=HOST, session=b"s" * 16)
        self.assertIn("void: its writer is not enrolled", self.last_report())

    def test_an_authentic_entry_with_another_predecessor_breaks_the_log(self):
        entry(self.copy, self.forget, previous=bytes(32))
        self.assertTrue(self.copy.state().stopped)

    def test_an_entry_of_another_epoch_is_void_until_the_owner_begins_it(self):
        entry(self.copy, self.forget, epoch=1, seal=1)
        self.assertIn("another epoch", self.last_report())
        entry(self.copy, {3: {0: 1}}, signer=OWNER)
        entry(self.copy, self.forget, epoch=1, seal=1)
        self.assertTrue(self.copy.state().snapshots[self.first()].forgotten)

    def test_a_body_under_another_key_is_void(self):
        entry(self.copy, self.forget, seal=5)
        self.assert_void("log entry: not authentic")

    def test_a_kind_or_key_that_is_not_known_is_reported_and_changes_nothing(self):
        for body in [{77: {}}, {8: {0: [self.first()], 9: 1}}]:
            entry(self.copy, body)
            self.assertIn("not known", self.last_report())
        entry(self.copy, {128: {0: 1}})
        state = self.copy.state()
        self.assertEqual((state.entries, state.stopped, len(state.reports)), (13, False, 4))
        self.assertFalse(state.snapshots[self.first()].forgotten)

    def test_an_ignorable_key_is_ignored(self):
        entry(self.copy, {8: {0: [self.first()], 128: [1, {5: b""}]}})
        self.assertTrue(self.copy.state().snapshots[self.first()].forgotten)

    def test_a_malformed_body_is_void(self):
        for body in [cbor(self.forget) + b"\0", b"\xa0", cbor({8: {0: []}}), cbor({8: [1]}), b"\x80"]:
            entry(self.copy, body)
            self.assertIn("is void", self.last_report())

    def test_only_the_owner_enrols_and_the_owner_does_nothing_else(self):
        entry(self.copy, self.forget, signer=OWNER)
        self.assert_void("not of a kind that this key may sign")

    def test_another_scope_is_void(self):
        entry(self.copy, self.forget, scope=1)
        self.assert_void("another scope than its writer's")

    def test_a_flag_that_does_not_fit_is_void(self):
        entry(self.copy, self.forget, flags=1)
        self.assert_void("the flag does not fit the kind")
        entry(self.copy, {15: {}}, flags=0)
        self.assertIn("the flag does not fit the kind", self.last_report())

    def test_a_token_counts_once(self):
        entry(self.copy, self.forget, token=bytes([1]) * 16)
        self.assert_void("its token was seen before")

    def test_a_token_of_a_void_entry_may_come_again(self):
        entry(self.copy, self.forget, token=bytes([3]) * 16)
        self.assertTrue(self.copy.state().snapshots[self.first()].forgotten)

    def test_a_second_genesis_is_void(self):
        owner = nacl.signing.SigningKey(OWNER).verify_key.encode()
        entry(self.copy, {0: {0: owner, 1: [0, 0], 3: ""}}, signer=OWNER)
        self.assert_void("genesis is the first entry and no other")

    def test_a_gap_is_a_break(self):
        os.rename(self.copy.path("log/0/9"), self.copy.path("log/0/10"))
        self.assertTrue(self.copy.state().stopped)


class Rules(unittest.TestCase):
    """docs/format.md, section 12.2."""

    def setUp(self):
        self.copy = Copy().__enter__()
        self.addCleanup(self.copy.__exit__)
        self.first, self.second = self.copy.state().snapshots

    def append(self, body, why=None, **more):
        """The state after the entry; void if there is a reason `why`."""
        before = len(self.copy.state().reports)
        entry(self.copy, body, **more)
        state = self.copy.state()
        self.assertEqual([why] if why else [], [r.partition("void: ")[2] for r in state.reports[before:]])
        return state

    def add(self, pack, session=b"s" * 16, why=None, signer=WORKING, **more):
        body = {5: {0: session, 2: [{0: pack, 1: 100} | more]}}
        return self.append(body, why, session=session, signer=signer)

    def commit(self, why=None, manifest=b"m" * 32, session=b"s" * 16, signer=WORKING, **more):
        keys = {int(k[1:]): v for k, v in more.items()}
        return self.append({6: {0: session, 1: manifest, 7: b""} | keys}, why, session=session, signer=signer)

    def test_a_session_commits_once(self):
        self.commit()
        self.commit("its session is committed", manifest=b"n" * 32)
        self.add(b"p" * 32, why="its session is committed")

    def test_a_session_belongs_to_its_writer(self):
        self.add(b"p" * 32)
        self.commit("another writer's session", signer=HOST)
        self.append({7: {0: b"s" * 16}}, "not an open session of its writer", signer=HOST)

    def test_nothing_of_an_aborted_session_counts(self):
        self.append({7: {0: b"s" * 16}})
        self.commit("its session is aborted")
        packs = [{0: b"p" * 32, 1: 9, 2: b"s" * 16}]
        self.commit("a pack of an aborted session", session=b"t" * 16, _3=packs)

    def test_a_snapshot_is_made_once(self):
        self.commit("a snapshot that exists", manifest=self.first)

    def test_a_known_pack_is_not_known_otherwise(self):
        self.add(b"p" * 32)
        self.add(b"p" * 32)
        self.assertEqual(len(self.copy.state().packs), 3)
        self.commit("a pack that is known otherwise", session=b"t" * 16, _3=[{0: b"p" * 32, 1: 100}])

    def test_a_set_names_packs_that_exist(self):
        self.commit("an ordinal that no pack has", _5=[0, 3])
        self.commit(_5=[0, 3], _3=[{0: b"p" * 32, 1: 100}])

    def test_a_needed_pack_is_not_marked_without_a_replacement(self):
        self.append({14: {0: [0, 1]}}, "a snapshot was not walked")
        self.append({14: {0: [0, 1], 2: [self.first]}}, "a pack that is needed")
        new = [{0: b"p" * 32, 1: 100, 2: b"g" * 16}]
        swap = [{0: 0, 1: [2, 1]}]
        state = self.append({14: {0: [0, 1], 1: swap, 2: [self.first], 4: new}})
        self.assertEqual(state.snapshots[self.first].set, {1, 2})
        self.assertEqual([p.state for p in state.packs], ["marked", "live", "live"])

    def test_only_marked_packs_are_given_up_and_for_ever(self):
        self.append({15: {0: [0, 1]}}, "a pack that is not marked")
        self.append({8: {0: [self.first]}})
        self.append({14: {0: [0, 2]}})
        self.assertEqual({p.state for p in self.copy.state().packs}, {"marked"})
        self.append({15: {0: [0, 1]}})
        self.commit("it needs a pack that was given up", _5=[0, 2])
        state = self.commit(_5=[1, 1])
        self.assertEqual([p.state for p in state.packs], ["deleting", "live"])

    def test_a_pack_of_an_open_session_is_not_marked(self):
        self.add(b"p" * 32)
        self.append({14: {0: [2, 1]}}, "a pack of an open session")

    def test_a_held_snapshot_is_not_forgotten_and_a_forgotten_one_can_go(self):
        self.append({15: {1: [self.first]}}, "a snapshot that is not forgotten")
        self.append({10: {0: [self.first]}})
        self.append({8: {0: [self.first]}}, "a snapshot that is held")
        self.append({11: {0: [self.first]}})
        self.append({8: {0: [self.first]}})
        self.append({15: {1: [self.first]}})
        self.append({9: {0: [self.first]}}, "a snapshot that does not exist")
        self.commit("a snapshot that exists", manifest=self.first)

    def test_a_set_only_shrinks(self):
        self.append({16: {0: self.first, 1: [0, 3]}}, "an ordinal that no pack has")
        self.append({16: {0: self.first, 1: [1, 1]}})
        self.append({16: {0: self.first, 1: [0, 1]}}, "more packs than before")

    def test_segments_are_replaced_and_only_then_given_up(self):
        old = list(self.copy.state().segments)
        self.append({15: {2: old[:1]}}, "a segment that is live")
        self.append({17: {0: old, 1: [b"n" * 32], 2: 1}}, "a segment that is not live in the scope")
        self.assertEqual(list(self.append({17: {0: old, 1: [b"n" * 32], 2: 0}}).segments), [b"n" * 32])
        self.append({15: {2: old}})

    def test_a_feature_needed_to_read_is_refused_as_newer(self):
        entry(self.copy, {4: {0: [1]}})
        status, _, reports = run("snapshots", repo=self.copy.repo)
        self.assertEqual((status, reports[-1].startswith("newer:")), (2, True))


class Canonical(unittest.TestCase):
    def test_only_the_shortest_and_plainest_form_is_read(self):
        for bad in ["1800", "190000", "1817", "5f40ff", "5800", "9fff", "bfff", "c000", "f4", "f6", "f93c00", "a201000000",
                    "a200000000", "61ff", "0000", "", "82", "1c", "9b0000000100000000"]:
            with self.assertRaises(FormatError, msg=bad):
                decode(bytes.fromhex(bad), 100)
        for good in [0, 23, 24, 255, 256, 1 << 63, -1, -(1 << 40), b"", b"x" * 30, "é", [1, [2]], {0: 1, 24: 2}]:
            self.assertEqual(decode(cbor(good), 100), good)

    def test_defaults_are_left_out_and_unknown_keys_sorted_by_number(self):
        check = record([Field(0, "a", u32), Field(1, "b", u32, "list"), Field(2, "c", u32, "flag")])
        self.assertEqual(check({0: 1}), {"a": 1, "b": [], "c": False})
        self.assertEqual(check({0: 1, 2: 1, 200: {}})["c"], True)
        for bad in [{}, {0: 1, 1: []}, {0: 1, 2: 0}, {0: 1, 2: 2}, {0: 1 << 32}, {0: 1, b"x": 1}]:
            with self.assertRaises(FormatError, msg=bad):
                check(bad)
        with self.assertRaises(Newer):
            check({0: 1, 127: 0})

    def test_a_set_has_one_form(self):
        self.assertEqual(ordinals([2, 1, 5, 2]), [(2, 3), (8, 10)])
        for bad in [[0], [0, 0], [0, 1, 0, 1], [0, 1 << 32], [2, (1 << 32) - 1]]:
            with self.assertRaises(FormatError, msg=bad):
                ordinals(bad)


class Nodes(unittest.TestCase):
    BASE = {0: 2, 1: 0o644, 2: 0, 3: 0, 6: [0, 0], 7: 0}

    def test_a_node_fits_its_kind(self):
        self.assertEqual(node(self.BASE)["size"], 0)
        fine = [{7: 1, 8: b"x"}, {7: 5, 13: 4}, {7: 9, 8: [[4, 1], [5, b"c" * 32]]}, {11: [[b"a", b""]]}]
        bad = [{7: 1}, {8: b"x"}, {7: 2, 8: b"x"}, {1: 0o10000}, {9: b"x"}, {10: [1, 1]}, {6: [0, 10**9]}, {8: b""},
               {7: 257, 8: b"x" * 257}, {8: []}, {7: 1, 8: [[0, 1], [1, 1]]}, {7: 17, 8: [[1, 1]] * 17},
               {11: []}, {11: [[b"b", b""], [b"a", b""]]}, {11: [[b"a", b"x" * 512]]}, {11: [[b"", b""]]},
               {11: {0: b"c" * 32, 1: 5, 128: 0}}, {0: 1}, {0: 3}, {4: b"x" * 256}, {12: b"short"}]
        for more in fine:
            node(self.BASE | more)
        for more in bad:
            with self.assertRaises(FormatError, msg=more):
                node(self.BASE | more)
        for more in [{0: 10}, {13: 5}, {14: 0}, {7: 1, 8: [[1, 4]]}]:
            with self.assertRaises(Newer, msg=more):
                node(self.BASE | more)

    def test_keys_of_a_leaf_ascend_and_cannot_escape(self):
        directory = {0: 1, 1: 0o755, 2: 0, 3: 0, 6: [0, 0]}
        leaf_entries([[b"", [[b"", directory], [b"a", directory]]], [b"a", [[b"b", directory]]]])
        for bad in [[], [[b"", []]], [[b"", [[b"b", directory], [b"a", directory]]]],
                    [[b"", [[b"a", directory], [b"", directory]]]], [[b"a", [[b"", directory]]]],
                    [[b"b", [[b"x", directory]]], [b"a", [[b"x", directory]]]],
                    [[b"a", [[b"x", directory]]], [b"a", [[b"y", directory]]]],
                    [[b"", [[b"..", directory]]]], [[b"a/b", [[b"x", directory]]]], [[b"a\0\0b", [[b"x", directory]]]],
                    [[b"", [[b"a\0b", directory]]]], [[b"", [[b"x" * 256, directory]]]]]:
            with self.assertRaises(FormatError, msg=bad):
                leaf_entries(bad)


class Document(unittest.TestCase):
    """The worked example of the document, opened with nothing but what the document says."""

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "docs", "format.md"), encoding="utf-8") as file:
            cls.text = file.read()
        blocks = re.findall(r"^([a-z0-9 ,-]+):\n\n```text\n([0-9a-f\n]+)```", cls.text, re.M)
        rows = re.findall(r"^\| ([a-z0-9 ,-]+) \| `([0-9a-f]+)` \|$", cls.text, re.M)
        cls.parts = {name: bytes.fromhex(data.replace("\n", "")) for name, data in blocks + rows}
        cls.keys = OwnerKeys(cls.parts["owner secret"])

    def test_the_keys_follow_from_the_secret(self):
        keys, parts = self.keys, self.parts
        self.assertEqual(keys.owner, parts["owner verification key"])
        self.assertEqual(writer_id(keys.owner), parts["owner writer id"])
        self.assertEqual(keys.segment_key(0), parts["segment key"])
        self.assertEqual(keys.scope_key(0, "esker 0 gear table")[:0], b"")
        self.assertEqual(keys.log_key(0), parts["log key"])
        self.assertEqual(keys.pre_shared_key(0), parts["pre-shared key"])
        recovery = re.search(r"(?:[0-9A-Z]{4}-){13}[0-9A-Z]{4}", self.text).group()
        self.assertEqual(secret_from_recovery(recovery), keys.secret)
        line = re.search(r"^esker-key-0:[0-9a-f]+$", self.text, re.M).group()
        self.assertEqual(keys_from_file("# remark\n\n" + line + "\n").secret, keys.secret)
        for bad in [line[:-1] + "0", line + "\n" + line, "", line[5:]]:
            with self.assertRaises(FormatError):
                keys_from_file(bad)

    def test_the_pack_opens_to_the_page(self):
        pack, parts = self.parts["pack"], self.parts
        self.assertEqual(H(pack), parts["pack id"])
        self.assertEqual(open_data_key(parse_header(pack), self.keys), parts["data key"])
        header, frames, ids, lengths = parse_directory(pack, bytes([0x10]) * 16, self.keys)
        self.assertEqual((ids, lengths), ([parts["page id"]], [len(parts["leaf page"])]))
        self.assertEqual(self.keys.chunk_id(0, PAGE, parts["leaf page"]), parts["page id"])
        _, groups = decode(parts["leaf page"], 1000)
        self.assertEqual([key for key, _ in leaf_entries(groups)], [(b"", b""), (b"", b"hello")])
        self.assertEqual(node(decode(parts["node"], 1000))["content"], b"hello\n")

    def test_the_entry_opens_to_the_body(self):
        signed = Signed(self.parts["genesis entry"], 1 << 20, "log entry")
        expect(signed.parse(), ENTRY, bytes([0x10]) * 16)
        self.assertTrue(signed.is_signed_by(self.keys.owner))
        self.assertFalse(signed.is_signed_by(self.parts["working verification key"]))
        self.assertEqual(signed.open(self.keys.log_key(0)), self.parts["genesis body"])

    def test_cuts_are_where_the_document_says(self):
        small, large = 0x0000D91747537000, 0x0000D90707537000
        table = D("esker 0 gear table", bytes([1]) * 32, 2048)
        gear = [int.from_bytes(table[i : i + 8], "little") for i in range(0, 2048, 8)]
        data, cuts, start = D_noise(4 << 20), [], 0
        while start < len(data):
            start += cut(data, start, gear, small, large)
            cuts.append(start)
        self.assertEqual(cuts, [424910, 1804859, 2354934, 3314610, 3912072, 4194304])


def D_noise(size):
    from blake3 import blake3
    return blake3(b"noise").digest(length=size)


def cut(data, start, gear, small, large, low=131072, average=524288, high=4194304):
    """Section 20."""
    size = len(data) - start
    if size <= low:
        return size
    end, centre, h = min(size, high), min(average, size) & ~1, 0
    for i in range(low, end - end % 2):
        h = (2 * h + gear[data[start + i]]) & 0xFFFFFFFFFFFFFFFF
        if h & (small if i < centre else large) == 0:
            return i
    return end


if __name__ == "__main__":
    unittest.main()

"""Reading and restoring, and what damage does. Run by run_tests.sh."""

import json
import os
import shutil
import stat
import tempfile
import unittest

import nacl.signing
import zstandard

import esker_reader
import history
from canonical import Damaged, FormatError, Newer, NotAuthentic
from chunks import DATA, PAGE, Chunks
from objects import D, H, OwnerKeys, Signed, Store, decompress, keys_from_slot, le
from snapshot import entries as entries_of, open_summary
from support import OWNER, PASSPHRASE, GOLDEN, VOID, Copy, cbor, entry, owner_keys, read, run


class Reading(unittest.TestCase):
    def test_every_form_of_the_key_opens_the_repository(self):
        recovery = read("recovery.txt").decode()
        forms = [("--key-file", os.path.join(GOLDEN, "owner.key")), ("--passphrase", PASSPHRASE),
                 ("--recovery-key", recovery), ("--recovery-key", recovery.lower().replace("-", " ").replace("1", "l"))]
        shown = {run("snapshots", key=form)[1] for form in forms}
        self.assertEqual(len(shown), 1)
        self.assertIn("everything problems=1\n", shown.pop())

    def test_a_writers_key_lists_and_cannot_read(self):
        key = ("--key-file", os.path.join(GOLDEN, "writer.key"))
        self.assertEqual(run("snapshots", key=key)[1], run("snapshots")[1])
        status, _, reports = run("ls", "latest", key=key)
        self.assertEqual((status, "a writer's key cannot open content" in reports[-1]), (2, True))

    def test_check_reports_the_void_entries_and_nothing_else(self):
        self.assertEqual(run("check"), (1, "", VOID))

    def test_ls_prints_one_object_a_line_with_the_agreed_keys(self):
        lines = run("ls", "--json", "latest")[1].splitlines()
        self.assertEqual(len(lines), 4182)
        self.assertEqual(
            lines[0],
            '{"path":"/","kind":"directory","mode":493,"uid":0,"gid":0,"user":"root","group":null,'
            '"mtime":"2020-09-13T12:26:40.123456789Z","size":null,"target":null,"device":null,"links":null,'
            '"fidelity":"complete","xattrs":[]}')
        rows = {row["path"]: row for row in map(json.loads, lines)}
        self.assertEqual(rows["/data/old"]["mtime"], "1969-12-31T23:59:59.500000000Z")
        self.assertEqual(rows["/data/bad \\xff\\\\ name"]["size"], 4)
        self.assertEqual(rows["/data/bad \\xff\\\\ name"]["path_hex"], b"/data/bad \xff\\ name".hex())
        self.assertNotIn("path_hex", rows["/data/hello"])
        self.assertEqual(rows["/data/hello"]["xattrs"], [["user.a", "31"], ["user.b", "00ff"]])
        self.assertEqual(rows["/data/attributes"]["xattrs"], [["user.large", "78" * 2000]])
        self.assertEqual(rows["/data/loop"]["device"], [7, 300])
        self.assertEqual(rows["/data/link one"]["links"], rows["/data/link two"]["links"])
        self.assertEqual(rows["/data/secret"]["fidelity"], "unreadable")

    def test_ls_of_a_folder_shows_what_is_below_it_and_of_a_file_the_file(self):
        below = run("ls", "latest:/data")[1].splitlines()
        self.assertEqual(len(below), 19)
        self.assertEqual(run("ls", "latest:/data/")[1].splitlines(), below)
        self.assertEqual(run("ls", "latest:/data/fifo")[1], "/data/fifo\n")
        self.assertEqual(len(run("ls", "latest:/")[1].splitlines()), 4181)
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
        self.assertEqual(len(os.listdir(self.at(b"../many"))), 4160)

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
        self.assertIn("/data/secret: not restored: stored as unreadable", self.reports)

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
                        self.assertNotEqual(reports, VOID, f"{name} {at}")
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
                    self.assertNotEqual(reports, VOID, name)
                copy.write(name, good)

    def test_another_owners_key_is_refused_before_anything_is_believed(self):
        with self.assertRaises(NotAuthentic):
            history.replay(Store(os.path.join(GOLDEN, "repository")), OwnerKeys(bytes(32)))

    def test_a_slot_that_asks_for_too_much_is_refused_at_once(self):
        slot = bytearray(read("repository/keys/" + "5a" * 16))
        for at, value in [(85, 1 << 30), (89, 1 << 20), (93, 1 << 20)]:
            bad = slot[:at] + le(value) + slot[at + 4 :]
            with self.assertRaisesRegex(FormatError, "cost over its limit"):
                keys_from_slot(bytes(bad), PASSPHRASE)



class OneBadPart(unittest.TestCase):
    def chunks(self):
        store, keys = Store(os.path.join(GOLDEN, "repository")), owner_keys()
        return Chunks(store, history.replay(store, keys), keys)

    def test_every_place_of_a_chunk_is_tried_and_no_wrong_one_is_taken(self):
        chunks, plain = self.chunks(), noise(1, 5000)
        name = owner_keys().chunk_id(0, DATA, plain)
        (right,), wrong = chunks.index[name[:16], DATA], chunks.index[next(iter(chunks.index))][0]
        wrong = wrong._replace(length=right.length)
        chunks.index[name[:16], DATA] = [wrong, right]
        self.assertEqual(chunks.read(name, DATA, 5000), plain)
        chunks.index[name[:16], DATA] = [right._replace(offset=1)]
        with self.assertRaises(Damaged):
            chunks.read(name, DATA, 5000)

    def test_a_chunk_of_another_length_or_type_is_not_taken(self):
        chunks, plain = self.chunks(), noise(1, 5000)
        name = owner_keys().chunk_id(0, DATA, plain)
        for kind, length in [(DATA, 4999), (PAGE, 5000)]:
            with self.assertRaises(Damaged):
                chunks.read(name, kind, length)

    def test_a_summary_of_another_commit_is_refused(self):
        keys = owner_keys()
        one, other = history.replay(Store(os.path.join(GOLDEN, "repository")), keys).snapshots.values()
        self.assertEqual(open_summary(one, keys)["label"], "everything")
        one.summary = other.summary
        with self.assertRaises(NotAuthentic):
            open_summary(one, keys)

    def test_keys_ascend_from_page_to_page(self):
        directory, pages = {0: 1, 1: 0o755, 2: 0, 3: 0, 6: [0, 0]}, {}

        class Pages:
            def read(self, page, kind, length):
                return pages[page]

        def put(value):
            data = cbor(value)
            pages[H(data)] = data
            return H(data), len(data)

        def leaf(names):
            page, length = put([0, [[b"", [[name, directory] for name in names]]]])
            return {0: b"", 1: names[0], 2: page, 3: length, 4: len(names), 5: 0}

        def all_of(*leaves, entries=None):
            page, length = put([1, list(leaves)])
            count = entries or sum(x[4] for x in leaves)
            root = {"parent": b"", "name": leaves[0][1], "page": page, "page_len": length, "entries": count, "bytes": 0}
            return [key for key, _ in entries_of(Pages(), {"root": root, "root_level": 1})]

        self.assertEqual(len(all_of(leaf([b"a", b"b"]), leaf([b"c"]))), 3)
        for bad in [lambda: all_of(leaf([b"a", b"d"]), leaf([b"c"])), lambda: all_of(leaf([b"a"]), leaf([b"a"])),
                    lambda: all_of(leaf([b"a"]), leaf([b"c"]) | {4: 2}), lambda: all_of(leaf([b"a"]), entries=9),
                    lambda: all_of(leaf([b"a"]), leaf([b"c"]) | {1: b"b"}), lambda: all_of(leaf([b"a"]) | {5: 1})]:
            with self.assertRaises(FormatError):
                bad()

    def test_another_method_of_a_slot_and_another_codec_are_newer(self):
        slot = bytearray(read("repository/keys/" + "5a" * 16))
        slot[84] = 2
        with self.assertRaises(Newer):
            keys_from_slot(bytes(slot), PASSPHRASE)
        with self.assertRaises(Newer):
            decompress(2, b"", 0, 100, "frame")

    def test_a_zstd_frame_has_one_form(self):
        plain = b"x" * 5000
        good = zstandard.ZstdCompressor().compress(plain)
        self.assertEqual(decompress(1, good, 5000, 5000, "frame"), plain)
        summed = zstandard.ZstdCompressor(write_checksum=True).compress(plain)
        unsized = zstandard.ZstdCompressor(write_content_size=False).compress(plain)
        for bad in [good + b"x", good + good, good[:-1], summed, unsized, b""]:
            with self.assertRaises(FormatError, msg=bad):
                decompress(1, bad, 5000, 5000, "frame")
        with self.assertRaises(FormatError):
            decompress(1, good, 5000, 4999, "frame")

    def test_a_key_of_small_order_signs_nothing(self):
        identity = b"\x01" + bytes(31)
        data = read("repository/log/0/0")[:-96] + identity + bytes(32)
        signed = Signed(data + H(data), 1 << 20, "log entry")
        self.assertFalse(signed.is_signed_by(identity))

    def test_an_entry_0_that_the_config_does_not_name_is_refused(self):
        with Copy() as copy:
            for name in copy.names():
                if name.startswith("log/"):
                    os.remove(copy.path(name))
            key = nacl.signing.SigningKey(OWNER).verify_key.encode()
            copy.state = lambda: history.State(key)
            entry(copy, {0: {0: key, 1: [0, 0], 3: "another"}}, signer=OWNER)
            self.assertEqual(run("snapshots", repo=copy.repo)[0], 2)

if __name__ == "__main__":
    unittest.main()

"""Values of every form, and the worked example of docs/format.md. Run by run_tests.sh."""

import os
import re
import unittest

from blake3 import blake3

from canonical import Field, FormatError, Newer, decode, ordinals, record, u32
from chunks import PAGE, parse_directory
from objects import (ENTRY, D, H, OwnerKeys, Signed, expect, is_signature, keys_from_file, open_data_key, parse_header,
                     secret_from_recovery, writer_id)
from snapshot import leaf_entries, node
from support import ROOT, cbor


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
        scope = keys.scope_key(0, "esker 0 gear table")
        self.assertEqual(scope[:8], parts["gear table, first word"])
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
        head = D("esker 0 log head", bytes(32) + H(signed.data))
        self.assertEqual(head, self.parts["head of the log"])

    def test_only_signatures_that_every_reader_takes_are_taken(self):
        with open(os.path.join(ROOT, "format", "tests", "vectors", "signatures.hex"), encoding="utf-8") as file:
            values = dict(re.findall(r"^([a-z0-9_.]+): ([0-9a-f]+)$", file.read(), re.M))
        names = [name[:-4] for name in values if name.endswith(".key")]
        self.assertEqual(len(names), 11)
        for name in names:
            parts = [bytes.fromhex(values[f"{name}.{part}"]) for part in ("key", "message", "signature")]
            self.assertEqual(is_signature(*parts), values[f"{name}.accepted"] == "1", name)

    def test_cuts_are_where_the_document_says(self):
        small, large = 0x0000D91747537000, 0x0000D90707537000
        table = D("esker 0 gear table", bytes([1]) * 32, 2048)
        gear = [int.from_bytes(table[i : i + 8], "little") for i in range(0, 2048, 8)]
        data, cuts, start = blake3(b"noise").digest(length=4 << 20), [], 0
        while start < len(data):
            start += cut(data, start, gear, small, large)
            cuts.append(start)
        self.assertEqual(cuts, [424910, 1804859, 2354934, 3314610, 3912072, 4194304])
        data, found, start = data[: 256 << 10], [], 0
        while start < len(data):
            start += cut(data, start, gear, 0x0000D90313530000, 0x0000D90103530000, 2048, 8192, 32768)
            found.append(start)
        self.assertEqual(blake3(str(found).encode()).hexdigest(), DUMP)
        found, start, key = [], 0, D("esker 0 block cuts", bytes([1]) * 32)
        while start < len(data):
            start += cut_blocks(data, start, key)
            found.append(start)
        self.assertEqual(blake3(str(found).encode()).hexdigest(), DISK)

DUMP = "964a81dc308b87f867e494245854ae3ae0b5120546dcb2de3c373ab9f5c4f452"
DISK = "8d85f3bfcd3e26983a5b614579c87802c0475c78d95f6d0149371f1feb41ec8b"


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

def cut_blocks(data, start, key, size=4096, low=4096, average=32768, high=131072):
    """Section 20, with blocks."""
    end = min(len(data), start + high)
    blocks = [data[at : at + size] for at in range(start, end - size + 1, size)]
    zero = [not any(block) for block in blocks]
    if zero and zero[0]:
        return size * (zero.index(False) if False in zero else len(zero))
    for number, block in enumerate(blocks):
        if zero[number]:
            return size * number
        below = int.from_bytes(blake3(block, key=key).digest()[:4], "little") < 0xFFFFFFFF // (average // size)
        if size * (number + 1) >= low and below:
            return size * (number + 1)
    return end - start


if __name__ == "__main__":
    unittest.main()

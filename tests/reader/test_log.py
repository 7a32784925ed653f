"""The fold of the log, with entries that are made here. Run by run_tests.sh."""

import os
import unittest

import nacl.signing

from objects import H, writer_id
from support import HOST, OWNER, WORKING, Copy, cbor, entry, run


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
        for changes in [{"version": 1}, {"flags": 2}, {"tlvs": b"\x09\x00\x00\x00"}]:
            entry(self.copy, self.forget, **changes)
            self.assertTrue(self.copy.state().stopped)
            self.assertIn("not known", self.last_report())
            os.remove(self.copy.path("log/0/10"))

    def test_an_unknown_ignorable_flag_or_field_is_ignored(self):
        entry(self.copy, self.forget, flags=16, tlvs=b"\x00\x80\x01\x00x")
        self.assertTrue(self.copy.state().snapshots[self.first()].forgotten)

    def test_an_entry_of_another_place_ends_the_log(self):
        for changes in [{"n": 11}, {"repository": bytes(16)}]:
            entry(self.copy, self.forget, **changes)
            state = self.copy.state()
            self.assertEqual((state.stopped, state.entries), (True, 10))
            self.assertIn("object ", state.reports[-1])
            os.remove(self.copy.path("log/0/10"))

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

    def test_a_void_entry_cannot_be_exchanged_below_an_authentic_one(self):
        data = self.copy.get("log/0/8")[:-96] + bytes(64)
        self.copy.write("log/0/8", data + H(data))
        state = self.copy.state()
        self.assertEqual((state.stopped, state.entries), (True, 9))

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
        self.commit("a pack of a session that ended", session=b"t" * 16, _3=packs)
        self.append({14: {0: [0, 1]}}, "its session has ended", session=b"s" * 16)

    def test_what_a_session_did_not_name_when_it_ended_is_not_to_come_back(self):
        self.commit()
        packs = [{0: b"p" * 32, 1: 9, 2: b"s" * 16}]
        self.commit("a pack of a session that ended", manifest=b"n" * 32, session=b"t" * 16, _3=packs)

    def test_a_snapshot_is_made_once(self):
        self.commit("a snapshot that exists", manifest=self.first)

    def test_a_pack_is_added_once(self):
        self.add(b"p" * 32)
        self.add(b"p" * 32, why="a pack that is there already")
        self.assertEqual(len(self.copy.state().packs), 3)
        twice = [{0: b"q" * 32, 1: 100}] * 2
        self.commit("a pack that is there already", session=b"t" * 16, _3=twice)

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

    def test_a_set_only_shrinks(self):
        narrowed = lambda *sets: {16: {0: [{0: self.first, 1: s} for s in sets]}}
        self.append(narrowed([0, 3]), "an ordinal that no pack has")
        self.append(narrowed([1, 1], [1, 1]), "two sets for one snapshot")
        self.append(narrowed([1, 1]))
        self.append(narrowed([0, 1]), "more packs than before")
        self.append({8: {0: [self.first]}})
        self.append(narrowed([1, 1]), "a snapshot that is forgotten")

    def test_a_snapshot_is_whole_again_with_the_packs_that_it_needs_now(self):
        mended = lambda *sets: {13: {2: [{0: self.first, 1: s} for s in sets]}}
        state = self.append({13: {0: [self.first], 1: [0, 1]}})
        self.assertTrue(state.snapshots[self.first].damaged and state.packs[0].damaged)
        self.append(mended([0, 3]), "an ordinal that no pack has")
        self.append(mended([1, 1], [1, 1]), "one snapshot is whole twice")
        state = self.append(mended([1, 1]))
        self.assertEqual((state.snapshots[self.first].damaged, state.snapshots[self.first].set), (False, {1}))
        self.assertTrue(state.packs[0].damaged)
        self.append({8: {0: [self.first]}})
        self.append(mended([1, 1]), "a snapshot that is forgotten")

    def test_what_an_open_session_holds_is_not_marked(self):
        self.append({8: {0: [self.first, self.second]}})
        self.append({5: {0: b"s" * 16, 3: [0, 1]}}, session=b"s" * 16)
        self.append({14: {0: [0, 2]}}, "a pack that a session holds")
        self.append({7: {0: b"s" * 16}})
        self.append({14: {0: [0, 2]}})

    def test_a_forgotten_snapshot_comes_back_with_its_packs_until_they_are_given_up(self):
        self.append({8: {0: [self.first, self.second]}})
        self.append({14: {0: [0, 2]}})
        state = self.append({9: {0: [self.first]}})
        self.assertFalse(state.snapshots[self.first].forgotten)
        self.assertTrue(all(state.packs[o].state == "live" for o in state.snapshots[self.first].set))
        self.append({8: {0: [self.first]}})
        self.append({10: {0: [self.first]}}, "a snapshot that is forgotten")
        self.append({14: {0: [0, 2]}})
        self.append({15: {0: [0, 2]}})
        self.append({9: {0: [self.first]}}, "it needs a pack that was given up")

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

if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Tries to open content with all that a key file holds: try_key.py REPOSITORY KEY-FILE

Every secret of the file, and every key that docs/format.md derives from one, is tried as the reading
key (seed and private key) of each capsule, as the data key of each manifest and each frame, and as the
key of each sealed body. Exit status: 0 nothing opened, 1 something did.
"""

import os
import sys

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from canonical import FormatError
from chunks import parse_directory
from objects import (D, H, aead_open, derive_key_pair, hpke_open_psk, keys_from_file, le, number, open_body,
                     parse_header)

CONTEXTS = ["owner signing key", "working signing key", "chunk id data", "chunk id page", "hard-link group",
            "page cuts", "segment key", "summary key", "gear table", "log key", "pre-shared key", "slot key",
            "slot commitment", "data key", "signature", "writer id", "entropy"]
NUMBERED = ["scope secret", "epoch secret", "reading key"]


def candidates(keys):
    """The keys in the file, and those that follow from each."""
    held = [keys.secret] if hasattr(keys, "secret") else keys.material.values()
    held = {value for value in held if isinstance(value, bytes) and len(value) == 32}
    derived = {D(f"esker 0 {context}", key) for key in held for context in CONTEXTS}
    derived |= {D(f"esker 0 {context}", key + le(n)) for key in held for context in NUMBERED for n in range(3)}
    return sorted(held | derived)


def capsules(value):
    at = 1
    for _ in range(value[0]):
        at += 9
        parts = []
        for _ in range(2):
            length = number(value[at : at + 2], 0, 2)
            parts.append(value[at + 2 : at + 2 + length])
            at += 2 + length
        yield parts


def opens(action, *arguments):
    try:
        return action(*arguments)
    except (FormatError, ValueError):
        return None


def data_keys(header, psk, privates):
    """The data keys that capsules give up, and what else could be one."""
    fixed = header.raw[:12] + le(80) + header.raw[16:80]
    for capsule, sealed in capsules(header.tlv(1)):
        for private in privates:
            key = opens(hpke_open_psk, private, capsule, b"esker 0 data key" + fixed, psk, le(header.epoch), sealed)
            if key:
                yield key


class Attempt:
    """Tries all keys on the objects of a repository, and counts."""

    def __init__(self, keys):
        self.keys, self.tried = keys, candidates(keys)
        seeds = [derive_key_pair(key) for key in self.tried]
        self.privates = seeds + [X25519PrivateKey.from_private_bytes(key) for key in self.tried]
        self.manifests = self.packs = self.frames = 0
        self.opened = []

    def all_keys(self, header):
        psk = self.keys.pre_shared_key(header.epoch)
        return self.tried + list(data_keys(header, psk, self.privates))

    def body(self, shown, header, body, limit):
        if any(opens(open_body, key, header.raw, body, limit, shown) for key in self.all_keys(header)):
            self.opened.append(shown)

    def manifest(self, name, data):
        self.manifests += 1
        header = parse_header(data)
        self.body(f"manifest {name}", header, data[len(header.raw) :], 16 << 20)

    def pack(self, name, data):
        self.packs += 1
        header = parse_header(data)
        at, keys = len(header.raw), self.all_keys(header)
        parsed = opens(parse_directory, data, self.keys.repository or header.repository, self.keys)
        if parsed is None:
            # Where its frames are is for its own scope to know.
            self.body(f"pack {name}", header, data[at:], 256 << 20)
            return
        for i, frame in enumerate(parsed[1]):
            self.frames += 1
            sealed = data[at : at + frame.sealed]
            at += frame.sealed
            bind = H(header.raw) + le(i) + bytes([frame.kind, frame.codec]) + le(frame.plain) + le(frame.chunks)
            if any(opens(aead_open, key, le(i) + bytes(20), bind, sealed, "frame") for key in keys):
                self.opened.append(f"pack {name}, frame {i}")


def main(repository, key_file):
    with open(key_file, encoding="utf-8") as file:
        attempt = Attempt(keys_from_file(file.read()))
    for folder, _, names in os.walk(repository):
        for name in names:
            path = os.path.join(folder, name)
            shown = os.path.relpath(path, repository)
            kind = {"snapshot": attempt.manifest, "pack": attempt.pack}.get(shown.split(os.sep)[0])
            if kind:
                with open(path, "rb") as file:
                    kind(shown, file.read())
    print(f"opened {len(attempt.opened)} of manifests {attempt.manifests}, packs {attempt.packs}, "
          f"frames {attempt.frames}, with {len(attempt.tried)} keys")
    print("\n".join(sorted(attempt.opened)))
    return 1 if attempt.opened else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""What the tests share: the golden repository, copies of it to break, and entries made here."""

import io
import os
import shutil
import tempfile
from contextlib import redirect_stderr

import nacl.bindings
import nacl.signing

import esker_reader
import history
from objects import ENTRY, D, H, OwnerKeys, Store, le, writer_id

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PASSPHRASE = "a golden passphrase"
SECRET = bytes([0x42]) * 32
WORKING = D("esker 0 working signing key", SECRET)
OWNER = D("esker 0 owner signing key", SECRET)
HOST = bytes([7]) * 32
# What the golden repository has on purpose.
VOID = ["log entry 3 is void: not of a kind that this key may sign",
        "log entry 8 is void: not of a kind that its writer may append"]


GOLDEN = os.path.join(ROOT, "tests", "golden")


def read(name):
    with open(os.path.join(GOLDEN, name), "rb") as file:
        return file.read()


def owner_keys():
    return OwnerKeys(SECRET, b"golden repo no.0")


def run(*command, repo=None, key=("--key-file", os.path.join(GOLDEN, "owner.key"))):
    """Exit status, output and reports of one run."""
    out, err = io.BytesIO(), io.StringIO()
    with redirect_stderr(err):
        repo = repo or os.path.join(GOLDEN, "repository")
        status = esker_reader.main(["--repo", repo, *key, *command], out)
    return status, out.getvalue().decode(), err.getvalue().splitlines()


class Copy:
    """A copy of the golden repository that a test may break."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="esker-copy-")
        self.repo = os.path.join(self.folder, "repository")
        shutil.copytree(os.path.join(GOLDEN, "repository"), self.repo)
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
                 repository=b"golden repo no.0") | changes
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

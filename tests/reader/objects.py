"""Headers, seals, signatures, keys: docs/format.md, sections 2 to 9."""

import hashlib
import hmac
import os
from dataclasses import dataclass

import nacl.bindings
import nacl.exceptions
import nacl.signing
import zstandard
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from canonical import (Damaged, Field, FormatError, Misplaced, Newer, NotAuthentic, decode, exactly,
                       need, one_of, record, u32)

MAGIC = bytes.fromhex("8945534b0d0a1a0a")
CONFIG, SLOT, ENTRY, CHECKPOINT, SEGMENT, PACK_SET, MANIFEST, PACK = range(1, 9)
# Known header fields: the kinds that have them, and their length.
TAGS = {1: ((MANIFEST, PACK), None), 2: ((ENTRY,), 32), 3: ((ENTRY,), 16), 4: ((SLOT,), None), 5: ((CHECKPOINT,), None)}
HEADER_MAX = 65536
SIGNED_EXTRA = HEADER_MAX + 45 + 96


def H(data):
    return blake3(data).digest()


def D(context, data, length=32):
    return blake3(data, derive_key_context=context).digest(length=length)


def K(key, data, length=32):
    return blake3(data, key=key).digest(length=length)


def le(n):
    return n.to_bytes(4, "little")


def number(data, at, width=4):
    return int.from_bytes(data[at : at + width], "little")


@dataclass
class Header:
    kind: int
    flags: int
    repository: bytes
    scope: int
    epoch: int
    writer: bytes
    session: bytes
    seq: int
    tlvs: dict
    raw: bytes

    def tlv(self, tag, length=None):
        need(tag in self.tlvs, f"no header field {tag}")
        need(length is None or len(self.tlvs[tag]) == length, f"header field {tag}: wrong length")
        return self.tlvs[tag]


def parse_header(data):
    need(data[:8] == MAGIC, "not an esker object")
    need(len(data) >= 80, "header: wrong length")
    need(data[9] == 0, f"format version {data[9]} is not known", Newer)
    need(data[10] == 1, f"suite {data[10]} is not known", Newer)
    kind, flags = data[8], data[11]
    need(1 <= kind <= 8, f"kind {kind} is not known", Newer)
    known = 1 if kind == ENTRY else 0
    need(flags & 15 & ~known == 0, f"flags {flags} are not known", Newer)
    length = number(data, 12)
    need(80 <= length <= min(HEADER_MAX, len(data)), "header: wrong length")
    tlvs, at, last = {}, 80, -1
    while at < length:
        need(at + 4 <= length, "header fields: wrong length")
        tag, size = number(data, at, 2), number(data, at + 2, 2)
        need(at + 4 + size <= length, "header fields: wrong length")
        need(tag >= 0x8000 or 1 <= tag <= 5, f"header field {tag} is not known", Newer)
        need(tag > last, "header fields are not in order")
        kinds, exact = TAGS.get(tag, ((kind,), size))
        need(kind in kinds and exact in (None, size), f"header field {tag}: out of place")
        tlvs[tag] = data[at + 4 : at + 4 + size]
        at, last = at + 4 + size, tag
    seq = number(data, 72, 8)
    need(seq == 0 or kind in (ENTRY, CHECKPOINT), "a sequence number where none belongs")
    return Header(kind, flags, data[16:32], number(data, 32), number(data, 36), data[40:56],
                  data[56:72], seq, tlvs, data[:length])


def expect(header, kind, repository):
    need(header.repository == repository, "object of another repository", Misplaced)
    need(header.kind == kind, "object of another kind", Misplaced)


def aead_open(key, nonce, aad, sealed, what):
    try:
        return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, aad, nonce, key)
    except nacl.exceptions.CryptoError:
        raise NotAuthentic(f"{what}: not authentic") from None


def decompress(codec, data, length, limit, what):
    need(codec in (0, 1), f"{what}: codec {codec} is not known", Newer)
    need(length <= limit, f"{what}: over its limit")
    if codec == 1:
        try:
            frame = zstandard.get_frame_parameters(data)
            need(data[4] & 7 == 0, f"{what}: a zstd frame with checksum or dictionary")
            # A frame of a single segment has no window of its own: it is the content.
            need(data[4] & 32 or frame.window_size <= 1 << 24, f"{what}: window over its limit")
            need(frame.content_size == length, f"{what}: wrong length")
            data = zstandard.ZstdDecompressor().decompress(
                data, max_output_size=max(length, 1), allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise FormatError(f"{what}: {error}") from None
    need(len(data) == length, f"{what}: wrong length")
    return data


def open_body(key, header, sealed, limit, what):
    """The payload of a sealed body (section 4)."""
    need(len(sealed) >= 45, f"{what}: wrong length")
    plain = aead_open(key, sealed[:24], header, sealed[24:], what)
    return decompress(plain[0], plain[5:], number(plain, 1), limit, what)


# y of the points of small order (section 5).
PRIME = 2**255 - 19
Y8 = 0x5FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER = {0, 1, PRIME - 1, Y8, PRIME - Y8}


def is_proper_point(data):
    """Whether it is the one encoding of y, and not of a point of small order."""
    y = int.from_bytes(data, "little") & ((1 << 255) - 1)
    return y < PRIME and y not in SMALL_ORDER


def is_signature(key, message, signature):
    # The library checks that s is reduced and computes R without the cofactor, compared as bytes.
    if not is_proper_point(key) or not is_proper_point(signature[:32]):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, D("esker 0 signature", message))
        return True
    except (InvalidSignature, ValueError):
        return False


class Signed:
    """A signed object whose checksum is right (section 5)."""

    def __init__(self, data, limit, what):
        self.what, self.data, self.limit = what, data, limit
        need(len(data) <= limit + SIGNED_EXTRA, f"{what}: over its limit", Damaged)
        need(len(data) >= 32 and H(data[:-32]) == data[-32:], f"{what}: damaged", Damaged)

    def parse(self):
        self.header = parse_header(self.data)
        need(len(self.data) >= len(self.header.raw) + 96, f"{self.what}: wrong length")
        return self.header

    def is_signed_by(self, key):
        return is_signature(key, self.data[:-96], self.data[-96:-32])

    def open(self, key):
        raw = self.header.raw
        return open_body(key, raw, self.data[len(raw) : -96], self.limit, self.what)


# HPKE, RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.

KEM_SUITE = b"KEM\x00\x20"
SUITE = b"HPKE\x00\x20\x00\x01\x00\x03"


def labeled_extract(suite, salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, hashlib.sha256)


def labeled_expand(suite, prk, label, info, length):
    info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    out, block = b"", b""
    for i in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([i]), hashlib.sha256)
        out += block
    return out[:length]


def derive_key_pair(ikm):
    prk = labeled_extract(KEM_SUITE, b"", b"dkp_prk", ikm)
    return X25519PrivateKey.from_private_bytes(labeled_expand(KEM_SUITE, prk, b"sk", b"", 32))


def hpke_open_psk(private, capsule, info, psk, psk_id, sealed):
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(capsule))
    except ValueError:
        raise NotAuthentic("data key: not authentic") from None
    context = capsule + private.public_key().public_bytes_raw()
    prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", shared)
    shared = labeled_expand(KEM_SUITE, prk, b"shared_secret", context, 32)
    context = (b"\x01" + labeled_extract(SUITE, b"", b"psk_id_hash", psk_id)
               + labeled_extract(SUITE, b"", b"info_hash", info))
    secret = labeled_extract(SUITE, shared, b"secret", psk)
    key = labeled_expand(SUITE, secret, b"key", context, 32)
    nonce = labeled_expand(SUITE, secret, b"base_nonce", context, 12)
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, b"")
    except InvalidTag:
        raise NotAuthentic("data key: not authentic") from None


def open_data_key(header, keys):
    """The data key of a pack or manifest (section 8)."""
    value, at, found = header.tlv(1), 1, None
    need(value and 1 <= value[0] <= 8, "recipients: between one and eight are possible")
    private = derive_key_pair(keys.reading_seed(header.epoch))
    short = H(private.public_key().public_bytes_raw())[:8]

    def take(n):
        nonlocal at
        need(at + n <= len(value), "recipients: wrong length")
        at += n
        return value[at - n : at]

    for _ in range(value[0]):
        suite, name = take(1)[0], take(8)
        capsule = take(number(take(2), 0, 2))
        sealed = take(number(take(2), 0, 2))
        if suite == 1 and name == short and found is None:
            found = (capsule, sealed)
    need(at == len(value), "recipients: wrong length")
    need(found and len(found[0]) == 32, "data key: no capsule for this key", NotAuthentic)
    fixed = header.raw[:12] + le(80) + header.raw[16:80]
    key = hpke_open_psk(private, found[0], b"esker 0 data key" + fixed,
                        keys.pre_shared_key(header.epoch), le(header.epoch), found[1])
    need(len(key) == 32, "data key: wrong length")
    return key


class OwnerKeys:
    """All keys, from the owner secret (section 7)."""

    def __init__(self, secret, repository=None):
        self.secret, self.repository = secret, repository
        seed = D("esker 0 owner signing key", secret)
        self.owner = nacl.signing.SigningKey(seed).verify_key.encode()

    def scope_key(self, scope, context):
        return D(context, D("esker 0 scope secret", self.secret + le(scope)))

    def epoch_key(self, epoch, context):
        return D(context, D("esker 0 epoch secret", self.secret + le(epoch)))

    def reading_seed(self, epoch):
        return D("esker 0 reading key", self.secret + le(epoch))

    def log_key(self, epoch):
        return self.epoch_key(epoch, "esker 0 log key")

    def pre_shared_key(self, epoch):
        return self.epoch_key(epoch, "esker 0 pre-shared key")

    def segment_key(self, scope):
        return self.scope_key(scope, "esker 0 segment key")

    def summary_key(self, scope):
        return self.scope_key(scope, "esker 0 summary key")

    def chunk_id(self, scope, kind, plain):
        context = {1: "esker 0 chunk id data", 2: "esker 0 chunk id page"}[kind]
        return K(self.scope_key(scope, context), plain)


class WriterKeys(OwnerKeys):
    """What a writer may know: one scope, one epoch, no reading key."""

    def __init__(self, material):
        self.material = material
        self.repository, self.owner = material["repository"], material["owner"]

    def scope_key(self, scope, context):
        need(scope == self.material["scope"], f"this key does not open scope {scope}", NotAuthentic)
        return D(context, self.material["scope_secret"])

    def epoch_key(self, epoch, context):
        need(epoch == self.material["epoch"], f"this key does not open epoch {epoch}", NotAuthentic)
        return D(context, self.material["epoch_secret"])

    def reading_seed(self, epoch):
        raise NotAuthentic("a writer's key cannot open content")


def writer_id(key):
    return D("esker 0 writer id", key)[:16]


OWNER_MATERIAL = record([Field(0, "repository", exactly(16)), Field(1, "secret", exactly(32))])
WRITER_MATERIAL = record([
    Field(0, "repository", exactly(16)), Field(1, "scope", u32), Field(2, "scope_secret", exactly(32)),
    Field(3, "epoch", u32), Field(4, "epoch_secret", exactly(32)), Field(5, "reading", exactly(32)),
    Field(6, "owner", exactly(32)), Field(7, "signing", exactly(32)),
])


def parse_material(data):
    value = decode(data, 65536, "key")
    need(isinstance(value, list) and len(value) == 2, "key: a pair was expected")
    kind = one_of("kind of key", {1: OWNER_MATERIAL, 2: WRITER_MATERIAL})(value[0])
    material = kind(value[1])
    if "secret" in material:
        return OwnerKeys(material["secret"], material["repository"])
    return WriterKeys(material)


def keys_from_file(content):
    need(len(content) <= 65536, "key file: over its limit")
    lines = [line.strip() for line in content.splitlines() if line.strip() and not line.startswith("#")]
    need(len(lines) == 1, "key file: not exactly one key in it")
    need(lines[0].startswith("esker-key-0:"), "key file: not an esker key")
    digits = lines[0][12:]
    need(set(digits) <= set("0123456789abcdef") and len(digits) % 2 == 0, "key file: not hexadecimal")
    data = bytes.fromhex(digits)
    need(len(data) >= 4, "key file: wrong length")
    need(D("esker 0 key file checksum", data[:-4])[:4] == data[-4:], "key file: damaged", Damaged)
    return parse_material(data[:-4])


ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def secret_from_recovery(content):
    characters = [c for c in content.upper() if not c.isspace() and c != "-"]
    symbols = [ALPHABET.find({"O": "0", "I": "1", "L": "1"}.get(c, c)) for c in characters]
    need(-1 not in symbols, "recovery key: a character that none has")
    need(len(symbols) == 56, "recovery key: wrong length")
    value = 0
    for symbol in symbols[:52]:
        value = value << 5 | symbol
    need(value & 15 == 0, "recovery key: mistyped", Damaged)
    secret = (value >> 4).to_bytes(32, "big")
    check = [b & 31 for b in D("esker 0 recovery key checksum", secret)[:4]]
    need(check == symbols[52:], "recovery key: mistyped", Damaged)
    return secret


def keys_from_slot(data, passphrase):
    """Opens a key slot (section 9)."""
    need(len(data) <= 65536 + SIGNED_EXTRA, "key slot: over its limit")
    header = parse_header(data)
    need(header.kind == SLOT, "object of another kind", Misplaced)
    value = header.tlv(4)
    need(value[:1] == b"\x01", "key slot method is not known", Newer)
    need(len(value) == 45, "key slot: wrong length")
    memory, passes, lanes = number(value, 1), number(value, 5), number(value, 9)
    need(memory <= 2 << 20 and 1 <= passes <= 16 and 1 <= lanes <= 16, "key slot: cost over its limit")
    at = len(header.raw)
    need(len(data) >= at + 32 + 24 + 16, "key slot: wrong length")
    root = hash_secret_raw(passphrase.encode(), value[13:], passes, memory, lanes, 32, Type.ID, 0x13)
    commitment = D("esker 0 slot commitment", root)
    need(hmac.compare_digest(commitment, data[at : at + 32]), "key slot: wrong passphrase", NotAuthentic)
    key = D("esker 0 slot key", root)
    plain = aead_open(key, data[at + 32 : at + 56], data[: at + 32], data[at + 56 :], "key slot")
    keys = parse_material(plain)
    need(keys.repository == header.repository, "key slot of another repository", Misplaced)
    return keys


class Store:
    """A local folder. Objects named by a hash are checked against it."""

    def __init__(self, folder):
        self.folder = folder

    def get(self, name, digest=None):
        with open(os.path.join(self.folder, name), "rb") as file:
            data = file.read()
        need(digest is None or H(data) == digest, f"{name}: damaged", Damaged)
        return data

    def exists(self, name):
        return os.path.exists(os.path.join(self.folder, name))

    def list(self, folder):
        path = os.path.join(self.folder, folder)
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    def pack(self, pack):
        return self.get(f"pack/{pack[:1].hex()}/{pack.hex()}", pack)

"""Canonical CBOR (docs/format.md, section 6) and what can be wrong with bytes (section 1)."""

from dataclasses import dataclass


class FormatError(Exception):
    """The bytes break a rule."""


class Damaged(FormatError):
    """A checksum or a name does not match."""


class Newer(FormatError):
    """Sound bytes that use something unknown."""


class Misplaced(FormatError):
    """Sound bytes that belong elsewhere."""


class NotAuthentic(FormatError):
    """A seal or a signature does not match."""


def need(condition, why, kind=FormatError):
    if not condition:
        raise kind(why)


def decode(data, limit, what="value"):
    """The one value that fills `data`: int, bytes, str, list or dict."""
    need(len(data) <= limit, f"{what}: over its limit")
    value, end = item(data, 0, 0)
    need(end == len(data), f"{what}: bytes behind its end")
    return value


def head(data, at):
    """Major type, argument and end of the head at `at`."""
    need(at < len(data), "the value goes on behind the end of the bytes")
    major, info = data[at] >> 5, data[at] & 31
    if info < 24:
        return major, info, at + 1
    need(info < 28, "indefinite or reserved length")
    end = at + 1 + (1 << (info - 24))
    need(end <= len(data), "the value goes on behind the end of the bytes")
    value = int.from_bytes(data[at + 1 : end], "big")
    need(value >= (24, 1 << 8, 1 << 16, 1 << 32)[info - 24], "not the shortest form")
    return major, value, end


def item(data, at, depth):
    need(depth < 32, "nested too deeply")
    major, value, at = head(data, at)
    if major == 0:
        return value, at
    if major == 1:
        return -1 - value, at
    if major in (2, 3):
        need(value <= len(data) - at, "the value goes on behind the end of the bytes")
        piece = data[at : at + value]
        if major == 2:
            return piece, at + value
        try:
            return piece.decode("utf-8"), at + value
        except UnicodeDecodeError:
            raise FormatError("text is not UTF-8") from None
    need(major in (4, 5), "tags and simple values are not used")
    need(value <= len(data) - at, "the value goes on behind the end of the bytes")
    if major == 4:
        out = []
        for _ in range(value):
            entry, at = item(data, at, depth + 1)
            out.append(entry)
        return out, at
    out, last = {}, None
    for _ in range(value):
        start = at
        key, at = item(data, at, depth + 1)
        if not isinstance(key, int):
            key = data[start:at]  # only inside unknown values, which nobody looks into
        need(last is None or last < data[start:at], "map keys are not in order")
        last = data[start:at]
        out[key], at = item(data, at, depth + 1)
    return out, at


@dataclass(frozen=True)
class Field:
    """Key `number` of a record: its name, how to check its value, and what its absence means."""

    number: int
    name: str
    check: object
    absent: str = "must"  # must, none, list, set, flag
    most: int = 1 << 62  # items of a list


def record(fields):
    """A checker that turns a map into a dict by name; unknown keys from 128 on are ignored."""
    by_number = {f.number: f for f in fields}

    def check(value):
        need(isinstance(value, dict), "a record was expected")
        out = {}
        for key, inner in value.items():
            need(isinstance(key, int) and key >= 0, "a record key is not a number")
            if key not in by_number:
                need(key >= 128, f"record key {key} is not known", Newer)
                need(depth(inner) <= 8, "nested too deeply")
        for field in fields:
            out[field.name] = present(field, value)
        return out

    return check


def present(field, value):
    if field.number in value:
        got = value[field.number]
        need(field.absent not in ("list", "set") or got != [], f"{field.name}: empty list spelled out")
        if field.absent == "flag":
            need(got == 1, f"{field.name}: not 1")
            return True
        if field.absent == "list":
            return listed(field.check, field.most)(got)
        return field.check(got)
    need(field.absent != "must", f"no {field.name}")
    return {"none": None, "list": [], "set": [], "flag": False}[field.absent]


def depth(value):
    inner = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    return max((1 + depth(x) for x in inner), default=0)


def unsigned(bits):
    def check(value):
        need(isinstance(value, int) and 0 <= value < 1 << bits, f"not a number of {bits} bits")
        return value

    return check


u32, u64 = unsigned(32), unsigned(64)


def raw(limit=8 << 20):
    def check(value):
        need(isinstance(value, bytes) and len(value) <= limit, "not a byte string within its limit")
        return value

    return check


def exactly(length):
    def check(value):
        need(isinstance(value, bytes) and len(value) == length, f"not {length} bytes")
        return value

    return check


def text(value):
    need(isinstance(value, str) and len(value.encode()) <= 65536, "not a text within its limit")
    return value


def listed(check, most=1 << 62):
    def check_all(value):
        need(isinstance(value, list) and len(value) <= most, "not a list within its limit")
        return [check(x) for x in value]

    return check_all


def pair(a, b):
    def check(value):
        need(isinstance(value, list) and len(value) == 2, "a pair was expected")
        return (a(value[0]), b(value[1]))

    return check


def time(value):
    seconds, nanos = pair(lambda s: s, u32)(value)
    need(isinstance(seconds, int) and -(1 << 63) <= seconds < 1 << 63, "not a time")
    need(nanos < 10**9, "not a time")
    return (seconds, nanos)


def one_of(what, numbers):
    """A number that stands for something."""

    def check(value):
        need(u64(value) in numbers, f"{what} {value} is not known", Newer)
        return numbers[value]

    return check


def ordinals(value):
    """A set of pack ordinals as a list of runs (first, end)."""
    need(isinstance(value, list) and len(value) % 2 == 0, "not a pack set")
    runs, end = [], 0
    for gap, count in zip(value[::2], value[1::2]):
        need(u32(count) > 0 and (u32(gap) > 0 or not runs), "runs of a pack set touch or are empty")
        runs.append((end + gap, end + gap + count))
        end += gap + count
        need(end <= 1 << 32, "pack set beyond 32 bits")
    return runs


def members(runs):
    return {n for first, end in runs for n in range(first, end)}

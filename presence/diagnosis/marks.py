"""Looks whether anything that was on air stayed somewhere: in a file, a message, a log line.

A *mark* is a piece that could tell one device from another: an address, a whole payload, and the
data of each of its AD structures without the company or UUID in front; of an Eddystone frame, the
identifier. Pieces shorter than 6 bytes could stand anywhere by chance and are left to the whole
payload.

Each mark is sought raw, reversed, as hexadecimal with every usual separator, in base64 at each of
its three alignments, and as the common hashes (not as a CRC: some text would hold its 32 bits by
chance). What can be a mark is decided here, and not by the decoding of the gateway that is under
test.
"""

import hashlib
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SHORTEST: Final = 6
_PREFIX: Final = {0x16: 2, 0xFF: 2, 0x21: 16, 0x08: 0, 0x09: 0}
"""AD type → bytes of UUID or company in front of what is the device's own."""
_EID_FRAME: Final = b"\xaa\xfe\x30"
_HASHES: Final = ("md5", "sha1", "sha256")


@dataclass(frozen=True, slots=True)
class Trace:
    """Something stayed. Says of what kind and where, not whose."""

    kind: str
    where: str


def marks_of(address: bytes, payload: bytes) -> Iterator[tuple[str, bytes]]:
    """Kind and bytes of each mark of one advertisement."""
    yield "address", address
    if len(payload) >= SHORTEST:
        yield "payload", payload
    start = 0
    while start + 1 < len(payload) and payload[start]:
        kind, data = payload[start + 1], payload[start + 2 : start + 1 + payload[start]]
        own = data[_PREFIX.get(kind, len(data)) :]
        if len(own) >= SHORTEST:
            yield "name" if kind in (0x08, 0x09) else "service or manufacturer data", own
        if data.startswith(_EID_FRAME) and len(data) >= 12:
            yield "identifier", data[4:12]
        start += 1 + payload[start]


def spellings(mark: bytes) -> Iterator[tuple[str, bytes]]:
    """How the mark could be written, hexadecimal in lower case."""
    for order, value in (("", mark), ("reversed ", mark[::-1])):
        yield f"{order}raw", value
        yield f"{order}hexadecimal", value.hex().encode()
        for separator in ":-_ ":
            yield f"{order}hexadecimal", value.hex(separator).encode()
        for offset in range(3):
            yield f"{order}base64", _base64_core(value, offset)
    for name in _HASHES:
        digest = hashlib.new(name, mark, usedforsecurity=False).digest()
        yield name, digest
        yield name, digest.hex().encode()


def _base64_core(value: bytes, offset: int) -> bytes:
    """The characters that depend on `value` alone where it stands `offset` bytes into a longer
    text.
    """
    first = -(-offset * 8 // 6)
    last = (offset + len(value)) * 8 // 6
    return b64encode(bytes(offset) + value)[first:last]


def search(marks: Mapping[bytes, str], places: Mapping[str, bytes]) -> list[Trace]:
    """Every kind of mark that stands in a place, once for each kind, spelling and place.

    Ten thousands of spellings are sought: a place is walked once for how they begin, and searched
    for those alone whose beginning stands there.
    """
    written = [(kind, how, text) for mark, kind in marks.items() for how, text in spellings(mark)]
    by_beginning: dict[bytes, list[int]] = {}
    for number, (_, _, text) in enumerate(written):
        by_beginning.setdefault(text[:SHORTEST], []).append(number)
    short = [each for each in by_beginning if len(each) < SHORTEST]  # a name may have four letters
    found: dict[Trace, None] = {}
    for where, content in places.items():
        lower, url_safe = content.lower(), content.replace(b"-", b"+").replace(b"_", b"/")
        there = {*short, *_beginnings_in((content, lower, url_safe), by_beginning)}
        for number in sorted(number for each in there for number in by_beginning[each]):
            kind, how, text = written[number]
            looked_in = url_safe if how.endswith("base64") else lower if "hex" in how else content
            if text in looked_in or (how in _HASHES and text in lower):
                found[Trace(f"{kind} ({how})", where)] = None
    return list(found)


def _beginnings_in(texts: Iterable[bytes], beginnings: Collection[bytes]) -> Iterator[bytes]:
    for text in texts:
        for start in range(len(text) - SHORTEST + 1):
            if (piece := text[start : start + SHORTEST]) in beginnings:
                yield piece


def collect(said: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str]:
    """All marks of these addresses and payloads, each once."""
    return {mark: kind for address, payload in said for kind, mark in marks_of(address, payload)}


def files_below(root: Path) -> dict[str, bytes]:
    """Every file with its content; and all their names as one more place."""
    files = {path.relative_to(root): path for path in sorted(root.rglob("*")) if path.is_file()}
    contents = {f"file {name}": path.read_bytes() for name, path in files.items()}
    return {**contents, "file names": "\n".join(map(str, files)).encode()}

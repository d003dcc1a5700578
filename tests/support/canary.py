"""Ten thousand strangers whose every mark begins with the same rare bytes, so that one search finds
any of them.

The search for whole marks is `presence.diagnosis.marks`; here the common beginning is
sought in each spelling, and every hash of every mark.
"""

import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from presence.diagnosis.marks import spellings

ADDRESS = b"\xc9\xfa\x5e\xed"
DATA = b"CANARY\xc9\xfa"
NAME = b"Kanarienvogel"


def strangers(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Address and payload of each; seven kinds of device."""
    for n in range(count):
        number = n.to_bytes(2, "big")
        mark = DATA + number
        payloads = (
            structure(0xFF, b"\x4c\x00\x10\x0a" + mark),
            structure(0x16, b"\xaa\xfe\x30\xee" + mark[-8:]),
            structure(0x16, b"\x6f\xfd" + mark) + structure(0x09, NAME + number.hex().encode()),
            structure(0x09, NAME + number.hex().encode()),
            structure(0x21, mark + bytes(6) + mark),
            structure(0xFF, b"\x4c\x00\x02\x15" + mark + bytes(10) + b"\xc5"),
            b"\x1f\xff" + mark,  # says that it is longer than it is
        )
        yield ADDRESS + number, payloads[n % len(payloads)]


def structure(kind: int, data: bytes) -> bytes:
    return bytes([len(data) + 1, kind]) + data


def traces(places: Mapping[str, bytes], count: int) -> list[str]:
    """Where and how anything of the strangers stands: empty, or the promise is broken."""
    found = []
    for name, core in (("address", ADDRESS), ("data", DATA[:6]), ("name", NAME)):
        for how, text in spellings(core):
            if how in ("md5", "sha1", "sha256"):
                continue
            for where, content in places.items():
                looked_in = content.lower() if "hex" in how else content
                if text in looked_in:
                    found.append(f"{name} ({how}) in {where}")
    return found + list(_hashed(places, count))


def _hashed(places: Mapping[str, bytes], count: int) -> Iterator[str]:
    hashes: dict[bytes, str] = {}
    for address, payload in strangers(count):
        for mark in (
            address,
            payload,
            address.hex().encode(),
            address.hex(":").encode(),
            payload[2:],
        ):
            for name in ("md5", "sha1", "sha256"):
                hashes[hashlib.new(name, mark, usedforsecurity=False).digest()] = name
            hashes[b"%08x" % zlib.crc32(mark)] = "crc32"
    for where, content in places.items():
        for candidate in (*_windows(content), *_words(content.lower())):
            if (kind := hashes.get(candidate)) is not None:
                yield f"{kind} in {where}"


def _windows(content: bytes) -> Iterator[bytes]:
    """Every stretch as long as an MD5, SHA-1 or SHA-256."""
    for length in (16, 20, 32):
        for start in range(len(content) - length + 1):
            yield content[start : start + length]


def _words(content: bytes) -> Iterator[bytes]:
    """The same hashes, and CRCs, written as hexadecimal."""
    yield from re.findall(rb"(?<![0-9a-f])[0-9a-f]{8}(?![0-9a-f])", content)
    for run in re.findall(rb"[0-9a-f]{32,}", content):
        for start in range(len(run) - 31):
            for length in (32, 40, 64):
                if start + length <= len(run):
                    yield bytes.fromhex(run[start : start + length].decode())


def files_below(*folders: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }

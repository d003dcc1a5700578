"""The files of the audit log: the lines, the file before them, and the head that vouches for both.

Programs that look at them, or write one record and end, need no more than this module.
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from presence.core.operations.audit_chain import (
    BROKEN,
    ChainHead,
    ChainLink,
    ChainVerdict,
    Value,
    encode,
    record_of,
    verify,
)
from presence.edges.host.files import replace_file

FILE_NAME: Final = "audit.jsonl"
BEFORE_NAME: Final = "audit.1.jsonl"
HEAD_NAME: Final = "audit.head"


def record_now(directory: Path, what: str, details: Mapping[str, Value], *, at: str) -> None:
    """One record of a program that ends, on the disk when this returns; nobody else may be writing.
    A broken chain goes on as the gateway's does. Raises OSError.
    """
    mend_torn_line(directory)
    verdict = look_at(directory)
    records = [(what, details)]
    if verdict.problem and BROKEN not in verdict.latest:
        records.insert(0, (BROKEN, {"problem": verdict.problem}))
    last = verdict.last
    for kind, said in records:
        line, last = encode(kind, said, at=at, after=last)
        append_whole(directory / FILE_NAME, line)
        write_head(directory, ChainHead(last, verdict.first_n))


def append_whole(path: Path, line: bytes) -> int:
    """The size of the file then. Raises OSError, and leaves no part of the line."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(handle).st_size
        _write_whole(handle, line, before)
    finally:
        os.close(handle)
    return before + len(line)


def _write_whole(handle: int, line: bytes, before: int) -> None:
    try:
        written = os.write(handle, line)
        os.fsync(handle)
    except OSError:
        written = 0
        raise
    finally:
        if written != len(line):
            os.ftruncate(handle, before)
    if written != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def lines_of(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Every line with its place, oldest first."""
    for name in (BEFORE_NAME, FILE_NAME):
        try:
            with (directory / name).open("rb") as file:
                for number, line in enumerate(file, start=1):
                    yield f"{directory / name} line {number}", line.rstrip(b"\n")
        except FileNotFoundError:
            continue


def first_number(path: Path) -> int:
    with path.open("rb") as file:
        return int(json.loads(file.readline())["n"])


def look_at(directory: Path) -> ChainVerdict:
    """Raises OSError."""
    return verify(lines_of(directory), _read_head(directory))


def read_whole(directory: Path) -> tuple[ChainVerdict, list[dict[str, Any]]]:
    """The same, and every record that can be read, oldest first: of one reading, so that they are
    of one moment. Raises OSError.
    """
    head = _read_head(directory)  # first: a line that comes meanwhile is none too few
    lines = list(lines_of(directory))
    records = [record_of(line) for _, line in lines]
    return verify(lines, head), [record for record in records if record is not None]


def _read_head(directory: Path) -> ChainHead | None:
    try:
        value = json.loads((directory / HEAD_NAME).read_bytes())
        return ChainHead(ChainLink(int(value["n"]), str(value["digest"])), int(value["first_n"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return ChainHead(ChainLink(1 << 62, ""), 1)  # unreadable: it vouches for nothing


def write_head(directory: Path, head: ChainHead) -> None:
    value = {"n": head.last.n, "digest": head.last.digest, "first_n": head.first_n}
    replace_file(directory / HEAD_NAME, json.dumps(value).encode())


def mend_torn_line(directory: Path) -> None:
    """A crash in the middle of writing leaves half a line at the end, of which the head knows
    nothing yet.
    """
    path = directory / FILE_NAME
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(path, whole)

"""The audit log on disk: what was decided about this gateway, and nothing about a person
(docs/operations.md#the-audit-log).

    note ──► waiting (bounded) ──► run: append, fsync, then the head ──► audit.jsonl, audit.head
                                     └── disk full: told once, tried again; the gateway goes on

When a file is large it becomes audit.1.jsonl and the one before that goes; the chain runs on
through both.
"""

import asyncio
import errno
import json
import os
import threading
from collections import deque
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
from presence.core.timestamps import rfc3339
from presence.edges.host.files import replace_file
from presence.ports import Clock
from presence.telemetry import AuditFailed, AuditRecovered, ConsentApplied, Emit, OperationalEvent

FILE_NAME: Final = "audit.jsonl"
BEFORE_NAME: Final = "audit.1.jsonl"
HEAD_NAME: Final = "audit.head"
FILE_MAX: Final = 8_000_000
"""Some 40,000 lines; a list a minute is a month."""
WAITING_MAX: Final = 1000
RETRY_S: Final = 30.0

ON_CHANGE: Final = frozenset({"config.applied", "armed", "root.trusted"})
"""Recorded where it differs from the last record of its kind."""


class AuditLog:
    """`note` is a subscriber of the telemetry; `run` writes it down. Never fails, never stops the
    gateway.
    """

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        emit: Emit,
        retry_s: float = RETRY_S,
        file_max: int = FILE_MAX,
    ) -> None:
        self._emit = emit
        self._directory = directory
        self._clock = clock
        self._retry_s = retry_s
        self._file_max = file_max
        self._waiting: deque[tuple[str, str, Mapping[str, Value]]] = deque(maxlen=WAITING_MAX)
        self._noted = asyncio.Event()
        self._last = ChainLink()
        self._first_n = 1
        self._latest: dict[str, dict[str, Any]] = {}
        self._opened = False
        self._writing = threading.Lock()
        self._failing = False

    def note(self, event: OperationalEvent) -> None:
        """Nothing is recorded but what the event's class says (presence.telemetry)."""
        if event.audited is None:
            return
        details = {name: _plain(value) for name, value in event.audit_details().items()}
        if isinstance(event, ConsentApplied) and event.root_version:
            self.record("root.trusted", {"version": event.root_version})
        if "what" in details:
            details["asked"] = details.pop("what")  # `what` is the record's own
        self.record(event.audited.kind, details)

    def record(self, what: str, details: Mapping[str, Value]) -> None:
        self._waiting.append((what, rfc3339(self._clock.now().utc_s), details))
        self._noted.set()

    async def run(self) -> None:
        try:
            while True:
                await self._noted.wait()
                self._noted.clear()
                if not await asyncio.to_thread(self._write_down):
                    await asyncio.sleep(self._retry_s)
                    self._noted.set()
        finally:
            self._write_down()

    def _write_down(self) -> bool:
        """All that waits; False where the disk does not take it."""
        with self._writing:  # a thread that was left behind at the end may still be at it
            return self._write_waiting()

    def _write_waiting(self) -> bool:
        try:
            if not self._opened:
                self._open()
            while self._waiting:
                record = self._waiting.popleft()
                try:
                    self._append(*record)
                except OSError:
                    self._waiting.appendleft(record)
                    raise
        except OSError as error:
            self._failed(f"{self._directory / FILE_NAME}: {error.strerror}")
            return False
        if self._failing:
            self._failing = False
            self._emit(AuditRecovered())
        return True

    def _open(self) -> None:
        """Find the end of the chain. A chain that is broken goes on from its last line: the break
        stays visible.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        mend_torn_line(self._directory)
        verdict = look_at(self._directory)
        self._last, self._first_n, self._latest = verdict.last, verdict.first_n, verdict.latest
        self._opened = True
        if verdict.problem:
            next_step = "`presence audit verify`; docs/operations.md, PresenceAudit"
            self._emit(AuditFailed(reason=verdict.problem, next_step=next_step))
            if BROKEN not in verdict.latest:
                self._append(BROKEN, rfc3339(self._clock.now().utc_s), {"problem": verdict.problem})

    def _append(self, what: str, at: str, details: Mapping[str, Value]) -> None:
        latest = self._latest.get(what)
        if (
            what in ON_CHANGE
            and latest is not None
            and all(latest.get(k) == v for k, v in details.items())
        ):
            return
        line, link = encode(what, details, at=at, after=self._last)
        path = self._directory / FILE_NAME
        size = _append_whole(path, line)
        self._last = link
        self._latest[what] = {"what": what, **details}
        turn_over = size > self._file_max
        if turn_over:
            self._first_n = _first_n(path)  # the head first: it must never miss lines that are gone
        _write_head(self._directory, ChainHead(link, self._first_n))
        if turn_over:
            path.replace(self._directory / BEFORE_NAME)

    def _failed(self, reason: str) -> None:
        if not self._failing:
            next_step = "make room, or give the folder back to us"
            self._emit(AuditFailed(reason=reason, next_step=next_step))
        self._failing = True


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
        _append_whole(directory / FILE_NAME, line)
        _write_head(directory, ChainHead(last, verdict.first_n))


def _append_whole(path: Path, line: bytes) -> int:
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


def _plain(value: object) -> Value:
    return value if isinstance(value, str | int | float | bool) or value is None else None


def lines_of(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Every line with its place, oldest first."""
    for name in (BEFORE_NAME, FILE_NAME):
        try:
            with (directory / name).open("rb") as file:
                for number, line in enumerate(file, start=1):
                    yield f"{directory / name} line {number}", line.rstrip(b"\n")
        except FileNotFoundError:
            continue


def _first_n(path: Path) -> int:
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


def _write_head(directory: Path, head: ChainHead) -> None:
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

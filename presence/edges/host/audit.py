"""The audit log on disk: what was decided about this gateway, and nothing about a person
(docs/operations.md#the-audit-log).

    note ──► waiting (bounded) ──► run: append, fsync, then the head ──► audit.jsonl, audit.head
                                     └── disk full: told once, tried again; the gateway goes on

When a file is large it becomes audit.1.jsonl and the one before that goes; the chain runs on
through both.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from presence.core.operations.audit_chain import BROKEN, ChainHead, ChainLink, Value, encode
from presence.core.timestamps import rfc3339
from presence.edges.host.audit_files import (
    BEFORE_NAME,
    FILE_NAME,
    append_whole,
    first_number,
    look_at,
    mend_torn_line,
    write_head,
)
from presence.ports import Clock
from presence.telemetry import AuditFailed, AuditRecovered, ConsentApplied, Emit, OperationalEvent

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
        size = append_whole(path, line)
        self._last = link
        self._latest[what] = {"what": what, **details}
        turn_over = size > self._file_max
        if turn_over:
            # the head first: it must never miss lines that are gone
            self._first_n = first_number(path)
        write_head(self._directory, ChainHead(link, self._first_n))
        if turn_over:
            path.replace(self._directory / BEFORE_NAME)

    def _failed(self, reason: str) -> None:
        if not self._failing:
            next_step = "make room, or give the folder back to us"
            self._emit(AuditFailed(reason=reason, next_step=next_step))
        self._failing = True


def _plain(value: object) -> Value:
    return value if isinstance(value, str | int | float | bool) or value is None else None

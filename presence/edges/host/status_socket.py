"""Answers technicians over a Unix socket: one word in, one JSON object or text out, and the line is
closed.

Who may ask is decided by the mode of the socket (0660) and its group. A client that is silent, slow
or many harms nobody: all limits are below. Nothing can be changed over it.
"""

import asyncio
import grp
import json
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from presence.core.operations.snapshot import Snapshot
from presence.core.operations.status import as_json
from presence.edges.host import logs
from presence.telemetry import Emit, StatusFailed, TechnicianAsked

FILE_NAME: Final = "status.sock"
REQUEST_MAX: Final = 64
ANSWER_MAX: Final = 1 << 20
CLIENTS_MAX: Final = 8
PATIENCE_S: Final = 2.0
"""For a question, and again for its answer to be taken."""
_UCRED: Final = struct.Struct("3i")
"""pid, uid, gid; unix(7)."""

Answers = Mapping[str, Callable[[], bytes]]


class StatusSocket:
    """Runs in the daemon's TaskGroup; never fails, never stops the gateway."""

    def __init__(
        self,
        directory: Path,
        answers: Answers,
        *,
        group: str | None,
        emit: Emit,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.path = directory / FILE_NAME
        self._answers = answers
        self._group = group
        self._emit = emit
        self._patience_s = patience_s
        self._clients = 0
        self.turned_away = 0

    async def run(self) -> None:
        try:
            with self._bound() as listening:
                server = await asyncio.start_unix_server(
                    self._serve, sock=listening, limit=REQUEST_MAX
                )
                async with server:
                    await asyncio.Event().wait()
        except (OSError, KeyError) as error:
            reason = (
                f"no group {self._group}"
                if isinstance(error, KeyError)
                else str(error.strerror or error)
            )
            next_step = (
                "see status.group and storage.runtime_dir: this user must be a member of the group"
            )
            self._emit(StatusFailed(file=str(self.path), reason=reason, next_step=next_step))

    @contextmanager
    def _bound(self) -> Iterator[socket.socket]:
        """Under its name only when its mode is right."""
        new = self.path.with_name(f".{self.path.name}.new")
        new.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listening:
            listening.bind(str(new))
            new.chmod(0o600)
            if self._group is not None:
                number = grp.getgrnam(self._group).gr_gid
                os.chown(new, -1, number)
                os.chown(self.path.parent, -1, number)
                self.path.parent.chmod(0o710)
            new.chmod(0o660)
            new.replace(self.path)
            try:
                yield listening
            finally:
                self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients > CLIENTS_MAX:
                self.turned_away += 1
            else:
                await self._answer(reader, writer)
        except (
            OSError,
            TimeoutError,
            ValueError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ):
            pass  # a client that went away, was silent or said too much
        finally:
            self._clients -= 1
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._patience_s):
            word = (await reader.readuntil(b"\n")).strip().decode("ascii")
        answer = self._answers.get(word)
        if answer is None:
            writer.write(b"")
            return
        if word != "status":
            asked_by = writer.get_extra_info("socket").getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size
            )
            self._emit(TechnicianAsked(what=word, uid=_UCRED.unpack(asked_by)[1]))
        writer.write(answer())
        async with asyncio.timeout(self._patience_s):
            writer.transport.set_write_buffer_limits(0)
            await writer.drain()


def ask(path: Path, word: str, *, timeout_s: float = 5.0) -> bytes:
    """What the gateway answers; blocks. Raises OSError, of which TimeoutError is one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(timeout_s)
        asking.connect(str(path))
        asking.sendall(word.encode() + b"\n")
        answer = bytearray()
        while len(answer) < ANSWER_MAX and (more := asking.recv(65_536)):
            answer += more
    return bytes(answer)


def status_answer(snapshot: Snapshot) -> bytes:
    """Texts are scrubbed one by one: a number of many digits (bytes free on a large disk) is no
    identifier.
    """
    return json.dumps(logs.cleaned(as_json(snapshot)), ensure_ascii=False).encode()

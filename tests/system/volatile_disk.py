"""A disk for the machine that loses with the power what it was not told to keep: as a real one with
a cache of its own does, and not as a file of the host, which outlives QEMU.

    machine ──write──► cache (memory) ──flush──► file
                                     ──the power goes──► a random half of its blocks in the file

So nothing is in the file by luck and in order: what the machine did not wait for may be there, or
may not, and a later write may be there without an earlier one. QEMU comes by NBD
(https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md): the fixed newstyle
negotiation, simple replies, and no more than reads, writes and flushes.
"""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from pathlib import Path
from random import Random
from typing import BinaryIO, Final

BLOCK: Final = 4096
"""Written whole or not at all, as disks of today promise; also what ext4 here writes."""
JOURNAL: Final = ("-O", "has_journal", "-J", "size=16")
"""The image has none, which spares the other days time; a shop's machine has one."""
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
OPTION_GO: Final = 7
REP_ACK, REP_INFO, REP_ERR_UNSUP = 1, 3, (1 << 31) | 1
HAS_FLAGS, SEND_FLUSH = 1, 4
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
OPTION_MAGIC, REPLY_MAGIC = 0x49484156454F5054, 0x3E889045565A9
REQUEST: Final = struct.Struct(">IHHQQI")
EINVAL: Final = 22


class VolatileDisk:
    """A copy of an image, and what was written to it since the last flush."""

    def __init__(self, image: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "disk.img"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, self.path], check=True)
        subprocess.run(["tune2fs", *JOURNAL, self.path], check=True, capture_output=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        self._cache: dict[int, bytes] = {}
        self.flushes = 0
        self._short = Path(tempfile.mkdtemp(prefix="disk-"))  # a socket's path is 108 bytes at most
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self._short / "nbd"))
        self._server.listen()
        self._idle = threading.Event()
        self._idle.set()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def drive(self) -> str:
        """For QEMU. Not `cache=unsafe`: it would swallow the flushes."""
        return f"file=nbd+unix:///?socket={self._short}/nbd,format=raw,cache=writeback"

    def lose_power(self, chance: Random) -> tuple[int, int]:
        """After the machine is gone: how many blocks were on their way, and how many of them are
        lost.
        """
        assert self._idle.wait(30), "QEMU still holds the disk"
        waiting = list(self._cache.items())
        lost = 0
        for number, data in waiting:
            if chance.random() < 0.5:
                lost += 1
            else:
                os.pwrite(self._file, data, number * BLOCK)
        self._cache.clear()
        return len(waiting), lost

    def close(self) -> None:
        self._server.close()
        os.close(self._file)
        shutil.rmtree(self._short)
        self.path.unlink()

    # ------------------------------------------------------------ the blocks

    def _read(self, at: int, length: int) -> bytes:
        data = os.pread(self._file, length, at)
        if not self._cache:
            return data
        first, end = at // BLOCK, -(-(at + length) // BLOCK)
        if self._cache.keys().isdisjoint(range(first, end)):
            return data
        whole = b"".join(self._block(number) for number in range(first, end))
        return whole[at - first * BLOCK :][:length]

    def _block(self, number: int) -> bytes:
        cached = self._cache.get(number)
        return os.pread(self._file, BLOCK, number * BLOCK) if cached is None else cached

    def _write(self, at: int, data: bytes) -> None:
        while data:
            number, within = divmod(at, BLOCK)
            part = data[: BLOCK - within]
            if len(part) < BLOCK:
                before = self._block(number)
                block = before[:within] + part + before[within + len(part) :]
            else:
                block = part
            self._cache[number] = block
            at, data = at + len(part), data[len(part) :]

    def _flush(self) -> None:
        self.flushes += 1
        for number, data in self._cache.items():
            os.pwrite(self._file, data, number * BLOCK)
        self._cache.clear()

    # ------------------------------------------------------------ NBD

    def _serve(self) -> None:
        while True:
            try:
                machine, _ = self._server.accept()
            except OSError:
                return  # closed
            self._idle.clear()
            try:
                with machine, machine.makefile("rb") as said:
                    if _negotiated(machine, said, self._size):
                        while self._answered(machine, said):
                            pass
            except (OSError, EOFError):
                pass  # killed in the middle: what was whole is in the cache
            finally:
                self._idle.set()

    def _answered(self, machine: socket.socket, said: BinaryIO) -> bool:
        _, _, kind, cookie, at, length = REQUEST.unpack(_exactly(said, REQUEST.size))
        error, data = 0, b""
        if kind == READ:
            data = self._read(at, length)
        elif kind == WRITE:
            self._write(at, _exactly(said, length))
        elif kind == FLUSH:
            self._flush()
        elif kind == DISCONNECT:
            return False
        else:
            error = EINVAL
        machine.sendall(struct.pack(">IIQ", 0x67446698, error, cookie) + data)
        return True


def _exactly(said: BinaryIO, length: int) -> bytes:
    data = said.read(length)
    if len(data) != length:
        raise EOFError
    return data


def _negotiated(machine: socket.socket, said: BinaryIO, size: int) -> bool:
    """One export, whatever name it is asked for by."""
    machine.sendall(b"NBDMAGIC" + struct.pack(">QH", OPTION_MAGIC, FIXED_NEWSTYLE | NO_ZEROES))
    _exactly(said, 4)
    while True:
        _, option, length = struct.unpack(">QII", _exactly(said, 16))
        _exactly(said, length)
        if option == OPTION_GO:
            export = struct.pack(">HQH", 0, size, HAS_FLAGS | SEND_FLUSH)
            machine.sendall(_reply(option, REP_INFO, export) + _reply(option, REP_ACK))
            return True
        machine.sendall(_reply(option, REP_ERR_UNSUP))


def _reply(option: int, kind: int, data: bytes = b"") -> bytes:
    return struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data)) + data

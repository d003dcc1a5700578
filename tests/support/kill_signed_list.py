"""A gateway's looks at its list that are killed at their n-th write: `python -m
tests.support.kill_signed_list FOLDER`.

Standard input: `N` or `N power` a line, each for a look, and the settling after it, in a process of
its own (a fork). Every statement that SQLite begins, every write into the base's file and the
window keys', every file that is opened for writing, renamed or removed counts as one write; at the
N-th the process kills itself as `kill -9` does. With `power` it takes with it what it wrote into
the base's files and did not sync, as a loss of power may. Standard output: how each look ended, 0
where it was done before.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy.ma  # noqa: F401 - numpy imports it at the first union1d, which would be in every look

from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from tests.support.signed_lists import LIST

time.strptime("2027-03-01T00:00:00Z", "%Y-%m-%dT%H:%M:%SZ")  # likewise: the first one imports
COUNTED = {"open", "os.rename", "os.remove", "os.mkdir", "os.symlink", "tempfile.mkstemp"}


class Unsynced:
    """What the bases' files held before each write that may be lost."""

    def __init__(self) -> None:
        self._before: list[tuple[Path, int, bytes]] = []

    def note(self, handle: int, data: bytes, at: int) -> None:
        path = _path(handle)
        if path.suffix == ".base":
            self._before.append((path, at, path.read_bytes()[at : at + len(data)]))

    def synced(self, handle: int) -> None:
        path = _path(handle)
        self._before = [each for each in self._before if each[0] != path]

    def lose(self) -> None:
        for path, at, before in reversed(self._before):
            with path.open("r+b") as file:
                file.seek(at)
                file.write(before)


def _path(handle: int) -> Path:
    return Path(f"/proc/self/fd/{handle}").readlink()


class Fuse:
    def __init__(self, left: int, *, power: bool) -> None:
        self.left = left
        self.unsynced = Unsynced()
        self._power = power

    def burn(self, *_arguments: object) -> None:
        self.left -= 1
        if self.left == 0:
            if self._power:
                self.unsynced.lose()
            os.kill(os.getpid(), signal.SIGKILL)

    def writing(self, write: Callable[..., int]) -> Callable[..., int]:
        def burning(handle: int, data: bytes, at: int) -> int:
            self.burn()
            self.unsynced.note(handle, data, at)
            return write(handle, data, at)

        return burning

    def syncing(self, sync: Callable[[int], None]) -> Callable[..., None]:
        def burning(handle: int) -> None:
            self.burn()
            sync(handle)
            self.unsynced.synced(handle)

        return burning

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in COUNTED and (
            event != "open" or (isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE)
        ):
            self.burn()


def look(folder: Path, writes: int, *, power: bool) -> None:
    fuse = Fuse(writes, power=power)
    state = folder / "door/state"
    tuf = TufRepository(
        str(folder / "repository"),
        root_file=folder / "repository-root.json",
        metadata_dir=state / "tuf",
    )
    store = ListStore(state)
    keys = WindowKeyFiles(folder / "door/run")
    source = SignedList(tuf, store, keys, name=LIST, max_span_s=396 * 86_400)
    store._database.set_trace_callback(fuse.burn)
    sys.addaudithook(fuse.audit)
    os.pwrite = fuse.writing(os.pwrite)
    os.fsync = fuse.syncing(os.fsync)
    os.fdatasync = fuse.syncing(os.fdatasync)
    source.read()
    source.settle()
    fuse.left = -1
    source.close()


def main() -> None:
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            writes, *power = line.split()
            look(folder, int(writes), power=bool(power))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()

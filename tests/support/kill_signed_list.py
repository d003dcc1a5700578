"""A gateway's looks at its list that are killed at their n-th write: `python -m
tests.support.kill_signed_list FOLDER`.

Standard input: an N a line, each for a look in a process of its own (a fork). Every statement that
SQLite begins, every file that is opened for writing, renamed or removed counts as one write; at the
N-th the process kills itself as `kill -9` does. Standard output: how each look ended, 0 where it
was done before.
"""

import os
import signal
import sys
from pathlib import Path

from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from tests.support.signed_lists import LIST

COUNTED = {"open", "os.rename", "os.remove", "os.mkdir", "os.symlink", "tempfile.mkstemp"}


class Fuse:
    def __init__(self, left: int) -> None:
        self.left = left

    def burn(self, *_arguments: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in COUNTED and (
            event != "open" or (isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE)
        ):
            self.burn()


def look(folder: Path, writes: int) -> None:
    fuse = Fuse(writes)
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
    source.read()
    fuse.left = -1
    source.close()


def main() -> None:
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            look(folder, int(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()

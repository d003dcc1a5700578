"""Stores on a disk that fails at the n-th write: `fiu-run -x python -m tests.support.disk_faults
STORE ERRNO FOLDER`.

libfiu lets the calls of libc fail; which one is decided here, by counting. From the n-th on all of
them fail, as on a disk that is full or gone. Standard output: one JSON line for each n, until
nothing fails any more.
"""

import ctypes
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from presence.core.consent.revocations import HeldRevocation
from presence.core.event.outbox import Step
from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from presence.edges.host.audit import AuditLog
from presence.edges.sqlite.revocations import SqliteRevocationStore
from presence.edges.sqlite.store import ConsentStore, RuntimeStore
from presence.errors import ConsentListError, StorageError
from tests.support.builders import ANNA, BERIT, a_list, consent, visit
from tests.support.fakes import FakeClock
from tests.support.revocations import removal
from tests.support.signed_lists import LIST, Repository, agreed

WRITES = (
    "rw/write",
    "rw/pwrite",
    "rw/writev",
    "rw/truncate",
    "rw/ftruncate",
    "sync/fsync",
    "sync/fdatasync",
    "dir/rename",
    "dir/unlink",
)
POINTS = [f"posix/io/{name}".encode() for name in WRITES]
Decide = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), ctypes.c_void_p, ctypes.c_void_p
)


class Disk:
    """Fails from its n-th write on, while it is worn."""

    def __init__(self, errno: int) -> None:
        self._fiu = ctypes.CDLL("libfiu.so.0")
        self._fiu.fiu_init(0)
        self._errno = ctypes.c_void_p(errno)
        self._decide = Decide(self._fails)  # kept, or ctypes would free it
        self._left = 0
        self.failed = 0

    @contextmanager
    def worn_from(self, at: int) -> Iterator[None]:
        """Only in here libfiu asks: each write asks Python, and most of them are no trial's."""
        self._left, self.failed = at, 0
        for point in POINTS:
            assert self._fiu.fiu_enable_external(point, 1, self._errno, 0, self._decide) == 0
        try:
            yield
        finally:
            for point in POINTS:
                assert self._fiu.fiu_disable(point) == 0

    def _fails(self, *_: object) -> int:
        self._left -= 1
        if self._left > 0:
            return 0
        self.failed += 1
        return 1


def runtime(folder: Path) -> tuple[Callable[[], None], Callable[[], object]]:
    def act() -> None:
        with closing(RuntimeStore(folder)) as store:
            store.commit(Step(saved=(visit(ref=BERIT),)))

    with closing(RuntimeStore(folder)) as store:
        store.commit(Step(saved=(visit(ref=ANNA),)))

    def state() -> object:
        with closing(RuntimeStore(folder)) as store:
            return sorted(each.ref.hex() for each in store.load().visits)

    return act, state


def consents(folder: Path) -> tuple[Callable[[], None], Callable[[], object]]:
    def accept(seq: int, *refs: bytes) -> None:
        with closing(ConsentStore(folder)) as store:
            store.accept(a_list(*(consent(ref=ref) for ref in refs), seq=seq))

    accept(1, ANNA)

    def state() -> object:
        with closing(ConsentStore(folder)) as store:
            rows = store._database.execute("SELECT seq FROM list").fetchone()
            return [rows[0], store._database.execute("SELECT count(*) FROM entry").fetchone()[0]]

    return lambda: accept(2, ANNA, BERIT), state


def withdrawn(folder: Path) -> tuple[Callable[[], None], Callable[[], object]]:
    def keep(ref: bytes, seq: int) -> None:
        with closing(SqliteRevocationStore(folder)) as store:
            store.keep(LIST, (HeldRevocation(removal(ref), seq),), seq)

    keep(ANNA, 1)

    def state() -> object:
        with closing(SqliteRevocationStore(folder)) as store:
            return [store.last_revocation(LIST), len(store.load())]

    return lambda: keep(BERIT, 2), state


def signed(folder: Path) -> tuple[Callable[[], None], Callable[[], object]]:
    repository = Repository(folder / "repository").base([agreed(ANNA)]).publish()

    def look() -> None:
        tuf = TufRepository(
            str(repository.folder),
            root_file=repository.root_file,
            metadata_dir=folder / "state/tuf",
        )
        store = ListStore(folder / "state")
        source = SignedList(
            tuf, store, WindowKeyFiles(folder / "run"), name=LIST, max_span_s=396 * 86_400
        )
        with closing(source):
            source.read()
            source.settle()

    look()
    repository.seq += 1
    repository.base([agreed(ANNA), agreed(BERIT)], new_epoch=True).publish()

    def state() -> object:
        with closing(ListStore(folder / "state")) as store:
            kept = store.kept()
            return [kept.seq if kept else 0, store.count()]

    return look, state


def audit(folder: Path) -> tuple[Callable[[], None], Callable[[], object]]:
    said: list[str] = []

    def write(what: str) -> None:
        said.clear()
        log = AuditLog(
            folder,
            FakeClock(),
            emit=lambda event: said.append(f"{event.name} {event.fields().get('reason')}"),
        )
        log.record(what, {})
        if not log._write_down():
            raise StorageError("; ".join(said))

    write("armed")

    def state() -> object:
        return [
            json.loads(line)["what"] for line in (folder / "audit.jsonl").read_text().splitlines()
        ]

    return lambda: write("config.applied"), state


STORES: dict[str, Callable[[Path], tuple[Callable[[], None], Callable[[], object]]]] = {
    "runtime": runtime,
    "consents": consents,
    "withdrawn": withdrawn,
    "signed": signed,
    "audit": audit,
}


def tried(disk: Disk, act: Callable[[], None], at: int) -> tuple[str, str]:
    """How it ended, and in which words."""
    try:
        with disk.worn_from(at):
            act()
    except (StorageError, ConsentListError) as error:
        return "told", str(error)
    except Exception as error:  # noqa: BLE001 - that is what the test looks for
        return "uncaught", f"{type(error).__name__}: {error}"
    return "done", ""


def main() -> None:
    name, errno, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    disk = Disk(errno)
    place, prepared = folder / f"{name}-disk", folder / f"{name}-prepared"
    place.mkdir()
    act, state = STORES[name](place)
    before: Any = state()
    place.rename(prepared)
    for at in range(1, 1000):
        shutil.copytree(prepared, place, symlinks=True)
        how, words = tried(disk, act, at)
        failed, after = disk.failed, state()
        act() if how != "done" or failed else None
        line = {
            "at": at,
            "how": how,
            "words": words,
            "failed": failed,
            "before": before,
            "after": after,
            "then": state(),
        }
        print(json.dumps(line), flush=True)  # noqa: T201 - this is its answer
        shutil.rmtree(place)
        if not failed:
            return


if __name__ == "__main__":
    main()
    os._exit(0)  # libfiu asks us until the very end, when Python is no more

"""kill -9 at every write of a look: list and number stay one, and the next look ends where it
should (R-40).

What SQLite itself does between two of its writes is its own promise (a commit is whole); each
statement is a place to die here, and each file of TUF's metadata and of the window keys.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from presence.core.consent.model import Consent
from presence.core.consent.record import decode_record, encode_record
from presence.core.consent.segments import Delete, Put
from presence.edges.consent_list.store import ListStore
from tests.support.builders import ANNA, BERIT, CARL
from tests.support.paths import ROOT
from tests.support.signed_gateway import Door
from tests.support.signed_lists import Repository, agreed

DONE, KILLED = 0, -signal.SIGKILL


class Killer:
    """Looks that die; a process in which everything is imported, so that one costs no more than a
    fork.
    """

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.support.kill_signed_list", folder]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def look(self, writes: int) -> int:
        """A look that dies at this write."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{writes}\n")
        self._process.stdin.flush()
        ended = int(self._process.stdout.readline())
        assert ended in (DONE, KILLED)
        return ended

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture
def killer(tmp_path: Path) -> Iterator[Killer]:
    killer = Killer(tmp_path)
    yield killer
    killer.close()


def stored(folder: Path) -> tuple[int, dict[bytes, Consent]]:
    """The number and the entries on the disk."""
    store = ListStore(folder / "door/state")
    kept = store.kept()
    rows = store._database.execute("SELECT ref, record FROM entry").fetchall()
    store.close()
    if kept is None:
        return 0, {ref: agreed(ref) for ref, _ in rows}
    return kept.seq, {ref: decode_record(ref, record, kept.words) for ref, record in rows}


def worlds(tmp_path: Path) -> tuple[Repository, dict[int, dict[bytes, Consent]]]:
    """A list of two, and what is true under each number."""
    repository = Repository(tmp_path / "repository").base([agreed(ANNA), agreed(BERIT)]).publish()
    first = {ref: agreed(ref) for ref in (ANNA, BERIT)}
    second = {BERIT: agreed(BERIT, version=8, grants=()), CARL: agreed(CARL)}
    return repository, {0: {}, 1: first, 2: second}


def change(repository: Repository) -> None:
    rows = [
        Delete(ANNA, 8),
        *(Put(each.ref, encode_record(each, repository.words)) for each in changed()),
    ]
    repository.delta(rows, count=2).keys([BERIT, CARL]).publish()


def changed() -> list[Consent]:
    return [agreed(BERIT, version=8, grants=()), agreed(CARL)]


async def dies_at(killer: Killer, tmp_path: Path, places: range) -> int:
    """How many of these places there were; each is tried on the first load and on a change."""
    repository, truth = worlds(tmp_path)
    died = 0
    for first_load in (True, False):
        if not first_load:
            assert killer.look(-1) == DONE
            change(repository)
        before = tmp_path / f"before-{first_load}"
        (tmp_path / "door").mkdir(exist_ok=True)
        shutil.copytree(tmp_path / "door", before, symlinks=True)
        for writes in places:
            shutil.rmtree(tmp_path / "door")
            shutil.copytree(before, tmp_path / "door", symlinks=True)
            if killer.look(writes) == DONE:
                break
            died += 1
            seq, entries = stored(tmp_path)
            assert entries == truth[seq]
            assert seq in ((0, 1) if first_load else (1, 2))
            if died % 5 == 1:
                await comes_back(tmp_path, repository, truth)
        shutil.rmtree(tmp_path / "door")
        shutil.copytree(before, tmp_path / "door", symlinks=True)
    return died


async def comes_back(
    tmp_path: Path, repository: Repository, truth: dict[int, dict[bytes, Consent]]
) -> None:
    """The daemon that is started next has the list that is true now."""
    async with Door(tmp_path / "door", repository).running() as door:
        assert door.gateway.list_sync.errors == 0
        assert (door.gateway.list_sync.seq, door.publishes) == (repository.seq, True)
    assert stored(tmp_path) == (repository.seq, truth[repository.seq])


@pytest.mark.requirement("R-40")
async def test_killed_at_some_writes_the_list_stays_one_with_its_number(
    killer: Killer, tmp_path: Path
) -> None:
    assert await dies_at(killer, tmp_path, range(3, 100, 9)) > 4


@pytest.mark.slow
@pytest.mark.requirement("R-40")
async def test_killed_at_every_write_the_list_stays_one_with_its_number(
    killer: Killer, tmp_path: Path
) -> None:
    assert await dies_at(killer, tmp_path, range(1, 200)) > 40

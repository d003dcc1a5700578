"""kill -9 at every write of a look and of the erasing after it: list and number stay one, and the
next look ends where it should (R-40), with nothing left of those who went (R-12).

What SQLite itself does between two of its writes is its own promise (a commit is whole); each
statement is a place to die here, each write into the base's file, and each file of TUF's metadata
and of the window keys.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from presence.core.consent.list_changes import Delete, Put
from presence.core.consent.model import Consent
from presence.core.consent.record import encode_record
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

    def look(self, writes: int, *, power: bool = False) -> int:
        """A look that dies at this write; `power`: with all that was not synced."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{writes}{' power' if power else ''}\n")
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
    entries = dict(store.index(kept.words if kept else ()))
    count = store.count()
    store.close()
    assert count == len(entries)
    return kept.seq if kept else 0, entries


def worlds(tmp_path: Path) -> tuple[Repository, dict[int, dict[bytes, Consent]]]:
    """A list of two, and what is true under each number."""
    repository = Repository(tmp_path / "repository").base([agreed(ANNA), agreed(BERIT)]).publish()
    first = {ref: agreed(ref) for ref in (ANNA, BERIT)}
    second = {BERIT: agreed(BERIT, version=8, grants=()), CARL: agreed(CARL)}
    third = {CARL: agreed(CARL)}
    return repository, {0: {}, 1: first, 2: second, 3: third}


def rebase(repository: Repository) -> None:
    repository.seq += 1
    repository.base([agreed(CARL)], new_epoch=True).publish()


def change(repository: Repository) -> None:
    rows = [
        Delete(ANNA, 8),
        *(Put(each.ref, encode_record(each, repository.words)) for each in changed()),
    ]
    repository.delta(rows, count=2).keys([BERIT, CARL]).publish()


def changed() -> list[Consent]:
    return [agreed(BERIT, version=8, grants=()), agreed(CARL)]


async def dies_at(killer: Killer, tmp_path: Path, places: range, *, power: bool = False) -> int:
    """How many of these places there were; each is tried on the first load, on a change, and on
    a new base.
    """
    repository, truth = worlds(tmp_path)
    died = 0
    for step, makes in enumerate((None, change, rebase)):
        if makes is not None:
            assert killer.look(-1) == DONE
            makes(repository)
        before = tmp_path / f"before-{step}"
        (tmp_path / "door").mkdir(exist_ok=True)
        shutil.copytree(tmp_path / "door", before, symlinks=True)
        for writes in places:
            shutil.rmtree(tmp_path / "door")
            shutil.copytree(before, tmp_path / "door", symlinks=True)
            if killer.look(writes, power=power) == DONE:
                break
            died += 1
            seq, entries = stored(tmp_path)
            assert entries == truth[seq]
            assert seq in (step, step + 1)
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
    leaves_nothing_of_those_who_went(tmp_path / "door", truth, repository.seq)


def leaves_nothing_of_those_who_went(
    door: Path, truth: dict[int, dict[bytes, Consent]], seq: int
) -> None:
    files = [file.read_bytes() for file in door.rglob("*") if file.is_file()]
    went = {ref for entries in truth.values() for ref in entries} - truth[seq].keys()
    if seq == max(truth):  # a list that is on its way is no trace of somebody who went
        assert [ref for ref in went for data in files if ref in data or ref[::-1] in data] == []
    assert len(list(door.rglob("*.base"))) == 1


@pytest.mark.requirement("R-40", "R-12")
@pytest.mark.parametrize("power", [False, True])
async def test_killed_at_some_writes_the_list_stays_one_with_its_number(
    killer: Killer, tmp_path: Path, power: bool
) -> None:
    assert await dies_at(killer, tmp_path, range(3, 300, 11), power=power) > 9


@pytest.mark.slow
@pytest.mark.requirement("R-40", "R-12")
@pytest.mark.parametrize("power", [False, True])
async def test_killed_at_every_write_the_list_stays_one_with_its_number(
    killer: Killer, tmp_path: Path, power: bool
) -> None:
    assert await dies_at(killer, tmp_path, range(1, 400), power=power) > 120

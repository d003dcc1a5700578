"""Files that are damaged, emptied, gone or of a newer version: begun anew where that can be, and
always told.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from presence.edges.consent_list.store import ListStore
from presence.edges.sqlite.revocations import SqliteRevocationStore
from presence.edges.sqlite.spoilt import aside, state_of
from presence.edges.sqlite.store import ConsentStore, RuntimeStore
from presence.errors import MemoryLost, StorageError
from presence.ports import Stored
from tests.support.builders import ANNA, BERIT, a_list, consent
from tests.support.list_clients import Client
from tests.support.signed_lists import Repository, agreed

Spoil = Callable[[Path], None]


def torn(path: Path) -> None:
    """The first blocks are of something else."""
    with path.open("r+b") as file:
        file.write(os.urandom(2048))


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version=99")


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def torn_inside(path: Path) -> None:
    """Its head is whole, and its tables are not."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


@pytest.mark.parametrize(
    ("spoil", "word"), [(torn, "damaged"), (newer, "newer version"), (torn_inside, "damaged")]
)
def test_visits_that_cannot_be_read_are_forgotten_and_told(
    tmp_path: Path, spoil: Spoil, word: str
) -> None:
    path = tmp_path / "visits.sqlite"
    RuntimeStore(tmp_path).close()
    spoil(path)
    with closing(RuntimeStore(tmp_path, begins_anew=True)) as store:
        assert store.load() == Stored()
        assert word in store.begun_anew
        assert "present visits are forgotten" in store.begun_anew
    assert sorted(file.name for file in tmp_path.iterdir()) == ["visits.sqlite"]
    with closing(RuntimeStore(tmp_path, begins_anew=True)) as store:
        assert store.load() == Stored()
        assert store.begun_anew == ""


@pytest.mark.requirement("R-42")
@pytest.mark.parametrize(
    ("spoil", "word"),
    [(torn, "damaged"), (newer, "newer"), (emptied, "empty"), (os.remove, "gone")],
)
def test_a_memory_of_the_plain_list_that_is_lost_is_told_with_what_is_protected_no_more(
    tmp_path: Path, spoil: Spoil, word: str
) -> None:
    audited = tmp_path / "audit.jsonl"
    with closing(ConsentStore(tmp_path, begins_anew=True, audited=audited)) as store:
        assert store.begun_anew == ""
        store.accept(a_list(consent()))
    audited.touch()
    spoil(tmp_path / "consents.sqlite")
    assert word in state_of(tmp_path / "consents.sqlite", audited) or spoil is newer
    with closing(ConsentStore(tmp_path, begins_anew=True, audited=audited)) as store:
        assert word in store.begun_anew
        assert "an older one would be taken" in store.begun_anew
        store.accept(a_list(consent()))
    assert not aside(tmp_path / "consents.sqlite").exists()
    with closing(ConsentStore(tmp_path, begins_anew=True, audited=audited)) as store:
        assert store.begun_anew == ""


@pytest.mark.requirement("R-36", "R-42")
@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (torn, "damaged"),
        (torn_inside, "damaged"),
        (newer, "newer"),
        (emptied, "empty"),
        (os.remove, "gone"),
    ],
)
def test_a_memory_of_the_signed_list_that_is_lost_is_told_and_the_list_comes_again(
    tmp_path: Path, spoil: Spoil, word: str
) -> None:
    repository = Repository(tmp_path / "repository").base([agreed(ANNA), agreed(BERIT)]).publish()
    client = Client(tmp_path / "gateway", repository)
    assert client.list.begun_anew == ""
    client.read()
    client.list.close()
    path = client.state / "signed-list.sqlite"
    spoil(path)
    assert word in state_of(path, client.state / "tuf/timestamp.json") or spoil is newer
    client.list = client.start()
    try:
        assert word in client.list.begun_anew
        assert "TUF's own memory" in client.list.begun_anew
        assert client.refs() == {ANNA, BERIT}
        assert not aside(path).exists()
    finally:
        client.list.close()


def test_a_list_that_is_found_damaged_while_it_is_used_is_begun_anew_by_the_look_that_finds_it(
    tmp_path: Path,
) -> None:
    repository = Repository(tmp_path / "repository").base([agreed(ANNA)]).publish()
    client = Client(tmp_path / "gateway", repository)
    try:
        client.read()
        path = client.state / "signed-list.sqlite"
        torn_inside(path)
        with path.open(
            "r+b"
        ) as file:  # its change counter: what SQLite remembers of the file counts no more
            file.seek(24)
            file.write(os.urandom(4))
        repository.publish()
        with pytest.raises(MemoryLost, match=r"damaged: .*: begun anew"):
            client.list.read()
        assert client.refs() == {ANNA}
    finally:
        client.list.close()


@pytest.mark.requirement("R-36", "R-42")
@pytest.mark.parametrize("spoil", [torn, emptied, os.remove])
def test_a_base_that_is_lost_is_told_and_comes_again_and_an_older_list_is_still_refused(
    tmp_path: Path, spoil: Spoil
) -> None:
    repository = Repository(tmp_path / "repository").base([agreed(ANNA), agreed(BERIT)]).publish()
    client = Client(tmp_path / "gateway", repository)
    client.read()
    kept = client.list._store.kept()
    client.list.close()
    (path,) = client.state.glob("*.base")
    spoil(path)
    client.list = client.start()
    try:
        assert str(path) in client.list.begun_anew
        assert "no older one is taken" in client.list.begun_anew
        now = client.list._store.kept()
        assert kept is not None
        assert now is not None
        assert (now.seq, now.versions, now.counts) == (kept.seq, kept.versions, kept.counts)
        assert client.refs() == {ANNA, BERIT}
        assert path not in client.state.glob("*.base")
    finally:
        client.list.close()


def test_a_base_that_is_found_damaged_while_it_is_used_comes_again_with_the_next_look(
    tmp_path: Path,
) -> None:
    repository = Repository(tmp_path / "repository").base([agreed(ANNA)]).publish()
    client = Client(tmp_path / "gateway", repository)
    try:
        verified = client.read()
        assert verified.indexed is not None
        (path,) = client.state.glob("*.base")
        with path.open("r+b") as file:
            file.seek(4096 + 20)
            file.write(b"\xff" * 8)
        assert ANNA not in verified.indexed.consents
        with pytest.raises(MemoryLost, match=r"damaged: block 0 .*: begun anew"):
            client.list.read()
        assert client.refs() == {ANNA}
    finally:
        client.list.close()


def test_damage_that_nobody_asked_for_is_found_once_the_list_is_in_force(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository").base([agreed(ANNA)]).publish()
    client = Client(tmp_path / "gateway", repository)
    client.read()
    client.list.close()
    (path,) = client.state.glob("*.base")
    with path.open("r+b") as file:
        file.seek(4096 + 20)
        file.write(b"\xff" * 8)
    client.list = client.start()
    try:
        client.read()
        with pytest.raises(MemoryLost, match="begun anew"):
            client.list.read()
        assert client.refs() == {ANNA}
    finally:
        client.list.close()


@pytest.mark.parametrize("spoil", [torn, newer])
def test_what_notices_took_away_is_never_begun_anew(tmp_path: Path, spoil: Spoil) -> None:
    SqliteRevocationStore(tmp_path).close()
    spoil(tmp_path / "withdrawn.sqlite")
    with pytest.raises(StorageError, match="together with the list's"):
        SqliteRevocationStore(tmp_path)


def test_who_only_looks_begins_nothing_anew(tmp_path: Path) -> None:
    ListStore(tmp_path).close()
    torn(tmp_path / "signed-list.sqlite")
    before = (tmp_path / "signed-list.sqlite").read_bytes()
    with pytest.raises(StorageError, match="damaged: file is not a database: stop presence"):
        ListStore(tmp_path)
    assert (tmp_path / "signed-list.sqlite").read_bytes() == before

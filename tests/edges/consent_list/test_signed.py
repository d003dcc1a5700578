"""The signed list on the gateway: what is taken, what is left out, what is kept and what is
gone.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from presence.core.consent.list_changes import Delete, Put
from presence.core.consent.model import Consent
from presence.core.consent.record import encode_record
from presence.core.consent.segments import SHARDS
from presence.core.recognition.identifiers import window_at
from presence.edges.consent_list.store import SIGNED_LIST
from presence.errors import ConsentListError
from presence.ports import VerifiedList
from tests.support.builders import ANNA, BERIT, CARL
from tests.support.list_clients import MAX_SPAN_S, Client
from tests.support.older_stores import ALL_IN_ROWS
from tests.support.signed_lists import Repository, agreed


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository").base([agreed(ANNA), agreed(BERIT)]).publish()


@pytest.fixture
def client(tmp_path: Path, repository: Repository) -> Iterator[Client]:
    client = Client(tmp_path / "gateway", repository)
    yield client
    client.list.close()


def test_a_list_is_read_with_its_keys(client: Client, repository: Repository) -> None:
    verified = client.read()
    assert verified.indexed is not None
    assert verified.indexed.consents[ANNA] == agreed(ANNA)
    assert set(verified.indexed.consents) == {ANNA, BERIT}
    assert verified.indexed.keys.windows == tuple(repository.windows)
    assert verified.indexed.keys.key(ANNA, repository.windows[0])
    assert (verified.entries, verified.header.seq, verified.timestamp_version) == (2, 1, 1)
    assert client.list.last_signed_s == verified.header.published_at_s


def test_what_has_not_changed_is_not_delivered_again(
    client: Client, repository: Repository
) -> None:
    client.read()
    assert client.list.read() is None
    repository.release(of=["timestamp"])
    verified = client.read()
    assert (verified.indexed, verified.timestamp_version) == (None, 2)


def test_a_publication_without_a_change_proves_the_list_anew_and_changes_nothing(
    client: Client, repository: Repository
) -> None:
    first = client.read()
    again = repository.publish() and client.read()
    assert again.indexed is None
    assert again.header.published_at_s > first.header.published_at_s


def test_deltas_put_and_take_away(client: Client, repository: Repository) -> None:
    client.read()
    words = repository.words
    changed = agreed(BERIT, version=8, grants=())
    repository.delta([Put(BERIT, encode_record(changed, words)), Delete(ANNA, 9)], count=1)
    repository.delta([Put(CARL, encode_record(agreed(CARL), words))], count=2).keys(
        [BERIT, CARL]
    ).publish()
    verified = client.read()
    assert verified.indexed is not None
    assert set(verified.indexed.consents) == {BERIT, CARL}
    assert verified.indexed.consents[BERIT] == changed
    assert verified.header.seq == 3


@pytest.mark.requirement("R-36")
def test_what_was_taken_away_comes_back_only_by_a_higher_version(
    client: Client, repository: Repository
) -> None:
    client.read()
    version = agreed(ANNA).version
    row = encode_record(agreed(ANNA), repository.words)
    repository.delta([Delete(ANNA, version + 1)], count=1).delta(
        [Put(ANNA, row)], count=1
    ).publish()
    assert client.refs() == {BERIT}
    newer = encode_record(agreed(ANNA, version=version + 2), repository.words)
    repository.delta([Put(ANNA, newer)], count=2).publish()
    assert client.refs() == {ANNA, BERIT}


def test_a_store_with_records_of_our_own_bits_is_filled_anew(
    client: Client, repository: Repository, tmp_path: Path
) -> None:
    client.read()
    client.list.close()
    (file,) = tmp_path.rglob(SIGNED_LIST)
    with closing(sqlite3.connect(file)) as database, database:
        database.executescript(ALL_IN_ROWS)
        database.execute("INSERT INTO entry VALUES (?, 7, x'0300', 0)", (ANNA,))
        database.execute("PRAGMA user_version = 2")
    client.restart()

    verified = client.read()

    assert verified.indexed is not None
    assert verified.indexed.consents[ANNA] == agreed(ANNA)


@pytest.mark.requirement("R-36")
def test_a_new_base_never_brings_back_a_lower_version(
    client: Client, repository: Repository
) -> None:
    client.read()
    repository.seq += 1
    older = agreed(ANNA, version=agreed(ANNA).version - 1)
    repository.base([older, agreed(BERIT)], new_epoch=True)
    repository.publish()
    with pytest.raises(ConsentListError, match="announces 2 entries, 1 were found"):
        client.list.read()


@pytest.mark.requirement("R-42")
def test_after_a_restart_nothing_is_delivered_before_the_repository_proves_the_list_again(
    client: Client, repository: Repository, tmp_path: Path
) -> None:
    client.read()
    away = repository.folder.rename(tmp_path / "away")
    client.restart()
    with pytest.raises(ConsentListError, match="not found"):
        client.list.read()
    away.rename(repository.folder)
    assert client.refs() == {ANNA, BERIT}


NO_RECORD = b"\x93\x01\x02\x03"
"""An array, and none of a record's."""


@pytest.mark.requirement("R-07")
def test_an_entry_that_is_not_understood_is_left_out_and_counted(
    client: Client, repository: Repository
) -> None:
    too_long = agreed(CARL, not_after_s=agreed(CARL).not_before_s + 2 * MAX_SPAN_S)
    rows = [(each.ref, encode_record(each, repository.words)) for each in (agreed(ANNA), too_long)]
    repository.seq += 1
    repository.epoch += 1
    repository.base_of([*rows, (BERIT, NO_RECORD)], keyed=[ANNA]).publish()
    verified = client.read()
    assert verified.entries == 1
    assert sum(verified.refused.values()) == 2
    assert len(verified.complaints) == 2
    client.restart()
    assert client.read().refused == verified.refused


def test_a_delta_that_is_not_understood_takes_the_whole_entry_away(
    client: Client, repository: Repository
) -> None:
    client.read()
    repository.delta([Put(ANNA, NO_RECORD)], count=2).publish()
    assert client.refs() == {BERIT}


def test_keys_of_refs_that_are_no_entries_are_not_taken_over(
    client: Client, repository: Repository
) -> None:
    repository.keys([ANNA, BERIT, CARL]).publish()
    verified = client.read()
    assert verified.indexed is not None
    assert len(verified.indexed.keys) == 4
    assert verified.indexed.keys.key(CARL, window_at(verified.header.published_at_s)) is None


@pytest.mark.requirement("R-12", "T-13")
def test_window_keys_are_in_the_runtime_directory_alone_and_go_when_they_are_forgotten(
    client: Client, repository: Repository
) -> None:
    verified = client.read()
    assert verified.indexed is not None
    key = verified.indexed.keys.key(ANNA, repository.windows[0])
    assert key is not None
    assert all(key not in file.read_bytes() for file in client.state.rglob("*") if file.is_file())
    held = [file for file in client.runtime.rglob("*") if file.is_file()]
    assert any(key in file.read_bytes() for file in held)
    client.list.forget_keys()
    assert verified.indexed.keys.key(ANNA, repository.windows[0]) is None
    left = [file for file in client.runtime.rglob("*") if file.is_file()]
    assert [file.suffix for file in left] == [".refs"]
    again = client.read()
    assert again.indexed is not None
    assert len(again.indexed.keys) == 4


@pytest.mark.requirement("R-12", "R-40")
def test_a_removed_row_is_in_no_file_any_more(client: Client, repository: Repository) -> None:
    gone = agreed(ANNA)
    secret = gone.pairwise_keys["offers-main"]
    verified = client.read()
    assert verified.indexed is not None
    key = verified.indexed.keys.key(ANNA, repository.windows[0])
    assert key is not None
    here = [file.read_bytes() for file in client.state.rglob("*") if file.is_file()]
    assert any(secret in data for data in here)
    assert any(ANNA[::-1] in data for data in here)
    repository.delta([Delete(ANNA, 9)], count=1).keys([BERIT]).publish()
    client.read()
    files = [
        file.read_bytes()
        for place in (client.state, client.runtime)
        for file in place.rglob("*")
        if file.is_file()
    ]
    sought = secret, ANNA, ANNA[::-1], key
    assert [each for each in sought if any(each in data for data in files)] == []


def test_a_list_in_shards_is_one_list(tmp_path: Path) -> None:
    refs = [bytes([n]) * 8 for n in range(0, 256, 5)]
    repository = (
        Repository(tmp_path / "repository", shards=SHARDS)
        .base(agreed(ref) for ref in refs)
        .publish()
    )
    client = Client(tmp_path / "gateway", repository)
    assert client.refs() == set(refs)
    client.list.close()


def test_a_gateway_that_missed_the_deltas_takes_the_new_base(
    client: Client, repository: Repository
) -> None:
    client.read()
    repository.seq += 40
    repository.base([agreed(CARL)], new_epoch=True).publish()
    assert client.refs() == {CARL}


@pytest.mark.requirement("R-36", "R-40")
def test_who_is_taken_away_stays_away_where_the_keys_of_that_list_come_a_look_later(
    client: Client, repository: Repository
) -> None:
    client.read()
    repository.delta([Delete(ANNA, 9)], count=1).keys([BERIT]).publish()
    keys = sorted((repository.folder / "targets/keys").rglob("*.seg"))
    hidden = [key.rename(key.with_suffix(".away")) for key in keys]
    with pytest.raises(ConsentListError, match="not found"):
        client.list.read()
    for key in hidden:
        key.rename(key.with_suffix(".seg"))
    assert client.refs() == {BERIT}


# ---------------------------------------------------------------- what a list in force lives on


def put(repository: Repository, consent: Consent) -> Put:
    return Put(consent.ref, encode_record(consent, repository.words))


def keys_of(verified: VerifiedList) -> dict[bytes, list[bytes | None]]:
    assert verified.indexed is not None
    ring = verified.indexed.keys
    return {ref: [ring.key(ref, window) for window in ring.windows] for ref in (ANNA, BERIT, CARL)}


def test_keys_stand_through_changes_restarts_and_new_bases(
    client: Client, repository: Repository
) -> None:
    none = [None, None]
    first = keys_of(client.read())
    assert none not in (first[ANNA], first[BERIT])
    assert first[CARL] == none

    repository.delta([put(repository, agreed(CARL))], count=3).later_keys([CARL]).publish()
    second = keys_of(client.read())
    assert (second[ANNA], second[BERIT]) == (first[ANNA], first[BERIT])
    assert second[CARL] != none
    client.restart()
    assert keys_of(client.read()) == second

    repository.delta([Delete(BERIT, 9)], count=2).later_keys([]).publish()
    third = keys_of(client.read())
    assert third == {**second, BERIT: none}
    client.restart()
    assert keys_of(client.read()) == third

    repository.seq += 1
    repository.base([agreed(ANNA), agreed(CARL)], new_epoch=True).publish()
    assert keys_of(client.read()) == third


def test_a_key_that_changed_takes_the_place_of_the_old_one(
    client: Client, repository: Repository
) -> None:
    before = keys_of(client.read())
    change = put(repository, agreed(ANNA, version=8))
    repository.delta([change], count=2).later_keys([ANNA], as_if=CARL).publish()
    for _ in range(2):
        after = keys_of(client.read())
        assert after[BERIT] == before[BERIT]
        assert None not in after[ANNA]
        assert set(after[ANNA]).isdisjoint(before[ANNA])
        files = [file.read_bytes() for file in client.runtime.rglob("*") if file.is_file()]
        assert [key for key in before[ANNA] if key and any(key in data for data in files)] == []
        client.restart()


def test_a_look_that_breaks_between_entries_and_keys_takes_no_key_away(
    client: Client, repository: Repository
) -> None:
    verified = client.read()
    before = keys_of(verified)
    repository.delta([put(repository, agreed(CARL))], count=3).later_keys([CARL]).publish()
    hidden = list((repository.folder / "targets/keys").rglob("*.n*.seg"))
    assert hidden
    for file in hidden:
        file.rename(file.with_suffix(".away"))
    for _ in range(3):
        with pytest.raises(ConsentListError):
            client.list.read()
    assert keys_of(verified) == before
    for file in hidden:
        file.with_suffix(".away").rename(file)
    assert keys_of(client.read())[CARL] != [None, None]


@pytest.mark.requirement("R-40")
def test_a_list_that_is_only_newer_is_in_force_before_it_is_stored(
    client: Client, repository: Repository
) -> None:
    client.read()
    repository.publish()
    client.restart()
    store = client.list._store
    with store._transaction():  # as if the disk stood still
        verified = client.list.read()
    assert verified is not None
    assert verified.indexed is not None
    client.list.settle()
    client.restart()
    kept = client.list._store.kept()
    assert kept is not None
    assert kept.versions.timestamp == verified.timestamp_version

"""What survives: the promises of ports.VisitStore, shown by the stand-in and by SQLite alike; then
SQLite's own.
"""

import contextlib
import os
import sqlite3
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.event.cloudevent import EventType
from presence.core.event.outbox import Step, TakenBack
from presence.edges.sqlite.store import VISIT_SCHEMA, ConsentStore, RuntimeStore
from presence.errors import ConsentListError, StorageError
from presence.ports import Stored
from tests.support.builders import (
    ANNA,
    BERIT,
    CARL,
    a_list,
    announcement,
    consent,
    moment,
    outgoing,
    visit,
)
from tests.support.examples import examples
from tests.support.fakes import MemoryStore

Reopen = Callable[[], RuntimeStore | MemoryStore]

FULL_VISIT = visit(left_at=moment(60.25))
WITHDRAWN = outgoing(
    id="later",
    type=EventType.WITHDRAWN,
    entered_id=outgoing().id,
    reason="objected",
    occurred_at=moment(0.123456789),
)
ANNOUNCED = announcement(categories=("ap2:1", "ap2:2", "x:é"), valid_until_s=1.5e9 + 0.25)
A_STEP = Step(
    saved=(visit(), visit(ref=BERIT, left_at=moment(60.25))),
    queued=(outgoing(), WITHDRAWN),
    announced=(ANNOUNCED,),
    taken_back=(TakenBack("before", 5000.25),),
)
AS_STORED = Stored(A_STEP.saved, A_STEP.queued, A_STEP.announced, A_STEP.taken_back)


@pytest.fixture(params=["memory", "sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Opens the store; each further call is a restart of the daemon."""
    if request.param == "memory":
        memory = MemoryStore()
        yield lambda: memory
        return
    opened: list[RuntimeStore] = []

    def again() -> RuntimeStore:
        if opened:
            opened[-1].close()
        opened.append(RuntimeStore(tmp_path))
        return opened[-1]

    yield again
    if opened:
        opened[-1].close()


# ---------------------------------------------------------------- the promises of the port


def test_a_new_store_holds_nothing(reopen: Reopen) -> None:
    assert reopen().load() == Stored()


@pytest.mark.requirement("R-40")
def test_a_restart_finds_what_was_stored(reopen: Reopen) -> None:
    reopen().commit(A_STEP)

    assert reopen().load() == AS_STORED


def test_the_figures_are_kept_in_place_of_those_of_before(reopen: Reopen) -> None:
    store = reopen()
    store.keep_figures("yesterday's")
    store.keep_figures("today's")
    store.commit(A_STEP)

    assert reopen().load().figures == "today's"
    reopen().replace(Stored(figures="others"))
    assert reopen().load() == Stored(figures="others")


@pytest.mark.requirement("R-12", "R-40")
def test_a_step_forgets_cancels_and_retracts(reopen: Reopen) -> None:
    store = reopen()
    store.commit(A_STEP)

    store.commit(
        Step(
            forgotten=(ANNA,),
            cancelled=(outgoing().id,),
            retracted=(ANNOUNCED.event_id,),
            let_go=("before",),
        )
    )

    assert reopen().load() == Stored((A_STEP.saved[1],), (WITHDRAWN,))


def test_what_one_step_takes_away_the_next_may_bring_anew(reopen: Reopen) -> None:
    store = reopen()
    store.commit(A_STEP)

    store.commit(
        Step(forgotten=(ANNA,)),
        Step(cancelled=(outgoing().id,)),
        Step(retracted=(ANNOUNCED.event_id,)),
        Step(let_go=("before",)),
        Step(
            saved=A_STEP.saved[:1],
            queued=(outgoing(),),
            announced=(ANNOUNCED,),
            taken_back=A_STEP.taken_back,
        ),
    )

    stored = reopen().load()
    assert {v.ref for v in stored.visits} == {ANNA, BERIT}
    assert stored.pending == (WITHDRAWN, outgoing())
    assert (stored.announcements, stored.taken_back) == (A_STEP.announced, A_STEP.taken_back)


def test_a_step_that_forgets_what_it_saves_keeps_nothing(reopen: Reopen) -> None:
    store = reopen()

    store.commit(
        Step(saved=(visit(),), queued=(outgoing(),), forgotten=(ANNA,), cancelled=(outgoing().id,))
    )

    assert store.load() == Stored()


def test_forgetting_what_is_not_there_is_nothing(reopen: Reopen) -> None:
    store = reopen()
    store.commit(Step(forgotten=(CARL,), cancelled=("none",), retracted=("none",)))
    store.remove("none")

    assert store.load() == Stored()


def test_a_visit_is_saved_over_its_older_self(reopen: Reopen) -> None:
    store = reopen()
    store.commit(Step(saved=(visit(),)))
    store.commit(Step(saved=(FULL_VISIT,)))

    assert reopen().load().visits == (FULL_VISIT,)


def test_of_a_visit_that_goes_on_only_the_last_hearing_is_stored(reopen: Reopen) -> None:
    store = reopen()
    store.commit(Step(saved=(visit(), visit(ref=BERIT))))

    store.commit(Step(heard=((ANNA, moment(99.5)), (CARL, moment(99.5)))))

    assert reopen().load().visits == (visit(heard_at=moment(99.5)), visit(ref=BERIT))


def test_an_event_waits_with_how_its_entry_was_known(reopen: Reopen) -> None:
    store = reopen()
    store.commit(Step(queued=(outgoing(by_answer=True), outgoing(id="b" * 26))))

    assert [waiting.by_answer for waiting in reopen().load().pending] == [True, False]


def test_an_event_that_waits_already_is_not_replaced(reopen: Reopen) -> None:
    store = reopen()
    store.commit(Step(queued=(outgoing(),)))
    store.commit(Step(queued=(outgoing(expires_s=9e9),)))

    assert store.load().pending == (outgoing(),)


def test_the_outbox_keeps_its_order(reopen: Reopen) -> None:
    store, ids = reopen(), ["q", "a", "z", "b"]
    for key in ids:
        store.commit(Step(queued=(outgoing(id=key),)))
    store.remove("a")
    store.commit(Step(queued=(outgoing(id="a"),)))

    assert [waiting.id for waiting in reopen().load().pending] == ["q", "z", "b", "a"]


def test_an_event_that_left_the_outbox_is_gone(reopen: Reopen) -> None:
    store = reopen()
    store.commit(A_STEP)

    store.remove(outgoing().id)

    assert reopen().load() == Stored(
        A_STEP.saved, (WITHDRAWN,), A_STEP.announced, A_STEP.taken_back
    )


def test_all_of_it_is_replaced_by_all_of_something_else(reopen: Reopen) -> None:
    store = reopen()
    store.commit(A_STEP)

    store.replace(Stored((visit(ref=CARL),), (outgoing(id="other"),)))

    assert reopen().load() == Stored((visit(ref=CARL),), (outgoing(id="other"),))


# ---------------------------------------------------------------- a power cut at any moment


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RuntimeStore]:
    with contextlib.closing(RuntimeStore(tmp_path)) as opened:
        yield opened


@pytest.fixture
def accepted(tmp_path: Path) -> Iterator[ConsentStore]:
    with contextlib.closing(ConsentStore(tmp_path)) as opened:
        yield opened


class Mortal(sqlite3.Connection):
    """A connection whose process dies, as by `kill -9`, after so many statements."""

    statements_left: int | None = None

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._live()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._live()
        return super().executemany(*arguments)

    def _live(self) -> None:
        if Mortal.statements_left is not None:
            Mortal.statements_left -= 1
            if Mortal.statements_left < 0:
                os._exit(KILLED)


KILLED, FINISHED, FAILED = 9, 0, 1


def die_after(
    statements: int,
    kind: type[RuntimeStore | ConsentStore],
    directory: Path,
    work: Callable[[Any], Any],
) -> int:
    """Let a process of its own do the work and die after so many statements of it; how it ended."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of threads, of which the child uses none
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        connect = sqlite3.connect
        sqlite3.connect = lambda *arguments, **options: connect(
            *arguments, factory=Mortal, **options
        )  # type: ignore
        store = kind(directory)
        Mortal.statements_left = statements
        work(store)
        os._exit(FINISHED)
    finally:
        os._exit(FAILED)


@pytest.mark.requirement("R-40", "T-20")
def test_a_kill_at_any_statement_of_a_step_leaves_the_old_state(tmp_path: Path) -> None:
    old = Step(saved=(visit(ref=CARL),), queued=(outgoing(id="old"),))
    for statements in range(20):
        directory = tmp_path / str(statements)
        with contextlib.closing(RuntimeStore(directory)) as before:
            before.commit(old)

        end = die_after(statements, RuntimeStore, directory, lambda store: store.commit(A_STEP))

        with contextlib.closing(RuntimeStore(directory)) as after:
            if end == FINISHED:
                assert statements >= 5
                assert after.load().visits[-1] == A_STEP.saved[-1]
                return
            assert end == KILLED
            assert after.load() == Stored(old.saved, old.queued), statements
    pytest.fail("a step takes fewer statements than this")


@pytest.mark.requirement("R-40", "T-20")
def test_a_kill_at_any_statement_of_several_steps_leaves_all_or_nothing_of_them(
    tmp_path: Path,
) -> None:
    steps = (A_STEP, Step(cancelled=(outgoing().id,)), Step(queued=(outgoing(id="later"),)))
    for statements in range(30):
        directory = tmp_path / str(statements)

        end = die_after(statements, RuntimeStore, directory, lambda store: store.commit(*steps))

        with contextlib.closing(RuntimeStore(directory)) as after:
            if end == FINISHED:
                assert "later" in [each.id for each in after.load().pending]
                return
            assert end == KILLED
            assert after.load() == Stored(), statements
    pytest.fail("the steps take fewer statements than this")


@pytest.mark.requirement("R-40")
def test_a_kill_while_all_is_replaced_leaves_the_old_state(tmp_path: Path) -> None:
    for statements in range(20):
        directory = tmp_path / str(statements)
        with contextlib.closing(RuntimeStore(directory)) as before:
            before.commit(A_STEP)

        end = die_after(statements, RuntimeStore, directory, lambda store: store.replace(Stored()))

        with contextlib.closing(RuntimeStore(directory)) as after:
            if end == FINISHED:
                assert statements >= 5
                assert after.load() == Stored()
                return
            assert end == KILLED
            assert after.load() == AS_STORED, statements
    pytest.fail("replacing all takes fewer statements than this")


@pytest.mark.requirement("R-40")
def test_a_kill_while_a_list_is_taken_in_leaves_the_old_number_and_versions(tmp_path: Path) -> None:
    newer = a_list(consent(version=9), consent(ref=BERIT), seq=8)
    for statements in range(20):
        directory = tmp_path / str(statements)
        with contextlib.closing(ConsentStore(directory)) as before:
            before.accept(a_list(consent(version=5), seq=7))

        end = die_after(statements, ConsentStore, directory, lambda store: store.accept(newer))

        with contextlib.closing(ConsentStore(directory)) as after:
            if end == FINISHED:
                assert statements >= 5
                with pytest.raises(ConsentListError):
                    after.accept(a_list(consent(version=6), seq=7))
                return
            assert end == KILLED
            assert after.accept(a_list(consent(version=6), seq=7)).entries.keys() == {ANNA}, (
                statements
            )
    pytest.fail("taking in a list takes fewer statements than this")


STEPS = st.builds(
    Step,
    saved=st.lists(st.sampled_from([visit(), FULL_VISIT, visit(ref=BERIT)]), max_size=2).map(tuple),
    forgotten=st.lists(st.sampled_from([ANNA, BERIT]), max_size=1).map(tuple),
    queued=st.lists(st.sampled_from([outgoing(), WITHDRAWN, outgoing(id="x")]), max_size=2).map(
        tuple
    ),
    cancelled=st.lists(st.sampled_from([outgoing().id, "later", "x"]), max_size=1).map(tuple),
    announced=st.lists(st.sampled_from([ANNOUNCED, announcement(event_id="x")]), max_size=2).map(
        tuple
    ),
    retracted=st.lists(st.sampled_from([ANNOUNCED.event_id, "x"]), max_size=1).map(tuple),
)


def by_key(stored: Stored) -> tuple[object, ...]:
    return (
        {v.ref: v for v in stored.visits},
        list(stored.pending),
        {a.event_id: a for a in stored.announcements},
    )


@examples(25)
@given(st.lists(STEPS, max_size=6))
def test_memory_and_sqlite_hold_the_same_after_any_steps(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    memory = MemoryStore()
    with contextlib.closing(RuntimeStore(tmp_path_factory.mktemp("store"))) as sqlite:
        for step in steps:
            memory.commit(step)
            sqlite.commit(step)

        assert by_key(sqlite.load()) == by_key(memory.load())


@examples(25)
@given(st.lists(STEPS, max_size=6))
def test_steps_stored_at_once_leave_what_they_leave_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    folder = tmp_path_factory.mktemp("stores")
    with (
        contextlib.closing(RuntimeStore(folder / "one")) as one_by_one,
        contextlib.closing(RuntimeStore(folder / "all")) as at_once,
    ):
        for step in steps:
            one_by_one.commit(step)
        at_once.commit(*steps)

        assert by_key(at_once.load()) == by_key(one_by_one.load())


# ---------------------------------------------------------------- nothing is left behind


def on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


@pytest.mark.requirement("R-12")
@pytest.mark.parametrize("way", ["step by step", "replaced"])
def test_what_is_removed_leaves_no_byte_in_the_file(
    tmp_path: Path, store: RuntimeStore, way: str
) -> None:
    refs = [bytes([n]) * 7 + b"!" for n in range(65, 90)]
    secrets = [*refs, b"p_secret", b"ap2:secret", b"secret-id"]
    for n, ref in enumerate(refs):
        store.commit(
            Step(
                saved=(visit(ref=ref),),
                queued=(outgoing(id=f"secret-id{n}", ref=ref, subject=f"p_secret{n}"),),
                announced=(
                    announcement(event_id=f"secret-id{n}", ref=ref, categories=("ap2:secret",)),
                ),
            )
        )
    assert all(secret in on_disk(tmp_path) for secret in secrets)

    if way == "replaced":
        store.replace(Stored())
    else:
        for n, ref in enumerate(refs):
            store.remove(f"secret-id{n}")
            store.commit(Step(forgotten=(ref,), retracted=(f"secret-id{n}",)))

    found = on_disk(tmp_path)
    assert [secret for secret in secrets if secret in found] == []


@pytest.mark.requirement("R-12")
def test_a_subject_taken_off_the_list_leaves_no_byte_in_the_file(
    tmp_path: Path, accepted: ConsentStore
) -> None:
    refs = [bytes([n]) * 7 + b"!" for n in range(65, 90)]
    accepted.accept(a_list(*(consent(ref=ref) for ref in refs), seq=1))
    assert all(ref in on_disk(tmp_path) for ref in refs)

    accepted.accept(a_list(consent(ref=refs[0]), seq=2))

    found = on_disk(tmp_path)
    assert [ref for ref in refs if ref in found] == [refs[0]]


@pytest.mark.requirement("R-12", "T-13")
def test_the_consent_store_never_holds_a_key(tmp_path: Path, accepted: ConsentStore) -> None:
    record = consent()
    accepted.accept(a_list(record))

    found = on_disk(tmp_path)
    assert not any(key in found for key in record.pairwise_keys.values())
    assert not any(
        key.key in found for entry in a_list(record).entries.values() for key in entry.keys
    )


@pytest.mark.requirement("R-18")
def test_no_journal_is_left_beside_the_file(tmp_path: Path, store: RuntimeStore) -> None:
    store.commit(A_STEP)

    assert [path.name for path in tmp_path.iterdir()] == ["visits.sqlite"]


@pytest.mark.requirement("T-14")
def test_the_files_are_for_the_daemon_alone(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    RuntimeStore(directory).close()
    ConsentStore(directory).close()

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


# ---------------------------------------------------------------- what is not ours, or not writable


def test_a_file_of_another_version_is_refused_with_a_next_step(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "visits.sqlite")) as database:
        database.execute("PRAGMA user_version=99")

    with pytest.raises(
        StorageError, match=r"visits\.sqlite: written by a newer version.*put the file away"
    ):
        RuntimeStore(tmp_path)


def test_a_file_of_the_version_before_is_upgraded_with_all_that_is_in_it(tmp_path: Path) -> None:
    """As version 1 wrote it: the daemon was upgraded and started again, and somebody is in the
    shop.
    """
    with contextlib.closing(sqlite3.connect(tmp_path / "visits.sqlite")) as database:
        database.executescript(VISIT_SCHEMA)
        now, told = moment(7), announcement(event_id="told")
        database.execute("INSERT INTO visit VALUES (?,?,?,?,?,NULL,NULL)", (ANNA, *now, *now))
        database.executemany(
            "INSERT INTO outbox VALUES (?,?,?,?,?,?,?,?,?,?)",
            [
                (
                    "a",
                    "presence.entered.v1",
                    "offers-main",
                    ANNA,
                    "p_of_the_entry",
                    *now,
                    9e9,
                    "",
                    "",
                ),
                (
                    "b",
                    "presence.withdrawn.v1",
                    "offers-main",
                    BERIT,
                    "p_told",
                    *now,
                    9e9,
                    "before",
                    "withdrawn",
                ),
            ],
        )
        database.executemany(
            "INSERT INTO announcement VALUES (?,?,?,?,?,?)",
            [
                ("told", "offers-main", ANNA, told.subject, '["ap2:1551"]', told.valid_until_s),
                ("of-who-left", "offers-main", BERIT, told.subject, "[]", told.valid_until_s),
            ],
        )
        database.execute("PRAGMA user_version=1")
        database.commit()

    with contextlib.closing(RuntimeStore(tmp_path)) as store:
        stored = store.load()
        store.commit(A_STEP)

    assert [each.ref for each in stored.visits] == [ANNA]
    assert [(each.subject, each.by_answer) for each in stored.pending] == [
        ("", False),
        ("p_told", False),
    ]
    assert [(each.event_id, each.day, each.over_s) for each in stored.announcements] == [
        ("told", "2026-11-23", 0.0),  # so the wall clock alone says when it is over
        ("of-who-left", "", 0.0),
    ]
    with contextlib.closing(RuntimeStore(tmp_path)) as again:
        assert len(again.load().visits) == 2


def test_a_file_that_is_no_database_is_refused_with_a_next_step(tmp_path: Path) -> None:
    (tmp_path / "visits.sqlite").write_bytes(
        b"not a database at all, but long enough to be read as one" * 100
    )

    with pytest.raises(StorageError, match=r"visits\.sqlite"):
        RuntimeStore(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused_with_a_next_step(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")

    with pytest.raises(StorageError, match=r"state.*is the disk full"):
        RuntimeStore(tmp_path / "state")


@pytest.mark.requirement("T-20")
def test_a_full_disk_is_a_storage_error_and_the_old_state_stands(store: RuntimeStore) -> None:
    store.commit(Step(saved=(visit(),)))
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count={pages}")

    with pytest.raises(StorageError, match="make room"):
        store.commit(
            Step(queued=tuple(outgoing(id=f"{n:0200}") for n in range(500)), forgotten=(ANNA,))
        )

    assert store.load() == Stored((visit(),))
    store._database.execute("PRAGMA max_page_count=100000")
    store.commit(Step(forgotten=(ANNA,)))
    assert store.load() == Stored()


@pytest.mark.requirement("T-20")
def test_a_store_that_somebody_else_has_locked_is_a_storage_error(
    tmp_path: Path, store: RuntimeStore
) -> None:
    store._database.execute("PRAGMA busy_timeout=1")
    with contextlib.closing(
        sqlite3.connect(tmp_path / "visits.sqlite", isolation_level=None)
    ) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="locked"):
            store.commit(A_STEP)

    store.commit(A_STEP)
    assert store.load() == AS_STORED


@pytest.mark.requirement("R-03")
def test_a_storage_error_names_the_file_and_nobody(store: RuntimeStore) -> None:
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count={pages}")

    with pytest.raises(StorageError) as error:
        store.commit(Step(queued=tuple(outgoing(id=f"secret{n:0200}") for n in range(500))))

    assert "visits.sqlite" in str(error.value)
    assert "secret" not in str(error.value)


# ---------------------------------------------------------------- how new the list was


@pytest.mark.requirement("R-39", "T-09", "T-11")
def test_a_list_older_than_the_last_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    with contextlib.closing(ConsentStore(tmp_path)) as before:
        before.accept(a_list(consent(), seq=8))

    with contextlib.closing(ConsentStore(tmp_path)) as after:
        with pytest.raises(ConsentListError, match="number 7 is older than 8"):
            after.accept(a_list(consent(), seq=7))
        assert after.accept(a_list(consent(), seq=8)).entries.keys() == {ANNA}


@pytest.mark.requirement("R-36", "R-10", "T-09")
def test_a_lower_version_of_an_entry_never_counts(accepted: ConsentStore) -> None:
    accepted.accept(a_list(consent(version=5), consent(ref=BERIT, version=1), seq=1))

    found = accepted.accept(a_list(consent(version=4), consent(ref=BERIT, version=2), seq=2))

    assert found.entries.keys() == {BERIT}
    assert found.refused == {"older version": 1}


@pytest.mark.requirement("R-36", "R-10")
def test_a_lower_version_stays_out_however_often_it_comes(accepted: ConsentStore) -> None:
    accepted.accept(a_list(consent(version=5), seq=1))
    for seq in (2, 3, 4):
        assert accepted.accept(a_list(consent(version=4), seq=seq)).entries == {}

    assert accepted.accept(a_list(consent(version=5), seq=5)).entries.keys() == {ANNA}


@pytest.mark.requirement("R-36")
@examples(10)
@given(versions=st.lists(st.integers(1, 4), min_size=2, max_size=6))
def test_only_ever_the_highest_version_seen_is_in_force(
    tmp_path_factory: pytest.TempPathFactory, versions: list[int]
) -> None:
    with contextlib.closing(ConsentStore(tmp_path_factory.mktemp("consents"))) as store:
        highest = 0
        for seq, version in enumerate(versions):
            found = store.accept(a_list(consent(version=version), seq=seq))
            highest = max(highest, version)
            assert (ANNA in found.entries) == (version == highest)


@pytest.mark.requirement("R-39")
def test_a_refused_list_changes_nothing(accepted: ConsentStore) -> None:
    accepted.accept(a_list(consent(version=2), seq=8))
    with pytest.raises(ConsentListError):
        accepted.accept(a_list(consent(version=9), seq=7))

    assert accepted.accept(a_list(consent(version=3), seq=9)).entries.keys() == {ANNA}


def test_lists_of_different_names_are_numbered_apart(accepted: ConsentStore) -> None:
    accepted.accept(a_list(consent(), seq=8))

    assert accepted.accept(a_list(consent(), name="acme/other", seq=1)).entries


@pytest.mark.requirement("R-24")
def test_no_table_holds_a_subject_with_a_time_beyond_the_present_visit(
    tmp_path: Path, accepted: ConsentStore
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "consents.sqlite")) as database:
        columns = {
            (table, column)
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for _, column, *_ in database.execute(f"PRAGMA table_info({table})")
        }

    assert columns == {("list", "name"), ("list", "seq"), ("entry", "ref"), ("entry", "version")}

"""Several commands at once on one list: real processes, and one order of events by force."""

import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from presence.consent_service.locking import alone
from presence.consent_service.registered import State
from presence.consent_service.service import ConsentService
from presence.errors import ConsentServiceError
from tests.support.builders import START_S
from tests.support.consent_services import (
    CARS,
    DAY_S,
    GARDEN,
    Clock,
    Reader,
    a_service,
    a_wish,
    untold,
)

ROUNDS = 60
Act = Callable[[ConsentService, str], object]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ConsentService]:
    service = a_service(tmp_path, Clock())
    yield service
    service.close()


def opened(directory: Path) -> ConsentService:
    """The same list, as another command opens it."""
    return ConsentService(directory, None, clock=Clock())


def objects(service: ConsentService, name: str) -> object:
    return service.object(name)


def narrows(service: ConsentService, name: str) -> object:
    return service.narrow(name, categories=[CARS])


def pauses(service: ConsentService, name: str) -> object:
    return service.pause(name, START_S + DAY_S)


def resumes(service: ConsentService, name: str) -> object:
    return service.resume(name)


def withdraws(service: ConsentService, name: str) -> object:
    return service.withdraw(name)


def renews(service: ConsentService, name: str) -> object:
    return service.add(a_wish(name))


# ---------------------------------------------------------------- by force


def beaten_to_it(directory: Path, act: Act, meanwhile: Act) -> ConsentServiceError | None:
    """`act` begins, and before it has the write lock `meanwhile` has had it; how `act` ended."""
    begun, ended = threading.Event(), []
    late, early = opened(directory), opened(directory)

    def acting() -> None:
        service = opened(directory)
        transaction = service.register.transaction

        @contextmanager
        def waiting() -> Iterator[None]:
            begun.set()
            with transaction():
                yield

        service.register.transaction = waiting  # type: ignore[method-assign]
        try:
            act(service, "anna")
        except ConsentServiceError as error:
            ended.append(error)
        finally:
            service.close()

    thread = threading.Thread(target=acting)
    with late.register.transaction():
        pass
    with early.register.transaction():
        thread.start()
        assert begun.wait(20)
        with within(early):
            meanwhile(early, "anna")
    thread.join(20)
    late.close()
    early.close()
    return ended[0] if ended else None


@contextmanager
def within(service: ConsentService) -> Iterator[None]:
    """What it does now belongs to the transaction that is open."""

    @contextmanager
    def already_open() -> Iterator[None]:
        yield

    transaction: Callable[[], AbstractContextManager[None]] = service.register.transaction
    service.register.transaction = already_open  # type: ignore[method-assign]
    yield
    service.register.transaction = transaction  # type: ignore[method-assign]


@pytest.mark.requirement("R-10")
@pytest.mark.parametrize("act", [narrows, pauses, resumes, withdraws, renews])
def test_an_objection_is_not_overwritten_by_who_read_before_it(
    service: ConsentService, act: Act
) -> None:
    added = service.add(a_wish())
    refused = beaten_to_it(service.directory, act, objects)
    known = service.register.get(added.ref)
    assert known is not None
    assert (known.state, known.version) == (State.OBJECTED, 2)
    assert refused is not None


@pytest.mark.requirement("R-36")
def test_of_two_changes_at_once_both_are_made_and_the_second_knows_of_the_first(
    service: ConsentService,
) -> None:
    added = service.add(a_wish())
    assert beaten_to_it(service.directory, narrows, pauses) is None
    known = service.register.get(added.ref)
    assert known is not None
    assert known.consent is not None
    assert known.version == 3
    assert known.consent.paused_until_s == START_S + DAY_S
    assert [grant.category for grant in known.consent.grants] == [GARDEN]


def test_words_that_another_command_gave_a_number_are_read_by_it(
    service: ConsentService, tmp_path: Path
) -> None:
    other = opened(service.directory)
    first = other.add(a_wish("ben", categories={"ap2:1600": None}))
    second = service.add(a_wish("carl", categories={"ap2:1601": None}))
    for ref, category in ((first.ref, "ap2:1600"), (second.ref, "ap2:1601")):
        for each in (service, other):
            known = each.register.get(ref)
            assert known is not None
            assert known.consent is not None
            assert [grant.category for grant in known.consent.grants] == [category]
    service.publish()
    assert Reader(tmp_path / "repository", tmp_path / "gateway", Clock()).entries().keys() == {
        first.ref,
        second.ref,
    }
    other.close()


# ---------------------------------------------------------------- by many rounds


def act_in_rounds(directory: Path, act: Act, rounds: Barrier) -> None:
    service = opened(directory)
    for number in range(ROUNDS):
        rounds.wait(60)
        with suppress(ConsentServiceError):  # whoever comes after an objection is refused
            act(service, f"customer {number}")
    service.close()


def hold_the_write_lock(directory: Path, done: Event) -> None:
    """As the batches of an import do."""
    service = opened(directory)
    while not done.is_set():
        with service.register.transaction():
            done.wait(0.02)
    service.close()


@pytest.mark.requirement("R-10")
def test_whoever_objects_while_others_change_and_import_has_objected(
    service: ConsentService,
) -> None:
    service.add_all([a_wish(f"customer {number}") for number in range(ROUNDS)], told=untold)
    spawn = multiprocessing.get_context("spawn")
    rounds, done = spawn.Barrier(3), spawn.Event()
    acts = [
        spawn.Process(target=act_in_rounds, args=(service.directory, act, rounds))
        for act in (objects, narrows, renews)
    ]
    holder = spawn.Process(target=hold_the_write_lock, args=(service.directory, done))
    for process in (*acts, holder):
        process.start()
    for process in acts:
        process.join(120)
    done.set()
    holder.join(20)
    known = [service.register.get(service.ref_of(f"customer {number}")) for number in range(ROUNDS)]
    assert [process.exitcode for process in (*acts, holder)] == [0, 0, 0, 0]
    assert {each.state for each in known if each is not None} == {State.OBJECTED}
    assert any(each.version > 2 for each in known if each is not None)  # they did meet


# ---------------------------------------------------------------- publications


@pytest.mark.parametrize("shards_from", [3, 1000], ids=["shards", "one segment"])
@pytest.mark.parametrize("rebase", [False, True])
def test_what_is_published_while_others_change_fits_its_own_count(
    service: ConsentService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shards_from: int,
    *,
    rebase: bool,
) -> None:
    monkeypatch.setattr("presence.consent_service.publishing.SHARDS_FROM", shards_from)
    service.add_all([a_wish(f"customer {number}") for number in range(400)], told=untold)
    service.publish()
    service.add_all([a_wish(f"late customer {number}") for number in range(30)], told=untold)
    other, going = opened(service.directory), iter(range(25))
    real_targets, real_stage = service.repository.targets, service.repository.stage

    def meanwhile() -> None:
        for number in itertools.islice(going, 1):
            other.withdraw(f"late customer {number}" if number % 3 else f"customer {number}")
            if number % 2:
                other.add(a_wish(f"new customer {number}", categories={f"ap2:{number}": None}))

    def targets() -> object:
        meanwhile()
        return real_targets()

    def stage(path: str, data: bytes) -> object:
        meanwhile()
        return real_stage(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(service.repository, "targets", targets)
        patched.setattr(service.repository, "stage", stage)
        published = service.publish(rebase=rebase)
    reader = Reader(tmp_path / "repository", tmp_path / "gateway", Clock())
    assert len(reader.entries()) == reader.manifest().header.count == published.entries
    service.publish()
    assert len(reader.entries()) == reader.manifest().header.count == service.register.count()
    other.close()


def publish_in_rounds(directory: Path, rounds: Barrier) -> None:
    service = opened(directory)
    for number in range(8):
        rounds.wait(60)
        service.add(a_wish(f"{multiprocessing.current_process().name} {number}"))
        service.publish()
    service.close()


def test_two_publications_at_once_come_one_after_the_other(
    service: ConsentService, tmp_path: Path
) -> None:
    spawn = multiprocessing.get_context("spawn")
    rounds = spawn.Barrier(2)
    several = [
        spawn.Process(target=publish_in_rounds, args=(service.directory, rounds)) for _ in range(2)
    ]
    for process in several:
        process.start()
    for process in several:
        process.join(120)
    assert [process.exitcode for process in several] == [0, 0]
    assert len(Reader(tmp_path / "repository", tmp_path / "gateway", Clock()).entries()) == 16


def test_who_has_to_wait_too_long_is_told_for_whom(service: ConsentService, tmp_path: Path) -> None:
    with (
        alone(tmp_path / "publish.lock", "publishes"),
        pytest.raises(
            ConsentServiceError, match=rf"another command \(process {os.getpid()}\) publishes"
        ),
        alone(tmp_path / "publish.lock", "publishes", wait_s=0.05),
    ):
        raise AssertionError("two of them were alone")

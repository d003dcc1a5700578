"""The list in force, its lease, and what a failing look at it changes: nothing."""

import asyncio
import threading

import pytest

from presence.core.consent.freshness import DEAD_S, Freshness
from presence.core.consent.list_json import ConsentList
from presence.gateway.list_sync import LOOK_LIMITS, ListSync, LookLimits, Refresh
from presence.telemetry import ConsentRefused
from tests.support.builders import a_list, consent, header, moment
from tests.support.fakes import (
    FakeClock,
    FakeConsentSource,
    RecordingTelemetry,
)

IMPATIENT = LookLimits(look_s=0.05, ended_s=0.05)


def a_renewal(
    source: FakeConsentSource,
    clock: FakeClock,
    telemetry: RecordingTelemetry | None = None,
    *,
    synchronised: bool = True,
    limits: LookLimits = LOOK_LIMITS,
) -> ListSync:
    return ListSync(
        source=source,
        clock=clock,
        emit=(telemetry or RecordingTelemetry()).emit,
        lease_s=900,
        synchronised=lambda: synchronised,
        limits=limits,
    )


async def test_a_list_begins_a_lease_with_its_figures() -> None:
    clock = FakeClock()
    list_sync = a_renewal(FakeConsentSource(a_list(consent())), clock)
    assert list_sync.freshness(clock.now()) is Freshness.BOOT
    assert await list_sync.renew() is not None
    assert (list_sync.entries, list_sync.seq, list_sync.errors) == (1, header().seq, 0)
    assert list_sync.freshness(clock.now()) is Freshness.FRESH
    age_s = list_sync.age_s(clock.now())
    assert age_s is not None
    assert list_sync.age_s(clock.pass_s(30)) == age_s + 30


@pytest.mark.requirement("R-08", "R-43")
async def test_a_look_that_fails_or_finds_nothing_makes_no_lease_longer() -> None:
    clock, source = FakeClock(), FakeConsentSource(a_list(consent()))
    list_sync = a_renewal(source, clock)
    await list_sync.renew()
    for _ in range(8):
        clock.pass_s(120)
        source.break_once()
        assert await list_sync.renew() is None
        assert await list_sync.renew() is None
    assert list_sync.freshness(clock.now()) is Freshness.STALE
    assert (list_sync.errors, list_sync.refusals) == (0, 8)
    assert list_sync.last_look == clock.now()
    assert list_sync.freshness(clock.pass_s(DEAD_S)) is Freshness.DEAD


async def test_a_clock_that_is_not_synchronised_is_no_ground_to_publish() -> None:
    clock = FakeClock()
    list_sync = a_renewal(FakeConsentSource(a_list(consent())), clock, synchronised=False)
    await list_sync.renew()
    assert not list_sync.standing(moment()).publishing


async def test_who_asks_often_for_a_look_gets_one() -> None:
    refresh = Refresh()
    assert not await refresh.asked(0)
    refresh.ask()
    refresh.ask()
    assert await refresh.asked(10)
    refresh.answered()
    assert not await refresh.asked(0)


async def test_a_look_is_waited_for_until_somebody_asks() -> None:
    refresh = Refresh()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(refresh.asked(10))
        await asyncio.sleep(0)
        refresh.ask()
    assert waiting.result()


def reason(telemetry: RecordingTelemetry) -> str:
    """Of the look that failed last."""
    return telemetry.of(ConsentRefused)[-1].reason


class BrokenSource(FakeConsentSource):
    """Of which nobody foresaw what it raises."""

    def read(self) -> ConsentList | None:
        {}["what a stranger's text says"]
        return None


@pytest.mark.requirement("R-39", "R-65")
async def test_what_nobody_foresaw_is_a_look_that_failed_told_by_type_and_place_alone() -> None:
    clock, telemetry = FakeClock(), RecordingTelemetry()
    list_sync = a_renewal(FakeConsentSource(a_list(consent())), clock, telemetry)
    await list_sync.renew()
    lease = list_sync.lease
    list_sync.source = BrokenSource()
    assert await list_sync.renew() is None
    assert (list_sync.errors, list_sync.lease) == (1, lease)
    assert "KeyError at read:" in reason(telemetry)
    assert "stranger" not in reason(telemetry)


class HangingSource(FakeConsentSource):
    """A read ends when the test says so."""

    def __init__(self, *lists: ConsentList) -> None:
        super().__init__(*lists)
        self.goes_on = threading.Event()
        self.reads = self.given_up = 0

    def read(self) -> ConsentList | None:
        self.reads += 1
        self.goes_on.wait(20)
        return super().read()

    def give_up(self) -> None:
        self.given_up += 1


@pytest.mark.requirement("R-39", "R-60")
async def test_a_look_that_hangs_is_told_and_no_other_begins_beside_it() -> None:
    clock, source = FakeClock(), HangingSource(a_list(consent()))
    telemetry = RecordingTelemetry()
    list_sync = a_renewal(source, clock, telemetry, limits=IMPATIENT)
    assert await list_sync.renew() is None
    assert "has not ended after 0.05 s" in reason(telemetry)
    assert await list_sync.renew() is None
    assert (list_sync.errors, source.reads, source.given_up) == (2, 1, 1)
    assert list_sync.freshness(clock.now()) is Freshness.BOOT
    source.goes_on.set()
    renewed = None
    while renewed is None and source.reads == 1:  # until the look's thread has had its turn
        renewed = await list_sync.renew()
    assert renewed is not None
    assert (list_sync.errors, source.reads) == (0, 1)
    assert list_sync.freshness(clock.now()) is Freshness.FRESH


@pytest.mark.requirement("R-64")
def test_a_look_that_hangs_keeps_nobody_from_ending() -> None:
    source = HangingSource()

    async def starts_a_look_and_stops() -> None:
        list_sync = a_renewal(source, FakeClock(), limits=IMPATIENT)
        await list_sync.renew()

    asyncio.run(starts_a_look_and_stops())
    looking = [thread for thread in threading.enumerate() if thread.name == "list"]
    assert all(thread.daemon for thread in looking)
    source.goes_on.set()
    for thread in looking:
        thread.join(5)

"""The list in force, its lease, and what a failing look at it changes: nothing."""

import asyncio

import pytest

from presence.core.freshness import DEAD_S, Freshness
from presence.renewal import Refresh, Renewal
from tests.builders import a_list, consent, header, moment
from tests.fakes import FakeClock, FakeConsentSource, FakeTell, MemoryAcceptedLists


def a_renewal(source: FakeConsentSource, clock: FakeClock, *, synchronised: bool = True) -> Renewal:
    return Renewal(
        source=source,
        accepted=MemoryAcceptedLists(),
        clock=clock,
        tell=FakeTell(),
        lease_s=900,
        complaints=[],
        synchronised=lambda: synchronised,
    )


async def test_a_list_begins_a_lease_with_its_figures() -> None:
    clock = FakeClock()
    renewal = a_renewal(FakeConsentSource(a_list(consent())), clock)
    assert renewal.freshness(clock.now()) is Freshness.BOOT
    assert await renewal.renew() is not None
    assert (renewal.entries, renewal.seq, renewal.errors) == (1, header().seq, 0)
    assert renewal.freshness(clock.now()) is Freshness.FRESH
    age_s = renewal.age_s(clock.now())
    assert age_s is not None
    assert renewal.age_s(clock.pass_s(30)) == age_s + 30


@pytest.mark.requirement("R-08", "R-43")
async def test_a_look_that_fails_or_finds_nothing_makes_no_lease_longer() -> None:
    clock, source = FakeClock(), FakeConsentSource(a_list(consent()))
    renewal = a_renewal(source, clock)
    await renewal.renew()
    for _ in range(8):
        clock.pass_s(120)
        source.break_once()
        assert await renewal.renew() is None
        assert await renewal.renew() is None
    assert renewal.freshness(clock.now()) is Freshness.STALE
    assert (renewal.errors, renewal.refusals) == (0, 8)
    assert renewal.last_look == clock.now()
    assert renewal.freshness(clock.pass_s(DEAD_S)) is Freshness.DEAD


async def test_a_clock_that_is_not_synchronised_is_no_ground_to_publish() -> None:
    clock = FakeClock()
    renewal = a_renewal(FakeConsentSource(a_list(consent())), clock, synchronised=False)
    await renewal.renew()
    assert not renewal.standing(moment()).publishing


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

"""Several gateways in one store, each a process of its own, on real brokers: the engine acts once
(R-53).
"""

import json
from pathlib import Path

import pytest

from scripts.stores.store import PEERS, QUICK, Counted, Store, store, visitors
from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.gateways import engine
from tests.support.proxies import wire

pytestmark = [needs_mosquitto, pytest.mark.slow]


def acted_once(counted: Counted, shop: Store) -> None:
    """Each customer was offered something exactly once, however many copies came."""
    assert counted.offers == {guest.ref: 1 for guest in shop.guests}, (counted, shop.complaints)


@pytest.mark.requirement("R-53")
@pytest.mark.parametrize("count", [1, 2, 4])
async def test_gateways_that_hear_the_same_shop_tell_each_visit_once(
    count: int, tmp_path: Path
) -> None:
    guests = visitors(6)
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, PEERS) as words,
        engine([broker.port], guests) as counted,
        store(tmp_path, [broker.port] * count, guests) as shop,
    ):
        await shop.finish()
        said = [words.get_nowait().payload for _ in range(words.qsize())]
    acted_once(counted, shop)
    # Most of them decided alike, or there was nothing to agree on. How many, depends on the
    # machine's load.
    assert sum(shop.deciders.values()) > len(guests) or count == 1
    assert sum(counted.copies.values()) <= len(guests) + (
        count > 1
    )  # a first tie, before they know of one another
    delays_s = [counted.arrived[key] - shop.decided[key] for key in counted.entered()]
    assert min(delays_s) > 0.04  # the hold-off
    assert max(delays_s) < 2
    assert not any(guest.ref.encode() in word for guest in guests for word in said)


@pytest.mark.requirement("R-53", "T-21")
async def test_a_gateway_that_is_killed_mid_visit_costs_no_visit_and_its_withdrawals_are_told(
    tmp_path: Path,
) -> None:
    guests = visitors(6, stays_s=10)
    async with (
        mosquitto(tmp_path) as broker,
        engine([broker.port], guests) as counted,
        store(
            tmp_path, [broker.port] * 3, guests, offsets_db=lambda n: 0.0 if n == 1 else -8.0
        ) as shop,
    ):
        await counted.offered(3)
        shop.kill(1)  # the nearest: most were told by it
        await counted.offered(6)
        shop.withdraw(guests[0].ref)
        await shop.finish()
    acted_once(counted, shop)
    assert counted.cancelled == {guests[0].ref: 1}
    assert len(counted.withdrawn()) == 1


@pytest.mark.requirement("R-53")
async def test_while_the_broker_is_split_both_parts_tell_under_one_id_and_the_engine_acts_once(
    tmp_path: Path,
) -> None:
    guests = visitors(5)
    (tmp_path / "other").mkdir()
    async with (
        mosquitto(tmp_path) as here,
        mosquitto(tmp_path / "other") as there,
        engine([here.port, there.port], guests) as counted,
        store(tmp_path, [here.port, here.port, there.port, there.port], guests) as shop,
    ):
        await shop.finish()
    acted_once(counted, shop)
    assert len(counted.entered()) == len(guests)
    assert sum(counted.copies.values()) >= 2 * len(guests)


@pytest.mark.requirement("R-53", "R-58")
async def test_gateways_that_were_cut_off_learn_what_was_told_and_stay_silent(
    tmp_path: Path,
) -> None:
    guests = visitors(6, every_s=1, stays_s=8)
    async with (
        mosquitto(tmp_path) as broker,
        wire(broker.port) as cable,
        engine([broker.port], guests) as counted,
        store(tmp_path, [broker.port, cable.port], guests, seconds=14) as shop,
    ):
        await counted.offered(1)
        cable.cut()
        await counted.offered(4)
        cable.mend()
        await shop.finish()
    acted_once(counted, shop)
    assert len(counted.entered()) == len(guests)
    assert [shop.deciders[key] for key in counted.entered()].count(
        2
    ) >= 4  # it heard and decided all the same
    assert (
        sum(counted.copies.values()) <= len(guests) + 2
    )  # one may have been on its way at either end of the cut


@pytest.mark.requirement("T-01")
async def test_a_recording_at_one_door_while_the_phone_is_heard_at_another_enters_nobody(
    tmp_path: Path,
) -> None:
    """The phones are outside, and only the second gateway hears them; the first hears recordings
    inside. The first of them costs the acquaintance: until then nobody waits for a word.
    """
    guests = visitors(5, every_s=1.5, stays_s=3)
    patient = QUICK + "\npeers: {settle_ms: 1000}"
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, PEERS) as words,
        engine([broker.port], guests) as counted,
        store(
            tmp_path,
            [broker.port] * 2,
            guests,
            lines=patient,
            offsets_db=lambda n: 0.0 if n == 1 else -20.0,
            lost_share=0.0,
            addresses=lambda n: "5b66778899aa" if n == 1 else "",
        ) as shop,
    ):
        await shop.finish()
        said = [json.loads(words.get_nowait().payload)["said"] for _ in range(words.qsize())]
    assert len(shop.decided) == len(guests), shop.complaints  # each looked like an entry
    assert sum(counted.offers.values()) <= 1
    assert said.count("doubt") >= len(guests) - 1

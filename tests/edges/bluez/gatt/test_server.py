"""The doorbell on a real D-Bus with a stand-in for bluetoothd: what is exported, who comes, who is
sent away.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from presence.core.recognition.challenge import (
    ANSWER_UUID,
    CHALLENGE_UUID,
    Answer,
    DoorbellReading,
    RejectReason,
    is_genuine,
    make_answer,
)
from presence.errors import RadioFault
from presence.telemetry import DoorbellFailed, DoorbellReady
from tests.support.builders import SITE
from tests.support.doorbells import QUICK, SERVICE, Ears, ringing
from tests.support.fake_gatt import ADAPTER, ADDRESS, FakeBell, Phone, a_bell
from tests.support.paths import ROOT

BEACON = "0a6cb6b6-9b1f-4d59-8f5e-8a7a3b0d1c42"
KEY = bytes(range(16))
SLOT = 1_753_362
SERIES = (DoorbellReading(1.0, -60), DoorbellReading(0.0, -58))

pytestmark = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed"
)


@pytest.fixture
async def bluez(bus: str) -> AsyncIterator[FakeBell]:
    async with a_bell(bus) as bluez:
        yield bluez


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the other side is a process of its own
            await asyncio.sleep(0.01)


async def test_the_doorbell_and_its_beacon_are_on_air_with_nothing_else(
    bus: str, bluez: FakeBell
) -> None:
    ears = Ears()
    async with ringing(bus, ears, beacon_uuid=BEACON, beacon_major=42, interval_ms=200) as bell:
        await soon(lambda: bell.trouble is None)
        doorbell, beacon = sorted(
            bluez.on_air.values(), key=lambda each: each["Type"], reverse=True
        )
    assert doorbell == {
        "Type": "peripheral",
        "ServiceUUIDs": [SERVICE],
        "ServiceData": {},
        "ManufacturerData": {},
        "MinInterval": 200,
        "MaxInterval": 200,
    }
    assert beacon["Type"] == "broadcast"
    assert beacon["ServiceUUIDs"] == []
    data = beacon["ManufacturerData"][0x004C]
    assert data.hex() == "0215" + BEACON.replace("-", "") + "002a" + "0000" + "c5"
    assert sorted(each["UUID"] for each in bluez.objects.values()) == sorted(
        [SERVICE, CHALLENGE_UUID, ANSWER_UUID]
    )
    assert [each["Flags"] for each in bluez.objects.values() if "Flags" in each] in (
        [["read"], ["write"]],
        [["write"], ["read"]],
    )
    assert ears.telemetry.events == [DoorbellReady(adapter="hci0")]


@pytest.mark.parametrize("known", [True, False], ids=["seen before", "never seen"])
async def test_a_phone_reads_answers_and_is_handed_over(
    bus: str, bluez: FakeBell, known: bool
) -> None:
    ears = Ears()
    async with ringing(bus, ears) as bell:
        await soon(lambda: bell.trouble is None)
        phone = bluez.phone(known=known)
        await phone.connect()
        challenge = await phone.read(CHALLENGE_UUID)
        assert await phone.read(CHALLENGE_UUID) == challenge
        await phone.write(ANSWER_UUID, make_answer(challenge, SERIES, KEY, SITE, SLOT))
        await phone.disconnect()
        await soon(lambda: ears.rung)
        await asyncio.sleep(0.4)
        assert bell.counters.sent_away == 0
    (answer,) = ears.rung
    assert isinstance(answer, Answer)
    assert is_genuine(answer, KEY, SITE, SLOT)
    assert bell.counters.links == 1


async def test_a_bell_says_its_number_on_air_and_answers_are_of_it_unless_they_name_bells(
    bus: str, bluez: FakeBell
) -> None:
    ears = Ears()
    named = tuple(reading._replace(bell=number % 3) for number, reading in enumerate(SERIES * 16))
    oldest_first = tuple(sorted(named, key=lambda reading: -reading.age_s))
    async with ringing(bus, ears, beacon_uuid=BEACON, beacon_major=42, number=7) as bell:
        await soon(lambda: bell.trouble is None)
        (beacon,) = (each for each in bluez.on_air.values() if each["Type"] == "broadcast")
        assert beacon["ManufacturerData"][0x004C][-5:].hex() == "002a" + "0007" + "c5"
        for phone, series, naming_bells in ((1, SERIES, False), (2, oldest_first, True)):
            ringer = bluez.phone(phone)
            await ringer.connect()
            challenge = await ringer.read(CHALLENGE_UUID)
            written = make_answer(challenge, series, KEY, SITE, SLOT, naming_bells=naming_bells)
            await ringer.write(ANSWER_UUID, written)
            await ringer.disconnect()
        await soon(lambda: len(ears.rung) == 2)
    of_one, of_several = ears.rung
    assert isinstance(of_one, Answer)
    assert isinstance(of_several, Answer)
    assert {reading.bell for reading in of_one.readings} == {7}
    assert [reading.bell for reading in of_several.readings] == [r.bell for r in oldest_first]
    assert is_genuine(of_several, KEY, SITE, SLOT)


async def test_every_connection_has_a_challenge_of_its_own_so_an_answer_cannot_be_replayed(
    bus: str, bluez: FakeBell
) -> None:
    ears = Ears()
    async with ringing(bus, ears) as bell:
        await soon(lambda: bell.trouble is None)
        first, second = bluez.phone(1), bluez.phone(2)
        await first.connect()
        recorded = make_answer(await first.read(CHALLENGE_UUID), SERIES, KEY, SITE, SLOT)
        await first.write(ANSWER_UUID, recorded)
        await first.write(ANSWER_UUID, recorded)
        await first.disconnect()
        await second.connect()
        await second.read(CHALLENGE_UUID)
        await second.write(ANSWER_UUID, recorded)
        await first.connect()
        await first.write(ANSWER_UUID, recorded)
        await soon(lambda: len(ears.rung) == 4)
    genuine, repeated, replayed, unread = ears.rung
    assert isinstance(genuine, Answer)
    assert is_genuine(genuine, KEY, SITE, SLOT)
    assert repeated is RejectReason.NO_CHALLENGE
    assert isinstance(replayed, Answer)
    assert not is_genuine(replayed, KEY, SITE, SLOT)
    assert unread is RejectReason.NO_CHALLENGE


async def test_whatever_is_written_the_phone_is_told_the_same(bus: str, bluez: FakeBell) -> None:
    ears = Ears()
    async with ringing(bus, ears) as bell:
        await soon(lambda: bell.trouble is None)
        phone = bluez.phone()
        await phone.connect()
        for payload in (b"", b"\x01", bytes(4000)):
            await phone.write(ANSWER_UUID, payload)  # raises where the write is refused
        await soon(lambda: len(ears.rung) == 3)
    assert ears.rung == [RejectReason.MALFORMED] * 3


async def test_the_doorbell_rings_on_while_a_stranger_holds_a_link_and_the_stranger_is_sent_away(
    bus: str, bluez: FakeBell
) -> None:
    ears = Ears()
    async with ringing(bus, ears) as bell:
        await soon(lambda: bell.trouble is None)
        stranger = bluez.phone()
        await stranger.connect()
        assert not bluez.rings
        await soon(lambda: bluez.rings)
        assert stranger.connected
        await soon(lambda: bluez.sent_away)
        assert (bell.counters.links, bell.counters.sent_away) == (1, 1)
    assert ears.rung == []
    assert "C0_FF_EE" not in str(ears.telemetry.events)


async def test_strangers_who_are_gone_before_they_are_attended_to_stop_nothing(
    bus: str, bluez: FakeBell
) -> None:
    """Found in the virtual machine: the end of a link came in the same read as its beginning, and
    ended the daemon.
    """
    async with ringing(bus, Ears(), link_s=0.1) as bell:
        await soon(lambda: bell.trouble is None)
        for number in range(20):
            stranger = bluez.phone(number)
            await stranger.connect()
            await stranger.disconnect()
        await soon(lambda: bell.counters.links == 20)
        await asyncio.sleep(0.3)
        await soon(lambda: bluez.rings)
        assert bell.trouble is None
        assert bluez.sent_away == []


async def test_a_link_that_bluetoothd_fails_to_end_is_ended_at_the_next_try_and_counted_once(
    bus: str, bluez: FakeBell
) -> None:
    bluez.failing_disconnects = 2
    async with ringing(bus, Ears(), link_s=0.1) as bell:
        await soon(lambda: bell.trouble is None)
        await bluez.phone().connect()
        await soon(lambda: bluez.sent_away)
        assert (bell.counters.links, bell.counters.sent_away) == (1, 1)


@pytest.mark.requirement("R-61")
async def test_a_bluetoothd_that_hangs_is_an_outage_and_the_doorbell_comes_back(
    bus: str, bluez: FakeBell
) -> None:
    ears = Ears()
    async with ringing(bus, ears, pace=replace(QUICK, call_s=0.2)) as bell:
        await soon(lambda: bell.trouble is None)
        bluez.hangs = True
        await bluez.phone().connect()
        await soon(lambda: bell.trouble)
        assert "no answer within" in str(bell.trouble)
        bluez.hangs = False
        await soon(lambda: bluez.rings and bell.trouble is None)
    assert bell.counters.outages == 1


@pytest.mark.requirement("R-04")
async def test_nothing_is_asked_of_bluetoothd_but_to_advertise_to_serve_and_to_end_links(
    bus: str, bluez: FakeBell
) -> None:
    """No agent, so nobody can pair; no connection from us to anybody; no discovery of what they
    have.
    """
    async with ringing(bus, Ears(), beacon_uuid=BEACON, link_s=0.1) as bell:
        await soon(lambda: bell.trouble is None)
        await bluez.phone().connect()
        await soon(lambda: bluez.sent_away)
    assert bluez.called - {"GetAll", "Introspect"} == {
        "RegisterApplication",
        "RegisterAdvertisement",
        "UnregisterAdvertisement",
        "Get",
        "Disconnect",
    }


def test_the_installation_lets_bluetoothd_show_nothing_else_and_ask_nothing_of_who_connects() -> (
    None
):
    """What each setting is for: docs/doorbell.md."""
    lines = (ROOT / "systemd" / "bluetooth.conf").read_text().splitlines()
    settings = dict(
        line.replace(" ", "").split("=")
        for line in lines
        if "=" in line and not line.startswith("#")
    )
    assert (settings["DeviceID"], settings["ReverseServiceDiscovery"]) == ("false", "false")
    assert (settings["Client"], settings["Cache"]) == ("false", "no")
    assert 0 < int(settings["TemporaryTimeout"]) <= 30, "0 would keep strangers for ever"
    assert settings.keys().isdisjoint({"AlwaysPairable", "JustWorksRepairing", "Pairable"}), (
        "refused by default"
    )


async def test_a_paired_keyboard_is_left_alone(bus: str, bluez: FakeBell) -> None:
    async with ringing(bus, Ears(), link_s=0.1) as bell:
        await soon(lambda: bell.trouble is None)
        await bluez.phone(paired=True).connect()
        await asyncio.sleep(0.3)
        assert bluez.sent_away == []


@pytest.mark.requirement("R-61")
async def test_many_strangers_at_once_are_sent_away_and_the_doorbell_still_rings(
    bus: str, bluez: FakeBell
) -> None:
    async with ringing(bus, Ears(), link_s=0.2) as bell:
        await soon(lambda: bell.trouble is None)
        strangers: list[Phone] = [bluez.phone(number) for number in range(60)]
        for stranger in strangers:
            await stranger.connect()
        await soon(lambda: len(bluez.sent_away) == 60)
        await soon(lambda: bluez.rings)
        assert bell.counters.links == 60
        assert len(bluez.on_air) == 1


@pytest.mark.requirement("R-61")
async def test_a_lost_adapter_and_a_restarted_bluetoothd_are_told_once_and_the_doorbell_comes_back(
    bus: str,
) -> None:
    ears = Ears()
    async with ringing(bus, ears, pace=QUICK) as bell:
        assert await ears.telemetry.wait(DoorbellFailed)
        assert "systemctl start bluetooth" in str(bell.trouble)
        async with a_bell(bus) as first:
            await soon(lambda: bell.trouble is None)
            first.lose_adapter()
            await soon(lambda: bell.counters.outages == 2)
            await soon(lambda: first.rings)
        await soon(lambda: bell.counters.outages == 3)
        async with a_bell(bus) as second:
            await soon(lambda: second.rings)
            await second.phone().connect()
    assert ears.telemetry.names()[:6] == ["doorbell.failed", "doorbell.ready"] * 3


@pytest.mark.parametrize(
    ("bluetoothd_ends", "reason", "next_step"),
    [
        (True, "bluetoothd ended, or was started anew", RadioFault.NO_BLUEZ.value),
        (False, "hci0 went away", RadioFault.NO_ADAPTER.value),
    ],
)
async def test_a_doorbell_that_fell_silent_says_which_of_the_two_went_away(
    bus: str, bluetoothd_ends: bool, reason: str, next_step: str
) -> None:
    """A bluetoothd that ends takes its adapters away first."""
    ears = Ears()
    async with ringing(bus, ears) as bell:
        async with a_bell(bus) as fake:
            await soon(lambda: bell.trouble is None and fake.rings)
            ears.telemetry.events.clear()
            fake.lose_adapter()
            if not bluetoothd_ends:
                await soon(lambda: ears.telemetry.events)
        await soon(lambda: ears.telemetry.events)
    assert ears.telemetry.events[0] == DoorbellFailed(
        adapter="hci0", reason=reason, next_step=next_step
    )


@pytest.mark.requirement("R-61")
async def test_an_adapter_that_somebody_switched_off_rings_again_and_is_not_fought_over(
    bus: str, bluez: FakeBell
) -> None:
    ears = Ears()
    async with ringing(bus, ears, pace=QUICK) as bell:
        await soon(lambda: bluez.rings)
        bluez.power(False)
        await soon(lambda: len(bluez.switched) == 2 and bluez.rings and bell.trouble is None)
        [failed] = ears.telemetry.of(DoorbellFailed)
        assert failed.reason == "hci0 was switched off"
        bluez.power(False)
        await soon(lambda: "again" in (bell.trouble or ""))
        await asyncio.sleep(0.3)
        assert bluez.switched == [False, True, False]
        assert bell.trouble is not None


async def test_an_adapter_that_is_not_there_is_named(bus: str, bluez: FakeBell) -> None:
    ears = Ears()
    async with ringing(bus, ears, adapter="hci7"):
        failed = await ears.telemetry.wait(DoorbellFailed)
    assert ears.telemetry.events == [failed]
    assert failed.adapter == "hci7"
    assert failed.reason == f"hci7 is not there; there: hci0 ({ADDRESS})"
    assert ADAPTER not in failed.reason


@pytest.mark.parametrize("name", [ADDRESS, ADDRESS.lower()])
async def test_the_adapter_may_be_named_by_its_address_and_is_called_so(
    bus: str, bluez: FakeBell, name: str
) -> None:
    ears = Ears()
    async with ringing(bus, ears, adapter=name):
        await soon(lambda: bluez.rings)
    assert ears.telemetry.events == [DoorbellReady(adapter=name)]


async def test_an_adapter_that_listens_by_another_name_does_not_ring_unless_it_is_shared(
    bus: str, bluez: FakeBell
) -> None:
    ears = Ears()
    async with ringing(bus, ears, adapter="hci0", others=[ADDRESS]):
        failed = await ears.telemetry.wait(DoorbellFailed)
    assert failed.reason == f"hci0 and {ADDRESS} are one, hci0 ({ADDRESS})"
    assert not bluez.seen

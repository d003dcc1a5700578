"""The emulator's phone at the doorbell: a made-up radio, and the gateway's real protocol on the
other side.
"""

import argparse
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from presence.core.place import Place
from presence.core.recognition.challenge import (
    ANSWER_UUID,
    CHALLENGE_UUID,
    MAX_READINGS,
    Answer,
    ChallengeRegistry,
    RejectReason,
    is_genuine,
)
from presence.core.recognition.identifiers import slot_at
from presence.core.rules import Bell
from presence.core.site import Site
from presence.edges.bluez.gatt.exported import beacon_data
from presence.errors import RadioError, RadioFault
from presence.simulation.identity_keys import window_key
from scripts.app_emulator.__main__ import main
from scripts.app_emulator.answering import answer_all
from scripts.app_emulator.central import BleakCentral, bell_of
from scripts.app_emulator.doorbell import (
    ATTEMPTS,
    OLDEST_S,
    Answered,
    Customer,
    LinkLost,
    NoAnswer,
    Sound,
    answer_once,
    readings_of,
)
from scripts.stores.customers import identity_key
from tests.support.builders import (
    ANNA,
    SITE,
    an_engine,
    consent,
    moment,
)
from tests.support.fake_advertising import a_bus
from tests.support.fakes import FakeClock
from tests.support.json_answers import golden, judged

SERVICE = "5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10"
KEY = identity_key(ANNA)
PHONE = Customer(KEY, SITE, SERVICE)
OPTIONS = argparse.Namespace(listen=0.1, every=None, json=True)


class Gateway:
    """A gateway within reach, with the real ChallengeRegistry: a Peer, one connection at a time."""

    def __init__(self, clock: FakeClock) -> None:
        self.bell = ChallengeRegistry()
        self.rung: list[Answer | RejectReason] = []
        self.links = 0
        self._clock = clock

    async def read(self, uuid: str) -> bytes:
        assert uuid == CHALLENGE_UUID
        return self.bell.challenge(self.links, bytes(16), self._clock.now())

    async def write(self, uuid: str, value: bytes) -> None:
        assert uuid == ANSWER_UUID
        self.rung.append(self.bell.answer(self.links, value, self._clock.now()))


class Foreign(Gateway):
    async def read(self, uuid: str) -> bytes:
        return b"\x02" + bytes(16)


class Air:
    """Implements Central: `sounds` is what is heard, `lost` how many connections fail first."""

    def __init__(
        self, gateway: Gateway, sounds: Sequence[Sound], *, lost: int = 0, lost_after: bool = False
    ) -> None:
        self.gateway = gateway
        self.asked: list[str] = []
        self._sounds = sounds
        self._lost = lost
        self._lost_after = lost_after

    async def listen(self, service_uuid: str, seconds: float) -> Sequence[Sound]:
        assert service_uuid == SERVICE
        return self._sounds

    @asynccontextmanager
    async def connect(self, gateway: str) -> AsyncIterator[Gateway]:
        self.asked.append(gateway)
        self.gateway.links += 1
        if len(self.asked) <= self._lost:
            raise LinkLost("le-connection-abort-by-local")
        yield self.gateway
        self.gateway.bell.gone(self.gateway.links)
        if self._lost_after:
            raise LinkLost("the disconnection was not confirmed")


class Deaf(Air):
    async def listen(self, service_uuid: str, seconds: float) -> Sequence[Sound]:
        raise RadioError(RadioFault.NO_ADAPTER, "No Bluetooth adapters found")


def heard(clock: FakeClock, *ages_and_dbm: tuple[float, int], gateway: str = "near") -> list[Sound]:
    now_s = clock.now().monotonic_s
    return [Sound(now_s - age_s, rssi_dbm, gateway) for age_s, rssi_dbm in ages_and_dbm]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def answered(air: Air, clock: FakeClock, customer: Customer = PHONE) -> Answered:
    return await answer_once(air, customer, clock, listen_s=5, chance=lambda _least, _most: 0.0)


async def test_an_answer_is_genuine_and_carries_what_was_heard_of_the_loudest_gateway(
    clock: FakeClock,
) -> None:
    gateway = Gateway(clock)
    far = heard(clock, (4.0, -80), (0.2, -79), gateway="far")
    near = heard(clock, (3.0, -62), (2.0, -55), (0.1, -58))
    air = Air(gateway, [*far, *near])

    done = await answered(air, clock)

    (answer,) = gateway.rung
    now = clock.now()
    assert isinstance(answer, Answer)
    assert is_genuine(answer, window_key(KEY, now.utc_s), SITE, slot_at(now.utc_s))
    assert [(round(age_s, 1), rssi_dbm) for age_s, rssi_dbm, _ in answer.readings] == [
        (3.0, -62),
        (2.0, -55),
        (0.1, -58),
    ]
    assert air.asked == ["near"]
    assert (done.gateways, done.readings, done.strongest_dbm, done.attempts) == (2, 3, -55, 1)
    assert done.first_heard_to_written_s == pytest.approx(3.0)


def rings(clock: FakeClock, seconds: int, **levels: int) -> list[Sound]:
    """Doorbell and beacon of each of these gateways once a second; their bells are 0, 1 …"""
    now_s = clock.now().monotonic_s
    return [
        Sound(now_s - age_s, rssi_dbm, gateway, bell)
        for age_s in reversed(range(seconds))
        for number, (gateway, rssi_dbm) in enumerate(levels.items())
        for bell in (None, number)
    ]


async def test_a_phone_that_hears_beacons_answers_the_loudest_with_readings_of_all_bells(
    clock: FakeClock,
) -> None:
    gateway = Gateway(clock)
    air = Air(gateway, rings(clock, 5, back=-66, door=-55))

    done = await answered(air, clock)

    (answer,) = gateway.rung
    now = clock.now()
    assert isinstance(answer, Answer)
    assert is_genuine(answer, window_key(KEY, now.utc_s), SITE, slot_at(now.utc_s))
    assert [(round(age_s), rssi_dbm, bell) for age_s, rssi_dbm, bell in answer.readings] == [
        (age_s, rssi_dbm, bell)
        for age_s in (4, 3, 2, 1, 0)
        for rssi_dbm, bell in ((-66, 0), (-55, 1))
    ]
    assert air.asked == ["door"]
    assert (done.gateways, done.bells, done.readings) == (2, 2, 10)


async def test_the_gateway_tells_by_one_answer_of_several_bells_whether_the_phone_is_inside(
    clock: FakeClock,
) -> None:
    """Inside and outside the door, the bell inside is heard alike."""
    for door_dbm, enters in ((-62, True), (-50, False)):
        gateway = Gateway(clock)
        await answered(Air(gateway, rings(clock, 15, back=-50, door=door_dbm)), clock)
        engine = an_engine(
            consent(),
            bells={0: Bell("back"), 1: Bell("inner", place=Place.DOOR)},
        )
        assert bool(engine.answered(*gateway.rung).queued) is enters


@pytest.mark.parametrize("bells", [1, 2, 3, 5])
def test_however_many_bells_ring_each_has_its_share_of_an_answer(bells: int) -> None:
    sounds = [Sound(5 + n / 10, -60, "near", n % bells) for n in range(150)]
    series = readings_of(sounds, 20.0)
    counts = Counter(reading.bell for reading in series)
    assert set(counts) == set(range(bells))
    assert set(counts.values()) == {MAX_READINGS // bells}
    assert [r.age_s for r in series] == sorted((r.age_s for r in series), reverse=True)


async def test_who_hears_beacons_and_no_doorbell_has_nothing_to_connect_to(
    clock: FakeClock,
) -> None:
    beacons = [sound for sound in rings(clock, 3, back=-60) if sound.bell is not None]
    with pytest.raises(NoAnswer, match="nothing heard of 5f0c1e52"):
        await answered(Air(Gateway(clock), beacons), clock)


def test_a_bell_is_known_by_the_chains_uuid_and_the_stores_number() -> None:
    uuid = UUID("0a6cb6b6-9b1f-4d59-8f5e-8a7a3b0d1c42")
    frame = beacon_data(str(uuid), 42, 7)
    assert bell_of(frame, uuid, 42) == 7
    assert bell_of(frame, uuid, 43) is None
    assert bell_of(frame, UUID(SERVICE), 42) is None
    assert bell_of(frame[:-1], uuid, 42) is None


async def test_an_answer_for_another_store_is_not_genuine_here(clock: FakeClock) -> None:
    gateway = Gateway(clock)
    elsewhere = Customer(KEY, Site(chain=SITE.chain, store="elsewhere"), SERVICE)

    await answered(Air(gateway, heard(clock, (0.1, -58))), clock, elsewhere)

    (answer,) = gateway.rung
    now = clock.now()
    assert isinstance(answer, Answer)
    assert not is_genuine(answer, window_key(KEY, now.utc_s), SITE, slot_at(now.utc_s))


async def test_a_lost_connection_is_tried_again_with_a_new_challenge(clock: FakeClock) -> None:
    gateway = Gateway(clock)
    done = await answered(Air(gateway, heard(clock, (0.1, -58)), lost=ATTEMPTS - 1), clock)

    assert done.attempts == ATTEMPTS
    assert [type(each) for each in gateway.rung] == [Answer]


async def test_a_link_that_breaks_after_the_answer_is_not_answered_twice(clock: FakeClock) -> None:
    gateway = Gateway(clock)
    await answered(Air(gateway, heard(clock, (0.1, -58)), lost_after=True), clock)

    assert len(gateway.rung) == 1


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("silence", "nothing heard of 5f0c1e52"),
        ("lost", f"{ATTEMPTS} connections failed (le-connection-abort-by-local)"),
        ("foreign", "not version 1"),
    ],
)
async def test_whoever_cannot_answer_says_why_and_what_to_try(
    case: str, says: str, clock: FakeClock
) -> None:
    sounds = [] if case == "silence" else heard(clock, (0.1, -58))
    gateway = (Foreign if case == "foreign" else Gateway)(clock)
    air = Air(gateway, sounds, lost=ATTEMPTS if case == "lost" else 0)

    with pytest.raises(NoAnswer) as trouble:
        await answered(air, clock)

    assert says in str(trouble.value)
    assert KEY.hex() not in str(trouble.value)
    assert gateway.rung == []


@pytest.mark.parametrize("count", [1, 5, MAX_READINGS, MAX_READINGS + 1, 200])
def test_readings_are_evenly_chosen_and_the_newest_is_among_them(count: int) -> None:
    now_s = moment().monotonic_s
    sounds = [
        Sound(now_s - 20 + 20 * number / count, -60 - number % 40, "g") for number in range(count)
    ]

    readings = readings_of(sounds, now_s)

    assert len(readings) == min(count, MAX_READINGS)
    assert readings[-1].age_s == pytest.approx(now_s - sounds[-1].at_s)
    ages = [reading.age_s for reading in readings]
    assert ages == sorted(ages, reverse=True)
    assert ages[0] > 17 or count == 1


def test_what_is_too_old_to_be_said_is_left_out() -> None:
    sounds = [Sound(0, -60, "g"), Sound(10, -61, "g"), Sound(30, -62, "g")]

    assert [reading.rssi_dbm for reading in readings_of(sounds, 30)] == [-61, -62]
    assert [reading.age_s for reading in readings_of(sounds, 99)] == [OLDEST_S]


async def test_each_answer_and_each_failure_is_a_line_of_json(
    clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    rings = Air(Gateway(clock), heard(clock, (0.1, -58)))

    assert await answer_all(rings, PHONE, OPTIONS) == 0
    assert await answer_all(Deaf(Gateway(clock), []), PHONE, OPTIONS) == 1

    first, second = (
        judged("app-emulator-doorbell", line) for line in capsys.readouterr().out.splitlines()
    )
    told = golden("app-emulator-doorbell")
    times = ("first_heard_to_written_s", "link_s")
    assert first == {**told, **{name: first[name] for name in times}}
    assert not second["answered"]
    assert "plug the adapter in" in second["trouble"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"--service-uuid": "acme"}, "a UUID is wanted"),
        ({"--identity-key": "01"}, "32 hex digits are wanted"),
        ({"--listen": "0"}, "0.1 to 3600 seconds are wanted"),
    ],
)
def test_a_mistake_in_the_options_says_what_is_wanted(
    change: dict[str, str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    right = {
        "--identity-key": KEY.hex(),
        "--service-uuid": SERVICE,
        "--chain": "acme",
        "--store": "fi-0042",
    }
    words = [word for pair in (right | change).items() for word in pair]

    with pytest.raises(SystemExit) as ended:
        main(["doorbell", *words])

    assert ended.value.code == 64
    assert says in capsys.readouterr().err


async def test_without_bluetoothd_the_next_step_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        async with a_bus(tmp_path) as bus:
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)
            with pytest.raises(RadioError) as trouble:
                await BleakCentral("hci7", FakeClock()).listen(SERVICE, 0.1)
    except FileNotFoundError:
        pytest.skip("dbus-daemon is not installed")
    assert trouble.value.fault in (RadioFault.NO_BLUEZ, RadioFault.NO_ADAPTER)

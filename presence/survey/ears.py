"""Where the advertisements come from: the gateway's radio, a capture, or a simulated shop with a
technician in it.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final, Protocol

from presence.assembly import satellites_of
from presence.config import Settings
from presence.core.recognition.advertisement import Advertisement
from presence.core.timestamps import Moment
from presence.edges.bluez import adapters_now, radios
from presence.edges.bluez.hci_count import ReportCounter
from presence.edges.capture import CaptureReader
from presence.edges.host.clock import SystemClock
from presence.edges.mqtt.publisher import MqttPublisher
from presence.errors import CaptureError
from presence.language import Sentence
from presence.ports import OnAdvertisement
from presence.simulation import (
    OVER_THE_COUNTER,
    Air,
    CustomerBroadcast,
    Phone,
    SimulatedAntenna,
    SimulatedClock,
    SimulatedShop,
    Spot,
    Walk,
    crowd,
    passing,
)
from presence.survey.guide import Act, Doing
from presence.telemetry import OperationalEvent, RadioFailed

STRANGERS: Final = 30
POWER_DBM: Final = -67.0
WEAKER_DB: Final = 4.5
"""Between two makes of phone, as the recordings have it (presence.core.visit.calibration)."""
POCKET_DB: Final = 4.0
ARM_DB: Final = 4.0


class Ear(Protocol):
    """One source of advertisements; it is the clock, too."""

    what: str
    """For people: `hci0, active scan`."""
    fault: str
    """Why it hears nothing, with the next step; empty where it works."""
    on_air: ReportCounter | None
    """Counts all advertisements below BlueZ, where the system lets us."""
    addresses: Mapping[str, str]
    """Of our own antennas, by their names, where they could be asked for."""

    def now(self) -> Moment: ...

    def begin(self, act: Act) -> Moment:
        """The moment at which the act begins."""

    async def listen(self, act: Act, on_advertisement: OnAdvertisement) -> None:
        """Hand over what is heard during the act that has begun; returns when it is over."""


class RadioEar:
    """Scans on, between acts too: starting anew each time would lose the first second of each."""

    def __init__(self, settings: Settings, on_air: ReportCounter | None) -> None:
        self.what: str = _antennas(settings)
        self.fault = ""
        self.on_air = on_air
        self.addresses: Mapping[str, str] = {}
        self._clock = SystemClock()
        self._on_advertisement: OnAdvertisement | None = None
        self.scanners = radios(settings, clock=self._clock, emit=self._note)

    def now(self) -> Moment:
        return self._clock.now()

    def begin(self, act: Act) -> Moment:  # noqa: ARG002 - time is what it is
        return self._clock.now()

    async def listen(self, act: Act, on_advertisement: OnAdvertisement) -> None:
        self._on_advertisement = on_advertisement
        try:
            await asyncio.sleep(act.seconds)
        finally:
            self._on_advertisement = None

    def hear(self, advertisement: Advertisement) -> None:
        if self._on_advertisement is not None:
            self._on_advertisement(advertisement)

    def _note(self, event: OperationalEvent) -> None:
        self.fault = event.next_step if isinstance(event, RadioFailed) else ""


def _antennas(settings: Settings) -> Sentence:
    named = ", ".join(f"{each.adapter} {each.place}" for each in settings.radio.antennas)
    hung, mode = named or Sentence("first adapter"), settings.radio.mode
    if not settings.satellites:
        return Sentence("{antennas}, radio mode {mode}", antennas=hung, mode=mode)
    return Sentence(
        "{antennas}, radio mode {mode}, satellites {satellites}",
        antennas=hung,
        mode=mode,
        satellites=", ".join(each.name for each in settings.satellites),
    )


@asynccontextmanager
async def radio(settings: Settings) -> AsyncIterator[RadioEar]:
    """The radio, scanning as the daemon does: with its filter, so that strangers stay inside
    bluetoothd.

    A daemon on the same adapter goes on: BlueZ joins the filters of its clients, and ours is the
    same.
    """
    adapters = await adapters_now(settings)
    with ReportCounter.open([adapter.name for adapter in adapters.values()]) as on_air:
        ear = RadioEar(settings, on_air)
        ear.addresses = {name: adapter.address for name, adapter in adapters.items()}
        listening = [scanner.run(ear.hear) for scanner in ear.scanners]
        listening += _satellites(settings, ear)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(each) for each in listening]
            try:
                yield ear
            finally:
                for task in running:
                    task.cancel()


def _satellites(settings: Settings, ear: RadioEar) -> list[Coroutine[None, None, None]]:
    """At any hour: technicians come before the doors open. A daemon beside us goes on, and what its
    satellites tell it we hear, too.
    """
    if not settings.satellites:
        return []
    publisher = MqttPublisher(
        settings.mqtt, settings.store, role="scan-satellites", emit=lambda _event: None
    )
    satellites = satellites_of(
        settings,
        publisher,
        SystemClock(),
        lambda _event: None,
        wanted=lambda _now: True,
        beside=True,
    )
    return [] if satellites is None else [publisher.run(), satellites.run(ear.hear)]


class CaptureEar:
    """Plays the stretch of the capture that an act names, as fast as it can be read."""

    def __init__(self, path: Path) -> None:
        self._reader = CaptureReader(path)
        self.fault = ""
        self.on_air: ReportCounter | None = None
        self.addresses: Mapping[str, str] = {}
        first = last = None
        try:
            for advertisement in self._reader.advertisements():
                first, last = first or advertisement.at, advertisement.at
        except CaptureError as error:
            self.fault = str(error)
        self.start = first or Moment(0.0, 0.0)
        self.seconds = last.monotonic_s - self.start.monotonic_s if last else 0.0
        self.what: str = f"{path.name}, {self._reader.format}"
        self._now = self.start

    def now(self) -> Moment:
        return self._now

    def begin(self, act: Act) -> Moment:
        self._now = self.start.later(act.from_s)
        return self._now

    async def listen(self, act: Act, on_advertisement: OnAdvertisement) -> None:
        begins_s = self.start.monotonic_s + act.from_s
        try:
            for advertisement in self._reader.advertisements():
                if advertisement.at.monotonic_s > begins_s + act.seconds:
                    break
                if advertisement.at.monotonic_s >= begins_s:
                    self._now = advertisement.at
                    on_advertisement(advertisement)
        except CaptureError:  # said in `fault` already; all before it counts
            pass
        await asyncio.sleep(0)


class SimulatedEar:
    """A shop with passers-by, and a technician who does what each act asks for.

    Its time stands still between the acts: at a high speed the list would grow stale while somebody
    reads the screen.
    """

    def __init__(
        self,
        identity_keys: Sequence[bytes],
        *,
        speed: float,
        seed: int,
        antennas: Sequence[SimulatedAntenna] = (OVER_THE_COUNTER,),
        air: Air | None = None,
        acts: int = 0,
    ) -> None:
        """`acts`: how many there were before, the radio's left out: a visit that goes on is walked
        as a whole one is.
        """
        self.what: str = Sentence.plural(
            "simulated shop, {number} antenna", "simulated shop, {number} antennas", len(antennas)
        )
        self.fault = ""
        self.on_air: ReportCounter | None = None
        self.addresses: Mapping[str, str] = {}
        self.speed = speed
        self._keys = identity_keys
        self._seed = seed
        self._antennas = antennas
        self._air = air
        self._acts = 0
        self._before = acts
        self._clock = SimulatedClock(SystemClock().now(), speed=speed)
        self.shop = self._shop(Act(Doing.RADIO, 0, ""))

    def now(self) -> Moment:
        return self._clock.start.later(min(self._clock.elapsed_s, self.shop.seconds))

    def begin(self, act: Act) -> Moment:
        self._acts += 1
        if act.doing is not Doing.RADIO:
            self._acts += self._before
            self._before = 0
        self._clock = SimulatedClock(self._clock.start.later(self.shop.seconds), speed=self.speed)
        self.shop = self._shop(act)
        return self._clock.start

    async def listen(self, act: Act, on_advertisement: OnAdvertisement) -> None:  # noqa: ARG002 - `begin` has set the stage
        await self.shop.run(on_advertisement)

    def strangers(self, act: Act) -> Iterable[Phone]:
        return crowd(STRANGERS, seed=self._seed + self._acts, seconds=act.seconds)

    def _shop(self, act: Act) -> SimulatedShop:
        people = [*self._phones(act), *self.strangers(act)]
        return SimulatedShop(
            people,
            self._clock,
            seed=self._seed,
            seconds=act.seconds,
            air=self._air,
            antennas=self._antennas,
        )

    def _phones(self, act: Act) -> Iterator[Phone]:
        """In the technician's pockets, which is one walk; the second is the weaker make."""
        chance = Random(f"{self._seed}/{self._acts}")
        walk = technician(act, chance, self._antennas[0].spot)
        for number, key in enumerate(self._keys, start=1):
            pocket_db = chance.uniform(-POCKET_DB, 0)
            at_arms_length_db = ARM_DB if act.doing is Doing.PHONE else 0.0
            yield Phone(
                f"test phone {self._acts}/{number}",
                walk,
                CustomerBroadcast(key),
                power_dbm=POWER_DBM + pocket_db - (number - 1) * (WEAKER_DB + at_arms_length_db),
            )


AT_DOOR_S: Final = 8.0
"""Who comes from 10 m away, at 1.2 m/s."""


def technician(act: Act, chance: Random, gateway: Spot) -> Walk:
    """How somebody does it who was asked to: no two walks are alike."""
    side, ends_s = chance.choice((-1, 1)), act.seconds + 1
    inside = [Spot(chance.uniform(-4, 4), chance.uniform(1, 6)) for _ in range(4)]
    if act.doing is Doing.WINDOW:
        return _through(
            [Spot(side * chance.uniform(2, 5), chance.uniform(-2.0, -0.8)) for _ in range(3)],
            ends_s,
        )
    if act.doing is Doing.PAST:
        walk = passing(
            0,
            y_m=chance.uniform(-3.5, -1.2),
            rightwards=side > 0,
            pace_m_s=chance.uniform(1.0, 1.5),
        )
        middle_s = walk.ends_s / 2  # the window lies in the middle of the way
        return Walk(tuple((at_s - middle_s + act.seconds / 2, spot) for at_s, spot in walk.steps))
    if act.doing in (Doing.IN, Doing.BROKER):
        come = [(9.5, Spot(0.0, 0.2)), (12.5, inside[0]), (16.0, inside[1])]
        stay = [(max(ends_s, 17.0), inside[2])]
        return Walk((*_comes_up(side), *come, *stay))
    if act.doing is Doing.LOOKIN:
        at_door = _through(
            [Spot(chance.uniform(-0.5, 0.5), chance.uniform(-1.0, -0.3)) for _ in range(4)],
            ends_s - AT_DOOR_S,
        )
        return Walk(
            (*_comes_up(side), *((AT_DOOR_S + at_s, spot) for at_s, spot in at_door.steps[1:]))
        )
    if act.doing is Doing.LEAVE:
        return Walk(((0.0, inside[0]), (4.0, Spot(0.0, -0.3)), (ends_s, Spot(side * 9.0, -3.0))))
    if act.doing is Doing.INSIDE:
        return _through(inside, ends_s)
    near = Spot(gateway.x_m + 0.8, gateway.y_m + 0.5)
    return _through([near, Spot(gateway.x_m + 0.4, near.y_m + 0.2)], ends_s)


def _comes_up(side: int) -> tuple[tuple[float, Spot], ...]:
    """From 10 m away to the front of the door."""
    return (0.0, Spot(side * 10.0, -2.0)), (AT_DOOR_S, Spot(side * 0.5, -1.0))


def _through(spots: list[Spot], ends_s: float) -> Walk:
    return Walk(tuple((ends_s * n / (len(spots) - 1), spot) for n, spot in enumerate(spots)))

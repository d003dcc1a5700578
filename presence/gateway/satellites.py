"""Hears satellites over the broker: proves each message, and hands its readings on as
advertisements.

    gateway ── nonce, every NONCE_S, while the shop is open ──► satellite: it listens
    satellite ── heard ──► form and key ──► is it new? ──► readings ──► as from any other antenna
                                  (SatelliteGuard)   └──► or none: a heartbeat, it lives

1. The broker is not believed: what a satellite's own key does not vouch for, and what is not new,
   is counted, told at the 1st, 2nd, 4th, 8th time, and changes nothing.
2. Without a nonce a satellite neither listens nor speaks: so opening hours (R-19) and the notice at
   the door (R-16) hold for it as for our own adapters, though it knows nothing of either.
3. A satellite that says nothing for SILENT_S does not hear, and until its first message it does
   not either: its silence must never count as "not heard there" (presence.gateway.antennas). After
   LOST_S it is lost, and told: a network that stumbles is no news.
4. A reading carries no address (presence.core.recognition.satellite_message), and an identifier
   that nobody agreed to is dropped where all are: in the engine.
"""

import asyncio
import math
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from presence.core.operations.snapshot import SatelliteState, SatelliteStatus
from presence.core.place import Place
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.satellite_guard import NONCE_S, SatelliteGuard
from presence.core.recognition.satellite_message import (
    NONCE_BYTES,
    Reading,
    SatelliteRefusal,
    decode_heard,
    decode_nonce,
    encode_nonce,
    topic_of_heard,
    topic_of_nonce,
)
from presence.core.site import Site
from presence.core.timestamps import Moment
from presence.errors import BrokerError
from presence.ports import Clock, OnAdvertisement
from presence.pulse import beat, resting
from presence.telemetry import Emit, SatelliteHeard, SatelliteIgnored, SatelliteLost, is_due

SILENT_S: Final = 3.0
"""Three heartbeats (docs/satellites.md)."""
LOST_S: Final = 10.0
AWAITED_S: Final = 30.0
"""At a start or an opening: until it has its first nonce, and its radio listens."""
BESIDE_NONCES: Final = 1.5
"""A gateway beside us gives a nonce in every NONCE_S; one of them may be late."""
NO_ADDRESS: Final = b""
"""A satellite does not say under which address it heard something."""


class SatelliteLink(Protocol):
    """A broker (edges.mqtt.MqttPublisher)."""

    async def connected(self) -> None: ...
    async def subscribe(self, topic: str, handler: Callable[[str, bytes, bool], None]) -> None: ...
    async def send(self, topic: str, payload: bytes) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Satellite:
    """One satellite as the configuration names it."""

    name: str
    place: Place
    key: bytes = field(repr=False)


class _Watched:
    """What is known of one satellite: how it does, and nothing of what it heard."""

    def __init__(self, satellite: Satellite, now_s: float) -> None:
        self.satellite = satellite
        self.guard = SatelliteGuard()
        self.ignored: Counter[SatelliteRefusal] = Counter()
        self.state = SatelliteState.AWAITED
        self.since_s = now_s
        """Of its last message; of the start, or of the opening, where none came since."""
        self.followed_s = -math.inf
        """When a gateway beside us asked it last."""
        self.ours = b""
        """The nonce that we gave last, where a gateway may run beside us."""


class Satellites:
    """All satellites of one gateway."""

    def __init__(
        self,
        site: Site,
        satellites: tuple[Satellite, ...],
        link: SatelliteLink,
        *,
        clock: Clock,
        emit: Emit,
        wanted: Callable[[Moment], bool],
        beside: bool = False,
        nonce: Callable[[int], bytes] = os.urandom,
        nonce_s: float = NONCE_S,
    ) -> None:
        """`wanted`: may anything be scanned now? `beside`: a gateway may run that has the same
        satellites, and they are listened to by its nonces; ours are given where it gives none.
        """
        self._site = site
        self._link = link
        self._clock = clock
        self._emit = emit
        self._wanted = wanted
        self._beside = beside
        self._nonce = nonce
        self._nonce_s = nonce_s
        self._on_advertisement: OnAdvertisement = lambda _advertisement: None
        now_s = clock.now().monotonic_s
        self._watched = tuple(_Watched(satellite, now_s) for satellite in satellites)

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        """Until cancelled."""
        beat()
        self._on_advertisement = on_advertisement
        for each in self._watched:
            topic = topic_of_heard(self._site, each.satellite.name)
            await self._link.subscribe(topic, partial(self._receive, each))
            if self._beside:
                topic = topic_of_nonce(self._site, each.satellite.name)
                await self._link.subscribe(topic, partial(self._follow, each))
        if self._beside:  # a gateway's nonce comes within this time, if one runs
            with resting():
                await asyncio.sleep(BESIDE_NONCES * self._nonce_s)
        while True:
            with resting():  # the first one as soon as it can be given
                await self._link.connected()
            if self._wanted(self._clock.now()):
                for each in self._watched:
                    await self._give_nonce(each)
            with resting():
                await asyncio.sleep(self._nonce_s)

    def advance(self, now: Moment) -> None:
        """Let time pass: who said nothing for too long is lost."""
        wanted = self._wanted(now)
        for each in self._watched:
            patience_s = AWAITED_S if each.state is SatelliteState.AWAITED else LOST_S
            silent = now.monotonic_s - each.since_s >= patience_s
            if not wanted:
                # What it still says belongs to the nonces that were given before we closed.
                if silent or each.state is not SatelliteState.HEARD:
                    each.state = SatelliteState.RESTING
            elif each.state is SatelliteState.RESTING:
                each.state, each.since_s = SatelliteState.AWAITED, now.monotonic_s
            elif silent and each.state is not SatelliteState.LOST:
                self._lose(each)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(each.satellite.name for each in self._watched)

    def hearing(self) -> frozenset[str]:
        """The names of those that hear now."""
        now_s = self._clock.now().monotonic_s
        return frozenset(
            each.satellite.name
            for each in self._watched
            if each.state is SatelliteState.HEARD and now_s - each.since_s < SILENT_S
        )

    def look(self, now: Moment) -> tuple[SatelliteStatus, ...]:
        """How they do, for an operator."""
        return tuple(
            SatelliteStatus(
                each.satellite.name,
                each.satellite.place,
                each.state,
                now.monotonic_s - each.since_s if each.state is SatelliteState.LOST else 0.0,
                dict(each.ignored),
            )
            for each in self._watched
        )

    async def _give_nonce(self, each: _Watched) -> None:
        nonce = self._nonce(NONCE_BYTES)
        if self._beside:
            now_s = self._clock.now().monotonic_s
            if now_s - each.followed_s < BESIDE_NONCES * self._nonce_s:
                return
            each.ours = nonce
        each.guard.give(nonce)
        with suppress(BrokerError):  # the publisher reports it, and the satellite will be lost
            await self._link.send(
                topic_of_nonce(self._site, each.satellite.name), encode_nonce(nonce)
            )

    def _follow(self, each: _Watched, _topic: str, payload: bytes, _retained: bool) -> None:
        """The gateway beside us asked, and its nonce is as good as ours."""
        nonce = decode_nonce(payload)
        if nonce is not None and nonce != each.ours:
            each.followed_s = self._clock.now().monotonic_s
            each.guard.give(nonce)

    def _receive(self, each: _Watched, _topic: str, payload: bytes, _retained: bool) -> None:
        now, satellite = self._clock.now(), each.satellite
        heard = decode_heard(payload, satellite.key, self._site, satellite.name)
        if isinstance(heard, SatelliteRefusal):
            self._ignore(each, heard)
            return
        refusal = each.guard.admit(heard, now.monotonic_s)
        if refusal is not None:
            self._ignore(each, refusal)
            return
        each.since_s = now.monotonic_s
        if each.state is not SatelliteState.HEARD:
            each.state = SatelliteState.HEARD
            self._emit(SatelliteHeard(satellite=satellite.name, place=satellite.place.value))
        for reading in heard.readings:
            self._on_advertisement(as_advertisement(reading, satellite.name, now))

    def _lose(self, each: _Watched) -> None:
        each.state = SatelliteState.LOST
        name, place = each.satellite.name, each.satellite.place
        self._emit(SatelliteLost(satellite=name, place=place.value, next_step=LOST_STEP))

    def _ignore(self, each: _Watched, why: SatelliteRefusal) -> None:
        each.ignored[why] += 1
        count = each.ignored[why]
        # What was on its way as we started was made for nonces of before: no news.
        expected = why is SatelliteRefusal.STALE and each.state is SatelliteState.AWAITED
        if is_due(count) and not expected:
            self._emit(
                SatelliteIgnored(
                    satellite=each.satellite.name,
                    reason=why.value,
                    count=count,
                    next_step=IGNORED_STEP[why],
                )
            )


def as_advertisement(reading: Reading, antenna: str, now: Moment) -> Advertisement:
    """The reading as if an adapter of ours had heard the phone's E1 frame; it came at `now`."""
    frame = bytes((eddystone.EID_FRAME_TYPE, 0)) + reading.eid + reading.extension
    return Advertisement(
        now.later(-reading.age_ms / 1000),
        NO_ADDRESS,
        reading.rssi_dbm,
        {eddystone.SERVICE_UUID: frame},
        antenna=antenna,
    )


LOST_STEP: Final = (
    "look whether it has power and network, and whether its radio works (`journalctl -u "
    "presence-satellite` there); until it is back nobody new comes in, unless a pair is left"
)
IGNORED_STEP: Final = {
    SatelliteRefusal.MALFORMED: (
        "give the satellite the version of presence or of the YAML that belongs to this gateway"
    ),
    SatelliteRefusal.FORGED: (
        "give gateway and satellite the same key file and the same chain, store and name; if they "
        "have, somebody else writes to its topic: see the broker's access list"
    ),
    SatelliteRefusal.STALE: (
        "let this gateway write the satellite's …/nonce, and no other gateway have a satellite of "
        "that name; otherwise a recording is being played"
    ),
    SatelliteRefusal.COPY: (
        "somebody plays the satellite's messages back: change its password at the broker"
    ),
    SatelliteRefusal.OVER: "two satellites have one name and key: give each its own",
    SatelliteRefusal.LATE: "look for what holds up the satellite's messages: network, broker",
    SatelliteRefusal.FLOOD: "the satellite says too much: start it anew, and change its key",
}

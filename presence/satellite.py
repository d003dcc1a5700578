"""An antenna elsewhere: hears our formats for its gateway, and tells it over the broker
(docs/satellites.md has the contract).

    gateway ── nonce ──► asked ──► the radio listens ── hear ──► readings, every COLLECT_S ──► heard
                 none for NONCE_OLD_S: it rests, and nothing is said

1. It knows nobody: no list, no window key. Of an advertisement it keeps identifier, strength and
   time, for as long as it takes to send them; of any that is not of our formats, nothing.
2. What could not be sent within MAX_AGE_MS is thrown away: it would say that somebody is where they
   were.
3. A heartbeat says that the radio listens, so one that does not work is silent: the gateway must
   not take its silence for an empty pavement.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from presence.core.encoding import EID_BYTES
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons import Format
from presence.core.recognition.satellite_message import (
    MAX_AGE_MS,
    MAX_READINGS,
    SESSION_BYTES,
    Reading,
    SatelliteMessage,
    decode_nonce,
    encode_heard,
    topic_of_heard,
    topic_of_nonce,
)
from presence.core.site import Site
from presence.core.timestamps import Moment
from presence.errors import BrokerError
from presence.ports import Clock
from presence.pulse import beat, resting
from presence.telemetry import Emit, SatelliteAsked, SatelliteUnasked

COLLECT_S: Final = 0.2
HEARTBEAT_S: Final = 1.0
NONCE_OLD_S: Final = 15.0
"""Three nonces: one may be lost with a connection."""
MAX_WAITING: Final = 256
"""Readings: half a second of all that one channel can carry. Beyond it the oldest go."""
MESSAGES_A_TURN: Final = 3


class StationLink(Protocol):
    """A broker (edges.mqtt.MqttPublisher)."""

    async def subscribe(self, topic: str, handler: Callable[[str, bytes, bool], None]) -> None: ...
    async def send(self, topic: str, payload: bytes) -> None: ...


class Station:
    """One satellite. `hear` takes what its radio heard, `run` tells it."""

    def __init__(
        self,
        name: str,
        site: Site,
        key: bytes,
        formats: tuple[Format, ...],
        *,
        link: StationLink,
        clock: Clock,
        emit: Emit,
        listens: Callable[[], bool],
        chance: Callable[[int], bytes] = os.urandom,
        collect_s: float = COLLECT_S,
    ) -> None:
        """`listens`: does the radio work now, as far as anybody knows?"""
        self._name = name
        self._site = site
        self._key = key
        self._identify = tuple(each.identify for each in formats)
        self._link = link
        self._clock = clock
        self._emit = emit
        self._listens = listens
        self._collect_s = collect_s
        self._session = chance(SESSION_BYTES)
        self._began_s = clock.now().monotonic_s
        self._sent_ms = 0
        self._nonce = b""
        self._asked_s: float | None = None
        """When the newest nonce came; None while nobody asks."""
        self._waiting: deque[tuple[float, int, bytes]] = deque(maxlen=MAX_WAITING)
        """Time, strength and identifier of what was heard and not sent yet."""

    @property
    def asked(self) -> bool:
        """Whether the gateway wants us to listen."""
        return self._asked_s is not None

    def hear(self, advertisement: Advertisement) -> None:
        """Keep the reading, where it is of our formats and says how near it was."""
        if advertisement.rssi_dbm is None or not self.asked:
            return
        for identify in self._identify:
            identifier = identify(advertisement)
            if identifier is not None:
                heard_s = advertisement.at.monotonic_s
                self._waiting.append((heard_s, advertisement.rssi_dbm, identifier))
                return

    async def run(self) -> None:
        """Until cancelled."""
        beat()
        await self._link.subscribe(topic_of_nonce(self._site, self._name), self._take_nonce)
        topic = topic_of_heard(self._site, self._name)
        while True:
            with resting():
                await asyncio.sleep(self._collect_s)
            for payload in self.messages(self._clock.now()):
                with suppress(BrokerError):  # the publisher reports it; rule 2
                    await self._link.send(topic, payload)

    def messages(self, now: Moment) -> list[bytes]:
        """What there is to say now: readings, or a heartbeat where it is time for one."""
        self._forget_old_nonce(now)
        if not self.asked or not self._listens():
            self._waiting.clear()
            return []
        found: list[bytes] = []
        while len(found) < MESSAGES_A_TURN and (readings := self._readings(now)):
            found.append(self._message(readings, now))
        silent_ms = self._elapsed_ms(now) - self._sent_ms
        if not found and silent_ms >= HEARTBEAT_S * 1000:
            found.append(self._message((), now))
        return found

    def _readings(self, now: Moment) -> tuple[Reading, ...]:
        """The oldest that wait and are not too old, as many as a message holds."""
        readings: list[Reading] = []
        while self._waiting and len(readings) < MAX_READINGS:
            heard_s, rssi_dbm, identifier = self._waiting.popleft()
            age_ms = max(0, round((now.monotonic_s - heard_s) * 1000))
            if age_ms <= MAX_AGE_MS:  # rule 2
                eid, extension = identifier[:EID_BYTES], identifier[EID_BYTES:]
                readings.append(Reading(age_ms, rssi_dbm, eid, extension))
        return tuple(readings)

    def _message(self, readings: tuple[Reading, ...], now: Moment) -> bytes:
        self._sent_ms = max(self._sent_ms + 1, self._elapsed_ms(now))
        message = SatelliteMessage(self._nonce, self._session, self._sent_ms, readings)
        return encode_heard(message, self._key, self._site, self._name)

    def _elapsed_ms(self, now: Moment) -> int:
        return round((now.monotonic_s - self._began_s) * 1000)

    def _take_nonce(self, _topic: str, payload: bytes, _retained: bool) -> None:
        nonce = decode_nonce(payload)
        if nonce is None:  # of a later version, perhaps: unasked, we say so
            return
        if not self.asked:
            self._emit(SatelliteAsked(satellite=self._name))
        self._nonce, self._asked_s = nonce, self._clock.now().monotonic_s

    def _forget_old_nonce(self, now: Moment) -> None:
        if self._asked_s is not None and now.monotonic_s - self._asked_s > NONCE_OLD_S:
            self._asked_s = None
            self._emit(SatelliteUnasked(satellite=self._name, next_step=UNASKED_STEP))


UNASKED_STEP: Final = (
    "nothing to do while the shop is closed; otherwise look whether the gateway runs, names this "
    "satellite in `satellites`, and may write its …/nonce at the broker"
)

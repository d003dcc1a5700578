"""A phone that answers the doorbell: it listens, connects to the loudest gateway, reads, writes
(docs/doorbell.md).

    listen ─► readings ─► connect to the loudest ─► read challenge ─► write answer ─► disconnect
       │ nothing: NoAnswer     │ lost: again, after a pause of chance, ATTEMPTS times

A phone that hears the beacons of the store's bells tells which bell each reading is of; one that
does not answers with readings of the bell that it connects to.

Two phones that answer the same advertisement collide, so a phone tries again, not at once
(docs/design.md#doorbell).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import chain
from random import uniform
from typing import Any, Final, NamedTuple, Protocol

from presence.core.recognition.challenge import (
    ANSWER_UUID,
    CHALLENGE_UUID,
    MAX_READINGS,
    NONCE_BYTES,
    VERSION,
    DoorbellReading,
    make_answer,
)
from presence.core.recognition.identifiers import slot_at
from presence.core.site import Site
from presence.ports import Clock
from presence.simulation.identity_keys import window_key

ATTEMPTS: Final = 6
PAUSE_S: Final = (0.05, 0.5)
"""After the first attempt, by chance; the longest doubles with each (`scripts/bench bell` says
why).
"""
OLDEST_S: Final = 25.5
"""What an age of one byte can say (presence.core.recognition.challenge)."""


class NoAnswer(Exception):
    """The doorbell was not answered; the message says why and what to try."""


class LinkLost(Exception):
    """The connection failed or broke; another attempt may succeed."""


class Sound(NamedTuple):
    """One advertisement of a doorbell."""

    at_s: float
    """Monotonic."""
    rssi_dbm: int
    gateway: str
    """Whatever names it to the central that heard it."""
    bell: int | None = None
    """Of a beacon beside a doorbell: the number that it says."""


class Peer(Protocol):
    """A gateway that we are connected to. Raises LinkLost, or NoAnswer where it has no such
    characteristic.
    """

    async def read(self, uuid: str) -> bytes: ...
    async def write(self, uuid: str, value: bytes) -> None: ...


class Central(Protocol):
    """The phone's radio."""

    async def listen(self, service_uuid: str, seconds: float) -> Sequence[Sound]:
        """All that was heard of this service, and of the store's beacons where they are known,
        oldest first; raises RadioError.
        """

    def connect(self, gateway: str) -> AbstractAsyncContextManager[Peer]:
        """To a gateway that was heard; raises LinkLost."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Whose phone it is, and where it takes the gateway to stand."""

    identity_key: bytes = field(repr=False)
    site: Site
    service_uuid: str


class Answered(NamedTuple):
    """What a developer wants to know of an answer that was written. The gateway says nothing about
    its worth.
    """

    gateways: int
    bells: int
    """Those that the readings are of."""
    readings: int
    strongest_dbm: int
    first_heard_to_written_s: float
    link_s: float
    """From the beginning of the connection to the written answer."""
    attempts: int

    def as_dict(self) -> dict[str, Any]:
        return {name: round(value, 3) for name, value in self._asdict().items()}


async def answer_once(
    central: Central,
    customer: Customer,
    clock: Clock,
    *,
    listen_s: float,
    chance: Callable[[float, float], float] = uniform,
) -> Answered:
    """One ring from beginning to end; raises NoAnswer and RadioError."""
    sounds = await _listen(central, customer, listen_s)
    doorbells = [sound for sound in sounds if sound.bell is None]
    gateway = max(doorbells, key=lambda sound: sound.rssi_dbm).gateway
    beacons = [sound for sound in sounds if sound.bell is not None]
    heard = beacons or [sound for sound in doorbells if sound.gateway == gateway]
    trouble = ""
    for attempt in range(1, ATTEMPTS + 1):
        began_s = clock.now().monotonic_s
        written: tuple[list[DoorbellReading], float] | None = None
        try:
            async with central.connect(gateway) as peer:
                written = await _exchange(peer, customer, clock, heard)
        except LinkLost as error:
            trouble = str(error)
        if written is None:
            await asyncio.sleep(pause_of(attempt, chance))
            continue
        series, done_s = written
        return Answered(
            gateways=len({sound.gateway for sound in doorbells}),
            bells=len({reading.bell for reading in series}),
            readings=len(series),
            strongest_dbm=max(reading.rssi_dbm for reading in series),
            first_heard_to_written_s=done_s - heard[0].at_s,
            link_s=done_s - began_s,
            attempts=attempt,
        )
    raise NoAnswer(
        f"{ATTEMPTS} connections failed ({trouble}): go nearer, or wait until others have answered"
    )


async def _listen(central: Central, customer: Customer, listen_s: float) -> Sequence[Sound]:
    sounds = await central.listen(customer.service_uuid, listen_s)
    if all(sound.bell is not None for sound in sounds):
        raise NoAnswer(
            f"nothing heard of {customer.service_uuid} in {listen_s:g} s: is doorbell.enabled true "
            "and doorbell.service_uuid the same at the gateway? Go nearer, or listen longer "
            "(--listen)"
        )
    return sounds


def pause_of(attempt: int, chance: Callable[[float, float], float]) -> float:
    """Seconds after the `attempt`-th attempt: whoever met others must spread further than they."""
    shortest_s, longest_s = PAUSE_S
    return chance(shortest_s, longest_s * 2 ** (attempt - 1))


async def _exchange(
    peer: Peer, customer: Customer, clock: Clock, heard: Sequence[Sound]
) -> tuple[list[DoorbellReading], float]:
    """What was answered, and when it was written (monotonic)."""
    challenge = await peer.read(CHALLENGE_UUID)
    if len(challenge) != 1 + NONCE_BYTES or challenge[0] != VERSION:
        raise NoAnswer(
            f"a challenge of {len(challenge)} bytes, not version {VERSION}: see docs/doorbell.md"
        )
    now = clock.now()
    series = readings_of(heard, now.monotonic_s)
    key, slot = window_key(customer.identity_key, now.utc_s), slot_at(now.utc_s)
    naming_bells = heard[0].bell is not None
    answer = make_answer(challenge, series, key, customer.site, slot, naming_bells=naming_bells)
    await peer.write(ANSWER_UUID, answer)
    return series, clock.now().monotonic_s


def readings_of(sounds: Sequence[Sound], now_s: float) -> list[DoorbellReading]:
    """At most MAX_READINGS, evenly chosen from what an age can tell of, as many of each bell, the
    newest always; oldest first.

    Where a phone connects too slowly for that, the newest counts as OLDEST_S old.
    """
    fresh = [sound for sound in sounds if now_s - sound.at_s <= OLDEST_S] or [sounds[-1]]
    bells = {sound.bell for sound in fresh}
    most = max(1, MAX_READINGS // len(bells))
    each = (_evenly([sound for sound in fresh if sound.bell == bell], most) for bell in bells)
    chosen = sorted(chain.from_iterable(each), key=lambda sound: sound.at_s)[-MAX_READINGS:]
    return [
        DoorbellReading(
            min(OLDEST_S, max(0.0, now_s - sound.at_s)), sound.rssi_dbm, sound.bell or 0
        )
        for sound in chosen
    ]


def _evenly(sounds: Sequence[Sound], most: int) -> list[Sound]:
    """The newest always."""
    count = min(len(sounds), most)
    return [sounds[len(sounds) - 1 - number * len(sounds) // count] for number in range(count)]

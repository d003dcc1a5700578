"""A phone that answers the doorbell: it listens, connects to the loudest gateway, reads, writes
(docs/doorbell.md).

    listen ─► readings of the loudest ─► connect ─► read challenge ─► write answer ─► disconnect
       │ nothing: NoAnswer                  │ lost: again, after a pause of chance, ATTEMPTS times

Two phones that answer the same advertisement collide, so a phone tries again, not at once
(docs/design.md#doorbell).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
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


class Peer(Protocol):
    """A gateway that we are connected to. Raises LinkLost, or NoAnswer where it has no such
    characteristic.
    """

    async def read(self, uuid: str) -> bytes: ...
    async def write(self, uuid: str, value: bytes) -> None: ...


class Central(Protocol):
    """The phone's radio."""

    async def listen(self, service_uuid: str, seconds: float) -> Sequence[Sound]:
        """All that was heard of this service, oldest first; raises RadioError."""

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
    gateway = max(sounds, key=lambda sound: sound.rssi_dbm).gateway
    heard = [sound for sound in sounds if sound.gateway == gateway]
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
            gateways=len({sound.gateway for sound in sounds}),
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
    if not sounds:
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
    key = window_key(customer.identity_key, now.utc_s)
    await peer.write(
        ANSWER_UUID, make_answer(challenge, series, key, customer.site, slot_at(now.utc_s))
    )
    return series, clock.now().monotonic_s


def readings_of(sounds: Sequence[Sound], now_s: float) -> list[DoorbellReading]:
    """At most MAX_READINGS, evenly chosen from what an age can tell of, oldest first; the newest
    always.

    Where a phone connects too slowly for that, the newest counts as OLDEST_S old.
    """
    fresh = [sound for sound in sounds if now_s - sound.at_s <= OLDEST_S] or [sounds[-1]]
    count = min(len(fresh), MAX_READINGS)
    chosen = [
        fresh[len(fresh) - 1 - number * len(fresh) // count] for number in reversed(range(count))
    ]
    return [
        DoorbellReading(min(OLDEST_S, max(0.0, now_s - sound.at_s)), sound.rssi_dbm)
        for sound in chosen
    ]

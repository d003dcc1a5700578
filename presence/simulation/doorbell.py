"""The doorbell of a simulated shop: phones in pockets hear the gateway, connect, and answer
(docs/doorbell.md).

    gateway advertises ─► air ─► a phone's readings ─► every ANSWER_S: challenge, answer
                                                          └─► the real ChallengeRegistry

An iPhone that is locked broadcasts nothing, so the radio beside it never hears of its owner. A
pocket whose identity key is on nobody's list is a stranger that rings.
"""

import asyncio
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from presence.core.recognition.challenge import (
    MAX_READINGS,
    NONCE_BYTES,
    ChallengeRegistry,
    DoorbellReading,
    make_answer,
)
from presence.core.recognition.identifiers import slot_at
from presence.core.site import Site
from presence.ports import OnResponse
from presence.simulation.air import Air, RadioPath
from presence.simulation.clock import SimulatedClock
from presence.simulation.identity_keys import window_key
from presence.simulation.walks import Walk

INTERVAL_S: Final = 0.25
"""Between two readings: a phone in a pocket does not hear each of the gateway's advertisements."""
ANSWER_S: Final = 5.0
"""So long an app gathers readings before it answers, while it still hears the gateway."""


@dataclass(frozen=True, slots=True)
class Pocket:
    """A phone that answers. `name` seeds its chance; it is the simulation's own and never on
    air.
    """

    name: str
    walk: Walk
    identity_key: bytes = field(repr=False)
    power_dbm: float = -67.0
    """What it receives over 1 m: -59 in the open, less 8 of the body that carries it."""
    customer: bool = True


class PhoneHeard(NamedTuple):
    """The gateway's advertisement at a phone; `readings`: what it answers with now, else empty."""

    at_s: float
    pocket: Pocket
    rssi_dbm: int
    readings: tuple[DoorbellReading, ...]


class Answered(NamedTuple):
    """What went over a link: for whoever looks afterwards whether any of it stayed somewhere."""

    address: bytes
    challenge: bytes
    written: bytes
    customer: bool


class SimulatedDoorbell:
    """Implements ports.DoorbellSource."""

    def __init__(
        self,
        pockets: Iterable[Pocket],
        clock: SimulatedClock,
        site: Site,
        *,
        seed: int,
        seconds: float,
        air: Air | None = None,
    ) -> None:
        self.pockets: Sequence[Pocket] = tuple(pockets)
        self.answers: list[Answered] = []
        self.last_heard: dict[str, tuple[float, int]] = {}
        """Pocket's name → when it heard the gateway, and how strongly: for whoever watches the
        play.
        """
        self._clock = clock
        self._site = site
        self._seed = seed
        self._seconds = seconds
        self._air = air or Air()
        self._challenges = ChallengeRegistry()

    def heard(self) -> Iterator[PhoneHeard]:
        """All that the phones hear, in order of time."""
        return heapq.merge(*map(self._of, self.pockets), key=lambda heard: heard.at_s)

    async def run(self, on_response: OnResponse) -> None:
        for heard in self.heard():
            await self._clock.until(heard.at_s)
            self.last_heard[heard.pocket.name] = (heard.at_s, heard.rssi_dbm)
            if heard.readings:
                self._answer(heard, on_response)
        await asyncio.Event().wait()  # until cancelled, like a real one

    def _of(self, pocket: Pocket) -> Iterator[PhoneHeard]:
        chance = Random(f"{self._seed}/{pocket.name}/pocket")
        link = RadioPath(self._air, chance)
        since: list[tuple[float, int]] = []
        at_s = max(0.0, pocket.walk.begins_s) + chance.uniform(0, INTERVAL_S)
        while at_s < min(self._seconds, pocket.walk.ends_s):
            spot = pocket.walk.at(at_s)
            rssi_dbm = None if spot is None else link.receive(at_s, spot, pocket.power_dbm)
            if rssi_dbm is not None:
                since.append((at_s, rssi_dbm))
                readings: tuple[DoorbellReading, ...] = ()
                if at_s - since[0][0] >= ANSWER_S:
                    readings = tuple(
                        DoorbellReading(at_s - then_s, dbm) for then_s, dbm in since[-MAX_READINGS:]
                    )
                    since = []
                yield PhoneHeard(at_s, pocket, rssi_dbm, readings)
            at_s += INTERVAL_S + chance.uniform(0, 0.01)

    def _answer(self, heard: PhoneHeard, on_response: OnResponse) -> None:
        """A connection from its beginning to its end."""
        pocket, now = heard.pocket, self._clock.start.later(heard.at_s)
        chance = Random(f"{self._seed}/{pocket.name}/{heard.at_s}")
        address = chance.randbytes(6)
        link = f"/org/bluez/sim0/dev_{address.hex('_').upper()}"  # as BlueZ names one
        challenge = self._challenges.challenge(link, chance.randbytes(NONCE_BYTES), now)
        key = window_key(pocket.identity_key, now.utc_s)
        written = make_answer(challenge, heard.readings, key, self._site, slot_at(now.utc_s))
        self.answers.append(Answered(address, challenge, written, pocket.customer))
        on_response(self._challenges.answer(link, written, now))
        self._challenges.gone(link)

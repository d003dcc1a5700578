"""One device that somebody carries: when it advertises, from which address, how strong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from presence.core.timestamps import Moment
from presence.simulation.air import OVER_THE_COUNTER, Air, RadioPath, SimulatedAntenna
from presence.simulation.broadcasts import Broadcast
from presence.simulation.walks import Walk

ADV_DELAY_S: Final = 0.010
"""Core Vol 6 Part B §4.4.2.2.1: 0–10 ms of chance on top of each interval, so that two devices do
not collide twice.
"""


class Transmission(NamedTuple):
    """An advertisement that was heard: raw, as a controller reports it."""

    at_s: float
    """Simulated seconds since the start."""
    phone: "Phone"
    address: bytes
    rssi_dbm: int
    payload: bytes
    antenna: str = OVER_THE_COUNTER.name


@dataclass(frozen=True, slots=True)
class Phone:
    """`name` tells phones apart and seeds their chance; it is the simulation's own and never on
    air.
    """

    name: str
    walk: Walk
    broadcast: Broadcast
    interval_s: float = 0.25
    """Android's ADVERTISE_MODE_BALANCED."""
    power_dbm: float = -67.0
    """Received over 1 m: −59 of a phone in the open, less 8 of the body that carries it."""
    customer: bool = False

    def reports(
        self,
        start: Moment,
        air: Air,
        seed: int,
        *,
        ends_s: float,
        antennas: Sequence[SimulatedAntenna] = (OVER_THE_COUNTER,),
    ) -> Iterator[Transmission]:
        """All that is heard of it, in order of time; the same for the same seed, start and walk."""
        chance = Random(f"{seed}/{self.name}")
        links = self._links(air, seed, antennas)
        at_s = max(0.0, self.walk.begins_s) + chance.uniform(0, self.interval_s)
        epoch, tick, address, payload = None, 0, b"", b""
        while at_s < min(ends_s, self.walk.ends_s):
            spot = self.walk.at(at_s)
            utc_s = start.utc_s + at_s
            now = self.broadcast.epoch(at_s, utc_s), self.broadcast.tick(utc_s)
            if now != (epoch, tick):
                epoch, tick = now
                draw = Random(f"{seed}/{self.name}/{epoch}")
                address = _private_address(draw)
                payload = self.broadcast.payload(utc_s, draw)
            for antenna, link in links:
                rssi_dbm = None if spot is None else link.receive(at_s, spot, self.power_dbm)
                if rssi_dbm is not None:
                    yield Transmission(at_s, self, address, rssi_dbm, payload, antenna)
            at_s += self.interval_s + chance.uniform(0, ADV_DELAY_S)

    def _links(
        self, air: Air, seed: int, antennas: Sequence[SimulatedAntenna]
    ) -> list[tuple[str, RadioPath]]:
        """A chance for each antenna, so that one more changes nothing for the others."""
        chances = [
            "air" if antenna is OVER_THE_COUNTER else f"air/{antenna.name}" for antenna in antennas
        ]
        return [
            (antenna.name, RadioPath(air, Random(f"{seed}/{self.name}/{chance}"), antenna))
            for antenna, chance in zip(antennas, chances, strict=True)
        ]


def _private_address(chance: Random) -> bytes:
    """Resolvable private: the two highest bits are 01 (Core Vol 6 Part B §1.3.2.2)."""
    raw = chance.randbytes(6)
    return bytes((raw[0] & 0x3F | 0x40,)) + raw[1:]

"""The simulated shop as a source: plays all phones at the pace of its clock, through the decoding
of raw payloads.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from presence.core.recognition.advertisement import MalformedPayload, advertisement_from_payload
from presence.ports import OnAdvertisement
from presence.simulation.air import OVER_THE_COUNTER, Air, SimulatedAntenna
from presence.simulation.clock import SimulatedClock
from presence.simulation.phones import Phone, Transmission

YIELD_EVERY: Final = 64
"""A play that lags behind its clock must still let the pipeline have its turn."""


class Said(NamedTuple):
    """What was on air: for whoever looks afterwards whether any of it stayed somewhere."""

    address: bytes
    payload: bytes
    customer: bool


class SimulatedShop:
    """Implements ports.AdvertisementSource; ends after `seconds` of its clock."""

    def __init__(
        self,
        phones: Iterable[Phone],
        clock: SimulatedClock,
        *,
        seed: int,
        seconds: float,
        air: Air | None = None,
        antennas: Sequence[SimulatedAntenna] = (OVER_THE_COUNTER,),
    ) -> None:
        self.phones: Sequence[Phone] = tuple(phones)
        self.seconds = seconds
        self.clock = clock
        self.said: set[Said] = set()
        self.last_heard: dict[str, tuple[float, int]] = {}
        """Phone's name → when, and RSSI: for whoever watches the play, not for the pipeline."""
        self.heard = 0
        """Handed over; `malformed` payloads come on top."""
        self.malformed = 0
        self._air = air or Air()
        self._antennas = antennas
        self._seed = seed

    def reports(self) -> Iterator[Transmission]:
        """All that the antennas hear, in order of time, as fast as it is asked for."""
        streams = [
            phone.reports(
                self.clock.start,
                self._air,
                self._seed,
                ends_s=self.seconds,
                antennas=self._antennas,
            )
            for phone in self.phones
        ]
        return heapq.merge(*streams, key=lambda report: report.at_s)

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        clock = self.clock
        for number, report in enumerate(self.reports()):
            if report.at_s > clock.elapsed_s or number % YIELD_EVERY == 0:
                await clock.until(report.at_s)
            self.said.add(Said(report.address, report.payload, report.phone.customer))
            self.last_heard[report.phone.name] = (report.at_s, report.rssi_dbm)
            try:
                advertisement = advertisement_from_payload(
                    clock.start.later(report.at_s),
                    report.address,
                    report.rssi_dbm,
                    report.payload,
                    antenna=report.antenna,
                )
            except MalformedPayload:
                self.malformed += 1
                continue
            self.heard += 1
            on_advertisement(advertisement)
        await clock.until(self.seconds)

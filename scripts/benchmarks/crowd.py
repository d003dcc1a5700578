"""What those present cost: one tick of the engine with its store, and one advertisement, from 1 to
10,000 in the shop.

All of the list's customers walk in within a minute and a half, stay, and are heard every four
seconds, which is more than three radios can hear of 10,000. A tick is `Pipeline.advance`, every
half second. Time is the processor's, of this thread alone: the machine is shared.
"""

import gc
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import SLOT_S
from presence.core.timestamps import Moment
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Pipeline
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure

SIZES = (1, 100, 1_000, 10_000)
LISTED = SIZES[-1]
"""The list is the same whoever is there."""
GOAL_TICK_MS = 5.0
GOAL_RATIO = 1.2
TICK_S = 0.5
HEARD_EVERY_S = 4.0
ARRIVAL_S = 90.0
TICKS = 120
ROUNDS = 15
BATCH, BATCHES = 64, 150
FASTEST_S = 0.1
"""Between two of one phone; faster is a replay (presence.core.recognition.replay_guard)."""
MOST_OF_ONE = 330
"""Advertisements of one phone in a round, so that all rounds are within the slot."""
START = Moment(subjects.NOW.monotonic_s, subjects.NOW.utc_s // SLOT_S * SLOT_S + 150)
"""Inside one slot with all that follows: what is measured is the visits, not the tables."""


class Crowd:
    """A pipeline with so many customers in the shop."""

    def __init__(self, present: int, directory: Path) -> None:
        self.now = START
        self.pipeline = Pipeline(
            subjects.rules(), RuntimeStore(directory), emit=lambda _event: None
        )
        self.pipeline.apply(subjects.consent_list(LISTED), subjects.STANDING, self.now)
        self.pipeline.engine.matcher.complete(self.now.utc_s)
        self.phones = [subjects.customer(n, rssi_dbm=-55) for n in range(present)]
        self._heard_up_to = 0.0
        self._walk_in()

    def _walk_in(self) -> None:
        """One after another; each is heard once a second until inside, and told to the audience at
        once.
        """
        begins = [ARRIVAL_S * n / len(self.phones) for n in range(len(self.phones))]
        waiting = sorted(
            (begin + second, n) for n, begin in enumerate(begins) for second in range(12)
        )
        for after_s, n in waiting:
            while self.now.monotonic_s + TICK_S < START.monotonic_s + after_s:
                self.tick()
            self.pipeline.receive(self.phones[n]._replace(at=START.later(after_s)))
        self.tick()
        if self.pipeline.counts["entered"] != len(self.phones):
            raise SystemExit("the benchmark is wrong: not everybody walked in")

    def tick(self) -> float:
        """Half a second passes; milliseconds that the tick took. What waits is sent."""
        self.now = self.now.later(TICK_S)
        started = time.thread_time_ns()
        self.pipeline.advance(self.now)
        took_ms = (time.thread_time_ns() - started) / 1e6
        for outgoing in tuple(self.pipeline.outbox.pending):
            self.pipeline.release([outgoing], self.now)
            self.pipeline.acknowledge(outgoing, published=True)
        return took_ms

    def heard(self) -> list[Advertisement]:
        """Whoever is heard within the next tick."""
        share = self._heard_up_to + len(self.phones) * TICK_S / HEARD_EVERY_S
        first, last = int(self._heard_up_to), int(share)
        self._heard_up_to = share
        at = self.now.later(TICK_S)
        return [self.phones[n % len(self.phones)]._replace(at=at) for n in range(first, last)]

    def stay(self) -> list[float]:
        """Milliseconds of each tick of a minute."""
        took_ms = []
        for _ in range(TICKS):
            for advertisement in self.heard():
                self.pipeline.receive(advertisement)
            took_ms.append(self.tick())
        return took_ms

    def advertisement_ns(self) -> float:
        """Of one advertisement of those present, in turn; each was just made, as the radio's edge
        makes it.
        """
        took_ns, turns = 0, cycle(self.phones)
        every_s = FASTEST_S / len(self.phones)
        batches = min(BATCHES, MOST_OF_ONE * len(self.phones) // BATCH)
        receive = self.pipeline.receive
        gc.collect()
        gc.disable()
        for _ in range(batches):
            heard = [
                phone._replace(at=self.now.later(n * every_s))
                for n, phone in enumerate(islice(turns, BATCH))
            ]
            self.now = self.now.later(BATCH * every_s)
            for advertisement in heard:
                eddystone.FORMAT.identify(advertisement)
            started = time.thread_time_ns()
            for advertisement in heard:
                receive(advertisement)
            took_ns += time.thread_time_ns() - started
        gc.enable()
        return took_ns / (batches * BATCH)


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as directory:
        crowds = {}
        for size in SIZES:
            crowds[size] = crowd = Crowd(size, Path(directory) / str(size))
            took_ms = sorted(crowd.stay())
            note = f"worst of {TICKS}: {took_ms[-1]:.2f} ms"
            yield Figure(
                f"crowd.tick.{size}",
                round(statistics.mean(took_ms), 3),
                "ms",
                GOAL_TICK_MS,
                note=note,
            )
        took_ns: dict[int, list[float]] = {size: [] for size in SIZES}
        for _ in range(ROUNDS):
            for size, crowd in crowds.items():
                took_ns[size].append(crowd.advertisement_ns())
    median_ns = {size: statistics.median(times) for size, times in took_ns.items()}
    for size in SIZES:
        yield Figure(f"crowd.advertisement.{size}", round(median_ns[size]), "ns/advertisement")
    ratio = median_ns[SIZES[-1]] / median_ns[SIZES[0]]
    yield Figure(
        "crowd.advertisement.ratio", round(ratio, 2), f"x, {SIZES[-1]:,} : 1 present", GOAL_RATIO
    )

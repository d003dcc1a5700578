"""How fast captures are read, and go through the whole pipeline."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from presence.cli.replay import CaptureClock, DryRun, Player
from presence.core.engine import index_list
from presence.edges.capture import CaptureReader
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Pipeline
from scripts.benchmarks.figure import Figure
from scripts.benchmarks.subjects import consent_list, rules

CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "captures"


def figures() -> Iterator[Figure]:
    captures = sorted(CAPTURES.glob("*"), key=lambda path: path.stat().st_size)
    if not captures:
        return
    largest = captures[-1]
    read, played = [], []
    for _ in range(5):
        started = time.perf_counter()
        heard = sum(1 for _ in CaptureReader(largest).advertisements())
        read.append(heard / (time.perf_counter() - started))
        played.append(_play(largest))
    note = f"{largest.name}, best of 5"
    yield Figure("replay.read", round(max(read)), "advertisements/s", note=note)
    yield Figure("replay.pipeline", round(max(played)), "advertisements/s", note=note)


def _play(capture: Path) -> float:
    with tempfile.TemporaryDirectory() as directory:
        pipeline = Pipeline(rules(), RuntimeStore(Path(directory)), emit=lambda _event: None)
        consents = consent_list(1000)
        player = Player(pipeline, consents.header, index_list(consents), CaptureClock(), resume_s=0)
        started = time.perf_counter()
        asyncio.run(player.play(CaptureReader(capture), DryRun()))
        return int(str(pipeline.counts["heard"])) / (time.perf_counter() - started)

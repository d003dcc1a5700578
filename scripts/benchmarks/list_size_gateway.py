"""A long signed list on the gateway, by size: the first load, a start from the local copy, a change
of 1,000, and the memory.

Each step in a process of its own, from a repository in a folder on this machine: what the network
takes comes on top (list_size_fetch). Seconds are the processor's, where nothing else is said; on a
busy machine they are more. "Proven" means by TUF, stored, and handed to the engine with its keys;
the tables are the identifiers of the slots that are wanted then.

PRESENCE_BENCH_SIZES: which sizes, "10000 100000 1000000" where nothing is said; 5000000 takes some
minutes and 3 GB of disk.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from presence.core.consent.model import Consent, Grant, Purpose, Scope
from presence.core.consent.record import Words, check_record, encode_record
from presence.core.consent.record_scan import BEYOND, scan
from presence.core.recognition.matcher import Matcher
from presence.core.recognition.slot_table import build_table
from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from presence.ports import VerifiedList
from scripts.benchmarks.figure import Figure
from scripts.benchmarks.identity_rollover import resident_mb

LIST: Final = "acme/fi-0042"
SPAN_S: Final = 396 * 86_400.0
SIZES: Final = "10000 100000 1000000"
GOALS: Final = {
    1_000_000: {"first": 2.0, "start": 0.5, "delta": 0.1, "memory": 120.0},
    5_000_000: {"first": 10.0, "start": 2.0, "delta": 0.3, "memory": 450.0},
}
"""Seconds of processor, and MB (docs/design.md#performance)."""
AS_THE_UNIT: Final = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1048576"}
"""systemd/presence.service, without what costs time and no memory."""
CHANGED: Final = 1000
LOOK_UPS: Final = 2000
WORDS: Final = ("fi-0042", "ap2:1551", "offers-main")


def figures() -> Iterator[Figure]:
    yield from _of_a_record()
    for size in map(int, os.environ.get("PRESENCE_BENCH_SIZES", SIZES).split()):
        with tempfile.TemporaryDirectory(prefix="presence-bench-") as folder:
            try:
                yield from _of_size(size, folder)
            finally:
                shutil.rmtree(_run(Path(folder)), ignore_errors=True)


def _of_size(size: int, folder: str) -> Iterator[Figure]:
    def figure(name: str, value: float, unit: str, note: str = "") -> Figure:
        goal = GOALS.get(size, {}).get(name)
        return Figure(f"list_size.{name}.{size}", value, unit, goal, note=note)

    made = _step("make", folder, size, module="list_size_made")
    yield figure("repository", made["mb"], "MB", f"packed, {made['files']:g} files of the list")
    first = _step("first", folder, size)
    yield figure("first", first["cpu_s"], "s", _split(first))
    yield figure("first_highest", first["highest_mb"], "MB", "resident, at its highest")
    start = _step("start", folder, size)
    yield figure("start", start["proven_cpu_s"], "s", _split(start))
    yield figure("look_up", start["look_up_us"], "µs", "a consent that is asked for the first time")
    change = _step("change", folder, size)
    yield figure("delta", change["proven_cpu_s"], "s", _split(change))
    yield figure("erasing", change["settle_cpu_s"], "s", "of what the delta replaced, afterwards")
    yield figure("again", change["again_cpu_s"], "s", "signed anew without a change")
    yield figure(
        "memory",
        change["memory_mb"],
        "MB",
        f"afterwards: {change['own_mb']:g} of its own, and {change['shared_mb']:g} of the runtime "
        "directory",
    )
    yield figure("disk", change["disk_mb"], "MB", "in the state directory")


def _split(step: dict[str, Any]) -> str:
    return (
        f"of processor; proven after {step['proven_cpu_s']:g} ({step['proven_s']:g} by the clock), "
        f"{step['tables']:g} tables {step['tables_cpu_s']:g}"
    )


def _of_a_record() -> Iterator[Figure]:
    """One store, one audience, two grants that each end on their own."""
    start_s, end_s = 1_795_440_000.0, 1_804_080_000.0
    grants = tuple(Grant(name, start_s, start_s + 43_200) for name in ("ap2:1551", "ap2:1285"))
    consent = Consent(
        ref=bytes(8),
        version=1000,
        purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS}),
        not_before_s=start_s,
        not_after_s=end_s,
        scope=Scope(frozenset({"fi-0042"})),
        grants=grants,
        pairwise_keys={"offers-main": bytes(16)},
    )
    words = Words()
    record = encode_record(consent, words)
    yield Figure("list_size.record", len(record), "B", note="a consent with two grants")
    many = 16_384
    data = np.frombuffer(record * many + bytes(BEYOND), np.uint8)
    starts = np.arange(many + 1, dtype=np.intp) * len(record)

    def one_by_one() -> None:
        check_record(record, len(words.all), max_span_s=SPAN_S)

    def at_once() -> None:
        scan(data, starts, len(words.all), max_span_s=SPAN_S)

    alone_s = min(timeit.repeat(one_by_one, number=10_000, repeat=9)) / 10_000
    together_s = min(timeit.repeat(at_once, number=1, repeat=9)) / many
    yield Figure("list_size.judge", round(together_s * 1e6, 2), "µs", note="at once: best of 9")
    yield Figure("list_size.judge_alone", round(alone_s * 1e6, 2), "µs", note="best of 9")


def _step(
    step: str, folder: str, size: int, *, module: str = "list_size_gateway"
) -> dict[str, Any]:
    command = [sys.executable, "-m", f"scripts.benchmarks.{module}", step, folder, str(size)]
    answer: dict[str, Any] = json.loads(
        subprocess.run(
            command, check=True, capture_output=True, text=True, env=os.environ | AS_THE_UNIT
        ).stdout
    )
    return answer


def refs_of(size: int) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    """Evenly spread, sorted, big-endian."""
    numbers = np.random.default_rng(1).integers(1 << 40, (1 << 64) - 1, size, np.uint64)
    return np.unique(numbers).astype(">u8")


class _Stopwatch:
    """From the start of the step on."""

    def __init__(self) -> None:
        self._began_s, self._cpu_s = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Seconds by the clock, and of the processor."""
        return time.perf_counter() - self._began_s, time.process_time() - self._cpu_s


def _gateway(folder: Path) -> SignedList:
    root = folder / "repository/metadata/1.root.json"
    tuf = TufRepository(
        str(folder / "repository"), root_file=root, metadata_dir=folder / "state/tuf"
    )
    return SignedList(
        tuf,
        ListStore(folder / "state"),
        WindowKeyFiles(_run(folder)),
        name=LIST,
        max_span_s=SPAN_S,
    )


def _taken(
    gateway: SignedList, matcher: Matcher[object], watch: _Stopwatch
) -> tuple[VerifiedList, dict[str, float]]:
    """A look, and the tables that follow, as the daemon makes them."""
    verified = gateway.read()
    proven_s, proven_cpu_s = watch.read()
    assert verified is not None  # noqa: S101 - measured, not shipped
    assert verified.indexed is not None  # noqa: S101
    matcher.change_keys(verified.indexed.keys)
    slots, ring = matcher.wanted(time.time())
    for slot in slots:
        matcher.install(build_table(slot, ring, matcher.table(slot)), ring)
    _, cpu_s = watch.read()
    return verified, {
        "proven_s": proven_s,
        "proven_cpu_s": proven_cpu_s,
        "tables": len(slots),
        "tables_cpu_s": cpu_s - proven_cpu_s,
        "cpu_s": cpu_s,
    }


def _first(folder: Path) -> dict[str, float]:
    _, figures = _taken(_gateway(folder), Matcher(), _Stopwatch())
    return figures | {"highest_mb": resident_mb("VmHWM")}


def _start(folder: Path, size: int) -> dict[str, float]:
    watch = _Stopwatch()
    verified, figures = _taken(_gateway(folder), Matcher(), watch)
    assert verified.indexed is not None  # noqa: S101 - as above
    refs = refs_of(size)[:: max(1, size // LOOK_UPS)].tolist()
    sought = [ref.to_bytes(8, "big") for ref in refs]
    watch = _Stopwatch()
    found = sum(ref in verified.indexed.consents for ref in sought)
    _, look_up_s = watch.read()
    assert found == len(sought)  # noqa: S101 - as above
    return figures | {"look_up_us": look_up_s / len(sought) * 1e6}


def _change(folder: Path, size: int) -> dict[str, float]:
    gateway, matcher = _gateway(folder), Matcher[object]()
    _taken(gateway, matcher, _Stopwatch())
    gateway.settle()
    _step("change", str(folder), size, module="list_size_made")
    watch = _Stopwatch()
    _, figures = _taken(gateway, matcher, watch)
    _, before_s = watch.read()
    gateway.settle()
    _, settled_s = watch.read()
    _step("again", str(folder), size, module="list_size_made")
    watch = _Stopwatch()
    gateway.read()
    _, again_s = watch.read()
    own_mb = resident_mb("RssAnon") + resident_mb("RssFile")
    shared_mb = _mb(_run(folder))
    return figures | {
        "settle_cpu_s": settled_s - before_s,
        "again_cpu_s": again_s,
        "own_mb": round(own_mb),
        "shared_mb": round(shared_mb),
        "memory_mb": round(own_mb + shared_mb),
        "disk_mb": _mb(folder / "state"),
    }


def _run(folder: Path) -> Path:
    """In memory, as the daemon's: what is mapped of it is not counted twice."""
    memory = Path("/dev/shm")  # noqa: S108 - an ordinary tmpfs in spite of its name
    return (memory if memory.is_dir() else folder) / f"run-{folder.name}"


def _mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    step, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if step == "first":
        answer = _first(folder)
    else:
        answer = _start(folder, size) if step == "start" else _change(folder, size)
    print(json.dumps({key: round(value, 3) for key, value in answer.items()}))


if __name__ == "__main__":
    main()

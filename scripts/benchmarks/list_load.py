"""A long signed list on the gateway: the first load, the start from a local copy, a change of
1,000, and the memory.

Each is measured in a process of its own, from a repository in a folder on this machine: what the
network takes comes on top. "Ready" means proven by TUF, in the index, keys in the ring, and the
identifiers of three slots made.
"""

import json
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from tuf.api.metadata import TargetFile

from presence.consent_service.keys import KeyFolder
from presence.consent_service.repository import Repository
from presence.core.consent.list_json import ListHeader
from presence.core.consent.manifest import Manifest, write_manifest
from presence.core.consent.model import Consent, Grant, Purpose, Scope
from presence.core.consent.record import Words, check_record, encode_record
from presence.core.consent.segments import (
    SHARDS,
    Base,
    Delete,
    Delta,
    DeltaStep,
    Keys,
    Put,
    base_path,
    delta_path,
    delta_rows,
    keys_path,
    lengths_of,
    pack,
)
from presence.core.recognition.identifiers import slot_at, window_at
from presence.core.recognition.slot_table import build_table
from presence.edges.consent_list.repository import TufRepository
from presence.edges.consent_list.segment_files import WindowKeyFiles
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from scripts.benchmarks.figure import Figure
from scripts.benchmarks.identity import sizes
from scripts.benchmarks.identity_rollover import resident_mb

LIST: Final = "acme/fi-0042"
SPAN_S: Final = 396 * 86_400.0
GOAL_START_S: Final = 5.0
GOAL_FIRST_CPU_S: Final = 5.0
GOAL_MEMORY_MB: Final = 250.0
GOAL_JUDGE_US: Final = 5.0
CHANGED: Final = 1000
WORDS: Final = ("fi-0042", "ap2:1551", "offers-main")


def figures() -> Iterator[Figure]:
    yield from _of_a_record()
    for size in [size for size in sizes() if size >= 100_000]:
        with tempfile.TemporaryDirectory(prefix="presence-bench-") as folder:
            yield from _of_size(size, folder)


def _of_size(size: int, folder: str) -> Iterator[Figure]:
    name = "list_load"
    made = _step("make", folder, size)
    yield Figure(
        f"{name}.repository.{size}",
        round(made["mb"]),
        "MB",
        note="base, two windows of keys, packed",
    )
    first = _step("read", folder, size)
    yield Figure(f"{name}.first.{size}", first["ready_s"], "s", note="every record checked")
    yield Figure(
        f"{name}.first_cpu.{size}",
        first["cpu_s"],
        "s",
        GOAL_FIRST_CPU_S if size <= 1_000_000 else None,
        note="of processor: TUF, judging, SQLite, index, keys, tables",
    )
    yield Figure(
        f"{name}.first_memory.{size}",
        first["highest_mb"],
        "MB",
        GOAL_MEMORY_MB if size <= 1_000_000 else None,
        note="highest resident, the interpreter's included",
    )
    yield from _of_a_start(size, folder)
    change = _step("change", folder, size)
    yield Figure(
        f"{name}.delta.{size}",
        change["read_s"],
        "s",
        note=f"{change['cpu_s']} s of processor; {CHANGED} changes",
    )
    yield Figure(
        f"{name}.again.{size}", change["again_s"], "s", note="signed anew without a change"
    )
    yield Figure(f"{name}.file.{size}", change["file_mb"], "MB", note="signed-list.sqlite")


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
    yield Figure("list_load.record", len(record), "B", note="a consent with two grants")

    def judge() -> None:
        check_record(record, len(words.all), max_span_s=SPAN_S)

    best_s = min(timeit.repeat(judge, number=10_000, repeat=9)) / 10_000
    yield Figure(
        "list_load.judge",
        round(best_s * 1e6, 2),
        "µs",
        GOAL_JUDGE_US,
        note="decoded by type, encoded again and compared, its limits: best of 9",
    )


def _of_a_start(size: int, folder: str) -> Iterator[Figure]:
    """From what is kept on the disk."""
    name = "list_load"
    start = _step("read", folder, size)
    goal = GOAL_START_S if size <= 1_000_000 else None
    tables_s = round(start["ready_s"] - start["read_s"], 2)
    note = (
        f"{start['cpu_s']} s of processor; refresh and index {start['read_s']} s, three "
        f"tables {tables_s} s"
    )
    yield Figure(f"{name}.start.{size}", start["ready_s"], "s", goal, note=note)
    yield Figure(f"{name}.start_memory.{size}", start["highest_mb"], "MB", note="highest")
    yield Figure(f"{name}.memory.{size}", start["resident_mb"], "MB", note="afterwards")


def _step(step: str, folder: str, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "scripts.benchmarks.list_load", step, folder, str(size)]
    answer: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    return answer


class _Publisher:
    """Made-up refs, evenly spread; every record is as long as one with a grant and one audience."""

    def __init__(self, folder: Path, size: int) -> None:
        self.now_s = time.time()
        self.keys = KeyFolder(folder / "keys")
        self.repository = Repository(folder / "repository", self.keys)
        self.folder, self.size = folder, size
        refs = np.unique(
            np.random.default_rng(1).integers(
                1 << 40, (1 << 64) - 1, size, np.uint64, endpoint=True
            )
        )
        self.refs = refs.astype(">u8").tobytes()
        self.template = encode_record(self._consent(), Words(WORDS))[:-16]

    def _consent(self) -> Consent:
        start_s, end_s = int(self.now_s) - 86_400.0, int(self.now_s) + 100 * 86_400.0
        purposes = frozenset({Purpose.PRESENCE, Purpose.OFFERS})
        grants = (Grant("ap2:1551", start_s, end_s),)
        scope = Scope(frozenset({"fi-0042"}))
        keys = {"offers-main": bytes(16)}
        return Consent(bytes(8), 1, purposes, start_s, end_s, scope, grants, pairwise_keys=keys)

    def make(self) -> None:
        self.keys.create()
        self.repository.create(self.now_s)
        targets: dict[str, TargetFile] = {}
        for shard in SHARDS:
            refs = self._of_shard(shard)
            records = [self.template + ref + ref for ref in refs]
            base = Base(
                list_name=LIST,
                epoch=1,
                number=1,
                refs=memoryview(b"".join(refs)),
                lengths=memoryview(lengths_of(records)),
                records=memoryview(b"".join(records)),
            )
            targets |= self._stage(base_path(1, shard), pack(base))
            for window in self._windows():
                keys = np.random.default_rng(window + int(shard, 16)).bytes(16 * len(refs))
                segment = Keys(
                    list_name=LIST, epoch=1, number=window, refs=base.refs, keys=memoryview(keys)
                )
                targets |= self._stage(keys_path(window, shard), pack(segment))
        self.release(targets, seq=1, count=len(self.refs) // 8)

    def change(self) -> None:
        """Half of the rows change, a quarter goes, a quarter is new."""
        rows: list[Put | Delete] = []
        for n in range(CHANGED):
            ref = self.refs[8 * n * 97 : 8 * n * 97 + 8]
            if n % 4 == 0:
                rows.append(Delete(ref, 2))
            else:
                new = n.to_bytes(8, "big") if n % 4 == 1 else ref
                record = bytearray(self.template + new + new)
                record[1] = 2  # the version
                rows.append(Put(new, bytes(record)))
        puts, deletes = delta_rows(rows)
        delta = Delta(list_name=LIST, epoch=1, number=2, since=1, puts=puts, deletes=deletes)
        targets = self.repository.targets() | self._stage(delta_path(DeltaStep(1, 2)), pack(delta))
        self.release(targets, seq=2, count=len(self.refs) // 8)

    def release(self, targets: dict[str, TargetFile], *, seq: int, count: int) -> None:
        header = ListHeader(LIST, seq, time.time(), self.now_s - 60, count)
        first = 2 if seq > 1 else 0
        manifest = Manifest(
            header, "fi-2026-03", 1, 1, SHARDS, self._windows(), WORDS, first_delta=first
        )
        self.repository.release(
            targets | self._stage("manifest.json", write_manifest(manifest, "2.0")), self.now_s
        )

    def _stage(self, path: str, data: bytes) -> dict[str, TargetFile]:
        return {path: self.repository.stage(path, data)}

    def _windows(self) -> tuple[int, int]:
        return window_at(self.now_s), window_at(self.now_s) + 1

    def _of_shard(self, shard: str) -> list[bytes]:
        numbers, first = np.frombuffer(self.refs, ">u8"), int(shard, 16)
        begin, end = np.searchsorted(numbers, [first << 56, ((first + 0x40) << 56) - 1])
        return [self.refs[8 * n : 8 * n + 8] for n in range(begin, end)]


def _gateway(folder: Path) -> SignedList:
    root = folder / "repository/metadata/1.root.json"
    tuf = TufRepository(
        str(folder / "repository"), root_file=root, metadata_dir=folder / "state/tuf"
    )
    return SignedList(
        tuf,
        ListStore(folder / "state"),
        WindowKeyFiles(folder / "run"),
        name=LIST,
        max_span_s=SPAN_S,
    )


def _read(folder: Path) -> dict[str, float]:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    gateway = _gateway(folder)
    verified = gateway.read()
    read_s = time.perf_counter() - began_s
    assert verified is not None  # noqa: S101 - measured, not shipped
    assert verified.indexed is not None  # noqa: S101
    slot = slot_at(time.time())
    tables = [build_table(slot + offset, verified.indexed.keys) for offset in (0, 1, -1)]
    ready_s = time.perf_counter() - began_s
    cpu_s = time.process_time() - cpu_s
    answer = {
        "cpu_s": cpu_s,
        "read_s": read_s,
        "ready_s": ready_s,
        "resident_mb": resident_mb("VmRSS"),
        "tables": len(tables),
    }
    return answer | {"highest_mb": resident_mb("VmHWM")}


def _change(folder: Path, size: int) -> dict[str, float]:
    gateway = _gateway(folder)
    gateway.read()
    publisher = _Publisher(folder, size)
    publisher.change()
    began_s, cpu_s = time.perf_counter(), time.process_time()
    gateway.read()
    read_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    publisher.release(publisher.repository.targets(), seq=2, count=len(publisher.refs) // 8)
    began_s = time.perf_counter()
    gateway.read()
    again_s = time.perf_counter() - began_s
    file = folder / "state/signed-list.sqlite"
    return {
        "read_s": read_s,
        "cpu_s": cpu_s,
        "again_s": again_s,
        "file_mb": file.stat().st_size / 1e6,
    }


def main() -> None:
    step, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if step == "make":
        _Publisher(folder, size).make()
        answer: dict[str, float] = {
            "mb": sum(
                file.stat().st_size for file in (folder / "repository").rglob("*") if file.is_file()
            )
            / 1e6
        }
    else:
        answer = _read(folder) if step == "read" else _change(folder, size)
    print(json.dumps({key: round(value, 2) for key, value in answer.items()}))


if __name__ == "__main__":
    main()

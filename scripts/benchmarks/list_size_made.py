"""The repository of a long signed list, made up without a register: for
scripts.benchmarks.list_size_gateway, whose processes hold nothing of the publisher's.

`python -m scripts.benchmarks.list_size_made make|change|again FOLDER SIZE`
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from tuf.api.metadata import TargetFile

from presence.consent_service.keys import KeyFolder
from presence.consent_service.repository import Repository
from presence.core.consent.list_changes import Delete, Put
from presence.core.consent.list_json import ListHeader
from presence.core.consent.manifest import Manifest, write_manifest
from presence.core.consent.model import Consent, Grant, Purpose, Scope
from presence.core.consent.record import Words, encode_record
from presence.core.consent.segments import (
    SHARDS,
    Base,
    Delta,
    DeltaStep,
    Keys,
    base_path,
    delta_path,
    delta_rows,
    keys_path,
    later_keys_path,
    pack,
)
from presence.core.recognition.identifiers import window_at
from scripts.benchmarks.list_size_gateway import LIST, refs_of

CHANGED: Final = 1000
WORDS: Final = ("fi-0042", "ap2:1551", "offers-main")


class Publisher:
    """Made-up refs, evenly spread; every record is as long as one with a grant and one audience."""

    def __init__(self, folder: Path, size: int) -> None:
        self.now_s = time.time()
        self.keys = KeyFolder(folder / "keys")
        self.repository = Repository(folder / "repository", self.keys)
        self.refs = refs_of(size)
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
            column = memoryview(refs.tobytes())
            records = np.empty((len(refs), len(self.template) + 16), np.uint8)
            records[:, :-16] = np.frombuffer(self.template, np.uint8)
            records[:, -16:] = np.random.default_rng(int(shard, 16)).integers(
                0, 256, (len(refs), 16), np.uint8
            )
            lengths = np.full(len(refs), records.shape[1], ">u4")
            base = Base(
                list_name=LIST,
                epoch=1,
                number=1,
                refs=column,
                lengths=memoryview(lengths.tobytes()),
                records=memoryview(records.tobytes()),
            )
            targets |= self._stage(base_path(1, shard), pack(base))
            for window in self._windows():
                targets |= self._stage(keys_path(window, shard), self._keys(window, refs))
        self.release(targets, seq=1)

    def _keys(self, window: int, refs: "np.ndarray[Any, np.dtype[np.uint64]]") -> bytes:
        chance = np.random.default_rng((window, int(refs[0])))
        keys = memoryview(chance.bytes(16 * len(refs)))
        column = memoryview(refs.tobytes())
        return pack(Keys(list_name=LIST, epoch=1, number=window, refs=column, keys=keys))

    def change(self) -> None:
        """Half of the rows change, a quarter goes, a quarter is new."""
        rows: list[Put | Delete] = []
        for n in range(CHANGED):
            ref = int(self.refs[n * (len(self.refs) // CHANGED)]).to_bytes(8, "big")
            if n % 4 == 0:
                rows.append(Delete(ref, 2))
            else:
                new = n.to_bytes(8, "big") if n % 4 == 1 else ref
                record = bytearray(self.template + new + new)
                record[1] = 2  # the version
                rows.append(Put(new, bytes(record)))
        puts, deletes = delta_rows(rows)
        delta = Delta(list_name=LIST, epoch=1, number=2, since=1, puts=puts, deletes=deletes)
        step = DeltaStep(1, 2)
        targets = self.repository.targets() | self._stage(delta_path(step), pack(delta))
        came = np.array(sorted(int.from_bytes(row.ref, "big") for row in puts), ">u8")
        for window in self._windows():
            targets |= self._stage(later_keys_path(window, step), self._keys(window, came))
        self.release(targets, seq=2)

    def release(self, targets: dict[str, TargetFile], *, seq: int) -> None:
        header = ListHeader(LIST, seq, time.time(), self.now_s - 60, len(self.refs))
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

    def _of_shard(self, shard: str) -> "np.ndarray[Any, np.dtype[np.uint64]]":
        first = int(shard, 16)
        ends = np.array([first << 56, ((first + 0x40) << 56) - 1], np.uint64)
        begin, end = np.searchsorted(self.refs.astype(np.uint64), ends)
        return self.refs[begin:end]


def main() -> None:
    step, folder, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    publisher = Publisher(folder, size)
    if step == "make":
        publisher.make()
    elif step == "change":
        publisher.change()
    else:
        publisher.release(publisher.repository.targets(), seq=2)
    files = [file for file in (folder / "repository").rglob("*") if file.is_file()]
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    print(json.dumps({"mb": round(size_mb, 3), "files": len(files)}))


if __name__ == "__main__":
    main()

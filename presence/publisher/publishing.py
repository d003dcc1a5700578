"""From the register to the repository: base, deltas, window keys and manifest, shard by shard.

    changes ──number──► delta seq ──┐
    all entries ──epoch──► base ────┼──► manifest ──► release
    identity keys ──► window keys ──┘

The register is numbered first. Whatever happens after that, the next publication makes the same delta again from it.
Memory: one shard at a time.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from tuf.api.metadata import TargetFile

from presence.core.aes import encrypt_under_each
from presence.core.feed import ListHeader
from presence.core.identifiers import window_at, window_block
from presence.core.jws import encode_keys
from presence.core.manifest import MOST_DELTAS, Manifest, write_manifest
from presence.core.segments import (
    SHARDS_FROM,
    WHOLE,
    Kind,
    SegmentHeader,
    base_path,
    delta_path,
    keys_path,
    later_keys_path,
    pack_base,
    pack_delta,
    pack_keys,
)
from presence.publisher.keys import NOTICES, KeyFolder
from presence.publisher.register import Register, State
from presence.publisher.repository import Repository

REBASE_AFTER: Final = MOST_DELTAS // 2
"""Deltas after which a new base is made; then the rows of those who left are out of the folder, too."""
TAXONOMY: Final = "iab-ad-product-2.0"
SHARDS: Final = tuple(f"{byte:02x}" for byte in range(256))


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication gave out."""

    seq: int
    entries: int
    changed: int
    """Entries that are new, changed or gone since the list before."""
    rebased: bool
    timestamp_version: int


def publish(
    register: Register,
    repository: Repository,
    keys: KeyFolder,
    now_s: float,
    *,
    rebase: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Published:
    """Raises ConsentServiceError; until the very end gateways see the list before.

    `progress` is told shards done and shards in all.
    """
    changed = _number(register, now_s)
    seq, old = register.number("seq"), repository.targets()
    base_seq, entries = register.number("base_seq"), register.count()
    fresh = register.number("epoch") == 0 or rebase or seq - base_seq > REBASE_AFTER
    if fresh:
        with register.transaction():
            register.set_fact("epoch", register.number("epoch") + 1)
            register.set_fact("base_seq", seq)
            register.set_fact("sharded", int(entries >= SHARDS_FROM))
        base_seq = seq
    edition = _Edition(register, repository, old, progress)
    targets = edition.base() | edition.deltas(base_seq, seq)
    windows = (window_at(now_s), window_at(now_s) + 1)
    for window in windows:
        targets |= edition.window(window)
    manifest = Manifest(
        header=ListHeader(
            name=edition.list_name,
            seq=seq,
            published_at_s=int(now_s),
            suppression_checked_at_s=register.number("suppression_checked_at"),
            count=entries,
            parents=json.loads(str(register.fact("parents", "{}"))),
        ),
        notice=str(register.fact("notice", "")),
        epoch=edition.epoch,
        base_seq=base_seq,
        shards=edition.shards,
        windows=windows,
        words=tuple(register.words),
    )
    targets |= edition.stage("manifest.json", write_manifest(manifest, TAXONOMY))
    kid = f"{NOTICES}-{register.number('notice_key')}"
    targets |= edition.stage("notices.jwks", encode_keys({kid: keys.notice_key().public_key()}))
    version = repository.release(targets, now_s)
    with register.transaction():
        register.set_fact("released_seq", seq)
    return Published(seq, entries, changed, fresh, version)


def _number(register: Register, now_s: float) -> int:
    """Take out what is over, and give all changes the next number."""
    with register.transaction():
        for ref, version in register.ended(now_s):
            register.remove(ref, version + 1, State.GONE, decided_s=now_s)
        if not register.unnumbered() and register.number("seq"):
            return 0
        seq = register.number("seq") + 1
        register.set_fact("seq", seq)
        return register.number_changes(seq)


class _Edition:
    """What one publication is made of; targets that are as they were are not made again."""

    def __init__(
        self,
        register: Register,
        repository: Repository,
        old: dict[str, TargetFile],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.list_name = str(register.fact("list"))
        self.epoch = register.number("epoch")
        self.shards = SHARDS if register.number("sharded") else (WHOLE,)
        self._register = register
        self._repository = repository
        self._old = old
        self._progress = progress
        self._is_fresh = False
        """A new base is made."""
        self._new_deltas: list[int] = []

    def stage(self, path: str, data: bytes) -> dict[str, TargetFile]:
        return {path: self._repository.stage(path, data)}

    def base(self) -> dict[str, TargetFile]:
        targets: dict[str, TargetFile] = {}
        for done, shard in enumerate(self.shards):
            path = base_path(self.epoch, shard)
            if path in self._old:
                targets[path] = self._old[path]
            else:
                rows = self._register.shard(shard)
                header = self._header(Kind.BASE, self._register.number("base_seq"), len(rows))
                targets |= self.stage(path, pack_base(header, ((ref, record) for ref, record, _ in rows)))
                self._is_fresh = True
            if self._progress is not None:
                self._progress(done + 1, len(self.shards))
        return targets

    def deltas(self, base_seq: int, seq: int) -> dict[str, TargetFile]:
        targets: dict[str, TargetFile] = {}
        for number in range(base_seq + 1, seq + 1):
            path = delta_path(number)
            if path in self._old:
                targets[path] = self._old[path]
                continue
            changes = self._register.changes(number)
            targets |= self.stage(path, pack_delta(self._header(Kind.DELTA, number, len(changes)), changes))
            self._new_deltas.append(number)
        return targets

    def window(self, window: int) -> dict[str, TargetFile]:
        """Whole shards for a new window or a new base; else what is there, and the keys of those who are new."""
        shards = [keys_path(window, shard) for shard in self.shards]
        if self._is_fresh or shards[0] not in self._old:
            rows = ((path, self._register.shard(shard)) for path, shard in zip(shards, self.shards, strict=True))
            return {path: self._keys(path, window, some) for path, some in rows}
        folder = shards[0].rpartition("/")[0]
        targets = {path: target for path, target in self._old.items() if path.startswith(f"{folder}/")}
        for seq in self._new_deltas:
            path = later_keys_path(window, seq)
            targets[path] = self._keys(path, window, self._register.changed_entries(seq))
        return targets

    def _keys(self, path: str, window: int, rows: list[tuple[bytes, bytes, bytes]]) -> TargetFile:
        keys = _window_keys([identity_key for _, _, identity_key in rows], window)
        refs = (ref for ref, _, _ in rows)
        header = self._header(Kind.KEYS, window, len(rows))
        return self._repository.stage(path, pack_keys(header, zip(refs, keys, strict=True)))

    def _header(self, kind: Kind, number: int, count: int) -> SegmentHeader:
        return SegmentHeader(self.list_name, kind, self.epoch, number, count)


def _window_keys(identity_keys: list[bytes], window: int) -> list[bytes]:
    if not identity_keys:
        return []
    table = np.frombuffer(b"".join(identity_keys), np.uint8).reshape(-1, 16)
    return [row.tobytes() for row in encrypt_under_each(table, window_block(window))]

"""From the register to the repository: base, deltas, window keys and manifest, shard by shard.

    changes ──number──► delta seq ──┐
    all entries ──epoch──► base ────┼──► manifest ──► release
    identity keys ──► window keys ──┘

The register is numbered first. Whatever happens after that, the next publication makes the same
delta again from it. Memory: one shard at a time, and the changes.

Others may change the register meanwhile (a withdrawal does not wait for a base). So what must fit
together is read in one transaction: the number, the changes up to it, and how many entries there
are then. A base is read shard by shard and counted as it is written; what changed since the number
comes again in the next delta, under the same version.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from tuf.api.metadata import TargetFile

from presence.consent_service.growing import Approver, Growth
from presence.consent_service.keys import KeyFolder, revocation_kid
from presence.consent_service.register import Register, State
from presence.consent_service.repository import Repository
from presence.consent_service.vocabulary import SENSITIVE_PARENTS
from presence.core.consent.jws import encode_keys
from presence.core.consent.list_json import ListHeader
from presence.core.consent.manifest import MAX_DELTAS, Manifest, write_manifest
from presence.core.consent.segments import (
    SHARDS_FROM,
    WHOLE,
    Base,
    Change,
    Delta,
    Keys,
    base_path,
    base_rows,
    delta_path,
    delta_rows,
    keys_path,
    later_keys_path,
    pack,
)
from presence.core.recognition.aes import encrypt_under_each
from presence.core.recognition.identifiers import window_at, window_block

REBASE_AFTER: Final = MAX_DELTAS // 2
"""Deltas after which a new base is made; then the rows of those who left are out of the folder,
too.
"""
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
    sharing: tuple[bytes, ...]
    """Refs of those whom no gateway recognises, as two of them have one identity key."""


def publish(
    register: Register,
    repository: Repository,
    keys: KeyFolder,
    now_s: float,
    *,
    approver: Approver | None = None,
    rebase: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Published:
    """Raises ConsentServiceError, GrowthRefused among them; until the very end gateways see the
    list before.

    `progress` is told shards done and shards in all.
    """
    growth = Growth(register, repository, now_s, approver)
    growth.check(register.count())
    old = repository.targets()
    now = _number(register, old, now_s, rebase=rebase)
    edition = _Edition(register, repository, old, now, progress)
    targets = edition.base() | edition.deltas()
    windows = (window_at(now_s), window_at(now_s) + 1)
    for window in windows:
        targets |= edition.window(window)
    approved_by = growth.approve(edition.list_name, now.epoch, now.seq, edition.entries)
    manifest = _manifest(
        register, edition, now, windows=windows, now_s=now_s, approved_by=approved_by
    )
    targets |= edition.stage("manifest.json", write_manifest(manifest, TAXONOMY))
    targets |= edition.stage("notices.jwks", _revocation_keys(register, keys))
    version = repository.release(targets, now_s)
    with register.transaction():
        register.set_fact("released_seq", now.seq)
        growth.remember(edition.entries)
    return Published(now.seq, edition.entries, now.changed, now.is_fresh, version, now.sharing)


def _manifest(
    register: Register,
    edition: "_Edition",
    now: "_Numbered",
    *,
    windows: tuple[int, ...],
    now_s: float,
    approved_by: str,
) -> Manifest:
    return Manifest(
        header=ListHeader(
            name=edition.list_name,
            seq=now.seq,
            published_at_s=int(now_s),
            suppression_checked_at_s=register.number("suppression_checked_at"),
            count=edition.entries,
            parents=json.loads(str(register.fact("parents", "{}"))) or SENSITIVE_PARENTS,
        ),
        notice=str(register.fact("notice", "")),
        epoch=now.epoch,
        base_seq=now.base_seq,
        shards=edition.shards,
        windows=windows,
        words=tuple(register.words),
        approved_by=approved_by,
    )


def _revocation_keys(register: Register, keys: KeyFolder) -> bytes:
    """The key that signs revocations now, and the kids of those that were stolen."""
    number = register.number("notice_key")
    public = {revocation_kid(number): keys.revocation_key(number).public_key()}
    return encode_keys(public, json.loads(str(register.fact("stolen_keys", "[]"))))


@dataclass(frozen=True, slots=True)
class _Delta:
    changes: list[Change]
    entries: list[tuple[bytes, bytes, bytes]]
    """Ref, record and identity key of those who are new or changed."""


@dataclass(frozen=True, slots=True)
class _Numbered:
    """The register at one moment."""

    seq: int
    base_seq: int
    epoch: int
    changed: int
    entries: int
    is_fresh: bool
    """A new base is made; its number is `seq`."""
    sharing: tuple[bytes, ...]
    deltas: dict[int, _Delta]
    """Those that are not released yet, by number."""


def _number(
    register: Register, old: Mapping[str, TargetFile], now_s: float, *, rebase: bool
) -> _Numbered:
    """Take out what is over, give all changes the next number, and read what is to be said under
    it.
    """
    with register.transaction():
        for ref, version, decided_s in register.ended(now_s):
            register.remove(ref, version + 1, State.GONE, before=version, decided_s=decided_s)
        changed = 0
        if register.unnumbered() or not register.number("seq"):
            register.set_fact("seq", register.number("seq") + 1)
            changed = register.number_changes(register.number("seq"))
        seq, base_seq, entries = (
            register.number("seq"),
            register.number("base_seq"),
            register.count(),
        )
        first = base_path(register.number("epoch"), _shards(register)[0])
        is_fresh = rebase or seq - base_seq > REBASE_AFTER or first not in old
        if is_fresh:
            register.set_fact("epoch", register.number("epoch") + 1)
            register.set_fact("base_seq", seq)
            register.set_fact("sharded", int(entries >= SHARDS_FROM))
            base_seq = seq
        missing = [
            number for number in range(base_seq + 1, seq + 1) if delta_path(number) not in old
        ]
        deltas = {
            number: _Delta(register.changes(number), register.changed_entries(number))
            for number in missing
        }
        sharing = tuple(register.sharing())
        return _Numbered(
            seq, base_seq, register.number("epoch"), changed, entries, is_fresh, sharing, deltas
        )


def _shards(register: Register) -> tuple[str, ...]:
    return SHARDS if register.number("sharded") else (WHOLE,)


class _Edition:
    """What one publication is made of; targets that are as they were are not made again."""

    def __init__(
        self,
        register: Register,
        repository: Repository,
        old: Mapping[str, TargetFile],
        now: _Numbered,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.list_name = str(register.fact("list"))
        self.shards = _shards(register)
        self.entries = now.entries
        self._register = register
        self._repository = repository
        self._old = old
        self._now = now
        self._progress = progress

    def stage(self, path: str, data: bytes) -> dict[str, TargetFile]:
        return {path: self._repository.stage(path, data)}

    def base(self) -> dict[str, TargetFile]:
        paths = [base_path(self._now.epoch, shard) for shard in self.shards]
        if not self._now.is_fresh:
            return {path: self._old[path] for path in paths}
        targets: dict[str, TargetFile] = {}
        self.entries = 0
        for done, (path, shard) in enumerate(zip(paths, self.shards, strict=True)):
            rows = self._register.shard(shard)
            puts = base_rows((ref, record) for ref, record, _ in rows)
            segment = Base(**self._of(self._now.base_seq), puts=puts)
            targets |= self.stage(path, pack(segment))
            self.entries += len(rows)
            if self._progress is not None:
                self._progress(done + 1, len(self.shards))
        return targets

    def deltas(self) -> dict[str, TargetFile]:
        targets: dict[str, TargetFile] = {}
        for number in range(self._now.base_seq + 1, self._now.seq + 1):
            path, delta = delta_path(number), self._now.deltas.get(number)
            if delta is None:
                targets[path] = self._old[path]
            else:
                puts, deletes = delta_rows(delta.changes)
                segment = Delta(**self._of(number), puts=puts, deletes=deletes)
                targets |= self.stage(path, pack(segment))
        return targets

    def window(self, window: int) -> dict[str, TargetFile]:
        """Whole shards for a new window or a new base; else what is there, and the keys of those
        who are new.
        """
        shards = [keys_path(window, shard) for shard in self.shards]
        if self._now.is_fresh or shards[0] not in self._old:
            rows = (
                (path, self._register.shard(shard))
                for path, shard in zip(shards, self.shards, strict=True)
            )
            return {path: self._keys(path, window, some) for path, some in rows}
        folder = shards[0].rpartition("/")[0]
        targets = {
            path: target for path, target in self._old.items() if path.startswith(f"{folder}/")
        }
        for seq, delta in self._now.deltas.items():
            path = later_keys_path(window, seq)
            targets[path] = self._keys(path, window, delta.entries)
        return targets

    def _keys(self, path: str, window: int, rows: list[tuple[bytes, bytes, bytes]]) -> TargetFile:
        refs = b"".join(ref for ref, _, _ in rows)
        keys = _window_keys([identity_key for _, _, identity_key in rows], window)
        return self._repository.stage(path, pack(Keys(**self._of(window), refs=refs, keys=keys)))

    def _of(self, number: int) -> dict[str, Any]:
        return {"list_name": self.list_name, "epoch": self._now.epoch, "number": number}


def _window_keys(identity_keys: list[bytes], window: int) -> bytes:
    if not identity_keys:
        return b""
    table = np.frombuffer(b"".join(identity_keys), np.uint8).reshape(-1, 16)
    return encrypt_under_each(table, window_block(window)).tobytes()

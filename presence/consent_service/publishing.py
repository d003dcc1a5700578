"""From the register to the repository: base, deltas, window keys and manifest.

    changes ──number──► delta seq, changes since the base ──┐
    all entries ──epoch──► base ────────────────────────────┼──► manifest ──► release
    identity keys ──► window keys ──────────────────────────┘

The register is numbered first. Whatever happens after that, the next publication makes the same
delta again from it. Memory: one shard at a time, and the changes since the base, which are few: a
new base is made where they are not.

Others may change the register meanwhile (a withdrawal does not wait for a base). So what must fit
together is read in one transaction: the number, the changes up to it, and how many entries there
are then. A base is read page by page and counted as it is written; what changed since the number
comes again in the next delta, under the same version.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from tuf.api.metadata import TargetFile

from presence.consent_service.growing import Approver, Growth
from presence.consent_service.keys import KeyFolder, revocation_kid
from presence.consent_service.list_settings import CHANGED, ListSettings
from presence.consent_service.register import Register
from presence.consent_service.registered import Changed, State
from presence.consent_service.repository import Repository
from presence.consent_service.vocabulary import SENSITIVE_PARENTS
from presence.core.consent.jws import encode_keys
from presence.core.consent.list_changes import WHOLE
from presence.core.consent.list_json import ListHeader
from presence.core.consent.manifest import MAX_DELTAS, Manifest, write_manifest
from presence.core.consent.segments import (
    SHARDS,
    SHARDS_FROM,
    Base,
    Delta,
    DeltaStep,
    Keys,
    base_path,
    compressed,
    delta_path,
    delta_rows,
    keys_path,
    later_keys_path,
    lengths_of,
    pack,
    plain,
)
from presence.core.encoding import KEY_BYTES, REF_BYTES
from presence.core.recognition.aes import encrypt_under_each
from presence.core.recognition.identifiers import window_at, window_block

REBASE_AFTER: Final = MAX_DELTAS // 2
"""Deltas after which a new base is made; then the rows of those who left are out of the folder,
too.
"""
REBASE_PART: Final = 16
FEW_CHANGES: Final = 4096
"""So many changes since the base, and more than one in REBASE_PART entries: a new base costs
gateways little more then.
"""
SINGLE_DELTAS: Final = 8
"""Kept for gateways that are up to so many publications behind; others take one from the base."""
TAXONOMY: Final = "iab-ad-product-2.0"


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
    windows = (window_at(now_s), window_at(now_s) + 1)
    now = _number(register, old, windows, now_s, rebase=rebase)
    edition = _Edition(register, repository, old, now, progress)
    targets = edition.whole() | edition.changes()
    approved_by = growth.approve(edition.list_name, now.epoch, now.seq, edition.entries)
    manifest = _manifest(register, edition, now, now_s=now_s, approved_by=approved_by)
    targets |= edition.stage("manifest.json", write_manifest(manifest, TAXONOMY))
    targets |= edition.stage("notices.jwks", _revocation_keys(register, keys))
    version = repository.release(targets, now_s)
    with register.transaction():
        register.set_fact("released_seq", now.seq)
        growth.remember(edition.entries)
    return Published(now.seq, edition.entries, now.changed, now.is_fresh, version)


def _manifest(
    register: Register,
    edition: "_Edition",
    now: "_Numbered",
    *,
    now_s: float,
    approved_by: str,
) -> Manifest:
    settings = ListSettings.of(register)
    return Manifest(
        header=ListHeader(
            name=edition.list_name,
            seq=now.seq,
            published_at_s=int(now_s),
            suppression_checked_at_s=register.number("suppression_checked_at"),
            count=edition.entries,
            parents=settings.parents or SENSITIVE_PARENTS,
        ),
        notice=settings.notice,
        epoch=now.epoch,
        base_seq=now.base_seq,
        shards=edition.shards,
        windows=edition.windows,
        words=tuple(register.words),
        approved_by=approved_by,
        first_delta=now.singles.start,
    )


def _revocation_keys(register: Register, keys: KeyFolder) -> bytes:
    """The key that signs revocations now, and the kids of those that were stolen."""
    number = register.number("notice_key")
    public = {revocation_kid(number): keys.revocation_key(number).public_key()}
    return encode_keys(public, json.loads(str(register.fact("stolen_keys", "[]"))))


@dataclass(frozen=True, slots=True)
class _Numbered:
    """The register at one moment."""

    seq: int
    base_seq: int
    epoch: int
    changed: int
    entries: int
    windows: tuple[int, ...]
    is_fresh: bool
    """A new base is made; its number is `seq`."""
    changes: list[Changed] = field(repr=False)
    """Since the base, where a step is to be made of them."""

    @property
    def singles(self) -> range:
        """The numbers of the deltas that lead from one list to the next."""
        return range(max(self.base_seq + 1, self.seq + 1 - SINGLE_DELTAS), self.seq + 1)

    @property
    def steps(self) -> list[DeltaStep]:
        """All of them, and the one from the base."""
        singles = [DeltaStep(number - 1, number) for number in self.singles]
        whole = DeltaStep(self.base_seq, self.seq)
        return singles if whole in singles or not singles else [*singles, whole]


def _number(
    register: Register,
    old: Mapping[str, TargetFile],
    windows: tuple[int, ...],
    now_s: float,
    *,
    rebase: bool,
) -> _Numbered:
    """Take out what is over, give all changes the next number, and read what is to be said under
    it.
    """
    with register.transaction():
        for ref, version, decided_s in register.ended(now_s):
            register.remove(ref, version + 1, State.GONE, before=version, decided_s=decided_s)
        seq, base_seq = register.number("seq"), register.number("base_seq")
        changed = register.changed_since(seq)
        if changed or not seq or register.number(CHANGED):
            seq += 1
            register.set_fact("seq", seq)
            register.set_fact(CHANGED, 0)
        entries = register.count()
        is_fresh = (
            rebase
            or seq - base_seq > REBASE_AFTER
            or base_path(register.number("epoch"), _shards(register)[0]) not in old
            or register.changed_since(base_seq) > max(FEW_CHANGES, entries // REBASE_PART)
        )
        if is_fresh:
            register.set_fact("epoch", register.number("epoch") + 1)
            register.set_fact("base_seq", seq)
            register.set_fact("sharded", int(entries >= SHARDS_FROM))
            base_seq = seq
        epoch = register.number("epoch")
        now = _Numbered(seq, base_seq, epoch, changed, entries, windows, is_fresh, [])
        wanted = [path for step in now.steps for path in _paths(step, windows)]
        if not all(path in old for path in wanted):
            now.changes.extend(register.changes_since(base_seq))
        return now


def _paths(step: DeltaStep, windows: tuple[int, ...]) -> list[str]:
    return [delta_path(step), *(later_keys_path(window, step) for window in windows)]


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
        self.windows = now.windows
        self.entries = now.entries
        self._register = register
        self._repository = repository
        self._old = old
        self._now = now
        self._progress = progress

    def stage(self, path: str, data: bytes) -> dict[str, TargetFile]:
        return {path: self._repository.stage(path, data)}

    def whole(self) -> dict[str, TargetFile]:
        """The base, and the keys of all in each window: in one pass over the register, where
        something of it is new.
        """
        fresh, epoch = self._now.is_fresh, self._now.epoch
        new = tuple(
            window
            for window in self.windows
            if fresh or keys_path(window, self.shards[0]) not in self._old
        )
        targets: dict[str, TargetFile] = {}
        entries = 0
        for done, shard in enumerate(self.shards if new else (), start=1):
            came, count = self._shard(shard, new, fresh=fresh)
            targets |= came
            entries += count
            if self._progress is not None:
                self._progress(done, len(self.shards))
        if fresh:
            self.entries = entries
        paths = (
            path
            for shard in self.shards
            for path in (
                base_path(epoch, shard),
                *(keys_path(window, shard) for window in self.windows),
            )
        )
        return {path: self._old[path] for path in paths if path not in targets} | targets

    def _shard(
        self, shard: str, windows: tuple[int, ...], *, fresh: bool
    ) -> tuple[dict[str, TargetFile], int]:
        """Its keys in these windows, and its base where that is made anew; how many entries."""
        targets: dict[str, TargetFile] = {}
        columns = _Columns(self._register.pages(shard), windows)
        if fresh:
            path = base_path(self._now.epoch, shard)
            encoded = plain(
                Base(
                    **self._of(self._now.base_seq),
                    refs=memoryview(columns.refs),
                    lengths=memoryview(columns.lengths),
                    records=memoryview(columns.records),
                )
            )
            columns.records = bytearray()  # most of them all; what follows takes its room
            targets |= self.stage(path, compressed(encoded))
            del encoded
        for window, keys in columns.keys.items():
            targets |= self._keys(keys_path(window, shard), window, columns.refs, keys)
        return targets, columns.entries

    def changes(self) -> dict[str, TargetFile]:
        """The deltas, and the keys of those whom they brought or changed."""
        targets: dict[str, TargetFile] = {}
        for step in self._now.steps:
            some = [each for each in self._now.changes if step.since < each.seq <= step.seq]
            for path in _paths(step, self.windows):
                if path in self._old:
                    targets[path] = self._old[path]
            if delta_path(step) not in targets:
                puts, deletes = delta_rows(each.change for each in some)
                delta = Delta(**self._of(step.seq), since=step.since, puts=puts, deletes=deletes)
                targets |= self.stage(delta_path(step), pack(delta))
            keyed = [each for each in some if each.identity_key]
            refs = b"".join(each.change.ref for each in keyed)
            identity_keys = b"".join(each.identity_key for each in keyed)
            for window in self.windows:
                path = later_keys_path(window, step)
                if path not in targets:
                    targets |= self._keys(path, window, refs, _window_keys(identity_keys, window))
        return targets

    def _keys(
        self, path: str, window: int, refs: bytes | bytearray, keys: bytes | bytearray
    ) -> dict[str, TargetFile]:
        segment = Keys(**self._of(window), refs=memoryview(refs), keys=memoryview(keys))
        return self.stage(path, pack(segment))

    def _of(self, number: int) -> dict[str, Any]:
        return {"list_name": self.list_name, "epoch": self._now.epoch, "number": number}


class _Columns:
    """Of one shard; `keys` by window, for these."""

    def __init__(
        self, pages: Iterable[list[tuple[bytes, bytes, bytes]]], windows: tuple[int, ...]
    ) -> None:
        self.refs, self.lengths, self.records = bytearray(), bytearray(), bytearray()
        self.keys = {window: bytearray() for window in windows}
        for page in pages:
            refs, records, identity_keys = zip(*page, strict=True)
            self.refs += b"".join(refs)
            self.lengths += lengths_of(records)
            self.records += b"".join(records)
            for window, keys in self.keys.items():
                keys.extend(_window_keys(b"".join(identity_keys), window))

    @property
    def entries(self) -> int:
        return len(self.refs) // REF_BYTES


def _window_keys(identity_keys: bytes, window: int) -> bytes:
    if not identity_keys:
        return b""
    table = np.frombuffer(identity_keys, np.uint8).reshape(-1, KEY_BYTES)
    return encrypt_under_each(table, window_block(window)).tobytes()

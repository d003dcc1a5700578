"""The window keys of the list in force: columns that lie in the runtime directory, and after them
those who came or changed later.

    whole key files ─► columns, once a window and base ─┐
    later key files ─► as the list goes on ─────────────┴─► KeyRing
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from presence.core.consent.manifest import Manifest
from presence.core.consent.segments import REFS, keys_path
from presence.core.consent.segments import Keys as KeySegment
from presence.core.encoding import KEY_BYTES
from presence.core.recognition.key_ring import KeyRing, Keys, Refs, Rows, WindowKeys
from presence.edges.consent_list.blocks import BaseFile
from presence.edges.consent_list.files import ListFiles
from presence.edges.consent_list.key_columns import Columns, KeyColumns, KeyPlace, made_of, places
from presence.edges.consent_list.repository import Proof
from presence.edges.consent_list.segment_files import name_of


@dataclass(slots=True)
class _Held:
    """Of one window: up to which list its keys have come."""

    columns: Columns
    seq: int
    later: tuple[Refs, Keys]
    """Beyond the columns. Copies of the engine's, which erases its own."""


class RingMaker:
    """Used by one thread at a time."""

    def __init__(self, files: ListFiles, columns: KeyColumns) -> None:
        self._files = files
        self._columns = columns
        self._held: dict[KeyPlace, _Held] = {}

    def make(
        self,
        proof: Proof,
        manifest: Manifest,
        base: BaseFile,
        changed: Mapping[bytes, bytes],
        over: Rows,
    ) -> KeyRing:
        """Of the entries of the base without the rows that are over, and of the changed. Raises
        ConsentListError, StorageError.
        """
        came = np.sort(np.frombuffer(b"".join(changed), REFS).astype(np.uint64))
        self._columns.begin()
        self._columns.share_refs(base)
        held = {}
        for window in manifest.windows:
            place = KeyPlace(base, window, _made(proof, manifest, window))
            columns, seq, later = self._begin(proof, manifest, place, came=came, over=over)
            news = self._files.later_keys(proof, manifest, window, since=seq)
            later = _last(later, news, base, came, over)
            held[place] = _Held(columns, manifest.header.seq, later)
        self._columns.made()
        self._forget_but(held)
        return KeyRing({place.window: _keys(base, each, over) for place, each in held.items()})

    def _begin(
        self, proof: Proof, manifest: Manifest, place: KeyPlace, *, came: Refs, over: Rows
    ) -> tuple[Columns, int | None, tuple[Refs, Keys]]:
        """What is held of a window, and as of which list; None: as in the whole key files."""
        held = self._held.get(place)
        if held is not None:
            self._columns.need(place)
            return held.columns, held.seq, held.later
        columns = self._columns.find(place)
        if columns is None:
            whole = self._files.keys(proof, manifest, place.window)
            segments = ((each.refs, each.keys) for each in whole)
            columns = self._columns.make(place, segments, came=came, dead=over)
        return columns, None, columns.more

    def settle(self, base: BaseFile, over: Iterable[int]) -> None:
        """Erase the keys of rows that are over, and files of keys that are needed no more."""
        self._columns.wipe(over, base)
        self._columns.keep_only()

    def forget(self) -> None:
        """Every key goes (DEAD)."""
        self._forget_but({})
        self._columns.forget()

    def _forget_but(self, held: dict[KeyPlace, _Held]) -> None:
        for each in self._held.values():
            each.later[1].fill(0)
        self._held = held


def _made(proof: Proof, manifest: Manifest, window: int) -> str:
    paths = (keys_path(window, shard) for shard in manifest.shards)
    return made_of(name_of(proof.targets[path]) for path in paths if path in proof.targets)


def _last(
    later: tuple[Refs, Keys],
    news: Iterable[KeySegment],
    base: BaseFile,
    came: Refs,
    over: Rows,
) -> tuple[Refs, Keys]:
    """A copy with those who are entries; of two keys for one ref the last counts."""
    refs, keys = [later[0]], [later[1]]
    for each in news:
        refs.append(np.frombuffer(each.refs, REFS).astype(np.uint64))
        keys.append(np.frombuffer(each.keys, np.uint8).reshape(-1, KEY_BYTES))
    numbers, table = np.concatenate(refs), np.concatenate(keys)
    rows, listed = places(base.refs, numbers)
    listed &= ~np.isin(rows, over)
    listed |= places(came, numbers)[1]
    numbers, table = numbers[listed], table[listed]
    _, from_behind = np.unique(numbers[::-1], return_index=True)
    last = len(numbers) - 1 - from_behind
    return numbers[last], table[last]


def _keys(base: BaseFile, held: _Held, over: Rows) -> WindowKeys:
    refs, keys = held.later
    rows, own = places(base.refs, refs)
    dead = np.union1d(over, rows[own])
    return WindowKeys(base.refs, held.columns.keys, later=(refs, keys.copy()), dead=dead)

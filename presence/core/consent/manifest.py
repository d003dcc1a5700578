"""What a signed list says of itself: `manifest.json`, the one target that changes with every
publication.

    {"v": 1, "list": "acme/fi-0042", "seq": 88213, "published_at": …,
     "suppression_checked_at": …, "count": 20000,
     "taxonomy": {"version": "2.0", "parents": {"ap2:1552": "ap2:1551"}}, "notice": "fi-2026-03",
     "epoch": 12, "base": {"seq": 88000, "shards": ["00", …]}, "deltas": [88206, 88213],
     "windows": [27396, 27397], "words": ["fi-0042", "ap2:1551", "offers-main"],
     "approved_by": "eyJhbGciOi…"}

* `seq` grows by one with each change. A publication without a change moves `published_at` alone: it
  renews the lease.
* `deltas` are the steps from one list to the next that are still there, the last of them to `seq`;
  null where the base is `seq`. Whoever comes from further back takes one step from the base.
* `words` only grows within an epoch: records of base and deltas refer to it by number.
* `approved_by`: the newest approval that the list grows (presence.core.consent.growth), in every
  manifest since; or missing.
* A key that is not named here is passed over: what a minor version adds takes nothing away (R-38).
  `v` 2 is refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from presence.core.consent.entry_rules import Refused
from presence.core.consent.list_changes import WHOLE
from presence.core.consent.list_json import ListHeader, parse_header
from presence.core.consent.segments import DeltaStep

MAX_BYTES: Final = 1 << 22
"""4 MiB: the taxonomy has some 600 nodes, the words a few thousand stores."""
MAX_DELTAS: Final = 100
MAX_WORDS: Final = 1 << 16

_SHARD: Final = re.compile(r"[0-9a-f]{2}")
_WORD: Final = re.compile(r"[A-Za-z0-9:._-]{1,48}")


@dataclass(frozen=True, slots=True)
class Manifest:
    header: ListHeader
    notice: str
    epoch: int
    base_seq: int
    shards: tuple[str, ...]
    windows: tuple[int, ...]
    words: tuple[str, ...]
    approved_by: str = ""
    first_delta: int = 0
    """Where there are deltas."""

    def steps_after_base(self) -> tuple[DeltaStep, ...]:
        """What leads from the base to here: one step at most."""
        seq = self.header.seq
        return (DeltaStep(self.base_seq, seq),) if seq > self.base_seq else ()

    def steps_after(self, seq: int) -> tuple[DeltaStep, ...] | None:
        """What leads from list `seq` to here, perhaps nothing; None where only the base does."""
        newest = self.header.seq
        if not self.base_seq <= seq <= newest:
            return None
        if seq == newest or self.first_delta - 1 <= seq:
            return tuple(DeltaStep(number - 1, number) for number in range(seq + 1, newest + 1))
        return self.steps_after_base()


def read_manifest(data: bytes) -> Manifest:
    """Raises Refused."""
    try:
        value: Any = json.loads(data) if len(data) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refused("the manifest is not a JSON object")
    header = parse_header(value)
    base = value.get("base")
    if not isinstance(base, dict):
        raise Refused("the manifest names no base")
    base_seq, shards = _count(base.get("seq"), "base.seq"), base.get("shards")
    if not isinstance(shards, list) or not (shards == [WHOLE] or _are_shards(shards)):
        raise Refused(
            "the manifest: base.shards is neither [all] nor a list of two hex digits each, in order"
        )
    first_delta = _first_delta(value.get("deltas"), base_seq, header.seq)
    windows, words = value.get("windows"), value.get("words")
    if not isinstance(windows, list) or len(windows) > 2:
        raise Refused("the manifest: windows are at most this one and the next")
    if not isinstance(words, list) or len(words) > MAX_WORDS or not all(map(_is_word, words)):
        raise Refused("the manifest: words is not a list of names and categories")
    notice, approved_by = value.get("notice"), value.get("approved_by")
    return Manifest(
        header=header,
        notice=notice if isinstance(notice, str) else "",
        epoch=_count(value.get("epoch"), "epoch"),
        base_seq=base_seq,
        shards=tuple(shards),
        windows=tuple(_count(window, "windows") for window in windows),
        words=tuple(words),
        approved_by=approved_by if isinstance(approved_by, str) else "",
        first_delta=first_delta,
    )


def write_manifest(manifest: Manifest, taxonomy_version: str) -> bytes:
    """The publisher's side; `read_manifest` reads it back."""
    header = manifest.header
    deltas = [manifest.first_delta, header.seq] if header.seq > manifest.base_seq else None
    value: Mapping[str, Any] = {
        "v": 1,
        "list": header.name,
        "seq": header.seq,
        "published_at": header.published_at_s,
        "suppression_checked_at": header.suppression_checked_at_s,
        "count": header.count,
        "taxonomy": {"version": taxonomy_version, "parents": dict(header.parents)},
        "notice": manifest.notice,
        "epoch": manifest.epoch,
        "base": {"seq": manifest.base_seq, "shards": list(manifest.shards)},
        "deltas": deltas,
        "windows": list(manifest.windows),
        "words": list(manifest.words),
        **({"approved_by": manifest.approved_by} if manifest.approved_by else {}),
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _first_delta(value: object, base_seq: int, seq: int) -> int:
    """0 where there is none."""
    match value:
        case None if seq == base_seq:
            return 0
        case [int(first), int(last)] if (
            base_seq < first <= last == seq and seq - first < MAX_DELTAS
        ):
            return first
    raise Refused(
        f"the manifest: deltas are not the last steps after base.seq to seq, {MAX_DELTAS} at most"
    )


def _count(value: object, key: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise Refused(f"the manifest: {key} is not a whole number")
    return value


def _are_shards(values: list[Any]) -> bool:
    return all(isinstance(each, str) and _SHARD.fullmatch(each) for each in values) and all(
        before < after for before, after in pairwise(values)
    )


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None

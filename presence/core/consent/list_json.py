"""What the consent service sends: a header and entries, as plain JSON values, made into a
ConsentList.

The entry is the JSON of docs/consent-list.md#entry, line by line:

    {"ref": "mZ3kQ0a1Bc8", "ver": 12, "win": {"start": …, "len": 65536, "keys": ["…", "…"]},
     "pk": {"offers-main": "…"}, "purposes": ["presence", "offers"], "flags": [], "nb": …, "na": …,
     "paused_until": 0, "objected": false, "scope": {"type": "store", "id": "fi-0042"},
     "grants": [["ap2:1551", 1798761600], ["-ap2:1552", 0]]}

Rules:
1. An entry that is not understood to its last field is refused, and only that entry (fail closed):
   an unknown field, purpose or flag may take rights away. What the refusal says names the field,
   never a value of it.
2. No end, or more than `max_span_s` between start and end: refused (R-07).
3. An unreadable pause is a pause (R-11). An end of 0 in a grant means "as long as the entry".
4. Two entries for one ref: the higher version counts; two of one version cancel each other out.
5. A refused entry takes every other one of its ref with it: what could not be read may have taken
   rights away.
"""

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from presence.core.consent.entry_rules import (
    FORMAT_VERSION,
    LATEST_S,
    LOUDNESS_WORDS,
    Refused,
    check_entry,
    is_loudness,
)
from presence.core.consent.model import Consent, Flag, Grant, Purpose, Scope
from presence.core.encoding import KEY_BYTES, REF_BYTES, decode_base64url
from presence.core.recognition.identifiers import WINDOW_S, WindowKey

_NAME = re.compile(r"[a-z0-9-]{1,32}")
_CATEGORY = re.compile(r"[a-z0-9]{1,8}:[A-Za-z0-9._-]{1,32}")
_REQUIRED = frozenset({"ref", "ver", "win", "pk", "purposes", "nb", "na", "scope"})
_OPTIONAL = frozenset({"flags", "paused_until", "objected", "grants", "loudness_db"})
_HEADER = frozenset({"v", "list", "seq", "published_at", "suppression_checked_at", "count"})

E = TypeVar("E", Purpose, Flag)


@dataclass(frozen=True, slots=True)
class ListHeader:
    name: str
    seq: int
    published_at_s: float
    suppression_checked_at_s: float
    count: int
    """How many entries follow: a list cut short is refused as a whole."""
    parents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    consent: Consent
    keys: tuple[WindowKey, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConsentList:
    """A whole list, verified as its transport allows. `refused`: entries left out, by reason."""

    header: ListHeader
    entries: Mapping[bytes, Entry] = field(repr=False)
    refused: Mapping[str, int] = field(default_factory=dict)


def parse_header(value: object) -> ListHeader:
    """The first line of a list; raises Refused."""
    header = _mapping(value, "header")
    if type(header.get("v")) is not int or header["v"] != FORMAT_VERSION:
        raise Refused(
            f"header: v is not {FORMAT_VERSION}; this gateway reads version {FORMAT_VERSION} only"
        )
    if missing := _HEADER - header.keys():
        raise Refused(f"header: {', '.join(sorted(missing))} missing")
    name = header["list"]
    if not isinstance(name, str) or not all(_NAME.fullmatch(part) for part in name.split("/", 1)):
        raise Refused("header: list is not a name such as acme/fi-0042")
    taxonomy = _mapping(header.get("taxonomy", {}), "taxonomy")
    parents = _mapping(taxonomy.get("parents", {}), "taxonomy.parents")
    if not all(_is_category(child) and _is_category(parent) for child, parent in parents.items()):
        raise Refused("header: taxonomy.parents maps categories such as ap2:1552 to their parent")
    return ListHeader(
        name=name,
        seq=_count(header, "seq"),
        published_at_s=_time(header, "published_at"),
        suppression_checked_at_s=_time(header, "suppression_checked_at"),
        count=_count(header, "count"),
        parents=parents,
    )


def parse_entry(value: object, *, max_span_s: float) -> Entry:
    """One entry; raises Refused."""
    entry = _mapping(value, "entry")
    if unknown := entry.keys() - _REQUIRED - _OPTIONAL:
        raise Refused(f"unknown field ({len(unknown)})")
    if missing := _REQUIRED - entry.keys():
        raise Refused(f"{', '.join(sorted(missing))} missing")
    start_s, end_s = _time(entry, "nb"), _time(entry, "na")
    ref = _bytes(entry["ref"], REF_BYTES, "ref")
    scope = _scope(entry["scope"])
    grants, refused_categories = _grants(entry.get("grants", []), start_s, end_s)
    somewhere = scope.chain_wide or bool(scope.stores)
    check_entry(start_s, end_s, somewhere=somewhere, max_span_s=max_span_s)
    objected = entry.get("objected", False)
    consent = Consent(
        ref=ref,
        version=_count(entry, "ver"),
        purposes=_words(entry["purposes"], Purpose, "purposes"),
        not_before_s=start_s,
        not_after_s=end_s,
        scope=scope,
        grants=grants,
        refused_categories=refused_categories,
        pairwise_keys={
            _name(audience, "pk"): _bytes(key, KEY_BYTES, "pk")
            for audience, key in _mapping(entry["pk"], "pk").items()
        },
        flags=_words(entry.get("flags", []), Flag, "flags"),
        paused_until_s=_paused_until(entry.get("paused_until", 0)),
        objected=objected is not False,
        loudness_db=_loudness(entry.get("loudness_db", 0)),
    )
    return Entry(consent, _window_keys(ref, entry["win"]))


def ref_of_refused(value: object) -> bytes | None:
    """Whom an entry that was refused speaks of, where that much can be read."""
    try:
        return _bytes(_mapping(value, "entry").get("ref"), REF_BYTES, "ref")
    except Refused:
        return None


def assemble(
    header: ListHeader,
    entries: Iterable[Entry],
    refused: Mapping[str, int],
    *,
    ambiguous: Iterable[bytes] = (),
) -> ConsentList:
    """The list of all entries that stand, by ref (rules 4 and 5). Raises Refused where entries are
    missing.
    """
    by_ref: dict[bytes, Entry] = {}
    cancelled: dict[bytes, int] = {}
    left_out = dict(refused)
    seen = sum(refused.values())
    for entry in entries:
        seen += 1
        ref, version = entry.consent.ref, entry.consent.version
        other = by_ref.get(ref)
        if cancelled.get(ref, -1) >= version or (
            other is not None and other.consent.version > version
        ):
            left_out["superseded"] = left_out.get("superseded", 0) + 1
        elif other is not None and other.consent.version == version:
            del by_ref[ref]
            cancelled[ref] = version
            left_out["ambiguous"] = left_out.get("ambiguous", 0) + 2
        else:
            if other is not None:
                left_out["superseded"] = left_out.get("superseded", 0) + 1
            by_ref[ref] = entry
    if seen != header.count:
        raise Refused(
            f"the header announces {header.count} entries, {seen} were found: the list was cut "
            "short"
        )
    for ref in ambiguous:
        if by_ref.pop(ref, None) is not None:
            left_out["doubted"] = left_out.get("doubted", 0) + 1
    return ConsentList(header, by_ref, left_out)


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(f"{where} is not an object")
    return value


def _count(entry: Mapping[str, Any], key: str) -> int:
    value = entry[key]
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise Refused(f"{key} is not a whole number")
    return value


def _seconds(value: object, key: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < LATEST_S:  # type: ignore[operator]
        raise Refused(f"{key} is not a time in seconds since 1970")
    return float(value)  # type: ignore[arg-type]


def _time(entry: Mapping[str, Any], key: str) -> float:
    return _seconds(entry[key], key)


def _paused_until(value: object) -> float:
    try:
        return _seconds(value, "paused_until")
    except Refused:
        return math.inf


def _loudness(value: object) -> int:
    if not isinstance(value, int) or not is_loudness(value):
        raise Refused(f"loudness_db is not {LOUDNESS_WORDS}")
    return value


def _bytes(value: object, length: int, key: str) -> bytes:
    """Base64url without padding, of exactly `length` bytes and in its one canonical spelling."""
    if isinstance(value, str) and len(value) == -(-length * 4 // 3):
        with suppress(ValueError):
            return decode_base64url(value)
    raise Refused(f"{key} is not {length} bytes in base64url")


def _name(value: object, key: str) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise Refused(f"{key} holds something that is not a name")


def _is_category(value: object) -> bool:
    return isinstance(value, str) and _CATEGORY.fullmatch(value) is not None


def _words(value: object, kind: type[E], key: str) -> frozenset[E]:
    if not isinstance(value, list):
        raise Refused(f"{key} is not a list")
    try:
        return frozenset(kind(word) for word in value)
    except ValueError:
        raise Refused(f"{key} holds a word that version {FORMAT_VERSION} does not know") from None


def _scope(value: object) -> Scope:
    scope = _mapping(value, "scope")
    match scope:
        case {"type": "chain", **rest} if not rest:
            return Scope(frozenset(), chain_wide=True)
        case {"type": "store", "id": str(store), **rest} if not rest:
            return Scope(frozenset({_name(store, "scope")}))
        case {"type": "stores", "ids": list(stores), **rest} if not rest:
            return Scope(frozenset(_name(store, "scope") for store in stores))
    raise Refused("scope is none of store, stores and chain")


def _grants(
    value: object, start_s: float, end_s: float
) -> tuple[tuple[Grant, ...], frozenset[str]]:
    if not isinstance(value, list):
        raise Refused("grants is not a list")
    grants: list[Grant] = []
    refused: set[str] = set()
    for item in value:
        match item:
            case [str(category), until]:
                parts = {"na": until}
            case {"category": str(category), **rest} if not rest.keys() - {"nb", "na", "explicit"}:
                parts = item
            case _:
                raise Refused(
                    "grants holds something that is neither [category, end] nor an object of "
                    "version 1"
                )
        if not _is_category(category.removeprefix("-")):
            raise Refused("grants holds a category that is not like ap2:1551")
        if category.startswith("-"):
            refused.add(category[1:])
            continue
        until_s = _seconds(parts.get("na", 0), "grants: na")
        from_s = _seconds(parts.get("nb", 0), "grants: nb")
        explicit = parts.get("explicit") is True
        grants.append(Grant(category, max(from_s, start_s), min(until_s or end_s, end_s), explicit))
    return tuple(grants), frozenset(refused)


def _window_keys(ref: bytes, value: object) -> tuple[WindowKey, ...]:
    window = _mapping(value, "win")
    keys = window.get("keys")
    if window.keys() != {"start", "len", "keys"} or not isinstance(keys, list):
        raise Refused("win is not {start, len, keys}")
    start = _count(window, "start")
    if window["len"] != WINDOW_S or start % WINDOW_S:
        raise Refused(f"win: windows are {WINDOW_S} s long and start at a multiple of it")
    if len(keys) > 2:
        raise Refused("win: more than this window and the next (a gateway holds no more)")
    first = start // WINDOW_S
    return tuple(
        WindowKey(ref, first + n, _bytes(key, KEY_BYTES, "win.keys")) for n, key in enumerate(keys)
    )

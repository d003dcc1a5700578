"""Plane B: signed revocations that can only take away, and the heartbeat that shows a frozen plane
A (docs/design.md#consent).

    presence/v1/{chain}/ctl/revoke/{group}   QoS 1, not retained   a Revocation of {chain}/{group}
    presence/v1/{chain}/ctl/head/{group}     QoS 1, retained       a Head, every 30 s

A revocation, as JSON in a JWS (presence.core.consent.jws) of type presence-revoke+jws:

    {"iss":"consent","list":"acme/fi-0042","seq":17,"prev":16,"list_seq":88214,"iat":1795440000,
     "rm":[["mZ3kQ0a1Bc8",13]], "narrow":[["…",8,["-ap2:1551","-purpose:offers"]]],
     "pause":[["…",4,1796000000]], "object":[["…",6]]}

1. `seq` counts the revocations of the list, one after the other; `prev` is the one before. A hole
   is a lost revocation.
2. `list_seq` is the list of plane A that holds this change: that number or a later one.
3. Each row is [ref, ver …]: `ver` is the version that the change made. The revocation speaks of
   entries of that version and of all before it; only a higher one is out of its reach.
4. There is no word by which a revocation could give: a pause that ends early, a category, a
   purpose.
5. A revocation that is not understood to its last field is refused as a whole. What it took away,
   plane A takes away.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from presence.core.consent.entry_rules import LATEST_S
from presence.core.consent.jws import Keys, Unproven, kid_of, sign, verify
from presence.core.consent.model import Purpose
from presence.core.encoding import REF_BYTES, decode_base64url, encode_base64url, strict_json

REVOCATION_TYPE: Final = "presence-revoke+jws"
HEAD_TYPE: Final = "presence-head+jws"
ISSUER: Final = "consent"
HEAD_INTERVAL_S: Final = 30
"""How often the consent service says a head."""
HEAD_MAX_AGE_S: Final = 300.0
"""An older head is a retained one whose sender is gone, or a replay: it says nothing of now."""
AHEAD_S: Final = 300.0
"""So far may the consent service's clock be ahead of ours; a clock that is further off publishes
nothing anyway.
"""
MAX_ROWS: Final = 1000
"""Of one revocation, all kinds together; some 30 kB. To take away more, publish several."""

_CATEGORY: Final = re.compile(r"-[a-z0-9]{1,8}:[A-Za-z0-9._-]{1,32}")
_PURPOSE: Final = "-purpose:"
_REVOCATION: Final = frozenset({"iss", "list", "seq", "prev", "list_seq", "iat"})
_ROWS: Final = frozenset({"rm", "narrow", "pause", "object"})
_HEAD: Final = frozenset({"iss", "list", "tuf_ts", "list_seq", "rev_seq", "iat"})


@dataclass(frozen=True, slots=True)
class RevokedRights:
    """What one row takes away of every entry of its ref up to `version`; by default nothing."""

    ref: bytes = field(repr=False)
    version: int
    removed: bool = False
    objected: bool = False
    paused_until_s: float = 0.0
    categories: frozenset[str] = frozenset()
    purposes: frozenset[Purpose] = frozenset()


@dataclass(frozen=True, slots=True)
class Revocation:
    list_name: str
    seq: int
    previous: int
    list_seq: int
    """The list of plane A that holds all of this: that number or a later one."""
    issued_s: int
    rows: tuple[RevokedRights, ...]
    kid: str = field(default="", compare=False)  # of the key that signed it, where it was read


@dataclass(frozen=True, slots=True)
class Head:
    """What is the newest of everything, at `issued_s`."""

    list_name: str
    timestamp_version: int
    """Of TUF's timestamp role."""
    list_seq: int
    revocation_seq: int
    issued_s: int


class Ignored(ValueError):
    """A signed message without effect; `why` is one of a closed set, to be counted."""

    def __init__(self, why: "Unproven | str") -> None:
        super().__init__(str(why))
        self.why = str(why)


FOREIGN: Final = "foreign"
"""Signed, but of another list."""
UNTIMELY: Final = "untimely"
"""Signed, but a head from the future, or one that is too old to say anything of now."""


def topic_of_revocations(list_name: str) -> str:
    chain, group = list_name.split("/")
    return f"presence/v1/{chain}/ctl/revoke/{group}"


def topic_of_head(list_name: str) -> str:
    chain, group = list_name.split("/")
    return f"presence/v1/{chain}/ctl/head/{group}"


def sign_revocation(revocation: Revocation, *, kid: str, key: Ed25519PrivateKey) -> bytes:
    """The JWS to be published. Raises ValueError where no gateway would take it, or would take it
    for something else.

    Each row takes away one kind of thing: removal, objection, pause, or categories and purposes.
    """
    payload = _compact(_revocation_value(revocation))
    try:
        read = _parse_revocation(strict_json(payload))
    except Ignored:
        raise ValueError(f"a revocation has 1 to {MAX_ROWS} rows, and prev before seq") from None
    if frozenset(read.rows) != frozenset(map(_to_the_second, revocation.rows)):
        raise ValueError(
            "a row takes away one kind of thing: removed, objected, paused, or categories and "
            "purposes"
        )
    return sign(payload, typ=REVOCATION_TYPE, kid=kid, key=key)


def sign_head(head: Head, *, kid: str, key: Ed25519PrivateKey) -> bytes:
    value = {
        "iss": ISSUER,
        "list": head.list_name,
        "tuf_ts": head.timestamp_version,
        "list_seq": head.list_seq,
        "rev_seq": head.revocation_seq,
        "iat": head.issued_s,
    }
    return sign(_compact(value), typ=HEAD_TYPE, kid=kid, key=key)


def read_revocation(message: bytes, *, keys: Keys, list_name: str) -> Revocation:
    """The revocation that these bytes are. Raises Ignored.

    Its date says nothing against it: an old one only takes away, and versions tell what it no
    longer concerns; and one from the future tells of a clock that is wrong, which may be ours.
    Nobody is to be greeted for that.
    """
    revocation = _parse_revocation(_proven(message, REVOCATION_TYPE, keys))
    _check(revocation, list_name)
    return replace(revocation, kid=kid_of(message))


def read_head(message: bytes, *, keys: Keys, list_name: str, now_s: float) -> Head:
    """The head that these bytes are. Raises Ignored."""
    head = _parse_head(_proven(message, HEAD_TYPE, keys))
    _check(head, list_name)
    if not now_s - HEAD_MAX_AGE_S <= head.issued_s <= now_s + AHEAD_S:
        raise Ignored(UNTIMELY)
    return head


def _proven(message: bytes, typ: str, keys: Keys) -> object:
    payload = verify(message, typ=typ, keys=keys)
    if isinstance(payload, Unproven):
        raise Ignored(payload)
    try:
        return strict_json(payload)
    except ValueError:
        raise Ignored(Unproven.MALFORMED) from None


def _check(said: Revocation | Head, list_name: str) -> None:
    if said.list_name != list_name:
        raise Ignored(FOREIGN)


def _parse_revocation(value: object) -> Revocation:
    said = _object(value, _REVOCATION, _ROWS)
    several = [(kind, row) for kind in sorted(_ROWS) for row in _list(said.get(kind, []))]
    revocation = Revocation(
        list_name=said["list"],
        seq=_count(said["seq"]),
        previous=_count(said["prev"]),
        list_seq=_count(said["list_seq"]),
        issued_s=_count(said["iat"], LATEST_S),
        rows=tuple(_row(kind, row) for kind, row in several),
    )
    if not several or len(several) > MAX_ROWS or revocation.previous >= revocation.seq:
        raise Ignored(Unproven.MALFORMED)
    return revocation


def _parse_head(value: object) -> Head:
    said = _object(value, _HEAD, frozenset())
    return Head(
        list_name=said["list"],
        timestamp_version=_count(said["tuf_ts"]),
        list_seq=_count(said["list_seq"]),
        revocation_seq=_count(said["rev_seq"]),
        issued_s=_count(said["iat"], LATEST_S),
    )


def _row(kind: str, row: object) -> RevokedRights:
    match kind, row:
        case "rm", [ref, version]:
            return RevokedRights(_ref(ref), _count(version), removed=True)
        case "object", [ref, version]:
            return RevokedRights(_ref(ref), _count(version), objected=True)
        case "pause", [ref, version, until]:
            return RevokedRights(_ref(ref), _count(version), paused_until_s=_until(until))
        case "narrow", [ref, version, [_, *_] as words]:
            return _narrowed(_ref(ref), _count(version), words)
    raise Ignored(Unproven.MALFORMED)


def _narrowed(ref: bytes, version: int, words: Sequence[object]) -> RevokedRights:
    categories: set[str] = set()
    purposes: set[Purpose] = set()
    for word in words:
        if not isinstance(word, str):
            raise Ignored(Unproven.MALFORMED)
        if word.startswith(_PURPOSE) and word.removeprefix(_PURPOSE) in list(Purpose):
            purposes.add(Purpose(word.removeprefix(_PURPOSE)))
        elif not word.startswith(_PURPOSE) and _CATEGORY.fullmatch(word):
            categories.add(word[1:])
        else:
            raise Ignored(Unproven.MALFORMED)
    return RevokedRights(
        ref, version, categories=frozenset(categories), purposes=frozenset(purposes)
    )


def _object(value: object, required: frozenset[str], optional: frozenset[str]) -> dict[str, Any]:
    if isinstance(value, dict) and required <= value.keys() <= required | optional:
        text = isinstance(value["list"], str) and len(value["list"]) <= 65
        if text and value["iss"] == ISSUER:
            return value
    raise Ignored(Unproven.MALFORMED)


def _list(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    raise Ignored(Unproven.MALFORMED)


def _count(value: object, below: int = 1 << 53) -> int:
    if type(value) is int and 0 <= value < below:
        return value
    raise Ignored(Unproven.MALFORMED)


def _until(value: object) -> float:
    """A pause whose end cannot be read has none (R-11)."""
    return float(value) if type(value) is int and 0 <= value < LATEST_S else math.inf


def _ref(value: object) -> bytes:
    if isinstance(value, str) and len(value) == 11:
        try:
            ref = decode_base64url(value.encode())
        except ValueError:
            raise Ignored(Unproven.MALFORMED) from None
        if len(ref) == REF_BYTES:
            return ref
    raise Ignored(Unproven.MALFORMED)


def _revocation_value(revocation: Revocation) -> Mapping[str, object]:
    rows: dict[str, list[object]] = {}
    for row in revocation.rows:
        kind, rest = _kind(row)
        rows.setdefault(kind, []).append([encode_base64url(row.ref), row.version, *rest])
    return {
        "iss": ISSUER,
        "list": revocation.list_name,
        "seq": revocation.seq,
        "prev": revocation.previous,
        "list_seq": revocation.list_seq,
        "iat": revocation.issued_s,
        **rows,
    }


def _to_the_second(row: RevokedRights) -> RevokedRights:
    """A pause ends on a whole second, rather later than sooner."""
    return (
        row
        if row.paused_until_s == math.inf
        else replace(row, paused_until_s=float(math.ceil(row.paused_until_s)))
    )


def _kind(row: RevokedRights) -> tuple[str, list[object]]:
    if row.removed:
        return "rm", []
    if row.objected:
        return "object", []
    if row.paused_until_s:
        return "pause", [None if row.paused_until_s == math.inf else math.ceil(row.paused_until_s)]
    words = [
        *(f"-{name}" for name in sorted(row.categories)),
        *(f"{_PURPOSE}{name}" for name in sorted(row.purposes)),
    ]
    return "narrow", [words]


def _compact(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()

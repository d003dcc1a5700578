"""May a list have so many more entries than it had? A fifth within a day; for more, somebody has
signed by name (T-19).

    what we had: (hour, fewest entries) ─┬─► a fifth more than the fewest of the last day: taken
                                         └─► more: refused, unless `approved_by` says otherwise

A thief of the keys that are online can sign any list. The key of approvals is not online, and is
named by the root alone (`x-presence-approval`), so that no role that is online can put another one
in its place.

1. An approval says: this list has so many entries in this edition. It stands for an edition that
   the gateway has not seen: a newer one than its own, and not newer than the one that is offered.
   So a gateway that missed the list that was approved takes the next one too, and an approval
   cannot be played back to one that had it.
2. In the edition that it names the number is exactly the approved one; after it, a fifth more at
   most.
3. Measured by the fewest of a day: neither many small steps nor a list that shrinks first gain more
   than a fifth.
4. A gateway that was away for days may have missed as many fifths. The publisher looks back some
   hours further than gateways do (a list that is proven is never older than its timestamp's half an
   hour), so what it lets through without an approval no gateway refuses.
5. The first list has nothing to be measured by, and lists below a hundred entries grow as they
   like. A list that once had a hundred never gets below this rule again: it counts as a hundred,
   however short it becomes.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from presence.core.consent.entry_rules import Refused
from presence.core.consent.jws import Keys, Unproven, sign, verify
from presence.core.encoding import decode_base64url, encode_base64url, strict_json

GROWTH_FROM: Final = 100
HOUR_S: Final = 3600
DAY_H: Final = 24
PUBLISHER_H: Final = 26
"""How far the publisher looks back: a day, the hour under way, and the half hour of rule 4."""
MAX_DAYS_AWAY: Final = 30
TYP: Final = "presence-growth+jws"
ROOT_FIELD: Final = "x-presence-approval"
"""Of TUF's root: {"kid": …, "ed25519": base64url of the public key}. Signed, and kept by every TUF
client.
"""

Counts = tuple[tuple[int, int], ...]
"""Hours since 1970, oldest first, each with the fewest entries of a list that was taken in it.
Empty: no rule yet.
"""


class Edition(NamedTuple):
    """How new a list is; the first that differs decides."""

    root: int
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody with the approval key knows why this list has so many entries."""

    name: str
    edition: Edition
    count: int


@dataclass(frozen=True, slots=True)
class Offered:
    """What of a list there is to judge."""

    name: str
    edition: Edition
    count: int
    approved_by: str


def noted(counts: Counts, now_s: float, count: int) -> Counts:
    """With a list of so many taken now; what is older than anybody looks back is let go."""
    if not counts and count < GROWTH_FROM:  # rule 5
        return ()
    hour = _hour(now_s)
    fewest: dict[int, int] = {}
    for then, some in (*counts, (hour, max(count, GROWTH_FROM))):  # rule 5: never below it again
        taken = min(then, hour)  # a clock that was ahead
        if taken >= hour - PUBLISHER_H:
            fewest[taken] = min(some, fewest.get(taken, some))
    return tuple(sorted(fewest.items()))


def anew(counts: Counts, approved: int) -> Counts:
    """The approved number in place of all that was measured by."""
    return ((counts[-1][0], max(approved, GROWTH_FROM)),) if counts else ()


def most(counts: Counts, now_s: float) -> int | None:
    """The most entries that a gateway takes without an approval; None: there is no rule yet."""
    if not counts:
        return None
    # Rule 4: a fifth for each day that was begun since the last list.
    days = -(-(_hour(now_s) - counts[-1][0]) // DAY_H)
    return _fifths(_fewest(counts, now_s, DAY_H), min(max(days, 1), MAX_DAYS_AWAY))


def most_published(counts: Counts, now_s: float) -> int | None:
    """The most that the publisher gives out without an approval: never more than any gateway takes
    (rule 4).
    """
    return _fifths(_fewest(counts, now_s, PUBLISHER_H), 1) if counts else None


def judge(
    counts: Counts, now_s: float, offered: Offered, held: Edition | None, keys: Keys
) -> Counts:
    """What to measure the next list by, once this one is taken. `held`: ours. Raises Refused."""
    approval = _read(offered, held, keys)
    if isinstance(approval, Approval):
        counts = anew(counts, approval.count)
    at_most = most(counts, now_s)
    if at_most is not None and offered.count > at_most:
        raise Refused(
            f"it grew to {offered.count} entries, and {at_most} are the most that this gateway "
            "takes by itself: "
            f"{approval if isinstance(approval, str) else 'an approval is there, and for fewer'}"
        )
    return noted(counts, now_s, offered.count)


def sign_approval(approval: Approval, *, kid: str, key: Ed25519PrivateKey) -> str:
    value = {"list": approval.name, **approval.edition._asdict(), "count": approval.count}
    return sign(json.dumps(value).encode(), typ=TYP, kid=kid, key=key).decode()


def root_field(kid: str, key: Ed25519PublicKey) -> dict[str, str]:
    return {"kid": kid, "ed25519": encode_base64url(key.public_bytes_raw())}


def parse_root_field(value: object) -> Keys:
    """Who may approve; nobody where the root names no key, or not in a way that we understand."""
    match value:
        case {"kid": str(kid), "ed25519": str(text)}:
            try:
                return {kid: Ed25519PublicKey.from_public_bytes(decode_base64url(text.encode()))}
            except ValueError:
                return {}
        case _:
            return {}


def _read(offered: Offered, held: Edition | None, keys: Keys) -> Approval | str:
    """The approval that came with the list, or what is the matter with it and what to do."""
    if not keys:
        return (
            "its root names no key of approvals: `presence consents rotate approval`, then "
            "`publish --approve-growth`"
        )
    again = "`presence consents publish --approve-growth`, once it is known where they come from"
    if not offered.approved_by:
        return f"nobody approved it: {again}"
    payload = verify(offered.approved_by.encode(), typ=TYP, keys=keys)
    approval = payload if isinstance(payload, Unproven) else _parse(payload)
    if isinstance(approval, Unproven):
        return f"its approval cannot be believed ({approval}): {again}"
    if approval.name != offered.name:
        return f"its approval is for the list {approval.name}: {again}"
    if approval.edition > offered.edition:  # rule 1, like the next
        return f"its approval is for a newer list than this one: {again}"
    if held is not None and approval.edition <= held:
        return f"its approval is for a list that this gateway had: {again}"
    # Rule 2; a later edition may have grown by a fifth since.
    if approval.edition == offered.edition and approval.count != offered.count:
        return f"its approval is for {approval.count} entries: {again}"
    return approval


def _parse(payload: bytes) -> Approval | Unproven:
    try:
        value: Any = strict_json(payload)
        name, numbers = value["list"], [value[name] for name in ("root", "epoch", "seq", "count")]
    except (ValueError, KeyError, TypeError):
        return Unproven.MALFORMED
    if not isinstance(name, str) or not all(type(number) is int for number in numbers):
        return Unproven.MALFORMED
    *edition, count = numbers
    return Approval(name, Edition(*edition), count)


def _fewest(counts: Counts, now_s: float, hours: int) -> int:
    """Of the last hours; where no list was taken in them, of the last list before."""
    return min(
        (count for hour, count in counts if hour >= _hour(now_s) - hours), default=counts[-1][1]
    )


def _fifths(count: int, days: int) -> int:
    """A fifth more for each day; in whole numbers, and never rounded up."""
    more: int = count * 12**days // 10**days
    return more


def _hour(now_s: float) -> int:
    return int(now_s) // HOUR_S

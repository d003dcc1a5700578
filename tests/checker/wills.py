"""What each customer wants, told by the commands alone: the oracle's own idea of rights, sharing no
code with the gate.

A `Will` is what a customer last made of their agreement. Rights are plain sets and times; nothing
here is imported from presence but the names of purposes. Taxonomy: a category is granted with its
parent, and refused with it.
"""

from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

PRESENCE, OFFERS, SERVICE, VISIT_END, PROFILING = (
    "presence",
    "offers",
    "service",
    "visit_end",
    "profiling",
)
CARS, VANS, GARDEN, BEER = "ap2:1551", "ap2:1552", "ap2:1285", "ap2:1004"
PARENT: Final = {VANS: CARS, BEER: "ap2:1002"}
SENSITIVE: Final = frozenset({"ap2:1002", BEER})
"""Alcohol, and beer below it (docs/design.md#taxonomy)."""
PURPOSE_OF: Final = {"offers-main": OFFERS, "pick-up": SERVICE}
CAMPAIGNS: Final = frozenset({CARS, VANS, GARDEN, BEER})


@dataclass(frozen=True)
class Will:
    """One customer's agreement as it stands; `gone` where there is none."""

    gone: bool = True
    objected: bool = False
    purposes: frozenset[str] = frozenset()
    refused_purposes: frozenset[str] = frozenset()
    categories: frozenset[tuple[str, float]] = frozenset()
    """Category and its end."""
    refused: frozenset[str] = frozenset()
    until_s: float = 0.0
    paused_until_s: float = 0.0

    def is_in_force(self, now_s: float) -> bool:
        return (
            not self.gone
            and not self.objected
            and now_s < self.until_s
            and now_s >= self.paused_until_s
            and PRESENCE in self.purposes
        )

    def grants(self, category: str, now_s: float) -> bool:
        line = _line(category)
        if self.refused & set(line) or any(each in SENSITIVE for each in line):
            return False  # the machine's customers agree explicitly to nothing
        return any(name in line and now_s < end_s for name, end_s in self.categories)

    def allows(self, audience: str, now_s: float) -> frozenset[str] | None:
        """Categories that this audience may be told; None where it may be told nothing at all."""
        purpose = PURPOSE_OF[audience]
        if not self.is_in_force(now_s) or purpose not in self.purposes:
            return None
        if purpose != OFFERS:
            return frozenset()
        return frozenset(each for each in CAMPAIGNS if self.grants(each, now_s)) or None


NOBODY: Final = Will()
SOON_S: Final = 3600.0
"""No gateway believes a list for longer: what ends later needs no revocation."""


@dataclass
class History:
    """All wills of one customer, oldest first, and what a gateway has learned of them."""

    wills: list[Will] = field(default_factory=lambda: [NOBODY])
    heard: set[int] = field(default_factory=set)
    """Wills whose revocation a gateway has taken in."""
    listed: int = 0
    """The will that the list in force at the gateway has."""

    @property
    def now(self) -> Will:
        return self.wills[-1]

    def becomes(self, will: Will) -> int:
        self.wills.append(will)
        return len(self.wills) - 1

    def believed(self) -> Will:
        """What the gateway must act on: its list, less what revocations have taken away since."""
        view = self.wills[self.listed]
        for number in sorted(self.heard):
            if number > self.listed:
                view = without(view, self.wills[number - 1], self.wills[number])
        return view


def without(view: Will, before: Will, after: Will) -> Will:
    """The view less what the change from `before` to `after` took away."""
    if after.gone or after.objected:
        return replace(view, gone=True)
    ends = dict(after.categories)
    lost = {name for name, end_s in before.categories if ends.get(name, -inf) < end_s}
    return replace(
        view,
        purposes=view.purposes - (before.purposes - after.purposes),
        categories=frozenset((name, end_s) for name, end_s in view.categories if name not in lost),
        refused=view.refused | (after.refused - before.refused),
        until_s=min(view.until_s, after.until_s)
        if after.until_s < before.until_s
        else view.until_s,
        paused_until_s=max(view.paused_until_s, after.paused_until_s)
        if after.paused_until_s > before.paused_until_s
        else view.paused_until_s,
    )


def takes_away(before: Will, after: Will, now_s: float) -> bool:
    """Whether somebody could still act on `before` in a way that `after` does not allow."""
    if before.gone or before.objected or now_s >= before.until_s:
        return after.objected and not before.objected
    soon = [
        replace(will, until_s=min(will.until_s, now_s + SOON_S), categories=_soon(will, now_s))
        for will in (before, after)
    ]
    return without(soon[0], *soon) != soon[0]


def _soon(will: Will, now_s: float) -> frozenset[tuple[str, float]]:
    return frozenset(
        (name, min(end_s, now_s + SOON_S)) for name, end_s in will.categories if end_s > now_s
    )


def _line(category: str) -> tuple[str, ...]:
    parent = PARENT.get(category)
    return (category,) if parent is None else (category, *_line(parent))


def agreed(
    old: Will,
    *,
    purposes: frozenset[str],
    categories: frozenset[tuple[str, float]],
    until_s: float,
    again: frozenset[str] = frozenset(),
) -> Will:
    """An agreement, or its renewal: what was paused, narrowed or fulfilled stays so (R-11, R-34).

    `again`: categories and purposes that the customer asked for anew, each by itself. What this
    agreement does not name, it does not give again: it stays as it was.
    """
    base = NOBODY if old.gone else old
    again &= purposes | {name for name, _ in categories}
    base = replace(
        base, refused=base.refused - again, refused_purposes=base.refused_purposes - again
    )
    kept = frozenset((name, end_s) for name, end_s in categories if name not in base.refused)
    return replace(
        base,
        gone=False,
        purposes=purposes - base.refused_purposes,
        categories=kept,
        until_s=until_s,
    )


def narrowed(
    old: Will, *, categories: frozenset[str] = frozenset(), purposes: frozenset[str] = frozenset()
) -> Will:
    return replace(
        old,
        purposes=old.purposes - purposes,
        refused_purposes=old.refused_purposes | purposes,
        categories=frozenset(
            (name, end_s) for name, end_s in old.categories if name not in categories
        ),
        refused=old.refused | categories,
    )


def paused(old: Will, until_s: float) -> Will:
    return replace(old, paused_until_s=max(until_s, old.paused_until_s))


def resumed(old: Will) -> Will:
    return replace(old, paused_until_s=0.0)


def withdrawn(_old: Will) -> Will:
    return NOBODY


def objected(_old: Will) -> Will:
    return Will(objected=True)

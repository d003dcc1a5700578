"""When a string of sightings becomes a visit, and when the visit is over.

                     evidence ≥ evidence_db_s
    (nobody) ──────► approaching ─────────────► entered ───────► left ──────► (nobody)
             sighting    │  ▲                       │  absence_s   │  reentry_cooldown_s
                         └──┘ evidence 0:           └─ withdrawn ──┴────► (nobody)
                              starts anew

What evidence is, and what a second adapter at the door adds to it: `presence.core.visit.evidence`.

Rules that are easy to get wrong:

1. A visit ends when the subject was last *heard inside*, not when we gave up waiting: `Left.at` is
   that moment.
2. Time passes in `advance`, not with the next advertisement: a phone that is gone sends none.
3. Sightings that are late change nothing: a visit never becomes older.
4. No visit spans a silence: a sighting after `absence_s` finds the visit ended, whether `advance`
   was called or not.
5. An approach that never became an entry leaves no event at all, and is forgotten after one silent
   window.

A tick looks at those whose silence may be over, not at everybody: see `presence.core.agenda`.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from presence.core.agenda import AT_ONCE, Agenda
from presence.core.timestamps import Moment
from presence.core.visit.evidence import Approach, EntryRule

SHARES: Final = 20
"""In so many turns the last hearing of everybody is stored, so that no turn has to store a
crowd.
"""


class Sighting(NamedTuple):
    """An advertisement that belongs to a subject with a consent in force."""

    at: Moment
    ref: bytes
    rssi_dbm: int | None
    adapter: str = ""
    """Which of our radios heard it; those at the door are another place than all others."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A subject who has entered. Once `left_at` is set they count as gone, and a new visit needs a
    silence of `reentry_cooldown_s`: being heard again puts it off (`heard_at`), so that a phone
    that paused too long inside does not make its owner enter twice.
    """

    ref: bytes = field(repr=False)
    entered_at: Moment
    heard_at: Moment
    left_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Entered:
    ref: bytes = field(repr=False)
    at: Moment
    strength_dbm: float | None = field(default=None, repr=False, compare=False)
    """Smoothed, inside; decides which of several gateways tells it."""


@dataclass(frozen=True, slots=True)
class Left:
    ref: bytes = field(repr=False)
    entered_at: Moment
    at: Moment
    """When the subject was last heard inside."""


@dataclass(frozen=True, slots=True)
class Over:
    """The cooldown is over: nothing is known of the subject any more."""

    ref: bytes = field(repr=False)


VisitEvent = Entered | Left | Over


class _Stay:
    """A visit that goes on: as `Visit`, but it changes with each advertisement, which must be
    cheap.
    """

    __slots__ = ("entered_at", "heard_at", "left_at", "saved_at")

    def __init__(self, entered_at: Moment, heard_at: Moment, left_at: Moment | None = None) -> None:
        self.entered_at = entered_at
        self.heard_at = heard_at
        self.left_at = left_at
        self.saved_at = heard_at
        """As `heard_at` was when it was last stored."""

    def hear(self, at: Moment) -> None:
        if at.monotonic_s > self.heard_at.monotonic_s:  # rule 3
            self.heard_at = at


class Visits:
    """All approaches and visits of one gateway. Memory is bounded by the number of subjects in the
    list.
    """

    def __init__(
        self, rule: EntryRule, visits: Iterable[Visit] = (), *, door_adapters: Collection[str] = ()
    ) -> None:
        self._approaches: dict[bytes, Approach] = {}
        self._stays = {
            each.ref: _Stay(each.entered_at, each.heard_at, each.left_at) for each in visits
        }
        self._silences = Agenda[bytes]()
        """When a visit may end, or its cooldown."""
        self._fading = Agenda[bytes]()
        """When an approach may be forgotten."""
        self._shares: tuple[set[bytes], ...] = tuple(set() for _ in range(SHARES))
        """Whose last hearing is stored in one turn; refs are random, so the shares are alike."""
        self._rule = rule
        self._door_adapters = frozenset(door_adapters)
        for ref in self._stays:
            self._share_of(ref).add(ref)
            self._silences.put(ref, AT_ONCE)

    def __iter__(self) -> Iterator[Visit]:
        return iter([_as_visit(ref, stay) for ref, stay in self._stays.items()])

    def get(self, ref: bytes) -> Visit | None:
        stay = self._stays.get(ref)
        return None if stay is None else _as_visit(ref, stay)

    def evidence_db_s(self, ref: bytes) -> float:
        """What speaks for an entry now; 0 where nothing does. An entry needs the rule's
        `evidence_db_s`.
        """
        approach = self._approaches.get(ref)
        return approach.evidence_db_s if approach else 0.0

    def observe(self, sighting: Sighting) -> list[VisitEvent]:
        """Take in one sighting; answers with what it changed, oldest first."""
        at, ref, rssi_dbm, adapter = sighting
        rule, now_s = self._rule, at.monotonic_s
        events: list[VisitEvent] = []
        stay = self._stays.get(ref)
        if stay is not None and now_s - stay.heard_at.monotonic_s >= min(
            rule.absence_s, rule.reentry_cooldown_s
        ):
            events += self._let_pass(ref, stay, at)
            stay = self._stays.get(ref)
        if rssi_dbm is None:
            if stay is not None:
                stay.hear(at)
            return events
        approach = self._approaches.get(ref)
        if approach is None or approach.silent_since(now_s - rule.window_s):
            approach = self._approaches[ref] = Approach(now_s)
            self._fading.put(ref, now_s + rule.window_s)
        if adapter in self._door_adapters:
            approach.hear_at_door(adapter, rssi_dbm, now_s)
            return events
        since_s = approach.hear_inside(rssi_dbm, now_s)
        if since_s is None:
            return events
        if stay is not None:
            if approach.level_dbm >= rule.exit_rssi_dbm:
                stay.hear(at)
        elif approach.decides(rule, rssi_dbm, since_s):
            self._stays[ref] = _Stay(at, at)
            self._silences.put(ref, now_s + rule.absence_s)
            self._share_of(ref).add(ref)
            events.append(Entered(ref, at, approach.level_dbm))
        return events

    def advance(self, now: Moment) -> list[Left | Over]:
        """Let time pass; answers with the visits that ended by it."""
        events: list[Left | Over] = []
        for ref in self._silences.take(now.monotonic_s):
            events += self._let_pass(ref, self._stays[ref], now)
        silent_s = now.monotonic_s - self._rule.window_s
        for ref in self._fading.take(now.monotonic_s):
            approach = self._approaches[ref]
            if approach.silent_since(silent_s):
                del self._approaches[ref]
            else:
                self._fading.put(ref, max(approach.at_s, approach.door_s) + self._rule.window_s)
        return events

    def heard_anew(self, turns: Iterable[int]) -> list[tuple[bytes, Moment]]:
        """Those of the turns' shares who were heard since they were last stored: SHARES turns are
        all visits once.
        """
        anew = []
        for turn in turns:
            for ref in self._shares[turn % SHARES]:
                stay = self._stays[ref]
                if stay.saved_at is not stay.heard_at:
                    stay.saved_at = stay.heard_at
                    anew.append((ref, stay.heard_at))
        return anew

    def forget(self, ref: bytes) -> None:
        """A consent is not in force, or the cooldown is over: nothing of this subject remains."""
        self._approaches.pop(ref, None)
        self._fading.drop(ref)
        self._stays.pop(ref, None)
        self._silences.drop(ref)
        self._share_of(ref).discard(ref)

    def is_inside(self, ref: bytes) -> bool:
        """Whether a visit goes on."""
        stay = self._stays.get(ref)
        return stay is not None and stay.left_at is None

    def __contains__(self, ref: bytes) -> bool:
        return ref in self._stays or ref in self._approaches

    def refs(self) -> set[bytes]:
        """Everyone of whom anything is known now."""
        return self._approaches.keys() | self._stays.keys()

    def _let_pass(self, ref: bytes, stay: _Stay, now: Moment) -> list[Left | Over]:
        silence_s = now.monotonic_s - stay.heard_at.monotonic_s
        events: list[Left | Over] = []
        if stay.left_at is None and silence_s >= self._rule.absence_s:
            stay.left_at = stay.heard_at
            events.append(Left(ref, stay.entered_at, stay.heard_at))
        if stay.left_at is not None and silence_s >= self._rule.reentry_cooldown_s:
            self.forget(ref)  # an approach too: it began before there could be evidence
            events.append(Over(ref))
        else:
            longest_s = (
                self._rule.absence_s if stay.left_at is None else self._rule.reentry_cooldown_s
            )
            self._silences.put(ref, stay.heard_at.monotonic_s + longest_s)
        return events

    def _share_of(self, ref: bytes) -> set[bytes]:
        return self._shares[ref[-1] % SHARES]


def _as_visit(ref: bytes, stay: _Stay) -> Visit:
    return Visit(ref, stay.entered_at, stay.heard_at, stay.left_at)

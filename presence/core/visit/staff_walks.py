"""Two known answers a day: the shop's own test phone is carried past the door, and then in.

              past 08:30–08:40      in 08:40–08:50
    phone   ──heard, no entry──── · ──heard, entered──     right and right
            ──heard, entered───── · ───────────────────    wrong, and no second answer

The times are agreed upon (config section `figures`); the phone is one whose consent has the flag
`test`.

1. A walk counts only where the phone had no visit when it was first heard in that time: one that
   lay in the shop would be passed over, and prove nothing.
2. Doubt counts against us. A walk in counts from the first advertisement; a walk past only from
   HEARD_PAST of them, for a phone that is hardly heard is easily passed over.
3. A time in which the phone was not heard is no walk. A phone that is silent altogether is not
   seen here.
4. Kept are counts by day for DAYS, and during a walk a mark of the phone that no other process
   knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from presence.core.timestamps import Moment
from presence.core.visit.walks import Walked

DAYS: Final = 30
HEARD_PAST: Final = 4
"""As many advertisements as an entry needs (`entry.min_sightings`)."""
WALKS: Final = (Walked.PAST, Walked.IN)
PHONES_MAX: Final = 16


@dataclass(slots=True)
class WalkAnswers:
    """How the walks of one kind went."""

    right: int = 0
    wrong: int = 0

    @property
    def walks(self) -> int:
        return self.right + self.wrong


@dataclass(slots=True)
class _Walk:
    counts: bool
    heard: int = 0
    entered: bool = False


DayAnswers = dict[Walked, WalkAnswers]


@dataclass(slots=True)
class StaffWalks:
    """Knows when a walk is on, and how those of the last days went."""

    times: Mapping[Walked, str]
    """`past`, `in` → `HH:MM-HH:MM`, local, within one day; a kind left out is not walked."""
    zone: tzinfo
    days: dict[date, DayAnswers] = field(default_factory=dict)
    walking: Walked | None = None
    """For reading: the kind that is on now."""
    _walks: dict[int, _Walk] = field(default_factory=dict, repr=False)
    """By the hash of the phone's ref, which Python salts anew in each process."""

    def hear(self, ref: bytes, *, visiting: bool) -> None:
        """An advertisement of a test phone; `visiting`: it has a visit, or its cooldown."""
        if self.walking is None:
            return
        walk = self._walks.get(hash(ref))
        if walk is None:
            if len(self._walks) >= PHONES_MAX:
                return
            walk = self._walks[hash(ref)] = _Walk(counts=not visiting)
        walk.heard += 1

    def enter(self, ref: bytes) -> None:
        """A test phone has entered."""
        walk = self._walks.get(hash(ref))
        if walk is not None:
            walk.entered = True

    def forget(self, ref: bytes) -> None:
        """A consent is not in force any more."""
        self._walks.pop(hash(ref), None)

    def advance(self, now: Moment) -> bool:
        """Let time pass; whether a walk was judged."""
        local = datetime.fromtimestamp(now.utc_s, self.zone)
        on = next((kind for kind in WALKS if self._is_on(kind, local)), None)
        if on is self.walking:
            return False
        ended, self.walking = self.walking, on
        judged = ended is not None and self._judge(ended, local.date())
        self._walks.clear()
        return judged

    def answers_before(self, today: date) -> DayAnswers:
        """Of the last DAYS days that are over."""
        total = {kind: WalkAnswers() for kind in WALKS}
        for day, answers in self.days.items():
            if today - timedelta(days=DAYS) <= day < today:
                for kind, each in answers.items():
                    total[kind].right += each.right
                    total[kind].wrong += each.wrong
        return total

    def keep_only(self, today: date) -> None:
        """What is older goes, and what is of a day that has not come: the clock was wrong then."""
        for day in [*self.days]:
            if not today - timedelta(days=DAYS) <= day <= today:
                del self.days[day]

    def _is_on(self, kind: Walked, local: datetime) -> bool:
        times = self.times.get(kind)
        if times is None:
            return False
        start, end = (int(text[:2]) * 60 + int(text[3:5]) for text in times.split("-"))
        return start <= local.hour * 60 + local.minute < end

    def _judge(self, kind: Walked, day: date) -> bool:
        least = HEARD_PAST if kind is Walked.PAST else 1  # rule 2
        counted = [
            walk
            for walk in self._walks.values()
            if walk.counts and (walk.heard >= least or walk.entered)
        ]
        if not counted:
            return False
        answers = self.days.setdefault(day, {}).setdefault(kind, WalkAnswers())
        for walk in counted:
            if walk.entered is (kind is Walked.IN):
                answers.right += 1
            else:
                answers.wrong += 1
        return True

"""When a string of sightings becomes a visit, and when the visit is over.

                     evidence ≥ evidence_db_s, or points ≥ score
    (nobody) ──────► approaching ─────────────► entered ───────► left ──────► (nobody)
             sighting    │  ▲                       │  absence_s   │  reentry_cooldown_s
                         └──┘ evidence 0:           └─ withdrawn ──┴────► (nobody)
                              starts anew

What evidence is, of one place: `presence.core.visit.evidence`. Where antennas hang in several,
points count: `presence.core.visit.door_score`.

A visit is entered by evidence over one threshold, and kept by a lower one (hysteresis):
`exit_rssi_dbm` is what a sighting needs to count as still being there.

Rules that are easy to get wrong:

1. A visit ends when the subject was last *heard inside*, not when we gave up waiting: `Left.at` is
   that moment.
2. Time passes in `advance`, not with the next advertisement: a phone that is gone sends none.
3. Sightings that are late change nothing: a visit never becomes older.
4. No visit spans a silence: a sighting after `absence_s` finds the visit ended, whether `advance`
   was called or not.
5. An approach that never became an entry leaves no event at all, and is forgotten after one silent
   window.
6. Of a visit that goes on, readings within LATELY_S of the one that kept it are not looked at: the
   slowest phone is heard no more often. The last of a visit is dated so much too early at most.

A tick looks at those whose silence may be over, not at everybody: see `presence.core.agenda`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Final, NamedTuple

from presence.core.agenda import AT_ONCE, Agenda
from presence.core.place import Place
from presence.core.timestamps import Moment
from presence.core.visit.antennas import Antennas, hung
from presence.core.visit.door_score import DoorScore
from presence.core.visit.evidence import MAX_CREDIT_S, Approach, EntryRule

NO_PLACES: Final[Mapping[str, Place]] = MappingProxyType({})
LATELY_S: Final = MAX_CREDIT_S
SHARES: Final = 20
"""In so many turns the last hearing of everybody is stored, so that no turn stores a crowd."""


class Sighting(NamedTuple):
    """An advertisement that belongs to a subject with a consent in force."""

    at: Moment
    ref: bytes
    rssi_dbm: int | None
    antenna: str = ""
    """Which of our antennas heard it; where it hangs, `places` knows."""
    answered: bool = False
    """The strength stands in a genuine answer at the bell, which nobody can play back; a broadcast
    otherwise.
    """
    loudness_db: float = 0.0
    """What was taken off `rssi_dbm`, for this phone is louder than the reference phone."""


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
    """Smoothed, inside; decides which of several gateways publishes it."""
    since_peak_s: float | None = field(default=None, repr=False, compare=False)
    """Seconds since the strongest moment at the door; None where it was not heard there."""
    by_answer: bool = False
    """The approach was nothing but answers at the bell: no broadcast, which anybody may play back,
    had a part in it.
    """


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
    """A visit that goes on: as `Visit`, but cheap to change with each advertisement."""

    __slots__ = ("entered_at", "heard_at", "left_at", "saved_at")

    def __init__(self, entered_at: Moment, heard_at: Moment, left_at: Moment | None = None) -> None:
        self.entered_at = entered_at
        self.heard_at = heard_at
        self.left_at = left_at
        self.saved_at = heard_at
        """As `heard_at` was when it was last stored."""


class _Track(Approach):
    """One subject, in one record: a crowd's records do not fit a processor's cache, so that each
    advertisement pays for every one that it looks at.
    """

    __slots__ = ("bells", "door", "settled_until_s", "stay")

    def __init__(self, now_s: float, stay: _Stay | None = None) -> None:
        super().__init__(now_s)
        self.stay = stay
        """None while they approach."""

    def begin(self, now_s: float) -> None:
        super().begin(now_s)
        self.settled_until_s = -inf
        """Rule 6."""
        self.door: DoorScore | None = None
        """Where antennas tell the sides of the door apart."""
        self.bells: DoorScore | None = None
        """The same by answers, which tell of the bells: those hang elsewhere, and ring only."""

    def keep(self, stay: _Stay, at: Moment, lately_s: float) -> None:
        """Heard inside."""
        stay.heard_at = at
        if stay.left_at is None:
            self.settled_until_s = at.monotonic_s + lately_s

    def score(self, *, answered: bool) -> DoorScore:
        """The score that such a reading counts in."""
        if answered:
            self.bells = self.bells or DoorScore()
            return self.bells
        self.door = self.door or DoorScore()
        return self.door

    def entry(self, ref: bytes, at: Moment, *, answered: bool) -> Entered:
        door = self.bells if answered else self.door
        since_peak_s, strength_dbm = None, self.level_dbm
        if door is not None:
            strength_dbm = door.inner_dbm
            if door.peak_s > -inf:
                since_peak_s = at.monotonic_s - door.peak_s
        return Entered(ref, at, strength_dbm, since_peak_s, self.by_answer)


class Visits:
    """All approaches and visits of one gateway. Memory is bounded by the subjects in the list."""

    def __init__(
        self,
        rule: EntryRule,
        visits: Iterable[Visit] = (),
        *,
        places: Mapping[str, Place] = NO_PLACES,
        bells: Mapping[str, Place] = NO_PLACES,
    ) -> None:
        """Where antennas hang that listen, and those that only ring: answers tell of these."""
        self._tracks = {
            each.ref: _Track(-inf, _Stay(each.entered_at, each.heard_at, each.left_at))
            for each in visits
        }
        self._looks = Agenda[bytes]()
        """When an approach may be forgotten, and when a visit may end, or its cooldown."""
        self._shares: tuple[set[bytes], ...] = tuple(set() for _ in range(SHARES))
        """Whose last hearing is stored in one turn; refs are random, so the shares are alike."""
        self._rule = rule
        self._lately_s = min(LATELY_S, rule.absence_s, rule.reentry_cooldown_s)
        self._places = places
        self._lost: set[str] = set()
        """Antennas that hear nothing now, whoever is there."""
        self._antennas = hung(places, self._lost, rule)
        self._bells = hung(bells, (), rule, answers=True)
        for ref in self._tracks:
            self._share_of(ref).add(ref)
            self._looks.put(ref, AT_ONCE)

    def __iter__(self) -> Iterator[Visit]:
        tracks = self._tracks.items()
        return iter([_as_visit(ref, track.stay) for ref, track in tracks if track.stay])

    def get(self, ref: bytes) -> Visit | None:
        stay = self._stay(ref)
        return None if stay is None else _as_visit(ref, stay)

    def evidence_db_s(self, ref: bytes) -> float:
        """What speaks for an entry now, or 0. An entry needs the rule's `evidence_db_s`."""
        track = self._tracks.get(ref)
        return track.evidence_db_s if track else 0.0

    def points(self, ref: bytes) -> float:
        """The score at the door, where several places tell its sides apart; else minus infinity."""
        track = self._tracks.get(ref)
        return -inf if track is None or track.door is None else track.door.points

    def goes_on(self, ref: bytes, now_s: float) -> bool:
        """Whether this subject is in and was heard inside so lately that one more reading says
        nothing new (rule 6).
        """
        track = self._tracks.get(ref)
        return track is not None and now_s < track.settled_until_s

    def packets(self, ref: bytes) -> int:
        """How many packets the score at the door rests on."""
        track = self._tracks.get(ref)
        return 0 if track is None or track.door is None else track.door.packets

    def observe(self, sighting: Sighting) -> list[VisitEvent]:
        """Take in one sighting; answers with what it changed, oldest first."""
        at, ref, rssi_dbm, antenna, answered, _ = sighting
        rule, now_s = self._rule, at.monotonic_s
        events: list[VisitEvent] = []
        track = self._tracks.get(ref)
        stay = None if track is None else track.stay
        if stay is not None and now_s - stay.heard_at.monotonic_s >= min(
            rule.absence_s, rule.reentry_cooldown_s
        ):
            events += self._let_pass(ref, stay, at)  # rule 4
            track = self._tracks.get(ref)
            stay = None if track is None else track.stay
        if rssi_dbm is None:  # keeps a visitor inside, and is no evidence for an entry
            if stay is not None and now_s > stay.heard_at.monotonic_s:  # rule 3
                stay.heard_at = at
            return events
        if track is None:
            track = self._tracks[ref] = _Track(now_s)
            self._looks.put(ref, now_s + rule.window_s)
        elif track.heard_s < now_s - rule.window_s:  # rule 5, though no tick came in between
            track.begin(now_s)
        track.heard_s = max(track.heard_s, now_s)
        track.by_answer &= answered  # late ones too: in doubt it is a broadcast
        antennas = self._bells if answered else self._antennas
        if stay is not None:
            within = antenna not in antennas.beside and track.hear(rssi_dbm, now_s) is not None
            # by the smoothed level: one faded reading ends nothing
            still = within and track.level_dbm >= rule.exit_rssi_dbm
            if still and now_s > stay.heard_at.monotonic_s:  # rule 3
                track.keep(stay, at, self._lately_s)
        elif self._enters(track, sighting, antennas):
            track.stay = _Stay(at, at)
            track.settled_until_s = now_s + self._lately_s
            if rule.absence_s < rule.window_s:  # else a look is due before the visit can end
                self._looks.put(ref, now_s + rule.absence_s)
            self._share_of(ref).add(ref)
            events.append(track.entry(ref, at, answered=answered))
        return events

    def _enters(self, track: _Track, sighting: Sighting, antennas: Antennas) -> bool:
        """Take in a reading, with a strength, of who approaches; whether that makes an entry."""
        (now_s, _), _, rssi_dbm, antenna, answered, loudness_db = sighting
        assert rssi_dbm is not None  # noqa: S101 - `observe` has seen to it
        rule = self._rule
        within = antenna not in antennas.beside
        since_s = track.hear(rssi_dbm, now_s) if within else None
        if antennas.sided is None:
            return since_s is not None and track.decides(rule, rssi_dbm, since_s)
        ear = antennas.ears.get(antenna)
        if ear is None:
            return False
        door = track.score(answered=answered)
        is_new = door.hear(
            antennas.sided, ear, rssi_dbm, now_s, loudness_db=loudness_db, answered=answered
        )
        return (
            is_new
            and door.points >= antennas.sided.numbers.threshold
            and door.packets >= rule.min_sightings
            and now_s - door.began_s >= rule.min_duration_s
        )

    def antenna_lost(self, antenna: str) -> None:
        """It hears nothing from now on. Its silence says nothing of anybody, and what it heard
        before says nothing of now: approaches begin anew, with the antennas that are left.
        """
        self._lost.add(antenna)
        self._begin_approaches_anew()

    def antenna_back(self, antenna: str) -> None:
        """It hears again; approaches begin anew, with it."""
        self._lost.discard(antenna)
        self._begin_approaches_anew()

    def _begin_approaches_anew(self) -> None:
        """No evidence is a mixture of what two sets of antennas heard."""
        self._antennas = hung(self._places, self._lost, self._rule)
        for track in self._tracks.values():
            if track.stay is None or track.stay.left_at is not None:
                track.begin(track.heard_s)

    def advance(self, now: Moment) -> list[Left | Over]:
        """Let time pass; answers with the visits that ended by it."""
        events: list[Left | Over] = []
        silent_s = now.monotonic_s - self._rule.window_s
        for ref in self._looks.take(now.monotonic_s):
            track = self._tracks[ref]
            if track.stay is not None:
                events += self._let_pass(ref, track.stay, now)
            elif track.heard_s < silent_s:
                del self._tracks[ref]
            else:
                self._looks.put(ref, track.heard_s + self._rule.window_s)
        return events

    def heard_anew(self, turns: Iterable[int]) -> list[tuple[bytes, Moment]]:
        """Those of the turns' shares heard since they were stored; SHARES turns are everybody."""
        anew = []
        for turn in turns:
            for ref in self._shares[turn % SHARES]:
                stay = self._stay(ref)
                if stay is not None and stay.saved_at is not stay.heard_at:
                    stay.saved_at = stay.heard_at
                    anew.append((ref, stay.heard_at))
        return anew

    def forget(self, ref: bytes) -> None:
        """A consent is not in force, or the cooldown is over: nothing of this subject remains."""
        self._tracks.pop(ref, None)
        self._looks.drop(ref)
        self._share_of(ref).discard(ref)

    def forget_broadcasts(self, ref: bytes) -> None:
        """What was heard of somebody who approaches may be a recording; answers are none."""
        track = self._tracks.get(ref)
        if track is not None and track.stay is None and not track.by_answer:
            self.forget(ref)

    def is_inside(self, ref: bytes) -> bool:
        """Whether a visit goes on."""
        stay = self._stay(ref)
        return stay is not None and stay.left_at is None

    def __contains__(self, ref: bytes) -> bool:
        return ref in self._tracks

    def refs(self) -> set[bytes]:
        """Everyone of whom anything is known now."""
        return set(self._tracks)

    def _let_pass(self, ref: bytes, stay: _Stay, now: Moment) -> list[Left | Over]:
        silence_s = now.monotonic_s - stay.heard_at.monotonic_s
        events: list[Left | Over] = []
        if stay.left_at is None and silence_s >= self._rule.absence_s:
            stay.left_at = stay.heard_at
            self._tracks[ref].begin(now.monotonic_s)
            events.append(Left(ref, stay.entered_at, stay.heard_at))
        if stay.left_at is not None and silence_s >= self._rule.reentry_cooldown_s:
            self.forget(ref)  # an approach too: it began before there could be evidence
            events.append(Over(ref))
        else:
            longest_s = (
                self._rule.absence_s if stay.left_at is None else self._rule.reentry_cooldown_s
            )
            self._looks.put(ref, stay.heard_at.monotonic_s + longest_s)
        return events

    def _stay(self, ref: bytes) -> _Stay | None:
        track = self._tracks.get(ref)
        return None if track is None else track.stay

    def _share_of(self, ref: bytes) -> set[bytes]:
        return self._shares[ref[-1] % SHARES]


def _as_visit(ref: bytes, stay: _Stay) -> Visit:
    return Visit(ref, stay.entered_at, stay.heard_at, stay.left_at)

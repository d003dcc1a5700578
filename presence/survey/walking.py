"""From the recorded walks to settings of section `entry`, with what the present ones and the new
ones would do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Final

from presence.config.settings import EntrySettings
from presence.core.visit.antennas import door_numbers, tables_of
from presence.core.visit.calibration import (
    Assessment,
    Rate,
    assess,
    candidate_of,
    is_better,
    suggest,
    suggest_exit,
)
from presence.core.visit.door_score import DoorNumbers
from presence.core.visit.door_tables import DoorTables
from presence.core.visit.fitting import (
    OFFSET_ROOM_DB,
    FittedDoor,
    assess_door,
    finds_with,
    fit_door,
    of_walks,
)
from presence.core.visit.side import Side, pairing
from presence.core.visit.walks import STAYED_OUT, Trial, Walked
from presence.diagnosis.findings import Finding, Verdict
from presence.language import Joined, Sentence
from presence.survey.guide import OUTSIDE, WITHIN, Doing, Walks
from presence.survey.judging import Result
from presence.survey.plans import REMEDIES, ShopPlan, plan_of
from presence.survey.shares import share
from presence.survey.sides import WalkPart, judge_deaf, judge_side, side_figures

EVIDENCES_DB_S: Final = (15.0, 30.0, 60.0)
"""The clearer inside is from outside at this door, the less evidence is needed, and the sooner
people are found.
"""
STRICTER: Final = (1.0, 1.05, 1.1)
"""The scores that are tried, over the tables' own. That one was fitted to 1 false enter in 1,000,
which a dozen walks cannot show: so they never ask for less. One that asks for a tenth more still
finds who stays in the shop, later.
"""
NEAR_ROOM_DB: Final = 2.0
"""Two visits to one door differ by so much in the median peak of their walks in."""
RuleAt = Callable[[float], EntrySettings]
"""Takes `enter_rssi_dbm`."""
GAP_DB: Final = 8.0
"""Between entry and exit while candidates are compared; the inside decides it afterwards."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Up to which share a walk may go wrong. A false entry weighs five missed ones
    (COST_OF_FALSE).
    """

    false: float
    missed: float

    def are_kept_by(self, errors: "Errors") -> bool:
        return errors.false <= self.false and errors.missed <= self.missed


DOUBTFUL: Final = Limits(0.02, 0.02)
HOPELESS: Final = Limits(0.10, 0.10)
"""With the technician's own phone, which this walk has measured."""
DOUBTFUL_ANY: Final = Limits(0.02, 0.10)
"""With any phone. The goal, 1 in 1,000, is no limit: phones differ by 4.5 dB, so it takes 14 dB
between out and in.
"""
HOPELESS_ANY: Final = Limits(0.20, 0.50)
"""One in five is greeted in the street, or more than half are passed over: silence serves this shop
better.
"""
MISSED_BY_SIDES: Final = 0.10
"""Where the sides decide, a walk of 25 s often ends before somebody is found, and none of the
tables' numbers may be eased for it: above this share it is a WARN, and never a FAIL.
"""
UNSURE: Final = 0.25
SIDE_STEP: Final = Sentence(
    "the phone was not heard on a look in at the open door, or on no walk in, by the antennas at "
    "the door: walk again, `lookin` and `in` too"
)
ALIKE_STEP: Final = Sentence(
    "outside and inside are too much alike here: move the gateway away from the window, further in "
    "and higher, and walk again"
)
MORE_STEP: Final = Sentence(
    "more walks would tell more (`--rounds 4`); moving the gateway may separate them better"
)
NO_PAIR_STEP: Final = Sentence(
    "this phone is told apart, but customers' phones differ more than this door leaves room for: "
    "move the gateway further in, or hang a pair of antennas at the door (docs/technician.md)"
)
PAIR_STEP: Final = Sentence(
    "this phone is told apart, but customers' phones differ more than this door leaves room for: a "
    "larger plate between the pair, or the gateway further in, would leave more; as it is, it may "
    "be written"
)
WORDS: Final = {
    Walked.PAST: Sentence("walks past, taken in"),
    Walked.WINDOW: Sentence("stands at window, taken in"),
    Walked.LOOKIN: Sentence("looks in at door, taken in"),
    Walked.IN: Sentence("comes in, missed"),
}


@dataclass(frozen=True, slots=True)
class Tuning:
    """The present settings and the suggested ones, each with what it would do."""

    now: EntrySettings
    assessed_now: Assessment
    new: EntrySettings
    assessed_new: Assessment
    walks: Walks
    side: Side | None = None
    """None where all antennas hang in one place, or the walks do not show it."""

    @property
    def numbers(self) -> DoorNumbers | None:
        """With which the sides decide; None where all antennas hang in one place."""
        found = tables_of(self.walks.hung())
        return None if found is None else door_numbers(found[1], self.new)

    def changes(self) -> dict[str, tuple[float | None, float]]:
        """Key → present and suggested value, where they differ. None: not set."""
        old, new = asdict(self.now), asdict(self.new)
        return {key: (old[key], new[key]) for key in old if old[key] != new[key]}


def tune(walks: Walks, now: EntrySettings) -> Tuning | str:
    """The suggestion, or why there is none."""
    trials = walks.trials()
    kinds = {trial.kind for trial in trials if trial.readings}
    if Walked.IN not in kinds:
        return Sentence("no walk in on which the test phone was heard")
    if not any(trial.kind in STAYED_OUT for trial in trials):
        return Sentence("no walk outside to compare with")
    if (found := tables_of(walks.hung())) is not None:
        return _tuned_by_sides(walks, trials, now, found[1])
    assessed_now = assess(candidate_of(_shifted(now)), now.enter_rssi_dbm, trials)
    new = _suggested(walks, trials, now)
    assessed_new = assess(candidate_of(_shifted(new)), new.enter_rssi_dbm, trials)
    if not is_better(assessed_new, assessed_now):  # on these walks never worse than what is there
        new, assessed_new = now, assessed_now
    return Tuning(now, assessed_now, new, assessed_new, walks)


def _tuned_by_sides(
    walks: Walks, trials: Sequence[Trial], now: EntrySettings, tables: DoorTables
) -> Tuning:
    """Without a side nothing is suggested."""

    def rule_of(numbers: DoorNumbers) -> EntrySettings:
        offset_db, near_dbm, score = numbers
        return replace(now, side_offset_db=offset_db, near_dbm=near_dbm, score=score)

    finds, pair = finds_with(rule_of), pairing(walks.hung())
    thresholds = [round(stricter * tables.threshold, 2) for stricter in STRICTER]
    fitted = fit_door(trials, pair, finds, tables, thresholds) if pair is not None else None
    side = fitted.side if fitted is not None else None
    assessed_now = assess_door(trials, side, finds, door_numbers(tables, now))
    if fitted is None:
        return Tuning(now, assessed_now, now, assessed_now, walks)
    new, assessed_new = rule_of(fitted.numbers), fitted.assessment
    if is_sound(now, fitted, tables) and not is_better(assessed_new, assessed_now):
        new, assessed_new = now, assessed_now
    exit_dbm = suggest_exit(now.enter_rssi_dbm, walks.said(*WITHIN), now.window_s, walks.within)
    return Tuning(
        now, assessed_now, replace(new, exit_rssi_dbm=exit_dbm), assessed_new, walks, side
    )


def is_sound(now: EntrySettings, fitted: FittedDoor, tables: DoorTables) -> bool:
    """Whether the present settings may stay where a walk shows no better ones: no laxer than what
    a fit may be (presence.core.visit.fitting), and of about this near.
    """
    offset_db, near_dbm, threshold = door_numbers(tables, now)
    return (
        threshold >= tables.threshold
        and offset_db >= of_walks(fitted.side, tables, 0).side_offset_db - OFFSET_ROOM_DB
        and abs(near_dbm - fitted.numbers.near_dbm) <= NEAR_ROOM_DB
    )


def _suggested(walks: Walks, trials: Sequence[Trial], now: EntrySettings) -> EntrySettings:
    rules_at = {candidate_of(rule_at): rule_at for rule_at in _rules_at(now)}
    candidate, found = suggest(rules_at, trials)
    rule = rules_at[candidate](found.dial_db)
    return replace(
        now,
        enter_rssi_dbm=found.dial_db,
        exit_rssi_dbm=suggest_exit(found.dial_db, walks.said(*WITHIN), rule.window_s),
        evidence_db_s=rule.evidence_db_s,
    )


def judge_walk(tuned: Tuning | str, plan: ShopPlan | None = None) -> Result:
    """`plan`: of the shop, where the technician said it; otherwise as the antennas tell it."""
    if isinstance(tuned, str):
        step = Sentence(
            "repeat it with `--steps phone,walk`: the phone's app in front, the phone where a "
            "customer carries it"
        )
        return Result(Finding("walk", Verdict.FAIL, tuned, step))
    parts = [_judge_rates(tuned)]
    if tuned.side is not None:
        parts.insert(0, judge_side(tuned.side, plan or plan_of(tuned.walks.hung())))
    elif pairing(tuned.walks.hung()) is not None:
        parts.insert(0, WalkPart(Verdict.WARN, Sentence("the side was not measured"), SIDE_STEP))
    if (deaf := judge_deaf(tuned.walks)) is not None:
        parts.insert(0, deaf)
    worst = max(parts, key=lambda part: part.verdict)  # of two alike, the side comes first
    found = Joined("; ", (part.words for part in parts))
    return Result(Finding("walk", worst.verdict, found, worst.step), figures(tuned))


def _judge_rates(tuned: Tuning) -> WalkPart:
    assessed = tuned.assessed_new
    rates = assessed.rates.values()
    this, any_one = Errors.of_this_phone(assessed), Errors.of_any_phone(assessed)
    found = Sentence(
        "{entry}, exit at {exit_dbm:.0f} dBm; any phone {any_phone}; this phone {this_phone}, "
        "{found_after}",
        entry=_entry_words(tuned),
        exit_dbm=tuned.new.exit_rssi_dbm,
        any_phone=any_one.words,
        this_phone=this.words,
        found_after=_found_words(assessed),
    )
    if tuned.numbers is not None:
        return _judge_sides(tuned, this, any_one, found)
    few = min(rate.walks for rate in rates) < 2  # one walk of a kind may have been an odd one
    if not few and not (HOPELESS.are_kept_by(this) and HOPELESS_ANY.are_kept_by(any_one)):
        return WalkPart(Verdict.FAIL, found, ALIKE_STEP)
    if not DOUBTFUL.are_kept_by(this) or any(rate.at_most > UNSURE for rate in rates):
        return WalkPart(Verdict.WARN, found, MORE_STEP)
    if not DOUBTFUL_ANY.are_kept_by(any_one):
        return WalkPart(Verdict.WARN, found, NO_PAIR_STEP)
    return WalkPart(Verdict.PASS, found)


def _judge_sides(tuned: Tuning, this: "Errors", any_one: "Errors", found: Sentence) -> WalkPart:
    """False entries as with one place; of the missed see MISSED_BY_SIDES."""
    remedy = REMEDIES[plan_of(tuned.walks.hung())]
    false_rates = [rate for kind, rate in tuned.assessed_new.rates.items() if kind in STAYED_OUT]
    few = min(rate.walks for rate in false_rates) < 2
    if not few and (this.false > HOPELESS.false or any_one.false > HOPELESS_ANY.false):
        step = Sentence("in and out are too much alike here: {remedy}", remedy=remedy)
        return WalkPart(Verdict.FAIL, found, step)
    if this.false > DOUBTFUL.false or any(rate.at_most > UNSURE for rate in false_rates):
        return WalkPart(Verdict.WARN, found, MORE_STEP)
    if this.missed > MISSED_BY_SIDES:
        step = Sentence(
            "it may be written: who stays is found later than these walks lasted, or not at all; "
            "to find more, and sooner: {remedy}",
            remedy=remedy,
        )
        return WalkPart(Verdict.WARN, found, step)
    if any_one.false > DOUBTFUL_ANY.false:
        return WalkPart(Verdict.WARN, found, PAIR_STEP)
    return WalkPart(Verdict.PASS, found)


def _found_words(assessed: Assessment) -> Sentence:
    if not assessed.found_after_s:
        return Sentence("never found")
    return Sentence("found {median_s:.0f} s after the bell", median_s=assessed.median_s)


def _entry_words(tuned: Tuning) -> Sentence:
    if tuned.numbers is None:
        return Sentence("enter at {enter_dbm:.0f} dBm", enter_dbm=tuned.new.enter_rssi_dbm)
    offset_db, near_dbm, score = tuned.numbers
    return Sentence(
        "enter at {score:g} points, side {offset_db:+.0f} dB, near {near_dbm:.0f} dBm",
        score=score,
        offset_db=offset_db,
        near_dbm=near_dbm,
    )


def value_words(value: float | None) -> str:
    """Of a setting, as the file has it."""
    return Sentence("not set") if value is None else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Errors:
    """The worst share of each mistake."""

    false: float
    missed: float

    @classmethod
    def of_this_phone(cls, assessed: Assessment) -> "Errors":
        return cls._of({kind: rate.expected for kind, rate in assessed.rates.items()})

    @classmethod
    def of_any_phone(cls, assessed: Assessment) -> "Errors":
        return cls._of({kind: rate.any_phone for kind, rate in assessed.rates.items()})

    @classmethod
    def _of(cls, shares: Mapping[Walked, float]) -> "Errors":
        outside = [share for kind, share in shares.items() if kind is not Walked.IN]
        return cls(max(outside, default=0.0), shares[Walked.IN])

    @property
    def words(self) -> Sentence:
        """`0.4 % false, 0.8 % missed`."""
        return Sentence(
            "{false} false, {missed} missed", false=share(self.false), missed=share(self.missed)
        )


def figures(tuned: Tuning) -> Mapping[str, object]:
    """For JSON."""
    return {
        "walks": sum(rate.walks for rate in tuned.assessed_new.rates.values()),
        "present": {"entry": asdict(tuned.now), **_assessed(tuned.assessed_now)},
        "suggested": {"entry": asdict(tuned.new), **_assessed(tuned.assessed_new)},
        "changes": {key: list(pair) for key, pair in tuned.changes().items()},
        "side": side_figures(tuned.side, tuned.walks) if tuned.side is not None else None,
        "strength_dbm": {
            "outside": histogram(tuned.walks, *OUTSIDE),
            "inside": histogram(tuned.walks, *WITHIN),
        },
    }


def measured(tuned: Tuning) -> Mapping[str, object]:
    """For the record of the calibration: as few figures as say what this door is worth."""
    assessed = tuned.assessed_new
    this, any_one = Errors.of_this_phone(assessed), Errors.of_any_phone(assessed)
    return {
        "walks": sum(rate.walks for rate in assessed.rates.values()),
        "this_phone": {"false": round(this.false, 4), "missed": round(this.missed, 4)},
        "any_phone": {"false": round(any_one.false, 4), "missed": round(any_one.missed, 4)},
        "found_after_s": [round(seconds, 1) for seconds in assessed.found_after_s],
        "side": side_figures(tuned.side, tuned.walks) if tuned.side is not None else None,
    }


def histogram(walks: Walks, *doings: Doing) -> dict[int, int]:
    """Readings by strength, in bins of 4 dB named by their lower end."""
    counts: dict[int, int] = {}
    for readings in walks.said(*doings):
        for reading in readings:
            low = reading.rssi_dbm // BIN_DB * BIN_DB
            counts[low] = counts.get(low, 0) + 1
    return dict(sorted(counts.items()))


BIN_DB: Final = 4


def _rules_at(now: EntrySettings) -> Iterator[RuleAt]:
    """The present evidence first: another must be better to be taken."""
    for evidence_db_s in dict.fromkeys((now.evidence_db_s, *EVIDENCES_DB_S)):
        yield _shifted(
            replace(now, evidence_db_s=evidence_db_s, exit_rssi_dbm=now.enter_rssi_dbm - GAP_DB)
        )


def _shifted(base: EntrySettings) -> RuleAt:
    """The same rule at another threshold, the exit as far below it. What else is named in dBm moves
    along.
    """

    def at(enter_dbm: float) -> EntrySettings:
        by = enter_dbm - base.enter_rssi_dbm
        moved = {
            f.name: getattr(base, f.name) + by for f in fields(base) if f.name.endswith("_dbm")
        }
        return replace(base, **moved)

    return at


def _assessed(assessed: Assessment) -> dict[str, object]:
    def plain(rate: Rate) -> dict[str, float]:
        return {key: round(value, 4) for key, value in asdict(rate).items()}

    return {
        "rates": {kind.value: plain(rate) for kind, rate in assessed.rates.items()},
        "found_after_s": [round(seconds, 1) for seconds in assessed.found_after_s],
    }

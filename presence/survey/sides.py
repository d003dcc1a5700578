"""What the side of the door says of where the antennas hang: verdict, remedy, and its picture's
figures.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from presence.core.place import Place
from presence.core.visit.side import Lead, Pairing, Side, door_peak_dbm, leads
from presence.diagnosis.findings import Verdict
from presence.language import Sentence
from presence.survey.guide import Doing, Recorded, Walks
from presence.survey.plans import REMEDIES, ShopPlan

FAIL_DB: Final = 6.0
"""Below it a pair is worth no more than the two antennas of a shop without one: half a minute."""
GOOD_DB: Final = 10.0
FOUND_AFTER_S: Final = ((6.6, 23.0), (8.6, 15.0), (9.6, 11.0), (11.1, 9.0), (14.6, 6.0))
"""Side in dB, median seconds to an entry with a pair alone, once the door is set as its walks say:
`python -m scripts.entrybench.sides`.
"""
FOUND_AFTER_TWO_S: Final = 26.0
"""The same where no antenna hangs outside, whatever the side: nearness alone tells little."""


class WalkPart(NamedTuple):
    """What one look at the walk adds to its finding."""

    verdict: Verdict
    words: str
    step: str = ""


def judge_side(side: Side, plan: ShopPlan) -> WalkPart:
    measured = {"side_db": side.side_db, "uncertain_db": side.uncertain_db}
    if side.side_db <= -FAIL_DB:
        return WalkPart(
            Verdict.FAIL,
            Sentence(
                "the door's side is {side_db:.1f} dB (± {uncertain_db:.1f}): the two antennas have "
                "each other's place",
                **measured,
            ),
            Sentence(
                "swap their places in the settings (or the antennas): what is called {inner} hears "
                "who is outside, and {outer} who is in",
                inner=side.pairing.inner.value,
                outer=side.pairing.outer.value,
            ),
        )
    if side.side_db < FAIL_DB:
        words = Sentence(
            "the door's side is {side_db:.1f} dB (± {uncertain_db:.1f}), too thin to tell in from "
            "out",
            **measured,
        )
        return WalkPart(Verdict.FAIL, words, REMEDIES[plan])
    words = Sentence(
        "the door's side is {side_db:.1f} dB (± {uncertain_db:.1f}), good for entries in about "
        "{entry_s:.0f} s",
        **measured,
        entry_s=expected_s(side),
    )
    if side.side_db - side.uncertain_db < FAIL_DB:
        step = Sentence(
            "more rounds would show whether it is 6 dB at least; or better: {remedy}",
            remedy=REMEDIES[plan],
        )
        return WalkPart(Verdict.WARN, words, step)
    if side.side_db < GOOD_DB or side.pairing.outer is Place.DOOR:
        step = Sentence("to find people sooner: {remedy}", remedy=REMEDIES[plan])
        return WalkPart(Verdict.WARN, words, step)
    return WalkPart(Verdict.PASS, words)


def expected_s(side: Side) -> float:
    """Between the figures that were measured; beyond them, none is better than the last."""
    if side.pairing.outer is Place.DOOR:
        return FOUND_AFTER_TWO_S
    for (low_db, slow_s), (high_db, quick_s) in pairwise(FOUND_AFTER_S):
        if side.side_db < high_db:
            share = max(0.0, (side.side_db - low_db) / (high_db - low_db))
            return slow_s + share * (quick_s - slow_s)
    return FOUND_AFTER_S[-1][1]


def judge_deaf(walks: Walks) -> WalkPart | None:
    """One of several antennas that heard nothing on all of the walks is no antenna."""
    heard = {
        said.antenna for one in walks.recorded for each in one.phones.values() for said in each
    }
    deaf = [f"{name} ({place})" for name, place in walks.places.items() if name not in heard]
    if not deaf or not heard or len(walks.places) == 1:
        return None
    words = Sentence("{antennas} heard nothing of any walk", antennas=", ".join(deaf))
    step = Sentence(
        "look at its cable, and at its name in the settings; the step `radio` shows who hears"
    )
    return WalkPart(Verdict.FAIL, words, step)


def side_figures(side: Side, walks: Walks) -> Mapping[str, object]:
    """For JSON."""
    return {
        "inner": side.pairing.inner.value,
        "outer": side.pairing.outer.value,
        "side_db": round(side.side_db, 1),
        "uncertain_db": round(side.uncertain_db, 1),
        "by_phone_db": {
            walks.name(phone): round(side_db, 1) for phone, side_db in side.by_phone_db.items()
        },
        "lead_db": {kind.value: round(lead_db, 1) for kind, lead_db in side.lead_db.items()},
        "side_offset_db": round(side.offset_db, 1),
        "near_dbm": round(side.near_dbm, 1),
        "expected_s": round(expected_s(side)) if side.side_db >= FAIL_DB else None,
    }


def act_leads(one: Recorded, pair: Pairing) -> Iterator[tuple[int, list[Lead]]]:
    """Of each phone that was heard: the lead over the time of the act."""
    for phone, readings in one.phones.items():
        if found := list(leads(readings, pair)):
            yield phone, found


def act_peak_dbm(one: Recorded) -> float | None:
    """At the door, of the phone that was louder there."""
    peaks = [door_peak_dbm(readings) for readings in one.phones.values()]
    return max((peak for peak in peaks if peak is not None), default=None)


def shown(walks: Walks) -> Mapping[Doing, list[Recorded]]:
    """The recordings of each kind of walk, in the order in which they are walked."""
    kinds: dict[Doing, list[Recorded]] = {}
    for one in walks.recorded:
        kinds.setdefault(one.act.doing, []).append(one)
    return kinds

"""When a kind of walk has been walked enough: a rule that looks between the rounds, pure.

After the first round and after the second, but not after the last, the walks so far are judged by
the rule of the end (presence.survey.walking), with stricter limits. A kind that is sure is walked
no more; where the side is surely too thin, nothing is.

*The error.* At the end, a limit holds with 95 %. A look before it asks for 99.5 %, and there are
two at most. So by Bonferroni's inequality a door whose side is too thin, or a kind that goes wrong
more often than allowed, passes with at most 5 % + 2 × 0.5 % = 6 %, where three full rounds let
5 % pass; a door that is good enough FAILs early with at most 1 %. The last look stays as it is
(as Haybittle 1971 and Peto et al. 1976 do it, with 99.9 %: that would stop no walk of two phones
and two rounds whose side is below 14 dB). The limits are those of presence.core.visit.calibration
and take its normal model with its prior spread: 6 % holds as far as that model does.

What is an estimate at the end, and no limit (the 10 dB of a good side, 2 % of any phone), must hold
with one standard error to spare where it is the side, and as it is for the rates: from fewer
walks the estimate of a rate is larger, for it holds the error of the mean.

*Pockets.* A kind must have been walked in both pockets: two phones do that in one round, one phone
in two.
"""

from typing import Final

from presence.core.place import Place
from presence.core.visit.calibration import Rate
from presence.core.visit.side import Side
from presence.core.visit.walks import STAYED_OUT, Walked
from presence.survey.guide import Doing, pocket
from presence.survey.sides import FAIL_DB, GOOD_DB
from presence.survey.walking import (
    DOUBTFUL,
    DOUBTFUL_ANY,
    MISSED_BY_SIDES,
    UNSURE,
    Tuning,
)

LOOKS: Final = 2
"""At most; each is an error of 0.5 % more (presence.core.visit.calibration.SURE)."""
DOINGS: Final = {
    Walked.PAST: {Doing.PAST},
    Walked.WINDOW: {Doing.WINDOW},
    Walked.LOOKIN: {Doing.LOOKIN},
    Walked.IN: {Doing.IN, Doing.INSIDE},
}


def looks_after(in_round: int, rounds: int) -> bool:
    """Whether the walks are judged after this round, from 0."""
    return in_round < min(LOOKS, rounds - 1)


def enough(tuned: Tuning) -> frozenset[Doing]:
    """The kinds of which no more need be walked. Leaving is in no verdict: once is enough."""
    if tuned.side is not None and tuned.side.surely_at_most_db < FAIL_DB:
        return frozenset(Doing)
    kinds = {kind for kind in DOINGS if _is_sure(kind, tuned)}
    return frozenset({Doing.LEAVE}.union(*(DOINGS[kind] for kind in kinds)))


def _is_sure(kind: Walked, tuned: Tuning) -> bool:
    rate = tuned.assessed_new.rates.get(kind)
    if rate is None or not _in_both_pockets(kind, tuned):
        return False
    sided = tuned.numbers is not None
    if sided and kind in (Walked.LOOKIN, Walked.IN) and not _is_side_sure(tuned.side):
        return False
    if kind in STAYED_OUT:
        return _keeps(rate, DOUBTFUL.false, DOUBTFUL_ANY.false)
    if sided:  # no limit of the missed is judged there, and the share of any phone neither
        return rate.expected <= MISSED_BY_SIDES
    return _keeps(rate, DOUBTFUL.missed, DOUBTFUL_ANY.missed)


def _keeps(rate: Rate, this_phone: float, any_phone: float) -> bool:
    return (
        rate.expected <= this_phone
        and rate.surely_at_most <= UNSURE
        and rate.any_phone <= any_phone
    )


def _is_side_sure(side: Side | None) -> bool:
    if side is None or side.surely_at_least_db < FAIL_DB:
        return False
    # without an antenna outside it is a WARN, however large the side
    return side.pairing.outer is Place.DOOR or side.side_db - side.error_db >= GOOD_DB


def _in_both_pockets(kind: Walked, tuned: Tuning) -> bool:
    pockets = {
        pocket(phone, one.act.round)
        for one in tuned.walks.recorded
        if one.act.doing in DOINGS[kind]
        for phone in tuned.walks.phones()
    }
    return len(pockets) == 2

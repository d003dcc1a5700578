"""How soon antennas hung like these find who comes in: what the last step is judged by.

The median alone says little of one visit: one in ten takes several times as long. How many times
follows from the table of docs/entry.md (median → nine of ten), which a test compares:

    a pair of 10 dB          5.1 → 15 s      a pair of 6 dB, and a gateway    7.3 → 39 s
    ... and a gateway        5.2 → 14 s      gateway and door                 26 → 193 s
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from presence.core.place import Place
from presence.core.visit.side import Side
from presence.diagnosis.entry import CALIBRATED, DEFAULT, Setup, setup_of
from presence.language import Sentence
from presence.survey.sides import GOOD_DB, expected_s

NINE_OF_TEN: Final = 2.9
"""Over the median; of two rows the slower one."""
NINE_OF_TEN_THIN: Final = 5.3
NINE_OF_TEN_NO_PAIR: Final = 7.4
PAIRS: Final = (Setup.PAIR, Setup.PAIR_AND_INSIDE)


class ExpectedEntry(NamedTuple):
    """Seconds from the threshold to the entry; None: later than anybody waits, or never."""

    half_s: float | None
    nine_of_ten_s: float | None

    @property
    def words(self) -> Sentence:
        if self.half_s is None:
            return Sentence("until this door is fitted, many who come in are missed or found late")
        if self.nine_of_ten_s is None:
            return Sentence(
                "antennas hung like these find half of who come in within {half_s:.0f} s, and some "
                "never",
                half_s=self.half_s,
            )
        return Sentence(
            "antennas hung like these find half of who come in within {half_s:.0f} s, nine of ten "
            "within {nine_of_ten_s:.0f} s",
            half_s=self.half_s,
            nine_of_ten_s=self.nine_of_ten_s,
        )


class AwaitedEntry(NamedTuple):
    """An entry that was waited for, in the last step."""

    expected: ExpectedEntry
    waited_s: float
    """Since the threshold."""
    sooner: str
    """What would find people sooner at this door."""

    @property
    def is_fault(self) -> bool:
        """Whether nine of ten would have been found by then."""
        nine_s = self.expected.nine_of_ten_s
        return nine_s is not None and self.waited_s >= nine_s

    @property
    def next_step(self) -> Sentence:
        """Where it has not come, and is no fault."""
        if self.expected.half_s is None:
            return Sentence("fit it first: step `walk`; then come in once more")
        return Sentence(
            "no fault, but whether the event arrives is not shown: `--steps phone,broker` once "
            "more, and stay; to find people sooner: {remedy}",
            remedy=self.sooner,
        )


def expected_entry(places: Collection[Place], side: Side | None, *, fitted: bool) -> ExpectedEntry:
    """`side`: as this walk measured it, where it did; `fitted`: the door was walked before."""
    setup = setup_of(places)
    if side is not None:
        half_s = expected_s(side)
    else:
        figure = (CALIBRATED if fitted else DEFAULT)[setup]
        if figure.median_s is None or (setup is Setup.ONE and not fitted):
            return ExpectedEntry(None, None)
        half_s = figure.median_s
    if setup is Setup.ONE:  # three of ten are never found
        return ExpectedEntry(half_s, None)
    longer = NINE_OF_TEN if setup in PAIRS else NINE_OF_TEN_NO_PAIR
    if side is not None and setup in PAIRS and side.side_db < GOOD_DB:
        longer = NINE_OF_TEN_THIN
    return ExpectedEntry(half_s, half_s * longer)

"""Which of the test phones the technician carries, and which of them is which.

A list may hold more test phones than are carried: the staff's own, another technician's. In step
`phone` the first is held near the gateway and the second at arm's length, so their strongest
readings part them; where that step is left out, those that were heard most on the walk count.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from presence.core.visit.walks import WalkReading
from presence.language import Sentence

MOST: Final = 2
ARMS_LENGTH_DB: Final = 20
"""Makes differ by 4.5 dB, pockets by 10, and 1 m costs less than the rest."""
STRONG: Final = 0.9
"""Of the readings of one phone: this quantile is its nearest antenna's, whatever the others
heard.
"""
_MODEL: Final = re.compile(r"[A-Za-z][A-Za-z0-9 .+()-]{0,29}")
_SERIAL: Final = re.compile(r"[0-9A-Fa-f]{6}|[0-9]{5}")


def nameless(number: int) -> Sentence:
    """What a phone is called whose model nobody said."""
    return Sentence("phone {number}", number=number)


Readings = Mapping[bytes, Sequence[WalkReading]]
"""By ref, of test phones only."""


def models(text: str) -> tuple[str, ...]:
    """`Pixel 7, iPhone 13`; raises ValueError with what is wrong, and where it looks as if it named
    one phone of all, or its owner's.
    """
    names = tuple(" ".join(name.split()) for name in text.split(","))
    if len(names) > MOST:
        raise ValueError(f"at most {MOST} phones are carried at a time")
    for name in names:
        if not _MODEL.fullmatch(name) or _SERIAL.search(name):
            raise ValueError(
                f"{name!r} is no model such as `Pixel 7`: letters, digits, spaces; no address, "
                "serial number or owner"
            )
    return names


class Carried:
    """The phones of this visit in the technician's order, numbered from 1. Refs go nowhere
    but into the file of the visit (presence.survey.keeping).
    """

    def __init__(self, names: Sequence[str] = (), refs: Sequence[bytes] = ()) -> None:
        """`refs`: of those that were found before the visit was cut off."""
        self.models = tuple(names)
        self.refs = tuple(refs)

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that were found: their models, or `phone 1`."""
        return tuple(self.name(number) for number in range(1, len(self.refs) + 1))

    def name(self, number: int) -> str:
        return self.models[number - 1] if number <= len(self.models) else nameless(number)

    def find_nearest(self, phones: Readings) -> None:
        """The strongest first. Where nobody said how many there are, one that is much weaker lies
        somewhere in the shop.
        """
        strong = {ref: _strong_dbm(said) for ref, said in phones.items() if said}
        if not self.models:
            least = max(strong.values(), default=0) - ARMS_LENGTH_DB
            strong = {ref: dbm for ref, dbm in strong.items() if dbm >= least}
        self._find(strong)

    def find_most_heard(self, acts: Iterable[Readings]) -> None:
        """Unless they were found before."""
        if not self.refs:
            heard = Counter[bytes]()
            for phones in acts:
                heard.update({ref: len(said) for ref, said in phones.items()})
            self._find(heard)

    def readings(self, phones: Readings) -> dict[int, tuple[WalkReading, ...]]:
        return {number: tuple(phones.get(ref, ())) for number, ref in enumerate(self.refs, start=1)}

    def _find(self, worth: Mapping[bytes, float]) -> None:
        ranked = sorted(worth, key=lambda ref: (-worth[ref], ref))
        self.refs = tuple(ranked[: len(self.models) or MOST])


def _strong_dbm(readings: Sequence[WalkReading]) -> int:
    levels = sorted(reading.rssi_dbm for reading in readings)
    return levels[int(STRONG * (len(levels) - 1))]

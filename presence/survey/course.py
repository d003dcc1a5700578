"""Which part of the walk is next, which are walked and which left out, and how long they take.

    parts   window  past+past  lookin  in+inside+leave │ window  past+past …
              ✓        ✓         ↑ at

A *part* is what one Enter starts: an act, and those after it that nobody is asked for.

1. A part that is walked again replaces the old recording, which stays until the new one is over.
2. After a part comes the next one that is open: neither walked, left out nor spared; after the
   last part, the first open one.
3. Back goes past what is spared: nobody is led where nothing is to be done.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from presence.language import Sentence
from presence.survey.guide import Act, Doing, planned_s
from presence.survey.hearing import Heard

Part = tuple[Act, ...]


class WalkKey(StrEnum):
    """What the technician types before a part; Enter alone begins it."""

    GO = ""
    AGAIN = "a"
    BACK = "b"
    SKIP = "s"
    QUIT = "q"


WALK_KEYS: Final[Mapping[str, Sentence]] = {
    WalkKey.AGAIN: Sentence("a again"),
    WalkKey.BACK: Sentence("b back"),
    WalkKey.SKIP: Sentence("s skip"),
    WalkKey.QUIT: Sentence("q quit"),
}
WALKED_KEYS: Final[Mapping[str, Sentence]] = {
    WalkKey.AGAIN: Sentence("a last walk again"),
    WalkKey.BACK: Sentence("b back"),
    WalkKey.QUIT: Sentence("q quit"),
}
"""After the last part."""


def parts_of(acts: Sequence[Act]) -> Iterator[Part]:
    """An act that nobody is asked for goes on with the one before."""
    part: list[Act] = []
    for act in acts:
        if act.ask and part:
            yield tuple(part)
            part = []
        part.append(act)
    if part:
        yield tuple(part)


@dataclass(slots=True)
class Course:
    parts: Sequence[Part]
    walked: dict[int, tuple[Heard, ...]] = field(default_factory=dict, repr=False)
    """What was heard during each act of a part, by its number."""
    left_out: set[int] = field(default_factory=set)
    """By the technician."""
    spared: set[int] = field(default_factory=set)
    """More of their kind would tell nothing new (presence.survey.stopping)."""
    at: int = field(default=0, init=False)
    last: int | None = field(default=None, init=False)
    """The part that was walked last."""

    def __post_init__(self) -> None:
        self.at = min(self.open, default=len(self.parts))
        self.last = max(self.walked, default=None)

    @property
    def asks(self) -> bool:
        """False of a capture, where it was walked before."""
        return any(part[0].ask for part in self.parts)

    @property
    def is_over(self) -> bool:
        return self.at >= len(self.parts)

    @property
    def part(self) -> Part:
        return self.parts[self.at]

    @property
    def open(self) -> list[int]:
        done = self.walked.keys() | self.left_out | self.spared
        return [number for number in range(len(self.parts)) if number not in done]

    def keep(self, heard: Sequence[Heard]) -> None:
        """The part that is next has been walked."""
        self.walked[self.at] = tuple(heard)
        self.left_out.discard(self.at)
        self.last = self.at
        self._on()

    def skip(self) -> None:
        """Leave it out; what was walked of it before stays."""
        if self.at not in self.walked:
            self.left_out.add(self.at)
        self._on()

    def back(self) -> None:
        """To the part before, whether it was walked or left out."""
        before = (number for number in range(self.at) if number not in self.spared)
        self.at = max(before, default=self.at)

    def again(self) -> bool:
        """To the part that was walked last; False where none was."""
        if self.last is None:
            return False
        self.at = self.last
        return True

    def spare(self, doings: Collection[Doing]) -> Sequence[str]:
        """No more parts that are of these kinds alone; those that were walked stay. The kinds that
        are walked no more from now on.
        """
        spared = [
            number
            for number in self.open
            if {act.doing for act in self.parts[number]} <= set(doings)
        ]
        self.spared.update(spared)
        if self.at in self.spared:
            self._on()
        return list(dict.fromkeys(act.title for number in spared for act in self.parts[number]))

    def round_is_over(self) -> int | None:
        """The last round of which nothing is open any more, from 0; None within the first."""
        rounds = {part[0].round for part in self.parts}
        return max(rounds - {self.parts[number][0].round for number in self.open}, default=None)

    def left_s(self, way_s: float) -> float:
        """Of all that is open, and of the part that is next, also where it is walked again."""
        numbers = {*self.open, *([] if self.is_over else [self.at])}
        return sum(planned_s(self.parts[number], way_s) for number in numbers)

    def recorded(self) -> Iterator[tuple[Act, Heard]]:
        """In the order in which they are asked for."""
        for number in sorted(self.walked):
            yield from zip(self.parts[number], self.walked[number], strict=True)

    def _on(self) -> None:
        later = [number for number in self.open if number > self.at]
        self.at = later[0] if later else min(self.open, default=len(self.parts))

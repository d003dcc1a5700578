"""How many advertisements came, and about how many different senders they had; never which.

Linear counting (Whang, Vander-Zanden, Taylor 1990): each address sets one of 1024 marks, chosen by
Python's own hash, which is keyed anew in each process. What is left of an address is one of 1024
numbers, for half a minute: nobody can be told from another by it, and R-02 holds.
"""

import math
from typing import Final

MARKS: Final = 1024
FULL: Final = MARKS * 9 // 10
"""Above it the estimate is worth nothing: more than 2,300 senders in half a minute."""


class Tally:
    """Of one radio, since the last time that it was taken."""

    __slots__ = ("_marks", "_taken", "total")

    def __init__(self) -> None:
        self.total = 0
        """Since the start; `_taken` of them by the last time."""
        self._taken = 0
        self._marks: set[int] = set()

    def add(self, address: str | bytes) -> None:
        """One advertisement that carried something."""
        self.total += 1
        self._marks.add(hash(address) % MARKS)

    def take(self) -> tuple[int, float | None]:
        """Advertisements, and the estimate of their senders, or None where they were too many to
        tell.
        """
        heard, marked = self.total - self._taken, len(self._marks)
        self._taken = self.total
        self._marks = set()
        return heard, (-MARKS * math.log(1 - marked / MARKS) if marked <= FULL else None)

"""Tells the rule which antennas hear: the silence of one that does not is evidence of nothing.

An adapter that is away or deaf and a satellite that is lost are the same to the rule. Each begins
as lost, and is told again only when that has changed.
"""

from collections.abc import Callable, Collection
from typing import Protocol


class HearingRule(Protocol):
    """The rule of entries (core.visit.visits.Visits)."""

    def antenna_lost(self, antenna: str) -> None: ...
    def antenna_back(self, antenna: str) -> None: ...


class AntennaWatch:
    """Compares what hears now with what the rule was told."""

    def __init__(
        self, names: Collection[str], hearing: Callable[[], frozenset[str]], rule: HearingRule
    ) -> None:
        """`names`: all antennas; `hearing`: those of them that hear now."""
        self._names = frozenset(names)
        self._hearing = hearing
        self._rule = rule
        self._told: frozenset[str] = self._names

    def advance(self) -> None:
        """Tell what has changed."""
        hearing = self._hearing() & self._names
        for antenna in sorted(self._told - hearing):
            self._rule.antenna_lost(antenna)
        for antenna in sorted(hearing - self._told):
            self._rule.antenna_back(antenna)
        self._told = hearing

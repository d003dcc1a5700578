"""Tells the rule which antennas hear: the silence of one that does not is evidence of nothing.

An adapter that is away or deaf and a satellite that is silent are the same to the rule. A radio
that nobody cares for (a capture, a simulated shop) counts as one that hears.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from presence.core.operations.radio_health import Condition
from presence.core.operations.snapshot import STATE_OF, RadioState
from presence.gateway.satellites import Satellites

HEARS: Final = frozenset(
    {condition for condition, state in STATE_OF.items() if state is RadioState.LISTENING}
)


class HearingRule(Protocol):
    """The rule of entries (core.visit.visits.Visits)."""

    def antenna_lost(self, antenna: str) -> None: ...
    def antenna_back(self, antenna: str) -> None: ...


class CaredRadio(Protocol):
    """A radio whose health is known (edges.bluez.BluezScanner); None: nobody cares for it."""

    @property
    def condition(self) -> Condition | None: ...


class AntennaWatch:
    """Compares what hears now with what the rule was told. Each antenna begins as hearing."""

    def __init__(
        self, names: Collection[str], hearing: Callable[[], frozenset[str]], rule: HearingRule
    ) -> None:
        """`names`: all antennas; `hearing`: those of them that hear now."""
        self._names = frozenset(names)
        self._hearing = hearing
        self._rule = rule
        self._told = self._names

    def advance(self) -> None:
        """Tell what has changed."""
        hearing = self._hearing() & self._names
        for antenna in sorted(self._told - hearing):
            self._rule.antenna_lost(antenna)
        for antenna in sorted(hearing - self._told):
            self._rule.antenna_back(antenna)
        self._told = hearing


def watch_antennas(
    radios: Mapping[str, CaredRadio], satellites: Satellites | None, rule: HearingRule
) -> AntennaWatch:
    """Over the adapters, by the names of their antennas, and the satellites."""

    def hearing() -> frozenset[str]:
        ours = {name for name, radio in radios.items() if radio.condition in {None, *HEARS}}
        return frozenset(ours | (satellites.hearing() if satellites else set()))

    names = {*radios, *(satellites.names if satellites else ())}
    return AntennaWatch(names, hearing, rule)

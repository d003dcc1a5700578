"""Back-off of the election: how long a gateway lets a nearer one send an event first. The stronger
the signal, the shorter.

The nearest gateway has the best view of who really came in, and a wait that differs keeps gateways
that hear alike from speaking at once. In a model with 2–8 gateways 3–6 % of the visits were told
twice (docs/design.md#gateways).
"""

from typing import Final, Protocol

STRONG_DB: Final = 25.0
"""So far above the threshold a phone is beside the receiver: the shortest back-off."""
CHANCE_SHARE: Final = 0.3
"""Of the back-off; more makes ties rarer and the strongest gateway win less often."""


class ElectionRule(Protocol):
    """The settings of several gateways (config section `peers`)."""

    @property
    def hold_off_min_ms(self) -> float: ...
    @property
    def hold_off_max_ms(self) -> float: ...
    @property
    def settle_ms(self) -> float: ...
    @property
    def takeover_ms(self) -> float: ...


def backoff_s(
    rule: ElectionRule, strength_dbm: float | None, enter_rssi_dbm: float, chance: float
) -> float:
    """How long a gateway waits for a nearer one. `chance`: 0 to 1; no strength is the weakest."""
    over_db = 0.0 if strength_dbm is None else strength_dbm - enter_rssi_dbm
    weakness = min(1.0, max(0.0, 1.0 - over_db / STRONG_DB))
    share = (1 - CHANCE_SHARE) * weakness + CHANCE_SHARE * chance
    return (rule.hold_off_min_ms + share * (rule.hold_off_max_ms - rule.hold_off_min_ms)) / 1000

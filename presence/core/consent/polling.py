"""How long to wait before the next poll for a list: never all gateways at once (R-46).

    all is well    0 … 2 × every_s, evenly spread: `every_s` on average, and no two keep step
    after errors   0 … 2 × every_s × 2^errors, at most CAP_S: full jitter

Full jitter spreads the first requests after an outage over as long as the gateways had backed off:
10,000 of them, of which each waits up to 10 minutes, ask some 33 times a second (`scripts/bench
herd`). Chance is given: 0 ≤ chance < 1.
"""

from typing import Final

CAP_S: Final = 600.0
MIN_POLL_S: Final = 1.0
ASKED_SPREAD_S: Final = 5.0
"""A revocation reaches all gateways of a chain in the same second; they ask within so many."""


def pause_s(every_s: float, errors: int, chance: float) -> float:
    """Seconds until the next look after so many errors in a row."""
    most_s = min(CAP_S, 2 * every_s * 2.0 ** min(errors, 30))
    return max(MIN_POLL_S, chance * max(most_s, MIN_POLL_S))


def asked_pause_s(chance: float) -> float:
    """Seconds until a look that somebody asked for."""
    return chance * ASKED_SPREAD_S

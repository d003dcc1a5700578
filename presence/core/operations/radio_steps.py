"""What can be tried with a radio that hears nothing, on what evidence, and after how long.

From mild to harsh: a new scan costs nothing, off and on again a second, a restart of ourselves a
few. How far we go depends on how sure we are:

| evidence                              | first step after | next steps       | harshest    |
|---------------------------------------|------------------|------------------|-------------|
| three looks for anybody found nobody  | the third look   | 10, 20, 40 … min | ask systemd |
| others are heard, or unknown; not us  | 4 × `silence_s`  | twice that       | a new scan  |
| repeats do not arrive                 | 2 min of them    | 10, 20, 40 … min | off and on  |

A restart of ourselves cannot help where others are heard or repeats are hidden, so it is not tried
there.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple


class RecoveryStep(StrEnum):
    """What can be tried; the value is the word in the journal and in metrics."""

    RESTART_SCAN = "restart_scan"
    POWER_CYCLE = "power_cycle"
    ASK_SYSTEMD = "ask_systemd"


LADDER: Final = tuple(RecoveryStep)

DAILY: Final = {
    RecoveryStep.RESTART_SCAN: 6,
    RecoveryStep.POWER_CYCLE: 3,
    RecoveryStep.ASK_SYSTEMD: 1,
}
"""Of each step in any 24 hours. A radio that fails more often than that is a case for a person; and
a place where truly nobody sends (a cellar) loses a few seconds a day to us, no more.
"""


class Evidence(Enum):
    """What is known while nothing of ours is heard."""

    QUIET = "nothing of ours heard for long: perhaps nobody came, perhaps bluetoothd is stuck"
    DEAF = "nobody at all is heard, three looks in a row, of whomever"
    NO_REPEATS = "repeated advertisements do not arrive: kernel or controller hides duplicates"


class Patience(NamedTuple):
    first_s: float | None
    """Before the first step; None: four times `silence_s`."""
    then_s: float | None
    """Before the second; twice as long before each further one. None: eight times `silence_s`."""
    harshest: RecoveryStep


PATIENCE: Final = {
    Evidence.QUIET: Patience(None, None, RecoveryStep.RESTART_SCAN),
    Evidence.DEAF: Patience(0, 600, RecoveryStep.ASK_SYSTEMD),
    Evidence.NO_REPEATS: Patience(0, 600, RecoveryStep.POWER_CYCLE),
}
QUIET_TIMES: Final = 4
MAX_WAIT_S: Final = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Action:
    """A step to be taken now."""

    step: RecoveryStep
    evidence: Evidence
    attempt: int
    """Of this spell, from 1."""
    next_s: float
    """The earliest next step, if this one does not help."""


def wait_s(evidence: Evidence, attempt: int, silence_s: float) -> float:
    """How long to wait before the step after `attempt` steps of this spell."""
    patience = PATIENCE[evidence]
    quiet_s = QUIET_TIMES * silence_s
    if attempt == 0:
        return min(MAX_WAIT_S, quiet_s) if patience.first_s is None else patience.first_s
    then_s = 2 * quiet_s if patience.then_s is None else patience.then_s
    return min(MAX_WAIT_S, then_s * 2.0 ** min(attempt - 1, 16))

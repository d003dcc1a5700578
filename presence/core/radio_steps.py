"""What can be tried with a radio that hears nothing, on what evidence, and after how long.

From mild to harsh: a new scan costs nothing, off and on again a second, a restart of ourselves a few. How far we go
depends on how sure we are:

| evidence                                    | first step after | next steps        | harshest     |
|---------------------------------------------|------------------|-------------------|--------------|
| the kernel hears nothing either             | 5 min            | 1, 2, 4 … min     | ask systemd  |
| nobody tells us what the kernel hears       | `silence_s`      | twice that, 4 × … | ask systemd  |
| the kernel hears others                     | `silence_s`      | twice that, 4 × … | a new scan   |
| repeated advertisements do not arrive       | 2 min of them    | 10, 20, 40 … min  | off and on   |

A restart of ourselves cannot help where the kernel hears others or hides repeats, so it is not tried there.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple


class Step(StrEnum):
    """What can be tried; the value is the word in the journal and in metrics."""

    RESTART_SCAN = "restart_scan"
    POWER_CYCLE = "power_cycle"
    RESET_USB = "reset_usb"
    ASK_SYSTEMD = "ask_systemd"


LADDER: Final = tuple(Step)


class Evidence(Enum):
    """What the kernel's count says while we hear nothing."""

    UNKNOWN = "nothing heard, and the kernel's count is not known here"
    LIVELY = "nothing heard, though the kernel hears others: perhaps nobody is here, perhaps bluetoothd is stuck"
    DEAD = "nothing heard, and the kernel's count of events stands still"
    NO_REPEATS = "repeated advertisements do not arrive: kernel or controller hides duplicates"


class Patience(NamedTuple):
    first_s: float | None
    """Before the first step; None: as long as `silence_s`."""
    then_s: float | None
    """Before the second; twice as long before each further one."""
    harshest: Step


PATIENCE: Final = {
    Evidence.UNKNOWN: Patience(None, None, Step.ASK_SYSTEMD),
    Evidence.LIVELY: Patience(None, None, Step.RESTART_SCAN),
    Evidence.DEAD: Patience(300, 60, Step.ASK_SYSTEMD),
    Evidence.NO_REPEATS: Patience(0, 600, Step.POWER_CYCLE),
}
LONGEST_WAIT_S: Final = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Action:
    """A step to be taken now."""

    step: Step
    evidence: Evidence
    attempt: int
    """Of this spell, from 1."""
    next_s: float
    """The earliest next step, if this one does not help."""


def wait_s(evidence: Evidence, attempt: int, silence_s: float) -> float:
    """How long to wait before the step after `attempt` steps of this spell."""
    patience = PATIENCE[evidence]
    if attempt == 0:
        return silence_s if patience.first_s is None else patience.first_s
    then_s = 2 * silence_s if patience.then_s is None else patience.then_s
    return min(LONGEST_WAIT_S, then_s * 2.0 ** min(attempt - 1, 16))

"""How often we look, and how long we wait for what; tests are in a hurry."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Pace:
    retry_s: float = 3.0
    """A controller or bluetoothd that is back is used again within seconds (R-61: 15 s)."""
    look_s: float = 3.0
    """A scan that has ended without a signal is noticed after two looks."""
    health_s: float = 30.0
    """A phone in the shop brings dozens of repeats in this time; see core.radio_health."""
    call_s: float = 4.0
    """bluetoothd answers in milliseconds; one that hangs must not make us hang (R-61)."""
    start_s: float = 8.0
    stop_s: float = 3.0
    """Beginning and ending a scan; they leave room in the 15 s within which scanning must go on
    (R-61).
    """
    activate_s: float = 4.0
    """RegisterMonitor succeeds before the kernel was asked; it answers in milliseconds."""


PACE: Final = Pace()
DOORBELL_PACE: Final = Pace(call_s=10.0)
"""Disconnect, the slowest call, takes 1.9 to 2.9 s (docs/design.md#doorbell)."""

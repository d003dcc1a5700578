"""What a rule is tried on: the advertisements of one phone, and the truth about its owner."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scripts.entrybench.radio import Floats

STAYS_S: Final = 5.0
"""Who crosses the line and is inside for at least so long has entered
(docs/recordings.md#walks).
"""


@dataclass(frozen=True, slots=True)
class Episode:
    kind: str
    """Such as `passer` or `customer`: who this is, for the breakdown of the errors."""
    trace: str
    """The walk or the shop it comes from; halves are split by trace."""
    at_s: Floats
    rssi_dbm: Floats
    at_door: NDArray[np.bool_]
    """Heard by the second adapter, at the door; False everywhere where there is none."""
    entered_at_s: float | None
    """When the line was crossed, or None: stayed outside."""
    left_at_s: float | None = None
    closest_m: float = 0.0

    def inside_only(self) -> "Episode":
        """The same person heard by the first adapter alone."""
        inside = ~self.at_door
        return replace(
            self,
            at_s=self.at_s[inside],
            rssi_dbm=self.rssi_dbm[inside],
            at_door=self.at_door[inside],
        )

    @property
    def is_entry(self) -> bool:
        return self.entered_at_s is not None


def true_entry(at_s: Floats, inside: NDArray[np.bool_]) -> tuple[float, float] | None:
    """First crossing after which the walker is inside for STAYS_S without a break, and the end of
    that stay.
    """
    edges = np.flatnonzero(np.diff(inside.astype(int)))
    starts = [0] if inside[0] else []
    starts += [int(i) + 1 for i in edges if inside[i + 1]]
    for start in starts:
        outside = np.flatnonzero(~inside[start:])
        end = start + int(outside[0]) if len(outside) else len(at_s) - 1
        if at_s[end] - at_s[start] >= STAYS_S:
            return float(at_s[start]), float(at_s[end])
    return None

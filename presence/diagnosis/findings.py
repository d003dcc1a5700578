"""What a look at one part found, for `presence check` and scan-test: PASS, WARN or FAIL, with the
next step.
"""

from dataclasses import dataclass
from enum import IntEnum


class Verdict(IntEnum):
    """The exit code is the worst of them."""

    PASS = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    verdict: Verdict
    found: str
    next_step: str = ""

    def as_dict(self) -> dict[str, str]:
        """For programs: in English, whatever language it is shown in."""
        return {
            "name": self.name,
            "verdict": self.verdict.name,
            "found": str(self.found),
            "next_step": str(self.next_step),
        }

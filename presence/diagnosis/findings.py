"""What a look at one part found, for `presence check` and scan-test: PASS, WARN or FAIL, with the
next step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

from presence.language import put_together, taken_apart


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

    def taken_apart(self) -> dict[str, Any]:
        """For `check --inside`, which says it in a language: see presence.language."""
        found, next_step = taken_apart(self.found), taken_apart(self.next_step)
        return {**self.as_dict(), "found": found, "next_step": next_step}

    @classmethod
    def put_together(cls, apart: Mapping[str, Any]) -> Self:
        """Raises ValueError, LookupError, TypeError where it is none."""
        found, next_step = put_together(apart["found"]), put_together(apart["next_step"])
        return cls(put_together(apart["name"]), Verdict[apart["verdict"]], found, next_step)

    def as_dict(self) -> dict[str, str]:
        """For programs: in English, whatever language it is shown in."""
        return {
            "name": self.name,
            "verdict": self.verdict.name,
            "found": str(self.found),
            "next_step": str(self.next_step),
        }

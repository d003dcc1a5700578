"""How many, never who: the only memory of what was heard."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from presence.core.consent.gate import Reason
from presence.core.recognition.challenge import RejectReason
from presence.core.recognition.doubt import Doubt
from presence.core.recognition.matcher import Nobody


class Persons:
    """How many different people each count of this hour is about: what may leave the process
    (R-23).

    Remembers nobody: of a ref only its hash is kept, which Python salts anew in each process, until
    the hour is over.
    """

    def __init__(self) -> None:
        self._seen: dict[str, set[int]] = {}
        self.hour = 0
        """Which one it is; who was noted in it need not be noted again."""

    def note(self, count: str, ref: bytes, *more: str) -> None:
        """In this count, and in more of them."""
        for each in (count, *more):
            seen = self._seen.get(each)
            if seen is None:
                seen = self._seen[each] = set()
            seen.add(hash(ref))

    def take(self) -> dict[str, int]:
        """How many there are by count, and forget them."""
        seen, self._seen = self._seen, {}
        self.hour += 1
        return {count: len(hashes) for count, hashes in seen.items()}


@dataclass(slots=True)
class Counts:
    """Totals since the start. They count advertisements and events, which tell one customer's stay:
    for tests, the demo and `replay`. What leaves the running gateway is counted in `persons`.

    Each advertisement counts once: in `other_format`, `unknown`, `ambiguous`, `recognised`,
    `suspect` or `refused`; their sum is `heard`.
    """

    other_format: int = 0
    unknown: int = 0
    ambiguous: int = 0
    suspect: Counter[Doubt] = field(default_factory=Counter)
    """Advertisements that may be a replay."""
    recognised: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    """Advertisements that the gate did not let in: consents not in force, or the shop closed."""
    answered: int = 0
    """Genuine answers at the doorbell, with a consent in force."""
    unanswered: Counter[RejectReason] = field(default_factory=Counter)
    """Answers that count for nothing."""
    entered: int = 0
    left: int = 0
    withdrawn: int = 0
    withheld: Counter[Reason] = field(default_factory=Counter)
    """Entries that an audience did not get, by the gate's reason."""
    blocked: Counter[Reason] = field(default_factory=Counter)
    """Events stopped at the moment of sending, by the gate's reason."""
    expired: int = 0
    """Events that nobody took in time."""
    dropped: int = 0
    """Events that the bounded outbox had no room for; the oldest go first."""
    persons: Persons = field(default_factory=Persons, repr=False)

    def nobody(self, why: Nobody) -> None:
        if why is Nobody.OTHER_FORMAT:
            self.other_format += 1
        elif why is Nobody.UNKNOWN:
            self.unknown += 1
        else:
            self.ambiguous += 1

    def refuse(self, reason: Reason) -> None:
        """The gate did not let it in."""
        # Off the list, and the tables are not made anew yet: a stranger like any other.
        if reason is Reason.UNKNOWN:
            self.unknown += 1
        else:
            self.refused[reason] += 1

    @property
    def heard(self) -> int:
        return self.strangers + self.recognised + self.suspect.total() + self.refused.total()

    @property
    def strangers(self) -> int:
        return self.other_format + self.unknown + self.ambiguous

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; reasons by their word."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "persons"}
        values["heard"] = self.heard
        return {
            name: {reason.value: n for reason, n in sorted(value.items())}
            if isinstance(value, Counter)
            else value
            for name, value in values.items()
        }

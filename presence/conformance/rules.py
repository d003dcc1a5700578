"""The rules for offer engines, as docs/offer-engine.md has them in bold; a test holds the two
together.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.name} {self.sentence}"


ALLOW: Final = Rule(
    "E-1",
    "Answer for a purpose of the event only, and offer only what `allow` names: an empty list "
    "allows no offer.",
)
VALID: Final = Rule(
    "E-2",
    "Act until `valid_until`, and never at or after it, whatever a broker, a bridge or your own "
    "queue did to the message.",
)
ONCE: Final = Rule("E-3", "Act once per (`source`, `id`): messages come at least once.")
WITHDRAWN: Final = Rule(
    "E-4",
    "Stop when it is withdrawn, and cancel what you offered: `presence.withdrawn.v1` may come "
    "before its `entered`.",
)
FORGET: Final = Rule("E-5", "Keep nothing longer than an hour.")
SAY_WHY: Final = Rule("E-6", "Say why, and how to stop.")
MANNERS: Final = Rule(
    "E-7",
    "Have manners: silence in quiet hours, one answer to a visit that is told under two ids.",
)
NOT_WORSE: Final = Rule("E-8", "Nothing may get worse for whom you do not know, or who declined.")
SUBJECTS: Final = Rule(
    "E-9",
    "Know your customers by the subjects of yesterday, today, tomorrow and `stable`, and drop "
    "every other.",
)
NEWER: Final = Rule(
    "E-10",
    "Read what is newer or was passed on: any minor, field and spelling of a time; drop types that "
    "you do not know.",
)
BE_BACK: Final = Rule(
    "E-11", "Lose nothing over a cut: connect again by yourself, and find your session again."
)
FORM: Final = Rule(
    "E-12",
    "Answer on the topic of offers, not retained, and name the event; never the customer or their "
    "key.",
)

RULES: Final = (
    ALLOW,
    VALID,
    ONCE,
    WITHDRAWN,
    FORGET,
    SAY_WHY,
    MANNERS,
    NOT_WORSE,
    SUBJECTS,
    NEWER,
    BE_BACK,
    FORM,
)

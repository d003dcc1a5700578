"""What was promised, in short sentences, each with how it is shown.

A promise is shown *here* where this page looked at this gateway, or else by the tests of the
release, which `scripts/requirements` lists by number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from presence.config import Settings
from presence.core.timestamps import duration

BY_TESTS: Final = "By the tests of the release"
NOT_TOLD: Final = "By the tests of the release alone: this gateway could not be asked"


@dataclass(frozen=True, slots=True)
class Promise:
    requirement: str
    """Its number in docs/requirements.md."""
    sentence: str
    finding: str = ""
    """The name of the finding on this page that shows it; empty: the tests of the release."""


def promises(settings: Settings) -> Iterator[Promise]:
    yield Promise("R-01", "A stranger leaves nothing: no file, no log line, no message.", STRANGERS)
    yield Promise(
        "R-03", "No address and no identifier stands anywhere, in any spelling.", STRANGERS
    )
    yield Promise("R-04", "The gateway listens. It connects to nobody's phone.")
    yield Promise("R-05", "Nobody is told of a customer who did not agree to that purpose.")
    yield Promise("R-06", "A consent ends at its second, also when the line is down.")
    yield Promise("R-08", revocation_delay(settings), LIST)
    yield Promise("R-10", "An objection beats every consent.")
    yield Promise("R-12", "What a customer takes back is erased from disk, memory and messages.")
    yield Promise("R-16", "Without a notice that is up to date, nobody is heard.", ARMED)
    yield Promise("R-18", "A visit is kept while it lasts. No history is made of it.")
    yield Promise(
        "R-21", "An event says the minute, and neither zone, nor strength, nor time spent."
    )
    yield Promise("R-22", "Two audiences cannot join what they know of a customer.")
    yield Promise("R-23", "No figure shows what one customer did.")
    yield Promise("R-26", "The record of processing is of the settings in force.", SETTINGS)
    yield Promise("R-65", "The log has no place for a person.", STRANGERS)
    yield Promise("R-68", "A changed or missing line of the audit log is noticed.", AUDIT)


def revocation_delay(settings: Settings) -> str:
    """How soon one takes effect, in a sentence."""
    consent = settings.consent
    lease = duration(consent.lease_s)
    if consent.repository is None and consent.notice_keys is None:
        poll = duration(consent.poll_s)
        return f"A withdrawal works within {poll} of a new list, or {lease} if none comes."
    return f"A withdrawal works within 5 seconds, or {lease} when the line is down."


STRANGERS: Final = "strangers"
LIST: Final = "list"
ARMED: Final = "armed"
AUDIT: Final = "audit log"
SETTINGS: Final = "settings"

"""Whose a frame is and what the gate said of them: found out once, and good as long as that stands.

A phone repeats its frame some thousand times a slot. The matcher keeps what was found out with the
frame (`Matcher.keep`), and the admission says whether it still stands (`Admissions.stands`): so
who is recognised again is recognised by two questions.
"""

from presence.core.consent.admissions import Admission
from presence.core.consent.model import Flag
from presence.core.recognition.matcher import Match


class Recognised:
    """One frame's subject. A class with slots, for it is looked at with each advertisement."""

    __slots__ = ("admission", "is_test", "louder_db", "match", "noted", "ref", "sealed", "slot")

    def __init__(self, match: Match, admission: Admission, louder_db: int) -> None:
        self.match = match
        self.ref, self.slot, self.sealed = match
        self.admission = admission
        self.louder_db = louder_db
        """Than the reference phone."""
        self.is_test = Flag.TEST in admission.consent.flags
        self.noted = -1
        """The hour of `Persons` in which they were counted."""

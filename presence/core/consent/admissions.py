"""Whom the gate let in, until when its answer stands, and of whom it has to be asked again.

An answer changes with the passing of time (a consent or a grant ends), with a new list, a notice or
new settings, with a clock set back, and for everybody when the opt-out registers grow too old.
Asked are those whom it concerns, so that a tick does not cost what everybody present costs.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Final

from presence.core.agenda import Agenda
from presence.core.consent.gate import ListStanding
from presence.core.consent.model import Consent
from presence.core.timestamps import Moment

LOOK_AGAIN_S: Final = 600.0
"""Whoever is known is looked at so often at least, and not watched any longer once nothing is known
of them.
"""


class LetIn:
    """Nobody in it may be refused before their time, unless something changed and was told here."""

    def __init__(self) -> None:
        self._agenda = Agenda[bytes]()
        self._changed: set[bytes] = set()
        self._all_changed = True
        self._asked_at_s = 0.0
        self._suppression_applied = False

    def __len__(self) -> int:
        return len(self._agenda)

    def __contains__(self, ref: bytes) -> bool:
        return ref in self._agenda

    def stands(self, ref: bytes, utc_s: float) -> bool:
        """Whether the gate's answer is still the same at this moment; never at one before it was
        asked last.
        """
        return self._asked_at_s <= utc_s < self._agenda.times.get(ref, 0.0)

    def let_in(self, ref: bytes, consent: Consent | None, now: Moment) -> None:
        """The gate said yes: it stands until the consent may allow less by the passing of time
        alone.
        """
        ends_s = (
            ()
            if consent is None
            else (consent.not_after_s, *(grant.not_after_s for grant in consent.grants))
        )
        soonest_s = min((end_s for end_s in ends_s if end_s > now.utc_s), default=inf)
        self._agenda.put(ref, min(soonest_s, now.utc_s + LOOK_AGAIN_S))

    def drop(self, ref: bytes) -> None:
        """The answer stands no more."""
        self._agenda.drop(ref)

    def ask_of_all(self) -> None:
        """Everything changed: the settings, or the taxonomy."""
        self._all_changed = True
        self._agenda.clear()

    def change(
        self,
        before: Mapping[bytes, Consent],
        after: Mapping[bytes, Consent],
        known: Iterable[bytes],
    ) -> None:
        """A new list: whose consent is another one, of those who are known or were let in."""
        for ref in {*known, *self._agenda.times}:
            if before.get(ref) != after.get(ref):
                self._changed.add(ref)
                self._agenda.drop(ref)

    def to_ask(
        self, now: Moment, standing: ListStanding, known: Callable[[], set[bytes]]
    ) -> set[bytes]:
        """Of whom the gate is to be asked now; from then on they count as asked."""
        applied = standing.suppression_applied(now.utc_s)
        set_back = now.utc_s < self._asked_at_s
        if self._all_changed or set_back or applied != self._suppression_applied:
            refs = known()
        else:
            refs = self._changed.union(self._agenda.take(now.utc_s))
        self._all_changed = False
        self._changed.clear()
        self._asked_at_s, self._suppression_applied = now.utc_s, applied
        return refs

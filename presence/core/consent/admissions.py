"""What the gate said of everybody who is around, until when that stands, and who has to be asked
about again.

A customer's consent is fetched and judged once: whether they may be recognised here, and what each
audience may be told. An answer changes with the passing of time (a consent or a grant begins or
ends), with a new list, a revocation, with a clock set back, and for everybody when the opt-out
registers grow too old. Asked again are those whom it concerns, so that a tick does not cost what
everybody present costs.

Nothing goes out by an answer that was kept: `decide` asks anew at the moment of sending.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from presence.core.agenda import Agenda
from presence.core.consent.gate import (
    Decision,
    Denied,
    ListStanding,
    Reason,
    allowed_to,
    believed,
    permitted,
    permitted_to,
)
from presence.core.consent.model import Audience, Consent
from presence.core.site import Site
from presence.core.timestamps import Moment

LOOK_AGAIN_S: Final = 600.0
"""Everybody who is known is looked at so often at least, and no longer once nothing is known."""
NO_AUDIENCE: Final = Denied(Reason.NO_PURPOSE)
"""For an audience that the settings do not name any more."""


@dataclass(slots=True)
class Admission:
    """Somebody may be recognised here."""

    consent: Consent = field(repr=False)
    decisions: Mapping[str, Decision]
    """What each audience may be told of them now, by its name."""
    from_s: float
    """UTC: when the gate was asked."""
    until_s: float
    """UTC: the passing of time alone changes nothing of it before."""
    is_kept: bool = True
    """Until something else changes."""

    def decision(self, audience: str) -> Decision:
        return self.decisions.get(audience, NO_AUDIENCE)


class Admissions:
    """The gate with what it knows: site, audiences, consents, and how far to believe the list."""

    def __init__(self, site: Site, audiences: Iterable[Audience]) -> None:
        self.standing = ListStanding(publishing=False)
        """For reading, as `consents` and `admitted`."""
        self.consents: Mapping[bytes, Consent] = {}
        self.admitted: dict[bytes, Admission] = {}
        self._site = site
        self._audiences = {audience.name: audience for audience in audiences}
        self._agenda = Agenda[bytes]()
        self._changed: set[bytes] = set()
        self._all_changed = True
        self._asked_at_s = 0.0
        self._suppression_applied = False

    def trust(self, standing: ListStanding) -> None:
        """How far the list may be believed now."""
        before, self.standing = self.standing, standing
        # A new taxonomy may put a category below another, which is refused or sensitive.
        grew = standing.parents is not before.parents and standing.parents != before.parents
        # Registers that were applied anew give back what was withheld, before the next tick.
        applied_anew = standing.suppression_checked_at_s != before.suppression_checked_at_s
        if grew or (applied_anew and not self._suppression_applied):
            self._all_changed = True
            for ref in tuple(self.admitted):
                self.drop(ref)

    def replace(self, consents: Mapping[bytes, Consent], known: Iterable[bytes]) -> None:
        """A new list: whose consent is another one, of those who are known or were admitted."""
        before, self.consents = self.consents, consents
        for ref in {*known, *self.admitted}:
            if before.get(ref) != consents.get(ref):
                self.change(ref)

    def change(self, ref: bytes) -> None:
        """Something about this person's consent changed: they are asked about again."""
        self._changed.add(ref)
        self.drop(ref)

    def drop(self, ref: bytes) -> None:
        """The answer stands no more."""
        self._agenda.drop(ref)
        admission = self.admitted.pop(ref, None)
        if admission is not None:
            admission.is_kept = False

    def admit(self, ref: bytes, now: Moment) -> Admission | Denied:
        """Both questions: whether this person may be recognised here and now."""
        admission = self.admitted.get(ref)
        if admission is not None and self.stands(admission, now.utc_s):
            return admission
        return believed(self.standing) or self.judge(ref, now)

    def stands(self, admission: Admission, utc_s: float) -> bool:
        """Whether `admit` would answer with this very admission now."""
        return (
            admission.is_kept
            # Never before it was given: a clock set back ends every answer.
            and admission.from_s <= utc_s < admission.until_s
            and self.standing.publishing
        )

    def judge(self, ref: bytes, now: Moment) -> Admission | Denied:
        """The second question alone, whether or not the list may be believed; a yes is kept."""
        consent = self.consents.get(ref)
        denied = permitted(consent, self._site, now.utc_s)
        if denied is not None or consent is None:
            return denied or Denied(Reason.UNKNOWN)
        decisions = {
            name: allowed_to(consent, audience, self.standing, now.utc_s)
            for name, audience in self._audiences.items()
        }
        until_s = _next_change_s(consent, now.utc_s)
        admission = Admission(consent, decisions, now.utc_s, until_s)
        self.drop(ref)
        self.admitted[ref] = admission
        self._agenda.put(ref, admission.until_s)
        return admission

    def decide(self, ref: bytes, audience: str, now: Moment) -> tuple[Consent | None, Decision]:
        """Asked anew, at the moment of sending: the consent as it is now, and what it allows this
        audience, whether or not the list may be believed.
        """
        consent, known = self.consents.get(ref), self._audiences.get(audience)
        if known is None:
            return consent, NO_AUDIENCE
        return consent, permitted_to(consent, known, self._site, self.standing, now.utc_s)

    def to_ask(self, now: Moment, known: Callable[[], set[bytes]]) -> set[bytes]:
        """Those about whom the gate is to be asked now; from then on they count as asked."""
        applied = self.standing.suppression_applied(now.utc_s)
        set_back = now.utc_s < self._asked_at_s
        if self._all_changed or set_back or applied != self._suppression_applied:
            # Also those of whom nothing is known any more: their answers would stand.
            refs = known().union(self.admitted)
        else:
            refs = self._changed.union(self._agenda.take(now.utc_s))
        self._all_changed = False
        self._changed.clear()
        self._asked_at_s, self._suppression_applied = now.utc_s, applied
        return refs


def _next_change_s(consent: Consent, now_s: float) -> float:
    """When the consent or a grant begins or ends next, or when everybody is looked at again."""
    changes_s = [consent.not_after_s, now_s + LOOK_AGAIN_S]
    for grant in consent.grants:
        changes_s += (grant.not_before_s, grant.not_after_s)
    return min([change_s for change_s in changes_s if change_s > now_s])

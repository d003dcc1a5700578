"""The door of the core: what was heard, the passing of time and a new list go in; steps to be stored come out.

    receive(advertisement) ─┐
    advance(now) ───────────┼──► Step: visits, outbox and announcements that change together
    apply(list, now) ───────┘
    release(outgoing, now) ────► the message as the gate allows it at this very moment, or why not

The engine never holds anything of an advertisement that belongs to nobody (R-01, R-02). One task owns it.
"""

from collections.abc import Iterable
from typing import Final

from presence.core.advertising import Advertisement
from presence.core.consent import Denied, ListStanding, Reason, in_force
from presence.core.counts import Counts
from presence.core.events import Event
from presence.core.feed import ConsentList
from presence.core.matching import Matcher, Nobody
from presence.core.outgoing import Announcement, Outgoing, Step
from presence.core.rules import Rules
from presence.core.telling import Draft, Teller
from presence.core.timestamps import Moment
from presence.core.visits import Entered, Left, Sighting, Visit, VisitEvent, Visits

NOTHING: Final = Step()


class Engine:
    """All rules together. Its state beyond the present visits is the consent list and counters."""

    def __init__(
        self,
        rules: Rules,
        *,
        visits: Iterable[Visit] = (),
        pending: Iterable[Outgoing] = (),
        announcements: Iterable[Announcement] = (),
    ) -> None:
        self.counts = Counts()
        self._rules = rules
        self._matcher = Matcher()
        self._visits = Visits(rules.entry, visits)
        self._teller = Teller(rules, self.counts, pending, announcements)
        self._open = False

    def change_rules(self, rules: Rules) -> None:
        """The configuration changed; visits go on."""
        self._rules = rules
        self._visits.change_rule(rules.entry)
        self._teller.rules = rules

    def trust(self, standing: ListStanding) -> None:
        """How far the list may be trusted now."""
        self._teller.standing = standing

    def receive(self, advertisement: Advertisement) -> Step:
        """Take in one advertisement."""
        self.counts.heard += 1
        if not self._open:
            self.counts.refused[Reason.CLOSED] += 1
            return NOTHING
        ref = self._matcher.match(advertisement)
        if isinstance(ref, Nobody):
            self.counts.nobody(ref)
            return NOTHING
        at = advertisement.at
        denied = self._denied(ref, at)
        if denied is not None:
            self.counts.refused[denied.reason] += 1
            return NOTHING
        self.counts.recognised += 1
        changes = self._visits.observe(Sighting(at, ref, advertisement.rssi_dbm))
        if not changes:
            return NOTHING
        draft = Draft()
        self._note(changes, at, draft)
        return draft.step()

    def advance(self, now: Moment) -> Step:
        """Let time pass: visits end, consents run out, the next slot's identifiers are made ready."""
        self._open = self._rules.hours.open_at(now.utc_s)
        self._matcher.advance(now.utc_s)
        draft = Draft()
        if self._teller.standing.publishing:
            self._forget_lapsed(now, draft)
        self._note(self._visits.advance(now), now, draft)
        self._teller.forget_over(self._visits, now, draft)
        return draft.step()

    def apply(self, consents: ConsentList, now: Moment) -> Step:
        """A new list takes the place of the old one, whole."""
        self._teller.consents = {ref: entry.consent for ref, entry in consents.entries.items()}
        self._matcher.change_keys((key for entry in consents.entries.values() for key in entry.keys), now.utc_s)
        return self.advance(now)

    def release(self, outgoing: Outgoing, now: Moment) -> tuple[Event, Step] | Denied | None:
        """The event as it may be sent at this moment, with the step to store *before* it is sent; see Teller."""
        return self._teller.release(outgoing, now)

    def acknowledge(self, outgoing: Outgoing) -> None:
        """The broker has it, or will never take it: it leaves the outbox."""
        self._teller.acknowledge(outgoing)

    def pending(self) -> tuple[Outgoing, ...]:
        """The outbox, oldest first."""
        return self._teller.pending()

    def announcements(self) -> tuple[Announcement, ...]:
        return self._teller.announcements()

    def visits(self) -> tuple[Visit, ...]:
        """The present visits, to be saved from time to time: when each was last heard is not in every step."""
        return tuple(self._visits)

    def _denied(self, ref: bytes, now: Moment) -> Denied | None:
        teller = self._teller
        return in_force(teller.consents.get(ref), self._rules.place, teller.standing, now.utc_s)

    def _note(self, changes: Iterable[VisitEvent], now: Moment, draft: Draft) -> None:
        """Visits that began or ended become state and outgoing events."""
        for change in changes:
            visit = self._visits.get(change.ref)
            if visit is not None:
                draft.saved[change.ref] = visit
            if isinstance(change, Entered):
                self._teller.entered(change, now, draft)
            elif isinstance(change, Left):
                self._teller.left(change, now, draft)
            else:
                draft.saved.pop(change.ref, None)
                draft.forgotten.append(change.ref)

    def _forget_lapsed(self, now: Moment, draft: Draft) -> None:
        """Whoever's consent is no longer in force is forgotten; whoever was told of them is told so (R-09)."""
        for ref in self._visits.refs() | self._teller.refs():
            denied = self._denied(ref, now)
            if denied is None:
                self._teller.withdraw_narrowed(ref, now, draft)
                continue
            self._teller.withdraw(ref, denied.reason, now, draft)
            if ref in self._visits:
                self._visits.forget(ref)
                draft.forgotten.append(ref)

"""The door of the core: what was heard, the passing of time and a new list go in; steps to be
stored come out.

    receive(advertisement) ─┐
    answered(at the bell) ──┤
    advance(now) ───────────┼──► Step: visits, outbox and announcements that change together
    apply(list, now) ───────┤
    revoke(revocation, now) ─┘
    release(outgoing, now) ────► the message as the gate allows it at this very moment, or why not
    matcher: wanted, install ──  identifier tables, built elsewhere where lists are long

The engine never holds anything of an advertisement that belongs to nobody (R-01, R-02). One task
owns it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from presence.core.consent.admissions import LetIn
from presence.core.consent.gate import Denied, ListStanding, Reason, in_force, permitted
from presence.core.consent.index import ConsentIndex
from presence.core.consent.list_json import ConsentList
from presence.core.consent.model import Consent
from presence.core.consent.revocation import Revocation
from presence.core.consent.revocations import (
    Applied,
    EffectiveConsents,
    HeldRevocation,
    Revocations,
)
from presence.core.counts import Counts
from presence.core.event.cloudevent import Event
from presence.core.event.dispatch import Teller
from presence.core.event.outgoing import Announcement, Draft, Outgoing, Step, TakenBack
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons.rpa import Resolver
from presence.core.recognition.challenge import Answer, RejectReason, is_genuine
from presence.core.recognition.identifiers import slot_at
from presence.core.recognition.key_ring import KeyRing
from presence.core.recognition.matcher import Match, Matcher, Nobody
from presence.core.recognition.replay_guard import Suspicion
from presence.core.rules import Rules
from presence.core.timestamps import Moment
from presence.core.visit.visits import Entered, Left, Sighting, Visit, VisitEvent, Visits

NOTHING: Final = Step()


@dataclass(frozen=True, slots=True)
class IndexedList:
    """A list as the engine uses it: compact, and quick to look up."""

    consents: ConsentIndex
    keys: KeyRing


def index_list(consents: ConsentList) -> IndexedList:
    """Seconds of work for a million entries: meant for a worker thread."""
    entries = consents.entries.values()
    return IndexedList(
        ConsentIndex.from_consents(entry.consent for entry in entries),
        KeyRing.from_keys(key for entry in entries for key in entry.keys),
    )


class Engine:
    """All rules together. Its state beyond the present visits is the consent list and counters.

    The caller builds the identifier tables that its `matcher` wants: in a worker thread, or on the
    spot (`Matcher.complete`) where the list is small.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        visits: Iterable[Visit] = (),
        pending: Iterable[Outgoing] = (),
        announcements: Iterable[Announcement] = (),
        taken_back: Iterable[TakenBack] = (),
        revocations: Revocations | None = None,
    ) -> None:
        self.counts = Counts()
        self.revocations = Revocations() if revocations is None else revocations
        self._rules = rules
        self.matcher = Matcher(rules.formats, Resolver(rules.irks) if rules.irks else None)
        self._suspicion = Suspicion()
        self._visits = Visits(rules.entry, visits, door_adapters=rules.door_adapters)
        self._teller = Teller(rules, self.counts, pending, announcements, taken_back)
        self._listed: Mapping[bytes, Consent] = {}
        """As the list has them, before restrictions."""
        self._open = False
        self._let_in = LetIn()

    def trust(self, standing: ListStanding) -> None:
        """How far the list may be trusted now."""
        before, self._teller.standing = self._teller.standing, standing
        if standing.parents is not before.parents and standing.parents != before.parents:
            self._let_in.ask_of_all()

    def receive(self, advertisement: Advertisement) -> Step:
        """Take in one advertisement."""
        self.counts.heard += 1
        if not self._open:
            self.counts.refuse(Reason.CLOSED)
            return NOTHING
        match = self.matcher.match(advertisement)
        if isinstance(match, Nobody):
            self.counts.nobody(match)
            return NOTHING
        at, ref = advertisement.at, match.ref
        if not (self._teller.standing.publishing and self._let_in.stands(ref, at.utc_s)):
            denied = self._denied(ref, at)
            if denied is not None:
                self.counts.refuse(denied.reason)
                return NOTHING
            if ref not in self._let_in:
                self._let_in.let_in(ref, self._teller.consents.get(ref), at)
        # An RPA is its own proof; and a phone may send several advertisements at once, each under
        # its own address.
        slot = match.slot
        if slot is not None and self._suspicion.holds_back(
            ref, slot, advertisement.address, at.monotonic_s
        ):
            self.counts.suspect += 1
            return NOTHING
        self.counts.recognised += 1
        self.counts.persons.note("recognised", ref)
        changes = self._visits.observe(
            Sighting(at, ref, advertisement.rssi_dbm, advertisement.adapter)
        )
        if not changes:
            return NOTHING
        draft = Draft()
        self._note(changes, at, draft)
        return draft.step()

    def answered(self, answer: Answer | RejectReason) -> Step:
        """Take in what a phone wrote at the doorbell: a genuine one is as many sightings as it has
        readings.
        """
        if isinstance(answer, RejectReason):
            self.counts.unanswered[answer] += 1
            return NOTHING
        match = self._whose(answer)
        if isinstance(match, RejectReason):
            self.counts.unanswered[match] += 1
            return NOTHING
        self.counts.answered += 1
        self.counts.persons.note("accepted", match.ref)
        self._teller.proofs.prove(match.ref, answer.at.monotonic_s)
        if match.ref not in self._let_in:
            self._let_in.let_in(match.ref, self._teller.consents.get(match.ref), answer.at)
        offset_db = self._rules.doorbell_offset_db
        draft = Draft()
        for age_s, rssi_dbm in answer.readings:
            sighting = Sighting(answer.at.later(-age_s), match.ref, rssi_dbm + offset_db)
            self._note(self._visits.observe(sighting), answer.at, draft)
        return draft.step()

    def advance(self, now: Moment) -> Step:
        """Let time pass: visits end, consents run out, the next slot's identifiers are made
        ready.
        """
        self._turn_slot(now)
        return self._judge(now, Draft())

    def apply(self, consents: ConsentList | IndexedList, now: Moment) -> Step:
        """A new list takes the place of the old one, whole; one that is not prepared is so on the
        spot.
        """
        if isinstance(consents, ConsentList):
            consents = index_list(consents)
        self._listed = consents.consents
        before, after = self._teller.consents, EffectiveConsents(self._listed, self.revocations)
        known = self._known()
        self._let_in.change(before, after, known)
        self._teller.consents = after
        self.matcher.change_keys(consents.keys)
        self._turn_slot(now)
        draft = Draft()
        for ref in known:
            consent = after.get(ref)
            # As by a revocation: nobody needs a lease or the right time to know that this one is
            # off the list.
            if consent is None or consent.objected:
                self._recheck(ref, now, draft)
        return self._judge(now, draft)

    def revoke(self, revocation: Revocation, now: Moment) -> tuple[Applied, Step]:
        """A revocation: what it takes is gone at once, and taken back where it was told, even while
        the list is stale.

        Answers with what is restricted anew as well: nothing, where the list knows of it already.
        """
        applied = self.revocations.apply(revocation, self._listed)
        known = self.revocations.settle(self._listed, self._teller.standing.seq, among=applied.new)
        applied = replace(applied, new=tuple(each for each in applied.new if each not in known))
        teller, draft = self._teller, Draft()
        whole = {
            row.ref for row in revocation.rows if row.removed or row.objected or row.paused_until_s
        }
        refs = (
            {row.ref for row in revocation.rows}
            if isinstance(teller.consents, EffectiveConsents)
            else whole
        )
        for ref in refs:
            self._recheck(ref, now, draft)
        return applied, draft.step()

    def settle(self) -> tuple[HeldRevocation, ...]:
        """Let go of what the list in force says by itself."""
        return self.revocations.settle(self._listed, self._teller.standing.seq)

    def release(self, outgoing: Outgoing, now: Moment) -> tuple[Event, Step] | Denied | None:
        """The event as it may be sent at this moment, with the step to store *before* it is sent;
        see Teller.
        """
        return self._teller.release(outgoing, now)

    def adopt(self, outgoing: Outgoing, event_id: str, now: Moment) -> Step:
        """Another gateway told it, under this id."""
        return self._teller.adopt(outgoing, event_id, now)

    def held(self) -> list[tuple[Announcement, Visit]]:
        """What was announced, here or by a peer, of visits that are known here."""
        visits = ((each, self._visits.get(each.ref)) for each in self._teller.told)
        return [(announcement, visit) for announcement, visit in visits if visit is not None]

    def acknowledge(self, outgoing: Outgoing) -> None:
        """The broker has it, or will never take it: it leaves the outbox."""
        self._teller.waiting.pop(outgoing.id)

    def pending(self) -> tuple[Outgoing, ...]:
        """The outbox, oldest first."""
        return tuple(self._teller.waiting)

    def announcements(self) -> tuple[Announcement, ...]:
        return tuple(self._teller.told)

    def taken_back(self) -> tuple[TakenBack, ...]:
        return self._teller.told.taken_back()

    def visits(self) -> tuple[Visit, ...]:
        return tuple(self._visits)

    def heard_anew(self, turns: Iterable[int]) -> Step:
        """When those of these turns were last heard (see `Visits.heard_anew`): that is in no other
        step.
        """
        return Step(heard=tuple(self._visits.heard_anew(turns)))

    def _whose(self, answer: Answer) -> Match | RejectReason:
        match = self.matcher.whose(answer.eid, answer.at.utc_s)
        if isinstance(match, Nobody):
            return RejectReason.AMBIGUOUS if match is Nobody.AMBIGUOUS else RejectReason.UNKNOWN
        slot = match.slot or 0
        key = self.matcher.window_key(match.ref, slot)
        if key is None or not is_genuine(answer, key, self._rules.place, slot):
            return RejectReason.FORGED
        return (
            match
            if self._open and self._denied(match.ref, answer.at) is None
            else RejectReason.REFUSED
        )

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

    def _turn_slot(self, now: Moment) -> None:
        """The shop opens or closes, and the identifiers of the slot are made ready."""
        self._open = self._rules.hours.open_at(now.utc_s)
        self.matcher.advance(now.utc_s)
        self._suspicion.advance(slot_at(now.utc_s))

    def _judge(self, now: Moment, draft: Draft) -> Step:
        """Whose consent lapsed is forgotten, and whoever was told of them is told so (R-09); visits
        end.
        """
        if self._teller.standing.publishing:
            for ref in self._let_in.to_ask(now, self._teller.standing, self._known):
                self._recheck(ref, now, draft)
        self._note(self._visits.advance(now), now, draft)
        self._teller.forget_over(self._visits, now, draft)
        return draft.step()

    def _knows(self, ref: bytes) -> bool:
        return ref in self._visits or self._teller.knows(ref) or ref in self._suspicion

    def _known(self) -> set[bytes]:
        """Everyone of whom anything is known now."""
        return self._visits.refs() | self._teller.refs() | self._suspicion.refs()

    def _recheck(self, ref: bytes, now: Moment, draft: Draft) -> None:
        """Take away what this person does not allow any more. Whether the list may be believed is
        another question: nobody is forgotten because it is stale, and a revocation counts all the
        same.
        """
        self._let_in.drop(ref)
        if not self._knows(ref):
            return
        consent = self._teller.consents.get(ref)
        denied = permitted(consent, self._rules.place, now.utc_s)
        if denied is None:
            self._teller.withdraw_narrowed(ref, now, draft)
            self._let_in.let_in(ref, consent, now)
            return
        self._suspicion.forget(ref)
        self._teller.withdraw(ref, denied.reason, now, draft)
        if ref in self._visits:
            self._visits.forget(ref)
            draft.forgotten.append(ref)

"""The door of the core: what was heard, the passing of time and a new list go in; steps to be
stored come out.

    receive(advertisement) ─┐
    answered(at the bell) ──┤
    advance(now) ───────────┼──► Step: visits, outbox and announcements that change together
    apply(list, now) ───────┤
    revoke(revocation, now) ┘

    admissions  whom the gate lets in; how far the list may be believed (`trust`)
    outbox      what waits to be sent, what was announced
    dispatcher  what may be sent of an event at this very moment (`release`), or why not
    matcher     which identifier tables are wanted (`wanted`, `install`)

The engine never holds anything of an advertisement that belongs to nobody (R-01, R-02). One task
owns it.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from presence.core.consent.admissions import Admission, Admissions
from presence.core.consent.gate import Denied, Reason
from presence.core.consent.index import ConsentIndex
from presence.core.consent.list_json import ConsentList
from presence.core.consent.model import Consent, Flag
from presence.core.consent.revocation import Revocation
from presence.core.consent.revocations import (
    Applied,
    EffectiveConsents,
    HeldRevocation,
    Revocations,
)
from presence.core.counts import Counts
from presence.core.event.dispatch import Dispatcher
from presence.core.event.outbox import Announcement, Draft, Outbox, Outgoing, Step, TakenBack
from presence.core.recognised import Recognised
from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.beacons.rpa import Resolver
from presence.core.recognition.challenge import Answer, RejectReason, is_genuine
from presence.core.recognition.doubt import SUSPECT, Doubt
from presence.core.recognition.identifiers import slot_at
from presence.core.recognition.key_ring import KeyRing
from presence.core.recognition.loudness import loudness_db
from presence.core.recognition.matcher import UNKNOWN, Match, Matcher, Nobody
from presence.core.recognition.replay_guard import ReplayGuard
from presence.core.rules import Rules
from presence.core.timestamps import Moment
from presence.core.visit.entry_figures import EntryFigures
from presence.core.visit.visits import Entered, Left, Over, Sighting, Visit, VisitEvent, Visits

NOTHING: Final = Step()
new: Final = tuple.__new__
"""Of a NamedTuple: half the time of a call of its class."""


@dataclass(frozen=True, slots=True)
class IndexedList:
    """A list as the engine uses it: compact, and quick to look up."""

    consents: Mapping[bytes, Consent]
    keys: KeyRing


def index_list(consents: ConsentList) -> IndexedList:
    """Seconds of work for a million entries: meant for a worker thread."""
    entries = consents.entries.values()
    return IndexedList(
        ConsentIndex.from_consents(entry.consent for entry in entries),
        KeyRing.from_keys(key for entry in entries for key in entry.keys),
    )


def figures_of(rules: Rules, kept: str = "") -> EntryFigures:
    """Of what was kept before a restart; raises ValueError where that is nothing of ours."""
    places = rules.places.values()
    return EntryFigures(rules.figures, rules.hours.zone, places=places, kept=kept)


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
        figures: EntryFigures | None = None,
    ) -> None:
        self.counts = Counts()
        self.figures = figures_of(rules) if figures is None else figures
        self.revocations = Revocations() if revocations is None else revocations
        self._rules = rules
        self.matcher = Matcher[Recognised](
            rules.formats, Resolver(rules.irks) if rules.irks else None
        )
        self.visits = Visits(
            rules.entry,
            visits,
            places=rules.places,
            bells={bell.antenna: bell.place for bell in rules.bells.values()},
        )
        self.outbox = Outbox(pending, announcements, taken_back)
        self.admissions = Admissions(rules.site, rules.audiences)
        self.dispatcher = Dispatcher(rules, self.counts, self.outbox, self.admissions)
        self.replay_guard = ReplayGuard(self.matcher.window_key)
        self._listed: Mapping[bytes, Consent] | None = None
        """As the list has them, before revocations; None before the first list."""
        self._open = False
        self._asked_at_s = math.inf
        """By the wall clock; before the first list every clock counts as set back."""

    def receive(self, advertisement: Advertisement) -> Step:
        """Take in one advertisement."""
        # outside opening hours nobody is recognised, whatever a source still delivers.
        if not self._open:
            self.counts.refuse(Reason.CLOSED)
            return NOTHING
        found = self.matcher.match(advertisement)
        if found is UNKNOWN:
            self.counts.unknown += 1
            return NOTHING
        if isinstance(found, Nobody):
            self.counts.nobody(found)
            return NOTHING
        if isinstance(found, Match):
            return self._recognise(found, advertisement)
        if self.admissions.stands(found.admission, advertisement.at.utc_s):
            return self._sight(found, advertisement)
        return self._recognise(found.match, advertisement)

    def _recognise(self, match: Match, advertisement: Advertisement) -> Step:
        """All that is asked of somebody who was not heard just now."""
        ref, slot, sealed = match
        admission = self.admissions.admit(ref, advertisement.at)
        if isinstance(admission, Denied):
            self.counts.refuse(admission.reason)
            return NOTHING
        flags = admission.consent.flags
        if slot is not None and flags and sealed is None and Flag.TICKS in flags:
            return self._hold_back(ref, Doubt.NO_TICK)
        said_dbm = self.matcher.power_dbm(advertisement)
        louder_db = loudness_db(
            admission.consent.loudness_db, said_dbm, self._rules.reference_tx_dbm
        )
        known = Recognised(match, admission, louder_db)
        # Else they are recognised by their address, whatever stands in a frame.
        if slot is not None:
            self.matcher.keep(advertisement, known)
        return self._sight(known, advertisement)

    def _sight(self, known: Recognised, advertisement: Advertisement) -> Step:
        """Somebody whom the gate lets in was heard, or a recording of them."""
        ref, slot = known.ref, known.slot
        # An RPA is its own proof; and a phone may send several advertisements at once, each under
        # its own address.
        if slot is not None:
            doubt = self.replay_guard.doubt(ref, slot, known.sealed, advertisement)
            if doubt is not None:
                return self._hold_back(ref, doubt)
        self.counts.recognised += 1
        if known.noted != self.counts.persons.hour:
            self.counts.persons.note("recognised", ref)
            known.noted = self.counts.persons.hour
        if known.is_test and self.figures.walks.walking is not None:
            self.figures.walks.hear(ref, visiting=self.visits.get(ref) is not None)
        at, _, rssi_dbm, _, _, antenna = advertisement
        if self.visits.goes_on(ref, at.monotonic_s):
            return NOTHING
        if rssi_dbm is not None:
            rssi_dbm -= known.louder_db
        sighting = new(Sighting, (at, ref, rssi_dbm, antenna, False, known.louder_db))
        changes = self.visits.observe(sighting)
        if not changes:
            return NOTHING
        draft = Draft()
        self._note(changes, known.admission, at, draft)
        return draft.step()

    def answered(self, answer: Answer | RejectReason) -> Step:
        """Take in what a phone wrote at the doorbell: if genuine, a sighting for each reading."""
        if isinstance(answer, RejectReason):
            self.counts.unanswered[answer] += 1
            return NOTHING
        admission = self._whose(answer)
        if isinstance(admission, RejectReason):
            self.counts.unanswered[admission] += 1
            return NOTHING
        ref = admission.consent.ref
        self.counts.answered += 1
        self.counts.persons.note("accepted", ref)
        draft = Draft()
        for age_s, rssi_dbm, number in answer.readings:
            bell = self._rules.bells.get(number)
            if bell is None:
                continue
            at, heard_dbm = answer.at.later(-age_s), rssi_dbm + bell.offset_db
            sighting = Sighting(at, ref, heard_dbm, bell.antenna, answered=True)
            self._note(self.visits.observe(sighting), admission, answer.at, draft)
        return draft.step()

    def advance(self, now: Moment) -> Step:
        """Let time pass: visits end, consents run out, the next slot's identifiers get ready."""
        self._turn_slot(now)
        self.figures.advance(now)
        return self._judge(now, Draft())

    def apply(self, consents: ConsentList | IndexedList, now: Moment) -> Step:
        """A new list replaces the old one as a whole; it is indexed here if need be."""
        if isinstance(consents, ConsentList):
            consents = index_list(consents)
        self._listed = consents.consents
        known, effective = self._known(), EffectiveConsents(self._listed, self.revocations)
        self.admissions.replace(effective, known)
        self.matcher.change_keys(consents.keys)
        self.replay_guard.forget_keys()
        self._turn_slot(now)
        draft = Draft()
        for ref in known:
            consent = effective.get(ref)
            # As by a revocation: it takes no lease and no right time to know that somebody left the
            # list.
            if consent is None or consent.objected:
                self._recheck(ref, now, draft)
        return self._judge(now, draft)

    def revoke(self, revocation: Revocation, now: Moment) -> tuple[Applied, Step]:
        """A revocation: what it takes is gone at once, and taken back where it was announced, even
        while the list is stale.

        Answers with what is restricted anew as well: nothing, where the list knows of it already.
        """
        listed = self._listed or {}
        self._asked_at_s = max(self._asked_at_s, now.utc_s)
        applied = self.revocations.apply(revocation, listed)
        known = self.revocations.settle(listed, self.admissions.standing.seq, among=applied.new)
        applied = replace(applied, new=tuple(each for each in applied.new if each not in known))
        draft = Draft()
        for row in revocation.rows:
            # Before the first list nobody knows what is left of a consent that is only narrowed.
            whole = row.removed or row.objected or row.paused_until_s
            if whole or self._listed is not None:
                self._recheck(row.ref, now, draft)
        return applied, draft.step()

    def doubt(self, ref: bytes, now: Moment) -> Step:
        """Another gateway of the store heard signs of a replay."""
        if not self.replay_guard.doubt_by_peer(ref, now.monotonic_s):
            return NOTHING
        draft = Draft()
        if self.dispatcher.cancel_unsent_entry(ref, draft):
            self.visits.forget(ref)
            draft.forgotten.append(ref)
        else:
            self.visits.forget_broadcasts(ref)
        return draft.step()

    def settle(self) -> tuple[HeldRevocation, ...]:
        """Let go of what the list in force says by itself; answers with that."""
        seq = self.admissions.standing.seq
        return self._given_back(self.revocations.settle(self._listed or {}, seq))

    def lift(self, kids: Collection[str]) -> tuple[HeldRevocation, ...]:
        """Let go of what these keys alone have said (see `Revocations.lift`); answers with that."""
        return self._given_back(self.revocations.lift(kids))

    def _given_back(self, gone: tuple[HeldRevocation, ...]) -> tuple[HeldRevocation, ...]:
        for each in gone:
            self.admissions.change(each.taken.ref)
        return gone

    def announced_visits(self) -> list[tuple[Announcement, Visit]]:
        """What was announced, here or by a peer, of visits that are known here."""
        visits = ((each, self.visits.get(each.ref)) for each in self.outbox.announced)
        return [(announcement, visit) for announcement, visit in visits if visit is not None]

    def _hold_back(self, ref: bytes, doubt: Doubt) -> Step:
        """It may be a recording, and so may what came before it. Answers at the bell count on."""
        self.counts.suspect[doubt] += 1
        self.counts.persons.note("held_back", ref, f"held_back.{doubt}")
        if doubt in SUSPECT:
            self.visits.forget_broadcasts(ref)
        return NOTHING

    def _whose(self, answer: Answer) -> Admission | RejectReason:
        match = self.matcher.whose(answer.eid, answer.at.utc_s)
        if isinstance(match, Nobody):
            return RejectReason.AMBIGUOUS if match is Nobody.AMBIGUOUS else RejectReason.UNKNOWN
        slot = match.slot or 0  # always one: identifiers are found in a slot's table
        key = self.matcher.window_key(match.ref, slot, answer.eid)
        if key is None or not is_genuine(answer, key, self._rules.site, slot):
            return RejectReason.FORGED
        # Only after the MAC, in contrast to `receive`: REFUSED counts genuine answers alone.
        if not self._open:
            return RejectReason.REFUSED
        admission = self.admissions.admit(match.ref, answer.at)
        return RejectReason.REFUSED if isinstance(admission, Denied) else admission

    def _note(
        self, changes: Iterable[VisitEvent], admission: Admission, now: Moment, draft: Draft
    ) -> None:
        """What a sighting changed becomes state and outgoing events."""
        for change in changes:
            if isinstance(change, Entered):
                if change.ref in draft.forgotten:  # the visit before was over in this very step
                    draft.forgotten.remove(change.ref)
                draft.saved[change.ref] = Visit(change.ref, change.at, change.at)
                self.figures.enter(change, is_test=Flag.TEST in admission.consent.flags)
                self.dispatcher.entered(change, admission, now, draft)
            else:
                self._note_end(change, now, draft)

    def _note_end(self, change: Left | Over, now: Moment, draft: Draft) -> None:
        if isinstance(change, Over):
            draft.saved.pop(change.ref, None)
            draft.forgotten.append(change.ref)
            return
        consent = self.admissions.consents.get(change.ref)
        self.figures.leave(change, is_test=consent is not None and Flag.TEST in consent.flags)
        visit = self.visits.get(change.ref)
        # None where the cooldown ended in the same moment: `Over` follows, and forgets.
        if visit is not None:
            draft.saved[change.ref] = visit
        self.dispatcher.left(change, now, draft)

    def _turn_slot(self, now: Moment) -> None:
        """The shop opens or closes, and the identifiers of the slot are made ready."""
        self._open = self._rules.hours.open_at(now.utc_s)
        self.matcher.advance(now.utc_s)
        self.replay_guard.advance(slot_at(now.utc_s))
        if not self._open:
            self.matcher.forget_kept()

    def _judge(self, now: Moment, draft: Draft) -> Step:
        """Forget those whose consent lapsed, take back what was announced (R-09), end visits."""
        # A list that is not believed judges nobody, so nobody is forgotten by it: they are asked
        # about once it is believed again. The gate lets nothing out until then.
        if self.admissions.standing.publishing:
            for ref in self.admissions.to_ask(now, self._known):
                self._recheck(ref, now, draft)
        elif self._listed is not None and now.utc_s < self._asked_at_s:
            # The clock was set back: a pause that a revocation brought, and that seemed over, is
            # not. It counts whether or not the list may be believed.
            for held in self.revocations:
                if now.utc_s < held.taken.paused_until_s:
                    self._recheck(held.taken.ref, now, draft)
        if self._listed is not None:
            self._asked_at_s = now.utc_s
        for change in self.visits.advance(now):
            self._note_end(change, now, draft)
        self.dispatcher.expire_announcements(self.visits, now, draft)
        return draft.step()

    def _knows(self, ref: bytes) -> bool:
        return ref in self.visits or self.outbox.knows(ref) or ref in self.replay_guard

    def _known(self) -> set[bytes]:
        """Everyone of whom anything is known now."""
        return self.visits.refs() | self.outbox.refs() | self.replay_guard.refs()

    def _recheck(self, ref: bytes, now: Moment, draft: Draft) -> None:
        """Take away what this person does not allow any more. Whether the list may be believed is
        another question: nobody is forgotten because it is stale, and a revocation counts all the
        same.
        """
        self.admissions.drop(ref)
        if not self._knows(ref):
            return
        admission = self.admissions.judge(ref, now)
        if isinstance(admission, Admission):
            self.dispatcher.withdraw_narrowed(ref, admission, now, draft)
            return
        self.matcher.forget_kept()
        self.replay_guard.forget(ref)
        self.figures.forget(ref)
        self.dispatcher.withdraw(ref, admission.reason, now, draft)
        if ref in self.visits:
            self.visits.forget(ref)
            draft.forgotten.append(ref)

"""Which event goes to which audience: from visits into the outbox, the gate asked again as each is
sent, withdrawals after them.

1. An `entered` is queued for each audience that the gate allows at the entry, and decided anew when
   it is sent: a category narrowed meanwhile is not in it, a consent withdrawn meanwhile stops it
   (R-06, R-34).
2. From the moment it is handed to the broker it is *announced*: acknowledged or not, somebody may
   have read it.
3. `withdrawn` goes out only where an `entered` was announced, and only while it could still be
   acted on (R-09).
4. `left` goes out only with the purpose `visit_end`, only where an `entered` was announced, and
   only while that `entered` might still stand: the whole gate is asked for its audience, as it is
   queued and as it is sent.
5. What was taken back stays so: an entry that would carry the id of a withdrawn event is not
   announced.
6. While the list is stale, events wait (and expire); they are not lost to a moment without proof.
7. The subject is made as an `entered` is sent, from the consent as it is then; `left` and
   `withdrawn` carry the one that was announced. Where the consent does not allow that subject any
   more (profiling withdrawn, the pairwise key replaced), what was told is taken back, and nothing
   but `withdrawn` carries it (R-22).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from presence.core.consent.admissions import Admission, Admissions
from presence.core.consent.gate import Allowed, Decision, Denied, Reason, believed
from presence.core.consent.model import Consent, Purpose
from presence.core.counts import Counts
from presence.core.event import cloudevent
from presence.core.event.cloudevent import Assurance, Event, EventType, WithdrawnReason
from presence.core.event.outbox import LOOK_AGAIN_S, Announcement, Draft, Outbox, Outgoing, Step
from presence.core.rules import Rules
from presence.core.timestamps import Moment
from presence.core.visit.visits import Entered, Left, Visits


class Dispatcher:
    """Makes events from visits and puts them into the outbox; says what may be sent of each."""

    def __init__(
        self, rules: Rules, counts: Counts, outbox: Outbox, admissions: Admissions
    ) -> None:
        self._rules = rules
        self._purposes = {audience.name: audience.purpose for audience in rules.audiences}
        self._counts = counts
        self._pending = outbox.pending
        self._announced = outbox.announced
        self._admissions = admissions

    def entered(self, entered: Entered, admission: Admission, now: Moment, draft: Draft) -> None:
        """Queue an `entered` for every audience that may hear of it."""
        rules = self._rules
        self._counts.entered += 1
        self._counts.persons.note("entered", entered.ref)
        bucket = cloudevent.visit_bucket(entered.at.utc_s, rules.entry.reentry_cooldown_s)
        for audience, decision in admission.decisions.items():
            if isinstance(decision, Denied):
                self._counts.withheld[decision.reason] += 1
                continue
            outgoing = Outgoing(
                id=cloudevent.event_id(
                    rules.store_key, EventType.ENTERED, audience, entered.ref, bucket
                ),
                type=EventType.ENTERED,
                audience=audience,
                ref=entered.ref,
                subject="",
                occurred_at=entered.at,
                expires_s=now.monotonic_s + rules.expiry_s,
                by_answer=entered.by_answer,
                strength_dbm=entered.strength_dbm,
            )
            if not self._announced.is_taken_back(outgoing.id):  # rule 5
                self._queue(outgoing, draft)

    def left(self, left: Left, now: Moment, draft: Draft) -> None:
        """Queue a `left` where the entry was announced and the customer agreed to that (rule 4)."""
        self._counts.left += 1
        self._counts.persons.note("left", left.ref)
        for announcement in self._announced.of(left.ref):
            if self._left_denied(announcement, now) is None:
                self._queue(self._following(EventType.LEFT, announcement, left.at, now), draft)
            # Only the visit kept it: `expire_announcements` lets it go once nobody can act on it.
            self._announced.look_at(announcement.event_id, now.monotonic_s)

    def cancel_unsent_entry(self, ref: bytes, draft: Draft) -> bool:
        """What broadcasts made an entry may be a replay: it does not go out, where no audience was
        told yet. One that the broker had nobody to give to was told to none: it does not go out
        again, and stays announced, for a rule of the broker's own may have taken it. Whether one
        was cancelled.
        """
        entries = [
            each
            for each in self._pending.of(ref)
            if each.type is EventType.ENTERED and not each.by_answer
        ]
        if self._announced.told_of(ref):
            return False
        for entry in entries:
            self._pending.cancel(entry, draft)
        return bool(entries)

    def withdraw(self, ref: bytes, reason: Reason, now: Moment, draft: Draft) -> None:
        """A consent is no longer in force: pending events go, announced ones are taken back."""
        for outgoing in self._pending.of(ref):
            # What was taken back before must still go out: somebody has read the `entered`.
            if outgoing.type is not EventType.WITHDRAWN:
                self._pending.cancel(outgoing, draft)
        for announcement in self._announced.of(ref):
            self._take_back(announcement, reason, now, draft)

    def withdraw_narrowed(
        self, ref: bytes, admission: Admission, now: Moment, draft: Draft
    ) -> None:
        """Take back what was announced with a category, to an audience or under a subject that is
        not allowed any more, and stop a waiting `left` where the end of a visit may no longer be
        published.
        """
        consent = admission.consent
        for announcement in self._announced.of(ref):
            decision = admission.decision(announcement.audience)
            denied = _outlived(announcement, consent, decision)
            if denied is not None:
                self._take_back(announcement, denied.reason, now, draft)
        if Purpose.VISIT_END not in consent.purposes:
            for outgoing in self._pending.of(ref):
                if outgoing.type is EventType.LEFT:
                    self._pending.cancel(outgoing, draft)

    def expire_announcements(self, visits: Visits, now: Moment, draft: Draft) -> None:
        """Forget those of visits that are over, on which nobody may act any more."""
        self._announced.let_go(now, draft)
        for announcement in self._announced.to_look_at(now):
            if visits.is_inside(announcement.ref):  # the end of the visit asks again
                continue
            if self._pending.left_of(announcement):  # it is judged by what was announced
                self._announced.look_at(announcement.event_id, now.monotonic_s + LOOK_AGAIN_S)
                continue
            self._announced.forget(announcement, draft)

    def release(self, outgoing: Outgoing, now: Moment) -> tuple[Event, Step] | Denied | None:
        """The event as it may be sent at this moment, with the step to store *before* it is sent.

        None where it expired or was cancelled: it leaves the outbox. Denied where the gate says no:
        it leaves the outbox too, except while the list is stale (Reason.LIST_STALE): then it waits
        until it expires.
        """
        if outgoing.id not in self._pending.records:
            return None
        if now.monotonic_s >= outgoing.expires_s:
            self._expire(outgoing)
            return None
        # The gate is not asked: also while the list is stale it must be said that a right ended.
        if outgoing.type is EventType.WITHDRAWN:
            return _event(
                outgoing, {"entered_id": outgoing.entered_id, "reason": outgoing.reason}
            ), Step()
        if outgoing.type is EventType.LEFT:
            return self._release_left(outgoing, now)
        return self._release_entered(outgoing, now)

    def _release_left(self, outgoing: Outgoing, now: Moment) -> tuple[Event, Step] | Denied:
        announced = self._announced.records.get(outgoing.entered_id)
        denied = Denied(Reason.UNKNOWN) if announced is None else self._left_denied(announced, now)
        if denied is not None:
            return self._block(outgoing, denied)
        return _event(outgoing, {"entered_id": outgoing.entered_id}), Step()

    def _release_entered(
        self, outgoing: Outgoing, now: Moment
    ) -> tuple[Event, Step] | Denied | None:
        doubt = believed(self._admissions.standing)
        if doubt is not None:
            return self._block(outgoing, doubt)
        consent, decision = self._admissions.decide(outgoing.ref, outgoing.audience, now)
        if consent is None or isinstance(decision, Denied):
            return self._block(
                outgoing, decision if isinstance(decision, Denied) else Denied(Reason.UNKNOWN)
            )
        announced = self._announced.records.get(outgoing.id)
        outlived = None if announced is None else _outlived(announced, consent, decision)
        if outlived is not None:
            # The copy that was handed over before is taken back by the next look at it.
            return self._block(outgoing, outlived)
        announcement = self._announcement(outgoing, consent, decision, outgoing.id)
        # It was over before its turn came: nobody could act on it any more.
        if now.utc_s >= announcement.valid_until_s:
            self._expire(outgoing)
            return None
        self._announced.hand_over(announcement)
        data = self._entered_data(announcement, by_answer=outgoing.by_answer)
        event = _event(outgoing, data, subject=announcement.subject)
        return event, Step(announced=(announcement,))

    def unheard(self, outgoing: Outgoing) -> None:
        """The broker had nobody to give it to; it waits on."""
        self._announced.unheard(outgoing.id)

    def adopt(self, outgoing: Outgoing, event_id: str, now: Moment) -> Step:
        """A peer sent it under this id: it leaves the outbox, and an entry is known as announced
        (see `Election`), also while our list is stale: nothing comes of that but its withdrawal.
        """
        if self._pending.pop(outgoing.id) is None:
            return Step()
        gone = Step(cancelled=(outgoing.id,))
        # Rule 5 holds for the peer's id too: it may be that of a neighbouring bucket.
        if outgoing.type is not EventType.ENTERED or self._announced.is_taken_back(event_id):
            return gone
        consent, decision = self._admissions.decide(outgoing.ref, outgoing.audience, now)
        if consent is None or isinstance(decision, Denied):
            return gone
        announcement = self._announcement(outgoing, consent, decision, event_id)
        self._announced.put(event_id, announcement)
        return replace(gone, announced=(announcement,))

    def _announcement(
        self, outgoing: Outgoing, consent: Consent, allowed: Allowed, event_id: str
    ) -> Announcement:
        """What is announced of an entry. Its end is cut to the minute, so that nobody learns the
        second of the entry from it; a consent's own end stays exact.
        """
        entered_s = outgoing.occurred_at.utc_s
        until_s = min(allowed.until_s, (entered_s + self._rules.valid_for_s) // 60 * 60)
        before = self._announced.records.get(event_id)
        day = cloudevent.utc_day(entered_s).decode()
        if before is None:
            subject = cloudevent.subjects_of(consent, outgoing.audience, day)[0]
        else:  # rule 7: a copy carries the subject that was announced
            subject = before.subject
        return Announcement(
            event_id,
            outgoing.audience,
            outgoing.ref,
            subject,
            allowed.categories,
            until_s,
            day,
            outgoing.occurred_at.monotonic_s + until_s - entered_s,
        )

    def _entered_data(self, announcement: Announcement, *, by_answer: bool) -> dict[str, Any]:
        return cloudevent.entered_data(
            self._purposes[announcement.audience],
            announcement.categories,
            announcement.valid_until_s,
            list_seq=self._admissions.standing.seq,
            notice=self._rules.notice,
            assurance=Assurance.CHALLENGE if by_answer else Assurance.BROADCAST,
        )

    def _expire(self, outgoing: Outgoing) -> None:
        self._counts.expired += 1
        self._counts.persons.note("expired", outgoing.ref)
        self._pending.pop(outgoing.id)

    def _block(self, outgoing: Outgoing, denied: Denied) -> Denied:
        if denied.reason is not Reason.LIST_STALE:  # rule 6
            self._counts.blocked[denied.reason] += 1
            self._counts.persons.note("blocked", outgoing.ref)
            self._pending.pop(outgoing.id)
        return denied

    def _left_denied(self, announcement: Announcement, now: Moment) -> Denied | None:
        consent, decision = self._admissions.decide(announcement.ref, announcement.audience, now)
        # Before the list is doubted: what the customer never allowed must not wait as stale.
        if consent is not None and Purpose.VISIT_END not in consent.purposes:
            return Denied(Reason.NO_PURPOSE)
        return believed(self._admissions.standing) or _outlived(announcement, consent, decision)

    def _take_back(
        self, announcement: Announcement, reason: Reason, now: Moment, draft: Draft
    ) -> None:
        entered = self._pending.records.get(announcement.event_id)
        if entered is not None:  # handed over, not acknowledged: not once more
            self._pending.cancel(entered, draft)
        for left in self._pending.left_of(announcement):
            self._pending.cancel(left, draft)
        self._announced.take_back(
            announcement, now.monotonic_s + self._rules.entry.reentry_cooldown_s, draft
        )
        # A consent that ends ends `valid_until` too: it is taken back although that has just passed
        #
        just_ended = (
            reason is Reason.EXPIRED
            and now.utc_s - announcement.valid_until_s < self._rules.expiry_s
        )
        if not announcement.is_over(now) or just_ended:
            self._counts.withdrawn += 1
            self._counts.persons.note("withdrawn", announcement.ref)
            why = WithdrawnReason.of(reason).value
            self._queue(
                self._following(EventType.WITHDRAWN, announcement, now, now, reason=why), draft
            )

    def _following(
        self,
        kind: EventType,
        announcement: Announcement,
        at: Moment,
        now: Moment,
        *,
        reason: str = "",
    ) -> Outgoing:
        """`left` or `withdrawn` after an `entered`: its id follows from the id of that."""
        entered_id = announcement.event_id
        waits_s = self._rules.expiry_s
        if kind is EventType.WITHDRAWN:  # of use as long as somebody might still act
            left_s = announcement.valid_until_s - now.utc_s
            waits_s = max(waits_s, left_s, announcement.over_s - now.monotonic_s)
        return Outgoing(
            id=cloudevent.event_id(
                self._rules.store_key, kind, announcement.audience, entered_id.encode(), 0
            ),
            type=kind,
            audience=announcement.audience,
            ref=announcement.ref,
            subject=announcement.subject,
            occurred_at=at,
            expires_s=now.monotonic_s + waits_s,
            entered_id=entered_id,
            reason=reason,
        )

    def _queue(self, outgoing: Outgoing, draft: Draft) -> None:
        for dropped in self._pending.queue(outgoing, self._rules.outbox_length, draft):
            self._counts.dropped += 1
            self._counts.persons.note("dropped", dropped.ref)


def _outlived(
    announcement: Announcement, consent: Consent | None, decision: Decision
) -> Denied | None:
    """Why what was announced may not stand any more, whether or not the list may be believed; None
    where it may.
    """
    if isinstance(decision, Denied):
        return decision
    if not set(announcement.categories) <= set(decision.categories):
        return Denied(Reason.NO_CATEGORY)
    subjects = cloudevent.subjects_of(consent, announcement.audience, announcement.day)
    return None if announcement.subject in subjects else Denied(Reason.NO_PURPOSE)


def _event(outgoing: Outgoing, data: Mapping[str, Any], *, subject: str = "") -> Event:
    """`subject`: where it did not wait with one."""
    return Event(
        outgoing.type,
        outgoing.id,
        subject or outgoing.subject,
        outgoing.audience,
        outgoing.occurred_at.utc_s,
        data,
    )

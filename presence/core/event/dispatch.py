"""Who is told what of a visit: events into the outbox, the gate asked again as each is sent,
withdrawals after them.

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

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from presence.core.consent.gate import (
    Allowed,
    Decision,
    Denied,
    ListStanding,
    Reason,
    believed,
    permitted_to,
)
from presence.core.consent.model import Consent, Purpose
from presence.core.counts import Counts
from presence.core.event import cloudevent
from presence.core.event.cloudevent import Assurance, Event, EventType, WithdrawnReason
from presence.core.event.outgoing import Announcement, Draft, Outgoing, Step, TakenBack
from presence.core.event.told import Told
from presence.core.event.waiting import Waiting
from presence.core.recognition.proofs import Proofs
from presence.core.rules import Rules
from presence.core.timestamps import Moment
from presence.core.visit.visits import Entered, Left, Visits

LOOK_AGAIN_S: Final = 1.0


class Teller:
    """The outbox and what was announced. `rules`, `standing` and `consents` are set by the
    engine.
    """

    def __init__(
        self,
        rules: Rules,
        counts: Counts,
        pending: Iterable[Outgoing],
        announcements: Iterable[Announcement],
        taken_back: Iterable[TakenBack],
    ) -> None:
        self.rules = rules
        self.standing = ListStanding(publishing=False)
        self.consents: Mapping[bytes, Consent] = {}
        self._counts = counts
        self.waiting = Waiting(pending)
        self.told = Told(announcements, taken_back)
        self.proofs = Proofs()

    def knows(self, ref: bytes) -> bool:
        """Whether somebody was told of them, or is about to be, or they answered a challenge just
        now.
        """
        return self.told.knows(ref) or self.waiting.knows(ref) or ref in self.proofs

    def refs(self) -> set[bytes]:
        """Everyone whom it knows."""
        return self.told.refs() | self.waiting.refs() | self.proofs.refs()

    def entered(self, entered: Entered, now: Moment, draft: Draft) -> None:
        """Queue an `entered` for every audience that may hear of it."""
        self._counts.entered += 1
        self._counts.persons.note("entered", entered.ref)
        bucket = cloudevent.visit_bucket(entered.at.utc_s, self.rules.entry.reentry_cooldown_s)
        for audience in self.rules.audiences:
            decision = self._decide(entered.ref, audience.name, now)
            if isinstance(decision, Denied):
                self._counts.withheld[decision.reason] += 1
                continue
            outgoing = Outgoing(
                id=cloudevent.event_id(
                    self.rules.store_key, EventType.ENTERED, audience.name, entered.ref, bucket
                ),
                type=EventType.ENTERED,
                audience=audience.name,
                ref=entered.ref,
                subject="",
                occurred_at=entered.at,
                expires_s=now.monotonic_s + self.rules.expiry_s,
                strength_dbm=entered.strength_dbm,
            )
            if not self.told.is_taken_back(outgoing.id):
                self._queue(outgoing, draft)

    def left(self, left: Left, now: Moment, draft: Draft) -> None:
        """Queue a `left` where an audience was told of the entry and the customer agreed to tell
        the end.
        """
        self._counts.left += 1
        self._counts.persons.note("left", left.ref)
        for announcement in self.told.of(left.ref):
            if self._left_denied(announcement, now) is None:
                self._queue(self._following(EventType.LEFT, announcement, left.at, now), draft)
            self.told.look_at(announcement.event_id, now.utc_s)

    def withdraw(self, ref: bytes, reason: Reason, now: Moment, draft: Draft) -> None:
        """A consent is no longer in force: pending events go, announced ones are taken back."""
        self.proofs.forget(ref)
        for outgoing in self.waiting.of(ref):
            if outgoing.type is not EventType.WITHDRAWN:
                self.waiting.cancel(outgoing, draft)
        for announcement in self.told.of(ref):
            self._retract(announcement, reason, now, draft)

    def withdraw_narrowed(self, ref: bytes, now: Moment, draft: Draft) -> None:
        """Take back what was announced with a category, to an audience or under a subject that is
        not allowed any more, and stop a `left` that waits where the end of a visit may not be told
        any more.
        """
        for announcement in self.told.of(ref):
            denied = self._outlived(announcement, now)
            if denied is not None:
                self._retract(announcement, denied.reason, now, draft)
        consent = self.consents.get(ref)
        if consent is None or Purpose.VISIT_END not in consent.purposes:
            for outgoing in self.waiting.of(ref):
                if outgoing.type is EventType.LEFT:
                    self.waiting.cancel(outgoing, draft)

    def forget_over(self, visits: Visits, now: Moment, draft: Draft) -> None:
        """Announcements of visits that are over, on which nobody may act any more."""
        self.proofs.advance(now.monotonic_s)
        self.told.let_go(now, draft)
        for announcement in self.told.to_look_at(now):
            if visits.is_inside(announcement.ref):  # the end of the visit asks again
                continue
            if self.waiting.left_of(announcement):  # it is judged by what was announced
                self.told.look_at(announcement.event_id, now.utc_s + LOOK_AGAIN_S)
                continue
            self.told.forget(announcement, draft)

    def release(self, outgoing: Outgoing, now: Moment) -> tuple[Event, Step] | Denied | None:
        """The event as it may be sent at this moment, with the step to store *before* it is sent.

        None where it expired or was cancelled: it leaves the outbox. Denied where the gate says no:
        it leaves the outbox too, except while the list is stale (Reason.LIST_STALE): then it waits
        until it expires.
        """
        if outgoing.id not in self.waiting:
            return None
        if now.monotonic_s >= outgoing.expires_s:
            self._expire(outgoing)
            return None
        if outgoing.type is EventType.WITHDRAWN:
            return _event(
                outgoing, {"entered_id": outgoing.entered_id, "reason": outgoing.reason}
            ), Step()
        if outgoing.type is EventType.LEFT:
            announced = self.told.get(outgoing.entered_id)
            denied = (
                Denied(Reason.UNKNOWN) if announced is None else self._left_denied(announced, now)
            )
            if denied is not None:
                return self._block(outgoing, denied)
            return _event(outgoing, {"entered_id": outgoing.entered_id}), Step()
        decision = self._decide(outgoing.ref, outgoing.audience, now)
        if isinstance(decision, Denied):
            return self._block(outgoing, decision)
        announced = self.told.get(outgoing.id)
        outlived = None if announced is None else self._outlived(announced, now)
        if (
            outlived is not None
        ):  # the copy that was handed over before is taken back by the next look at it
            return self._block(outgoing, outlived)
        until_s = self._valid_until_s(outgoing, decision)
        if now.utc_s >= until_s:
            self._expire(outgoing)
            return None
        return self._announce(outgoing, now, decision, until_s)

    def adopt(self, outgoing: Outgoing, event_id: str, now: Moment) -> Step:
        """A peer told it under this id: it leaves the outbox, and an entry is known as announced
        (see `Peers`), also while our list is stale: nothing comes of that but its withdrawal.
        """
        if self.waiting.pop(outgoing.id) is None:
            return Step()
        decision = self._permitted_to(outgoing.ref, outgoing.audience, now)
        if (
            outgoing.type is not EventType.ENTERED
            or isinstance(decision, Denied)
            or self.told.is_taken_back(event_id)
        ):
            return Step(cancelled=(outgoing.id,))
        until_s = self._valid_until_s(outgoing, decision)
        return Step(
            cancelled=(outgoing.id,),
            announced=(self._known(outgoing, decision, until_s, event_id),),
        )

    def _valid_until_s(self, outgoing: Outgoing, allowed: Allowed) -> float:
        """To the minute, so that the end does not tell the second of the entry; a consent's own end
        stays exact.
        """
        return min(
            allowed.until_s, (outgoing.occurred_at.utc_s + self.rules.valid_for_s) // 60 * 60
        )

    def _known(
        self, outgoing: Outgoing, allowed: Allowed, until_s: float, event_id: str
    ) -> Announcement:
        before = self.told.get(event_id)
        day = cloudevent.utc_day(outgoing.occurred_at.utc_s).decode()
        announcement = Announcement(
            event_id,
            outgoing.audience,
            outgoing.ref,
            self._subjects(outgoing.ref, outgoing.audience, day)[0]
            if before is None
            else before.subject,
            allowed.categories,
            until_s,
            day,
        )
        self.told.put(event_id, announcement)
        return announcement

    def _subjects(self, ref: bytes, audience: str, day: str) -> tuple[str, ...]:
        return cloudevent.subjects_of(self.consents.get(ref), audience, day)

    def _announce(
        self, outgoing: Outgoing, now: Moment, allowed: Allowed, until_s: float
    ) -> tuple[Event, Step]:
        announcement = self._known(outgoing, allowed, until_s, outgoing.id)
        audience = self.rules.audience(outgoing.audience)
        proven = self.proofs.holds(outgoing.ref, now.monotonic_s)
        data = cloudevent.entered_data(
            audience.purpose if audience else "",
            allowed.categories,
            until_s,
            list_seq=self.standing.seq,
            notice=self.rules.notice,
            assurance=Assurance.CHALLENGE if proven else Assurance.BROADCAST,
        )
        return _event(replace(outgoing, subject=announcement.subject), data), Step(
            announced=(announcement,)
        )

    def _expire(self, outgoing: Outgoing) -> None:
        self._counts.expired += 1
        self._counts.persons.note("expired", outgoing.ref)
        self.waiting.pop(outgoing.id)

    def _block(self, outgoing: Outgoing, denied: Denied) -> Denied:
        if denied.reason is not Reason.LIST_STALE:
            self._counts.blocked[denied.reason] += 1
            self._counts.persons.note("blocked", outgoing.ref)
            self.waiting.pop(outgoing.id)
        return denied

    def _decide(self, ref: bytes, audience_name: str, now: Moment) -> Decision:
        return believed(self.standing) or self._permitted_to(ref, audience_name, now)

    def _permitted_to(self, ref: bytes, audience_name: str, now: Moment) -> Decision:
        audience = self.rules.audience(audience_name)
        if audience is None:
            return Denied(Reason.NO_PURPOSE)
        return permitted_to(
            self.consents.get(ref), audience, self.rules.place, self.standing, now.utc_s
        )

    def _outlived(self, announcement: Announcement, now: Moment) -> Denied | None:
        """Why what was told may not stand any more, whether or not the list may be believed; None
        where it may.
        """
        decision = self._permitted_to(announcement.ref, announcement.audience, now)
        if isinstance(decision, Denied):
            return decision
        if not set(announcement.categories) <= set(decision.categories):
            return Denied(Reason.NO_CATEGORY)
        if announcement.subject not in self._subjects(
            announcement.ref, announcement.audience, announcement.day
        ):
            return Denied(Reason.NO_PURPOSE)
        return None

    def _left_denied(self, announcement: Announcement, now: Moment) -> Denied | None:
        consent = self.consents.get(announcement.ref)
        if consent is not None and Purpose.VISIT_END not in consent.purposes:
            return Denied(Reason.NO_PURPOSE)
        return believed(self.standing) or self._outlived(announcement, now)

    def _retract(
        self, announcement: Announcement, reason: Reason, now: Moment, draft: Draft
    ) -> None:
        entered = self.waiting.get(announcement.event_id)
        if entered is not None:  # handed over, not acknowledged: not once more
            self.waiting.cancel(entered, draft)
        for left in self.waiting.left_of(announcement):
            self.waiting.cancel(left, draft)
        self.told.take_back(
            announcement, now.monotonic_s + self.rules.entry.reentry_cooldown_s, draft
        )
        # A consent that ends ends `valid_until` too: that is told although it may just have passed
        #
        just_ended = (
            reason is Reason.EXPIRED
            and now.utc_s - announcement.valid_until_s < self.rules.expiry_s
        )
        if now.utc_s < announcement.valid_until_s or just_ended:
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
        waits_s = self.rules.expiry_s
        if kind is EventType.WITHDRAWN:  # of use as long as somebody might still act
            waits_s = max(waits_s, announcement.valid_until_s - now.utc_s)
        return Outgoing(
            id=cloudevent.event_id(
                self.rules.store_key, kind, announcement.audience, entered_id.encode(), 0
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
        for dropped in self.waiting.queue(outgoing, self.rules.outbox_length, draft):
            self._counts.dropped += 1
            self._counts.persons.note("dropped", dropped.ref)


def _event(outgoing: Outgoing, data: Mapping[str, Any]) -> Event:
    return Event(
        outgoing.type,
        outgoing.id,
        outgoing.subject,
        outgoing.audience,
        outgoing.occurred_at.utc_s,
        data,
    )

"""Election of the gateway that sends an event: one event per visit and store (deduplication).

               back-off           nobody claims it   contention window   sent and acknowledged
    (queued) ────────────► due ─────────────► claimed ───────────────► Send ───────────────► sent
                │           ▲                   │
                │           └── a peer claims ──┘ lease: the peer may have died in between
                └──── a peer has sent it ───────► Suppress: not ours to send, but known

1. The stronger the signal, the shorter the back-off; chance parts gateways that hear alike. A
   gateway that has heard no peer for a day does not wait after its claim: a store with one gateway
   pays the back-off and nothing else.
2. A claim silences nobody, it only puts the others off for the length of a lease; what silences is
   SENT, said after the broker took the event. So a gateway that dies between the two costs a
   moment, and no event.
3. Of two that claim at once, the lower name goes on.
4. An entry is known by its id and those of the buckets beside it, because two gateways decide some
   seconds apart: at the border the later one takes over the id under which it was sent. A gateway
   that holds the visit, from whatever bucket, answers a claim with SENT: a customer who walks into
   another gateway's reach has not entered anew.
   Not while its own event waits in the outbox: it was handed to the broker and perhaps in vain, and
   two who each left it to the other would tell nobody.
5. A gateway that adopted an entry takes it back like the one that sent it, in case that one is
   gone: after a back-off, and with the same id. The one that sent the entry takes it back at once.
6. A visit has ended where its *last* gateway lost it: a claim to send the end is answered with
   STILL_PRESENT by all others.
7. Whatever is lost on the way, copies carry the same id, and (source, id) is where they end (R-53).

In the configuration (section `peers`) the back-off is `hold_off_…_ms`, the contention window
`settle_ms` and the lease `takeover_ms`.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from presence.core.event import cloudevent
from presence.core.event.cloudevent import EventType
from presence.core.event.election_backoff import ElectionRule, backoff_s
from presence.core.event.outbox import Announcement, Outgoing
from presence.core.event.peer_message import PeerMessage, PeerMessageKind, opaque_name
from presence.core.site import Site
from presence.core.timestamps import Moment
from presence.core.visit.evidence import EntryRule
from presence.core.visit.visits import Visit

COMPANY_S: Final = 86_400.0
"""A peer that was heard within the day is thought to be there."""
MAX_HELD: Final = 4096
"""Names remembered, of what was sent or claimed; the oldest go first."""
OLDEST_BUCKETS: Final = 8
"""How far back the name of an entry is looked for; its `valid_until` lies within."""


class Wait(NamedTuple):
    """Not yet: ask again after so long."""

    seconds: float


class Send(NamedTuple):
    """It is ours to send now."""


class Suppress(NamedTuple):
    """A peer sent it, under this id: out of the outbox."""

    event_id: str


Turn = Wait | PeerMessage | Send | Suppress
"""A PeerMessage is to be published; then ask again."""


@dataclass(slots=True)
class _Pending:
    """What is known of one event in the outbox."""

    kind: EventType
    names: dict[str, str]
    """Opaque name → event id; for an entry those of three buckets."""
    due_s: float
    claimed: bool = False
    silenced: bool = False
    heeded: set[str] = field(default_factory=set)
    """Gateways whose claim has put it off, once each."""


class _Memory:
    """Name → (value, until), bounded both ways."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, float]] = {}

    def put(self, name: str, value: str, until_s: float) -> None:
        self._held.pop(name, None)
        while len(self._held) >= MAX_HELD:
            del self._held[next(iter(self._held))]
        self._held[name] = (value, until_s)

    def get(self, name: str, now_s: float) -> str | None:
        value, until_s = self._held.get(name, ("", 0.0))
        return value if now_s < until_s else None


class Election:
    """Asked for each event before it is sent (`decide`), and informed of what came of it; `receive`
    takes in what peers say.
    """

    def __init__(
        self, site: Site, store_key: bytes, gateway: str, rule: ElectionRule, entry: EntryRule
    ) -> None:
        self.site = site
        self.store_key = store_key
        self.gateway = gateway
        self._rule = rule
        self._entry = entry
        self._pending: dict[str, _Pending] = {}
        self._sent_by_peers = _Memory()
        """Name → the name under which it was sent."""
        self._sent_by_us = _Memory()
        self._claims = _Memory()
        """By peers: name → gateway, as long as it may take."""
        self._company_until_s = 0.0

    def decide(self, outgoing: Outgoing, now: Moment, chance: float) -> Turn:
        """What to do about this event now."""
        pending = self._pending.get(outgoing.id) or self._begin(outgoing, now, chance)
        if pending.silenced:  # rule 6
            return Suppress(outgoing.id)
        for name, event_id in pending.names.items():
            sent_as = self._sent_by_peers.get(name, now.monotonic_s)
            if sent_as is not None:
                # Rule 4: the peer may have used the id of a neighbouring bucket; that one is taken
                # over, so that both gateways take back the same.
                return Suppress(
                    event_id
                    if sent_as == name
                    else self._entry_sent_as(sent_as, outgoing, now) or event_id
                )
        if now.monotonic_s < pending.due_s:
            return Wait(pending.due_s - now.monotonic_s)
        # Our own entry is taken back at once: everybody else waits a back-off for us (rule 5).
        if pending.claimed or self._took_back_our_own(outgoing, now):
            return Send()
        pending.claimed = True
        pending.due_s = now.monotonic_s + (
            self._rule.settle_ms / 1000 if self._in_company(now) else 0.0  # rule 1
        )
        return self._say(PeerMessageKind.CLAIM, opaque_name(self.store_key, outgoing.id), now)

    def sent(self, outgoing: Outgoing, now: Moment) -> PeerMessage:
        """The broker has it: what to say to the peers."""
        self.forget(outgoing.id)
        name = opaque_name(self.store_key, outgoing.id)
        self._sent_by_us.put(name, name, now.monotonic_s + self._remembered_s())
        return self._say(PeerMessageKind.SENT, name, now)

    def forget(self, event_id: str) -> None:
        """The event left the outbox, or the connection failed: should it come again, it begins
        anew.
        """
        self._pending.pop(event_id, None)

    def keep_only(self, event_ids: Iterable[str]) -> None:
        """What is no longer in the outbox needs no turn."""
        for event_id in self._pending.keys() - set(event_ids):
            del self._pending[event_id]

    def receive(
        self,
        message: PeerMessage,
        held: Iterable[tuple[Announcement, Visit]],
        now: Moment,
        *,
        unsent: Container[str] = (),
    ) -> PeerMessage | None:
        """Take in what a peer said; answers with what is to be said in return.

        `held`: what was announced of visits that are known here; `unsent`: ids of events that wait
        in the outbox, though announced.
        """
        if message.gateway == self.gateway:  # our own, over a broker that speaks 3.1.1
            return None
        now_s = now.monotonic_s
        self._company_until_s = now_s + COMPANY_S
        if message.kind is PeerMessageKind.DOUBT:  # of a replay, not of an event
            return None
        if message.kind is PeerMessageKind.SENT:
            self._sent_by_peers.put(message.visit, message.sent_as, now_s + self._remembered_s())
            return None
        pending = [each for each in self._pending.values() if message.visit in each.names]
        if message.kind is PeerMessageKind.STILL_PRESENT:
            for each in pending:  # rule 6; an entry or its withdrawal is nobody's to deny
                each.silenced = each.kind is EventType.LEFT
            return None
        return self._receive_claim(message, pending, held, now, unsent)

    def _receive_claim(
        self,
        message: PeerMessage,
        pending: list[_Pending],
        held: Iterable[tuple[Announcement, Visit]],
        now: Moment,
        unsent: Container[str],
    ) -> PeerMessage | None:
        until_s = now.monotonic_s + self._rule.takeover_ms / 1000
        answer = self._answer(message.visit, held, now, unsent)
        if answer is not None:
            return answer
        # We have not decided this visit yet: when we do, the claim puts us off (`_begin`).
        if not pending and self._claims.get(message.visit, now.monotonic_s) is None:
            self._claims.put(message.visit, message.gateway, until_s)
        for each in pending:
            # Rule 3. A claim puts off once: a peer that repeats it must not silence us (rule 2).
            wins = not each.claimed or message.gateway < self.gateway
            if wins and message.gateway not in each.heeded:
                each.heeded.add(message.gateway)
                each.claimed = False
                each.due_s = max(each.due_s, until_s)
        return None

    def _answer(
        self,
        visit: str,
        held: Iterable[tuple[Announcement, Visit]],
        now: Moment,
        unsent: Container[str],
    ) -> PeerMessage | None:
        """Rules 4 and 6: we know better than the peer who claims it."""
        ours = self._sent_by_us.get(visit, now.monotonic_s)
        if ours is not None:
            return self._say(PeerMessageKind.SENT, visit, now, sent_as=ours)
        for announcement, present in held:
            entered_id = announcement.event_id
            left_id = cloudevent.event_id(
                self.store_key, EventType.LEFT, announcement.audience, entered_id.encode(), 0
            )
            if visit == opaque_name(self.store_key, left_id):
                return (
                    None
                    if present.left_at is not None
                    else self._say(PeerMessageKind.STILL_PRESENT, visit, now)
                )
            names = self._names_of_entry(announcement.audience, announcement.ref, now.utc_s)
            told = entered_id not in unsent  # rule 4
            if told and visit in names and self._is_of(announcement, present):
                return self._say(
                    PeerMessageKind.SENT,
                    visit,
                    now,
                    sent_as=opaque_name(self.store_key, entered_id),
                )
        return None

    def _begin(self, outgoing: Outgoing, now: Moment, chance: float) -> _Pending:
        names = {opaque_name(self.store_key, outgoing.id): outgoing.id}
        if outgoing.type is EventType.ENTERED:
            names |= self._names_of_entry(
                outgoing.audience, outgoing.ref, outgoing.occurred_at.utc_s
            )
        due_s = now.monotonic_s
        if not self._took_back_our_own(outgoing, now):
            due_s += backoff_s(
                self._rule, outgoing.strength_dbm, self._entry.enter_rssi_dbm, chance
            )
            # A claim that came before our own decision puts us off like a later one (rule 2).
            if any(self._claims.get(name, now.monotonic_s) for name in names):
                due_s += self._rule.takeover_ms / 1000
        pending = self._pending[outgoing.id] = _Pending(outgoing.type, names, due_s)
        return pending

    def _names_of_entry(
        self, audience: str, ref: bytes, utc_s: float, back: int = 1
    ) -> dict[str, str]:
        """Opaque name → event id of an entry about this time; its own bucket first."""
        bucket = cloudevent.visit_bucket(utc_s, self._entry.reentry_cooldown_s)
        buckets = (bucket, bucket + 1, *range(bucket - 1, bucket - back - 1, -1))
        ids = [
            cloudevent.event_id(self.store_key, EventType.ENTERED, audience, ref, each)
            for each in buckets
        ]
        return {opaque_name(self.store_key, event_id): event_id for event_id in ids}

    def _is_of(self, announcement: Announcement, visit: Visit) -> bool:
        """Whether it was announced of this visit; `valid_until` may outlive the visit, and a new
        one begin.
        """
        names = self._names_of_entry(
            announcement.audience, announcement.ref, visit.entered_at.utc_s
        )
        return announcement.event_id in names.values()

    def _entry_sent_as(self, sent_as: str, outgoing: Outgoing, now: Moment) -> str | None:
        names = self._names_of_entry(
            outgoing.audience, outgoing.ref, now.utc_s, back=OLDEST_BUCKETS
        )
        return names.get(sent_as)

    def _took_back_our_own(self, outgoing: Outgoing, now: Moment) -> bool:
        if outgoing.type is not EventType.WITHDRAWN:
            return False
        return (
            self._sent_by_us.get(opaque_name(self.store_key, outgoing.entered_id), now.monotonic_s)
            is not None
        )

    def _in_company(self, now: Moment) -> bool:
        return now.monotonic_s < self._company_until_s

    def _remembered_s(self) -> float:
        """As long as one gateway alone would take a new entry for the same visit."""
        return self._entry.reentry_cooldown_s

    def _say(
        self, kind: PeerMessageKind, visit: str, now: Moment, *, sent_as: str | None = None
    ) -> PeerMessage:
        return PeerMessage(
            kind, visit, visit if sent_as is None else sent_as, self.gateway, int(now.utc_s)
        )

"""One event per visit and store, whoever of its gateways tells it: whose turn is it?

                hold-off           nobody claims it        settle            sent and acknowledged
    (queued) ─────────────► due ─────────────► claimed ─────────────► ours ─────────────► told
                │            ▲                   │
                │            └── a peer claims ──┘ takeover: the peer may have died in between
                └──── a peer has told it ────────► adopted: not ours to tell, but known

1. The stronger the signal, the shorter the hold-off; chance parts those who hear alike. A gateway
   that has heard no peer for a day does not wait after its claim: a store with one gateway pays the
   hold-off and nothing else.
2. A claim silences nobody, it only puts the others off; what silences is `told`, said after the
   broker took the event. So a gateway that dies between the two costs a moment, and no event.
3. Of two that claim at once, the lower name goes on.
4. An entry is known by its id and those of the buckets beside it, because two gateways decide some
   seconds apart: at the border the later one takes over the id under which it was told. Whoever
   holds the visit, from whatever bucket, answers a claim with `told`: a customer who walks into
   another gateway's reach has not entered anew.
5. Whoever adopted an entry takes it back like the one who told it, in case that one is gone: after
   a hold-off, and with the same id. Whoever told the entry takes it back at once.
6. A visit has ended where its *last* gateway lost it: a claim to tell the end is answered with
   `here` by all others.
7. Whatever is lost on the way, copies carry the same id, and (source, id) is where they end (R-53).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from presence.core.event import cloudevent
from presence.core.event.cloudevent import EventType
from presence.core.event.election_backoff import PeerRule, hold_off_s
from presence.core.event.outbox import Announcement, Outgoing
from presence.core.event.peer_message import Said, Seen, opaque
from presence.core.place import Place
from presence.core.timestamps import Moment
from presence.core.visit.evidence import EntryRule
from presence.core.visit.visits import Visit

COMPANY_S: Final = 86_400.0
"""A peer that was heard within the day is thought to be there."""
MOST: Final = 4096
"""Names remembered, of what was told or claimed; the oldest go first."""
OLDEST_BUCKETS: Final = 8
"""How far back the name of an entry is looked for; its `valid_until` lies within."""


class Wait(NamedTuple):
    """Not yet: ask again after so long."""

    seconds: float


class Ours(NamedTuple):
    """Send it."""


class Adopt(NamedTuple):
    """It was told by a peer, under this id: out of the outbox."""

    event_id: str


Turn = Wait | Seen | Ours | Adopt
"""A Seen is to be published; then ask again."""


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
        while len(self._held) >= MOST:
            del self._held[next(iter(self._held))]
        self._held[name] = (value, until_s)

    def get(self, name: str, now_s: float) -> str | None:
        value, until_s = self._held.get(name, ("", 0.0))
        return value if now_s < until_s else None


class Peers:
    """Asked for each event before it is sent (`turn`), and told what came of it; `hear` takes in
    the peers' words.
    """

    def __init__(
        self, place: Place, store_key: bytes, gateway: str, rule: PeerRule, entry: EntryRule
    ) -> None:
        self.place = place
        self.store_key = store_key
        self._gateway = gateway
        self._rule = rule
        self._entry = entry
        self._pending: dict[str, _Pending] = {}
        self._told = _Memory()
        """By peers: name → the name under which it was told."""
        self._ours = _Memory()
        """Told by us."""
        self._claims = _Memory()
        """By peers: name → gateway, as long as it may take."""
        self._company_until_s = 0.0

    def turn(self, outgoing: Outgoing, now: Moment, chance: float) -> Turn:
        """What to do about this event now."""
        pending = self._pending.get(outgoing.id) or self._begin(outgoing, now, chance)
        if pending.silenced:
            return Adopt(outgoing.id)
        for name, event_id in pending.names.items():
            told = self._told.get(name, now.monotonic_s)
            if told is not None:
                return Adopt(
                    event_id
                    if told == name
                    else self._entry_told_as(told, outgoing, now) or event_id
                )
        if now.monotonic_s < pending.due_s:
            return Wait(pending.due_s - now.monotonic_s)
        if pending.claimed or self._took_back_our_own(outgoing, now):
            return Ours()
        pending.claimed = True
        pending.due_s = now.monotonic_s + (
            self._rule.settle_ms / 1000 if self._in_company(now) else 0.0
        )
        return self._say(Said.CLAIM, opaque(self.store_key, outgoing.id), now)

    def told(self, outgoing: Outgoing, now: Moment) -> Seen:
        """The broker has it: what to say to the peers."""
        self.forget(outgoing.id)
        name = opaque(self.store_key, outgoing.id)
        self._ours.put(name, name, now.monotonic_s + self._remembered_s())
        return self._say(Said.TOLD, name, now)

    def forget(self, event_id: str) -> None:
        """The event left the outbox, or the connection failed: should it come again, it begins
        anew.
        """
        self._pending.pop(event_id, None)

    def keep_only(self, event_ids: Iterable[str]) -> None:
        """What is no longer in the outbox needs no turn."""
        for event_id in self._pending.keys() - set(event_ids):
            del self._pending[event_id]

    def hear(
        self, seen: Seen, held: Iterable[tuple[Announcement, Visit]], now: Moment
    ) -> Seen | None:
        """Take in what a peer said; answers with what is to be said in return.

        `held`: what was announced of visits that are known here.
        """
        if seen.gateway == self._gateway:  # our own, over a broker that speaks 3.1.1
            return None
        now_s = now.monotonic_s
        self._company_until_s = now_s + COMPANY_S
        if seen.said is Said.TOLD:
            self._told.put(seen.visit, seen.told, now_s + self._remembered_s())
            return None
        pending = [each for each in self._pending.values() if seen.visit in each.names]
        if seen.said is Said.HERE:
            for each in pending:
                each.silenced = each.kind is EventType.LEFT
            return None
        return self._hear_claim(seen, pending, held, now)

    def _hear_claim(
        self,
        seen: Seen,
        pending: list[_Pending],
        held: Iterable[tuple[Announcement, Visit]],
        now: Moment,
    ) -> Seen | None:
        until_s = now.monotonic_s + self._rule.takeover_ms / 1000
        answer = self._answer(seen.visit, held, now)
        if answer is not None:
            return answer
        if not pending and self._claims.get(seen.visit, now.monotonic_s) is None:
            self._claims.put(seen.visit, seen.gateway, until_s)
        for each in pending:
            wins = not each.claimed or seen.gateway < self._gateway
            if wins and seen.gateway not in each.heeded:
                each.heeded.add(seen.gateway)
                each.claimed = False
                each.due_s = max(each.due_s, until_s)
        return None

    def _answer(
        self, visit: str, held: Iterable[tuple[Announcement, Visit]], now: Moment
    ) -> Seen | None:
        """Rules 4 and 6: we know better than the peer who claims it."""
        ours = self._ours.get(visit, now.monotonic_s)
        if ours is not None:
            return self._say(Said.TOLD, visit, now, told=ours)
        for announcement, present in held:
            entered_id = announcement.event_id
            left_id = cloudevent.event_id(
                self.store_key, EventType.LEFT, announcement.audience, entered_id.encode(), 0
            )
            if visit == opaque(self.store_key, left_id):
                return None if present.left_at is not None else self._say(Said.HERE, visit, now)
            if visit in self._names_of_entry(
                announcement.audience, announcement.ref, now.utc_s
            ) and self._is_of(announcement, present):
                return self._say(Said.TOLD, visit, now, told=opaque(self.store_key, entered_id))
        return None

    def _begin(self, outgoing: Outgoing, now: Moment, chance: float) -> _Pending:
        names = {opaque(self.store_key, outgoing.id): outgoing.id}
        if outgoing.type is EventType.ENTERED:
            names |= self._names_of_entry(
                outgoing.audience, outgoing.ref, outgoing.occurred_at.utc_s
            )
        due_s = now.monotonic_s
        if not self._took_back_our_own(outgoing, now):
            due_s += hold_off_s(
                self._rule, outgoing.strength_dbm, self._entry.enter_rssi_dbm, chance
            )
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
        return {opaque(self.store_key, event_id): event_id for event_id in ids}

    def _is_of(self, announcement: Announcement, visit: Visit) -> bool:
        """Whether it was announced of this visit; `valid_until` may outlive the visit, and a new
        one begin.
        """
        names = self._names_of_entry(
            announcement.audience, announcement.ref, visit.entered_at.utc_s
        )
        return announcement.event_id in names.values()

    def _entry_told_as(self, told: str, outgoing: Outgoing, now: Moment) -> str | None:
        names = self._names_of_entry(
            outgoing.audience, outgoing.ref, now.utc_s, back=OLDEST_BUCKETS
        )
        return names.get(told)

    def _took_back_our_own(self, outgoing: Outgoing, now: Moment) -> bool:
        if outgoing.type is not EventType.WITHDRAWN:
            return False
        return (
            self._ours.get(opaque(self.store_key, outgoing.entered_id), now.monotonic_s) is not None
        )

    def _in_company(self, now: Moment) -> bool:
        return now.monotonic_s < self._company_until_s

    def _remembered_s(self) -> float:
        """As long as one gateway alone would take a new entry for the same visit."""
        return self._entry.reentry_cooldown_s

    def _say(self, said: Said, visit: str, now: Moment, *, told: str | None = None) -> Seen:
        return Seen(said, visit, visit if told is None else told, self._gateway, int(now.utc_s))

"""Hears the consent service over the broker: revocations take away at once, heads show whether
plane A keeps up.

    broker ──revocation──► signature, list, date ──► engine: pending events gone, `withdrawn` queued
                             └─► stored in the same call, so before anything of it can be sent
           ──head──► newer than plane A? ──► ask for a poll ──► still older after 2: consent.frozen

1. The broker is not believed: what our consent service did not sign is counted, and changes nothing
   (T-07).
2. A hole in the revocations' numbers is a lost revocation: plane A is asked at once, and again with
   each head, until a list that was signed after the hole is in force. The number of the last
   revocation is not stored before that.
3. A revocation is stored at once; where that fails (disk full) it holds in memory, and storing is
   tried again.
4. Nothing here makes a lease longer, and no line of the journal says whom a revocation concerns.
5. A flood costs little: copies of what was taken in are known by their digest before any signature
   is looked at, signatures are looked at so many times a second, and nothing is stored that is
   stored already. What a flood crowds out is a lost revocation (2).
6. A key that plane A says was stolen (`revoked`): all that it alone took away is given back, its
   heads are forgotten.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection
from typing import Final, Protocol

from presence.core.budget import Budget
from presence.core.consent.jws import BadKeys, KeySet, Unproven, parse_key_set
from presence.core.consent.revocation import (
    AHEAD_S,
    FOREIGN,
    UNTIMELY,
    Ignored,
    read_head,
    read_revocation,
    topic_of_head,
    topic_of_revocations,
)
from presence.core.consent.revocations import Applied
from presence.errors import StorageError
from presence.gateway.list_sync import ListSync
from presence.gateway.pipeline import Pipeline
from presence.ports import Clock, RevocationStore, VerifiedList
from presence.telemetry import (
    ConsentCaughtUp,
    ConsentFrozen,
    Emit,
    NoticesKeysRefused,
    RestrictionApplied,
    RestrictionLifted,
    RestrictionRefused,
    StorageFailed,
    StorageRecovered,
    is_due,
)

REVOCATIONS_EACH_S: Final = 50.0
REVOCATIONS_AT_ONCE: Final = 200
"""Signatures that are looked at: an import that takes away from 200,000 customers at once is within
it.
"""
HEADS_EACH_S: Final = 1.0
HEADS_AT_ONCE: Final = 20
"""A head comes every 30 s."""
MAX_DIGESTS: Final = 1024
"""Of revocations that were taken in, the newest."""
NOTHING: Final = Applied()


class Link(Protocol):
    async def subscribe(self, topic: str, handler: Callable[[str, bytes, bool], None]) -> None: ...


class RevocationListener:
    """Plane B of one list."""

    def __init__(
        self,
        list_name: str,
        keys: KeySet | None,
        pipeline: Pipeline,
        *,
        store: RevocationStore,
        list_sync: ListSync,
        clock: Clock,
        emit: Emit,
    ) -> None:
        """`keys`: who may sign revocations; None: none are heard. The signed list brings others."""
        self.ignored: Counter[str] = Counter()
        """Messages without effect, by reason; also copies of what we had."""
        self.revocations = 0
        """That took something away."""
        self.lag = list_sync.lag
        self._list_name = list_name
        self._listens = keys is not None
        self._keys = keys.keys if keys else {}
        self._revoked = keys.revoked if keys else frozenset()
        self._pipeline = pipeline
        self._store = store
        self._list_sync = list_sync
        self._clock = clock
        self._emit = emit
        self._seen = self._stored = store.last_revocation(list_name)
        self._revocation_budget = Budget(each_s=REVOCATIONS_EACH_S, at_once=REVOCATIONS_AT_ONCE)
        self._head_budget = Budget(each_s=HEADS_EACH_S, at_once=HEADS_AT_ONCE)
        self._taken_in: dict[bytes, None] = {}
        """Digests of revocations, the oldest first."""
        self._head = b""
        """Digest of the newest head."""
        self._hole_until_s: float | None = None
        """A list that was signed after this moment holds what a lost revocation took away."""
        self._unsaved = False
        self._reported_frozen = False

    async def listen(self, link: Link) -> None:
        """From now on, through all reconnections."""
        if not self._listens:
            return
        # The configured keys may name a stolen one, and what it took away was kept (rule 6).
        if self._revoked:
            self._lift(self._revoked)
        await link.subscribe(topic_of_revocations(self._list_name), self.hear_revocation)
        await link.subscribe(topic_of_head(self._list_name), self.hear_head)

    def hear_revocation(self, _topic: str, payload: bytes, _retained: bool) -> None:
        now = self._clock.now()
        digest = hashlib.sha256(payload).digest()
        # Before the budget: a flood of copies must not crowd out what is new (rule 5).
        if digest in self._taken_in:
            self.ignored[COPY] += 1
            return
        if not self._revocation_budget.take(now.monotonic_s):
            self._ignore(FLOOD)
            self._lose_revocation(now.utc_s)
            return
        try:
            revocation = read_revocation(payload, keys=self._keys, list_name=self._list_name)
        except Ignored as ignored:
            self._ignore(ignored.why)
            return
        if revocation.seq <= self._seen:
            # What it took is taken again, and nothing beside: a late one may fill a hole.
            self.ignored[COPY] += 1
        else:
            if revocation.previous > self._seen:
                # At the latest by our own clock: a list "from the future" would never come to close
                # the hole.
                self._begin_hole(min(revocation.issued_s, now.utc_s + AHEAD_S))
                self._list_sync.refresh.ask()
            self._seen = revocation.seq
        applied = self._pipeline.revoke(revocation, now)
        # Not remembered as taken in: sent again, it may find room.
        if applied.left_out:
            self._ignore(NO_ROOM)
            self._lose_revocation(now.utc_s)
        else:
            self._remember(digest)
        self._keep(applied)
        if applied.new:
            self.revocations += 1
            count = len(applied.new)
            self._emit(RestrictionApplied(list=self._list_name, seq=revocation.seq, count=count))

    def hear_head(self, _topic: str, payload: bytes, _retained: bool) -> None:
        now = self._clock.now()
        digest = hashlib.sha256(payload).digest()
        if digest == self._head:
            self.ignored[COPY] += 1
            return
        if not self._head_budget.take(now.monotonic_s):
            self._ignore(FLOOD)  # the next one makes up for it
            return
        try:
            head = read_head(payload, keys=self._keys, list_name=self._list_name, now_s=now.utc_s)
        except Ignored as ignored:
            self._ignore(ignored.why)
            return
        if not self.lag.heard(head):
            self.ignored[COPY] += 1
            return
        self._head = digest
        if head.revocation_seq > self._seen:  # rule 2: the last revocations were lost
            self._begin_hole(head.issued_s)
            self._seen = head.revocation_seq
        if self.lag.behind or self._hole_until_s is not None:
            self._list_sync.refresh.ask()
        self._keep()

    def list_polled(self, verified: VerifiedList | None) -> None:
        """Plane A was asked and answered; `verified` is what is new, None where nothing is."""
        if verified is not None and verified.revocation_keys:
            self._change_keys(verified.revocation_keys)
        hole_until_s = self._hole_until_s
        if hole_until_s is not None and self._list_sync.signed_since(hole_until_s):
            self._hole_until_s = None
        self._keep()
        if verified is not None:
            gone = self._pipeline.engine.settle()
            if gone:
                self._save(lambda: self._store.let_go(gone))
        self._report_frozen()

    def _lose_revocation(self, at_s: float) -> None:
        """One was not looked at, or not held: a list that is signed later says what it said."""
        if self._hole_until_s is None:
            self._list_sync.refresh.ask()
        self._begin_hole(at_s)

    def _remember(self, digest: bytes) -> None:
        if len(self._taken_in) >= MAX_DIGESTS:
            del self._taken_in[next(iter(self._taken_in))]
        self._taken_in[digest] = None

    def _begin_hole(self, issued_s: float) -> None:
        self._hole_until_s = max(issued_s, self._hole_until_s or 0.0)

    def _change_keys(self, jwks: bytes) -> None:
        try:
            key_set = parse_key_set(jwks)
        except BadKeys as error:
            next_step = "mend notices.jwks at the consent service; the old keys stay"
            self._emit(NoticesKeysRefused(reason=str(error), next_step=next_step))
            return
        self._keys = key_set.keys
        revoked = key_set.revoked - self._revoked
        self._revoked = key_set.revoked
        if revoked:
            self._lift(revoked)

    def _lift(self, revoked: Collection[str]) -> None:
        """A key was stolen: give back what it alone took away; the list has what is right of it."""
        gone = self._pipeline.engine.lift(revoked)
        if gone:
            self._save(lambda: self._store.let_go(gone))
        # The thief may have sent the numbers of a head or revocation ahead of all that come; so the
        # next one begins anew.
        self.lag.forget()
        self._head, self._seen = b"", 0
        self._taken_in.clear()
        self._emit(RestrictionLifted(list=self._list_name, count=len(gone), reason=LIFTED))

    def _keep(self, applied: Applied = NOTHING) -> None:
        """Store what was taken away, and which revocation was the last, where that is new."""
        # Not while there is a hole: after a restart nobody would look for what was lost (rule 2).
        seen = self._seen if self._hole_until_s is None and self._seen != self._stored else None
        if not (self._unsaved or applied.new or applied.gone or seen is not None):
            return
        # All that is held, where an earlier attempt failed: nobody knows what of it is stored.
        new = tuple(self._pipeline.engine.revocations) if self._unsaved else applied.new
        self._save(lambda: self._store.keep(self._list_name, new, seen, gone=applied.gone))
        if seen is not None and not self._unsaved:
            self._stored = seen

    def _save(self, store: Callable[[], None]) -> None:
        try:
            store()
        except StorageError as error:
            if not self._unsaved:
                self._emit(StorageFailed(what="withdrawn", reason=str(error)))
            self._unsaved = True
            return
        if self._unsaved:
            self._unsaved = False
            self._emit(StorageRecovered(what="withdrawn"))

    def _report_frozen(self) -> None:
        frozen = self.lag.frozen
        if frozen is self._reported_frozen:
            return
        self._reported_frozen = frozen
        head = self.lag.newest
        name, seq = self._list_name, head.list_seq if head else 0
        if frozen:
            reason = (
                "the consent service signed a newer list than its server gives us: nothing "
                "is renewed by this one"
            )
            next_step = (
                "look at the server, its cache and the proxy between; somebody may be "
                "holding the list back"
            )
            self._emit(ConsentFrozen(list=name, seq=seq, reason=reason, next_step=next_step))
        else:
            self._emit(ConsentCaughtUp(list=name, seq=seq))

    def _ignore(self, why: str) -> None:
        self.ignored[why] += 1
        count = self.ignored[why]
        if is_due(count):
            self._emit(RestrictionRefused(reason=why, count=count, next_step=NEXT_STEP[why]))


COPY: Final = "copy"
"""Signed, and had before."""

FLOOD: Final = "flood"
"""Not looked at: more came than signatures are looked at in a second."""
NO_ROOM: Final = "no_room"
"""Signed, and about more references that the list does not know than are held."""
LIFTED: Final = "the consent service says that the key was stolen which took this away"

_ACL: Final = "let only the consent service write to …/ctl/# (the broker's access list)"

NEXT_STEP: Final = {
    Unproven.MALFORMED: _ACL,
    Unproven.UNSIGNED: _ACL,
    Unproven.FORGED: f"somebody writes in the consent service's name: {_ACL}",
    Unproven.UNKNOWN_KEY: (
        "give this gateway the consent service's public keys (consent.notice_keys)"
    ),
    FOREIGN: "a notice of another list on this one's topic: look at the consent service",
    FLOOD: f"more messages come than any consent service sends: {_ACL}",
    NO_ROOM: (
        "a notices key may be stolen: `presence consents` revokes it (docs/consent-list.md, "
        "plane B)"
    ),
    UNTIMELY: "synchronise the clocks of this gateway and of the consent service (timedatectl)",
}
"""By why a message has no effect."""

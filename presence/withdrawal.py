"""Hears the consent service over the broker: notices take away at once, heads show whether plane A keeps up.

    broker ──notice──► signature, list, date ──► Restrictions ──► engine: pending events gone, `withdrawn` where told
                                                     └──► stored, before anything else happens
           ──head────► newer than plane A? ──► ask for a look ──► still older after two: consent.frozen

1. The broker is not believed: what our consent service did not sign is counted, and changes nothing (T-07).
2. A hole in the notices' numbers is a lost notice: plane A is asked at once, and again with each head, until a list
   that was signed after the hole is in force. The number of the last notice is not stored before that.
3. A notice is stored at once; where that fails (disk full) it holds in memory, and storing is tried again.
4. Nothing here makes a lease longer, and no line of the journal tells whom a notice concerns.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from presence.core.heads import Heads
from presence.core.jws import BadKeys, Keys, Unproven, parse_keys
from presence.core.notices import (
    FOREIGN,
    UNTIMELY,
    Ignored,
    Notice,
    read_head,
    read_notice,
    topic_of_head,
    topic_of_notices,
)
from presence.core.restrictions import Restriction, Restrictions
from presence.core.timestamps import Moment
from presence.errors import StorageError
from presence.ports import Clock, Proven, RestrictionStore, Tell
from presence.renewal import Renewal


class Gate(Protocol):
    """The pipeline, as far as notices concern it."""

    @property
    def restrictions(self) -> Restrictions: ...
    def take_away(self, notice: Notice, now: Moment) -> tuple[Restriction, ...]: ...
    def settle(self) -> tuple[Restriction, ...]: ...


class Link(Protocol):
    async def subscribe(self, topic: str, handler: Callable[[str, bytes, bool], None]) -> None: ...


class Withdrawal:
    """Plane B of one list."""

    def __init__(
        self,
        list_name: str,
        keys: Keys,
        gate: Gate,
        *,
        store: RestrictionStore,
        renewal: Renewal,
        clock: Clock,
        refresh: Callable[[], None],
        tell: Tell,
    ) -> None:
        """`refresh` asks for a look at plane A before its time."""
        self.ignored: Counter[str] = Counter()
        """Messages without effect, by reason; also copies of what we had."""
        self.notices = 0
        """That took something away."""
        self.heads: Heads = renewal.heads
        self._list_name = list_name
        self._keys = keys
        self._gate = gate
        self._store = store
        self._renewal = renewal
        self._clock = clock
        self._refresh = refresh
        self._tell = tell
        self._seen = store.last_notice(list_name)
        self._hole_until_s: float | None = None
        """A list that was signed after this moment holds what a lost notice took away."""
        self._unsaved = False
        self._told_frozen = False

    async def listen(self, link: Link) -> None:
        """From now on, through all reconnections."""
        await link.subscribe(topic_of_notices(self._list_name), self.hear_notice)
        await link.subscribe(topic_of_head(self._list_name), self.hear_head)

    def hear_notice(self, _topic: str, payload: bytes, _retained: bool) -> None:
        now = self._clock.now()
        try:
            notice = read_notice(payload, keys=self._keys, list_name=self._list_name, now_s=now.utc_s)
        except Ignored as ignored:
            self._ignore(ignored.why)
            return
        if notice.seq <= self._seen:
            self.ignored[COPY] += 1  # what it took is taken again, and nothing beside: a late one fills a hole
        else:
            if notice.previous > self._seen:
                self._begin_hole(notice.issued_s)
                self._refresh()
            self._seen = notice.seq
        new = self._gate.take_away(notice, now)
        self._keep(new)
        if new:
            self.notices += 1
            self._tell("restriction.applied", {"list": self._list_name, "seq": notice.seq, "count": len(new)})

    def hear_head(self, _topic: str, payload: bytes, _retained: bool) -> None:
        try:
            head = read_head(payload, keys=self._keys, list_name=self._list_name, now_s=self._clock.now().utc_s)
        except Ignored as ignored:
            self._ignore(ignored.why)
            return
        if not self.heads.heard(head):
            self.ignored[COPY] += 1
            return
        if head.notice_seq > self._seen:
            self._begin_hole(head.issued_s)
            self._seen = head.notice_seq
        if self._is_behind() or self._hole_until_s is not None:
            self._refresh()
        self._keep(())

    def looked(self, proven: Proven | None) -> None:
        """Plane A was asked and answered; `proven` where there is something new."""
        renewal = self._renewal
        if proven is not None and proven.notice_keys:
            self._change_keys(proven.notice_keys)
        header = renewal.lease.header if renewal.lease else None
        if header is not None and self._hole_until_s is not None and header.published_at_s >= self._hole_until_s:
            self._hole_until_s = None
            self._keep(())
        if proven is not None:
            gone = self._gate.settle()
            if gone:
                self._save(lambda: self._store.let_go(gone))
        self._tell_frozen()

    def _is_behind(self) -> bool:
        return self.heads.behind(self._renewal.timestamp_version, self._renewal.seq)

    def _begin_hole(self, issued_s: float) -> None:
        self._hole_until_s = max(issued_s, self._hole_until_s or 0.0)

    def _change_keys(self, jwks: bytes) -> None:
        try:
            self._keys = parse_keys(jwks)
        except BadKeys as error:
            fields = {"reason": str(error), "next_step": "mend notices.jwks at the consent service; the old keys stay"}
            self._tell("notices.keys_refused", fields)

    def _keep(self, new: tuple[Restriction, ...]) -> None:
        """Store what was taken away, and which notice was the last; all of it where an earlier attempt failed."""
        if self._unsaved:
            new = tuple(self._gate.restrictions)
        seen = self._seen if self._hole_until_s is None else None
        self._save(lambda: self._store.keep(self._list_name, new, seen))

    def _save(self, store: Callable[[], None]) -> None:
        try:
            store()
        except StorageError as error:
            if not self._unsaved:
                self._tell("storage.failed", {"reason": str(error)})
            self._unsaved = True
            return
        if self._unsaved:
            self._unsaved = False
            self._tell("storage.recovered", {})

    def _tell_frozen(self) -> None:
        frozen = self.heads.frozen
        if frozen is self._told_frozen:
            return
        self._told_frozen = frozen
        head = self.heads.newest
        fields = {"list": self._list_name, "seq": head.list_seq if head else 0}
        if frozen:
            reason = "the consent service signed a newer list than its server gives us: nothing is renewed by this one"
            next_step = "look at the server, its cache and the proxy between; somebody may be holding the list back"
            self._tell("consent.frozen", {**fields, "reason": reason, "next_step": next_step})
        else:
            self._tell("consent.caught_up", fields)

    def _ignore(self, why: str) -> None:
        self.ignored[why] += 1
        count = self.ignored[why]
        if count & (count - 1) == 0:  # 1, 2, 4, 8 …: a flood does not fill the journal
            self._tell("restriction.refused", {"reason": why, "count": count, "next_step": NEXT_STEP[why]})


COPY: Final = "copy"
"""Signed, and had before."""

_ACL: Final = "let only the consent service write to …/ctl/# (the broker's access list)"

NEXT_STEP: Final = {
    Unproven.MALFORMED: _ACL,
    Unproven.UNSIGNED: _ACL,
    Unproven.FORGED: f"somebody writes in the consent service's name: {_ACL}",
    Unproven.UNKNOWN_KEY: "give this gateway the consent service's public keys (consent.notice_keys)",
    FOREIGN: "a notice of another list on this one's topic: look at the consent service",
    UNTIMELY: "synchronise the clocks of this gateway and of the consent service (timedatectl)",
}
"""By why a message has no effect."""

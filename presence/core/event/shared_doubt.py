"""What a store's gateways tell one another of replays: a phone at one door and its recording at
another look honest to each gateway alone.

    gateway 1                                              gateway 2
      │ claim, and under which address it was heard ──────► │ heard it just now, under another one
      │ ◄──────────────────────────────── doubt ─────────── │ suspect here
      │ suspect here; the entry that waits is dropped        │

1. Names are opaque: HMAC(store key, ref and slot), and HMAC(store key, ref, slot and address). They
   live for a slot, and say nothing to whoever lacks the key (R-21). In a claim half of each stands
   where `told` repeated `visit`: who reads the broker sees as many words as before, and as long.
2. An address is told with the claim of an entry and at no other time: it would tell who walks past.
3. A doubt goes out where this gateway found somebody suspect by itself, at most once in SAY_AGAIN_S
   for each, and within BUDGET. A doubt that a peer brought is not told on.
4. An entry that answers alone made is not dropped, nor one that was sent already.
5. Best effort: a lost word leaves each gateway with what it hears itself.
"""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from presence.core.budget import Budget
from presence.core.encoding import opaque_text
from presence.core.event.peer_message import PeerMessage, PeerMessageKind
from presence.core.recognition.replay_guard import SUSPECT_S, ReplayGuard
from presence.core.timestamps import Moment

JUST_NOW_S: Final = 2.0
"""Two gateways hear one phone that advertises once a second under one address, but for the seconds
in which it changes it, every quarter of an hour.
"""
SAY_AGAIN_S: Final = 30.0
"""Half of SUSPECT_S: while signs go on, peers do not forget."""
EACH_S, AT_ONCE = 2.0, 20
HALF: Final = 13
"""Characters of a name in a claim: 65 bits."""
MAX_HELD: Final = 4096
"""Names that were said or heard; the oldest go first."""


class SharedDoubt:
    """What is said and heard about replays. `receive` and `due` answer with refs to be doubted."""

    def __init__(self, store_key: bytes, gateway: str, guard: ReplayGuard) -> None:
        self._store_key = store_key
        self._gateway = gateway
        self._guard = guard
        self._budget = Budget(each_s=EACH_S, at_once=AT_ONCE)
        self._said: dict[str, float] = {}
        """Name → when (monotonic)."""
        self._doubted: dict[str, float] = {}
        """By peers, of who was not heard here: name → until when."""

    def explain(self, claim: PeerMessage, ref: bytes) -> PeerMessage:
        """The claim of an entry, with under which address it was heard, where that is known."""
        trail = self._guard.heard_under(ref)
        if trail is None:
            return claim
        return replace(claim, sent_as=self._trails(ref, *trail)[0])

    def receive(self, message: PeerMessage, now: Moment) -> tuple[list[bytes], PeerMessage | None]:
        """Take in a claim or a doubt of a peer: whom to doubt, and what to answer."""
        if message.gateway == self._gateway:
            return [], None
        now_s = now.monotonic_s
        if message.kind is PeerMessageKind.DOUBT:
            doubted = self._whose({message.visit}, now_s)
            if not doubted:
                _hold(self._doubted, message.visit, now_s + SUSPECT_S)
            return [ref for ref, _ in doubted], None
        if message.kind is PeerMessageKind.CLAIM and message.sent_as != message.visit:
            for ref, name in self._whose({message.sent_as[:HALF]}, now_s):
                trail = self._guard.heard_under(ref)
                if trail is not None and message.sent_as not in self._trails(ref, *trail):
                    return [ref], self._doubt(name, now)
        return [], None

    def due(self, now: Moment) -> tuple[list[bytes], list[PeerMessage]]:
        """Whom peers doubt and who was heard here since; and what is to be said of our own."""
        now_s = now.monotonic_s
        for name in [name for name, until_s in self._doubted.items() if until_s <= now_s]:
            del self._doubted[name]
        doubted = self._whose(set(self._doubted), now_s) if self._doubted else []
        for _, name in doubted:  # once: from now on the guard knows how long
            del self._doubted[name]
        return [ref for ref, _ in doubted], list(self._own(now))

    def _own(self, now: Moment) -> Iterator[PeerMessage]:
        for ref, slot in self._guard.take_suspects().items():
            message = self._doubt(self._name(ref, slot), now)
            if message is not None:
                yield message

    def _doubt(self, name: str, now: Moment) -> PeerMessage | None:
        """Rule 3."""
        now_s = now.monotonic_s
        if now_s - self._said.get(name, -SAY_AGAIN_S) < SAY_AGAIN_S or not self._budget.take(now_s):
            return None
        _hold(self._said, name, now_s)
        return PeerMessage(PeerMessageKind.DOUBT, name, name, self._gateway, int(now.utc_s))

    def _whose(self, names: set[str], now_s: float) -> list[tuple[bytes, str]]:
        """Who of those heard just now goes by one of these names, whole or half: 3 µs for each."""
        return [
            (ref, name)
            for ref, slot in self._guard.heard_since(now_s - JUST_NOW_S)
            if (name := self._name(ref, slot)) in names or name[:HALF] in names
        ]

    def _trails(self, ref: bytes, slot: int, addresses: Sequence[bytes]) -> list[str]:
        """What a claim says of each of these addresses."""
        name = self._name(ref, slot)[:HALF]
        return [name + self._name(ref, slot, address)[:HALF] for address in addresses]

    def _name(self, ref: bytes, slot: int, address: bytes = b"") -> str:
        content = b"presence replay v1\0" + ref + slot.to_bytes(4, "big") + address
        return opaque_text(hmac.digest(self._store_key, content, "sha256"))


def _hold(held: dict[str, float], name: str, at_s: float) -> None:
    held.pop(name, None)
    while len(held) >= MAX_HELD:
        del held[next(iter(held))]
    held[name] = at_s

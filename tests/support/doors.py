"""Several gateways of one store in one process and on one clock: engines and peers as the daemon
joins them.

The broker between them is a list of messages with a moment of arrival; a test says who is cut off,
who is dead, and what is lost on the way.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from presence.config.settings import PeerSettings
from presence.core.consent.model import Consent
from presence.core.event.cloudevent import encode
from presence.core.event.election import Election, Send, Suppress, Wait
from presence.core.event.peer_message import (
    PeerMessage,
    PeerMessageKind,
    decode_peer_message,
    encode_peer_message,
)
from presence.core.recognition.advertisement import Advertisement
from presence.core.timestamps import Moment
from tests.support.builders import (
    ANNA,
    SITE,
    STORE_KEY,
    DoorRule,
    a_list,
    advertisement,
    an_engine,
    consent,
    moment,
)

STEP_S = 0.01
LATENCY_S = 0.02
RULE = PeerSettings()


@dataclass
class Sent:
    """An event as the broker took it."""

    at_s: float
    door: str
    body: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def type(self) -> str:
        return str(self.body["type"]).split(".")[1]


class Door:
    """One gateway."""

    def __init__(
        self, name: str, consents: Iterable[Consent], chance: Random, **rules: Any
    ) -> None:
        self.name = name
        self.engine = an_engine(*consents, **rules)
        self.peers = Election(SITE, STORE_KEY, name, RULE, rules.get("entry", DoorRule()))
        self.chance = chance
        self.alive = True
        self.group = 0
        """Doors of different groups do not hear one another: the broker is split."""
        self.adopted = 0

    def work(
        self,
        now: Moment,
        say: Callable[["Door", PeerMessage], None],
        send: Callable[["Door", Any], bool],
    ) -> None:
        """What relay and peering do: everything in the outbox that can be done now."""
        for outgoing in tuple(self.engine.outbox.pending):
            while True:
                turn = self.peers.decide(outgoing, now, self.chance.random())
                if isinstance(turn, PeerMessage):
                    say(self, turn)
                    continue
                break
            if isinstance(turn, Suppress):
                self.engine.dispatcher.adopt(outgoing, turn.event_id, now)
                self.peers.forget(outgoing.id)
                self.adopted += 1
            elif isinstance(turn, Send):
                released = self.engine.dispatcher.release(outgoing, now)
                if isinstance(released, tuple) and send(self, released[0]):
                    self.engine.outbox.pending.pop(outgoing.id)
                    say(self, self.peers.sent(outgoing, now))
            else:
                assert isinstance(turn, Wait)
                assert turn.seconds > 0


@dataclass
class Doors:
    """The store: doors, and what travels between them."""

    doors: list[Door]
    now: Moment = field(default_factory=moment)
    sent: list[Sent] = field(default_factory=list)
    lost: Callable[[PeerMessage, Door], bool] = lambda _seen, _door: False
    after_event: Callable[[Door], None] = lambda _door: None
    """Called when the broker has taken an event, before its door knows."""
    spoken: list[PeerMessage] = field(default_factory=list)
    _way: list[tuple[float, Door, bytes]] = field(default_factory=list)
    _air: list[tuple[float, Door, Advertisement]] = field(default_factory=list)

    @classmethod
    def of(
        cls, count: int, *consents: Consent, seed: int = 1, acquainted: bool = True, **rules: Any
    ) -> "Doors":
        """`acquainted`: each has heard of another before, as after the first visit of the day."""
        known = consents or (consent(),)
        doors = [
            Door(f"door-{n}", known, Random(f"{seed}/{n}"), **rules) for n in range(1, count + 1)
        ]
        for door in doors if acquainted and count > 1 else ():
            door.peers.receive(
                PeerMessage(PeerMessageKind.STILL_PRESENT, "", "", "another", 0), (), moment()
            )
        return cls(doors)

    def __getitem__(self, number: int) -> Door:
        return self.doors[number - 1]

    def walk_in(
        self,
        *numbers: int,
        start_s: float = 0.0,
        late_s: float = 0.0,
        rssi_dbm: int = -60,
        ref: bytes = ANNA,
    ) -> "Doors":
        """Somebody comes in, heard by these doors; each a little later than the one before
        (`late_s`).
        """
        for order, number in enumerate(numbers):
            self.heard(
                number,
                start_s + order * late_s,
                start_s + order * late_s + 8,
                rssi_dbm=rssi_dbm,
                ref=ref,
            )
        return self

    def heard(
        self,
        number: int,
        start_s: float,
        end_s: float,
        *,
        every_s: float = 1,
        rssi_dbm: int = -60,
        ref: bytes = ANNA,
    ) -> None:
        at_s = start_s
        while at_s < end_s:
            at = moment(at_s)
            self._air.append(
                (at.monotonic_s, self[number], advertisement(ref=ref, at=at, rssi_dbm=rssi_dbm))
            )
            at_s += every_s
        self._air.sort(key=lambda heard: heard[0])

    def publish_list(self, *consents: Consent, to: Iterable[int] | None = None) -> None:
        for door in self.doors if to is None else [self[n] for n in to]:
            if door.alive:
                door.engine.apply(a_list(*consents, seq=8), self.now)

    def run(self, until_s: float, *, step_s: float = STEP_S) -> "Doors":
        """Let time pass up to so many seconds after the start."""
        end_s = moment(until_s).monotonic_s
        ticks = 0
        while self.now.monotonic_s < end_s:
            self.now = self.now.later(step_s)
            ticks += 1
            while self._air and self._air[0][0] <= self.now.monotonic_s:
                _, door, heard = self._air.pop(0)
                if door.alive:
                    door.engine.receive(heard)
            self._deliver()
            for door in self.doors:
                if door.alive:
                    if ticks % 50 == 0 or step_s >= 1:
                        door.engine.advance(self.now)
                    door.work(self.now, self._say, self._send)
        return self

    def ids(self, kind: str = "entered") -> list[str]:
        return [sent.id for sent in self.sent if sent.type == kind]

    def by(self, kind: str = "entered") -> list[str]:
        return [sent.door for sent in self.sent if sent.type == kind]

    def _say(self, door: Door, message: PeerMessage) -> None:
        if door.alive:
            self.spoken.append(message)
            payload = encode_peer_message(message, STORE_KEY, SITE)
            arrives_s = self.now.monotonic_s + LATENCY_S
            self._way += [
                (arrives_s, other, payload)
                for other in self.doors
                if other is not door and other.group == door.group and not self.lost(message, other)
            ]

    def _send(self, door: Door, event: Any) -> bool:
        self.sent.append(Sent(self.now.monotonic_s, door.name, json.loads(encode(event, SITE))))
        self.after_event(door)
        return door.alive

    def _deliver(self) -> None:
        due = [each for each in self._way if each[0] <= self.now.monotonic_s]
        self._way = [each for each in self._way if each[0] > self.now.monotonic_s]
        for _, door, payload in due:
            if not door.alive:
                continue
            message = decode_peer_message(payload, STORE_KEY, SITE, self.now.utc_s)
            assert isinstance(message, PeerMessage)
            answer = door.peers.receive(message, door.engine.announced_visits(), self.now)
            if answer is not None:
                self._say(door, answer)

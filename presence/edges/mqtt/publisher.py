"""Events, health and subscriptions over MQTT: `publish` returns when the broker has taken the
message, never before.

    run():  connect (a new object) ─► subscribe ─► birth ─► connected ─► lost ─► wait (full jitter)
                ▲                                                                  │
                └──────────────────────────────────────────────────────────────────┘
    cancelled: `stopped` ─► DISCONNECT

1. Only `run` connects and waits; everything else uses the connection that it holds, or fails with
   BrokerError.
2. A reason code ≥ 0x80 in PUBACK is a refusal. Of those, four speak of the message (MessageRefused,
   R-51); the rest speak of the broker's state, and the message may be sent again (MessageNotTaken).
   Neither is logged here: a line for each refused event would be a record of visits (R-23). 0x10
   for an event is MessageUnheard: it was given to nobody. To our state, to words among gateways and
   with MQTT 3.1.1, where no reason codes are, it makes no difference.
3. A message that is not acknowledged in time ends the connection: what we know of it may no longer
   be true. Messages to other gateways are best effort: one node of a cluster that is gone leaves
   them without an answer.
4. The back-off grows while connections are short, whether they were refused or lost: two gateways
   of one name would throw each other out for ever (0x8E, R-56). A broker that is restarted again
   and again is no such twin. Of several brokers all are tried, shortly after one another, before it
   grows (presence.edges.mqtt.brokers).
5. Nothing about a person is retained, in a will, or in the caller's log (R-48). A connection that
   ends while a message waits for its acknowledgement is logged by the hour: some brokers hang up on
   what they do not allow, and a line for each would be one for each visit (R-23).
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import paho.mqtt.client as paho

from presence.config.settings import MqttSettings
from presence.core.event.cloudevent import CONTENT_TYPE
from presence.core.timestamps import Moment
from presence.edges.mqtt.brokers import Broker, Brokers, LookUp, look_up
from presence.edges.mqtt.client import JSON, Content, Will
from presence.edges.mqtt.connection import Connection
from presence.edges.mqtt.credentials import load_credentials
from presence.edges.mqtt.pace import MQTT_PACE, MqttPace
from presence.edges.mqtt.reasons import (
    FAILURE,
    NO_MATCHING_SUBSCRIBERS,
    PERMANENT,
    SESSION_TAKEN_OVER,
    name,
    remedy,
)
from presence.edges.mqtt.report import ConnectionCounters, ConnectionReport, Ending
from presence.edges.mqtt.witness import Witness
from presence.errors import (
    BrokerError,
    ConfigurationError,
    MessageNotTaken,
    MessageRefused,
    MessageUnheard,
)
from presence.ports import OutgoingMessage
from presence.pulse import beat, resting
from presence.telemetry import Emit

WORD: Final = Content(JSON)
BACKOFF_FIRST_S: Final = 1.0
HOP_S: Final = 0.5
"""Ceiling of the pause before another broker of the same round is tried."""
STABLE_S: Final = 30.0
"""A connection that lasted so long starts the back-off anew."""
CONTENDED: Final = 3
"""So many connections lost within STABLE_S each, the last one from a broker that goes on: to a
gateway of our name. Strict brokers say 0x8E then; mosquitto 2.0.11 only closes.
"""

Handler = Callable[[str, bytes, bool], None]
"""Takes topic, payload and "was retained", in the event loop; returns at once."""


class ClientName(Protocol):
    """Who connects (config.settings.StoreSettings)."""

    @property
    def chain(self) -> str: ...
    @property
    def store(self) -> str: ...
    @property
    def gateway(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Subscription:
    handler: Handler
    no_local: bool


class MqttPublisher:
    """Holds at most one connection; `run` makes it, and makes it anew for as long as it runs."""

    def __init__(
        self,
        settings: MqttSettings,
        store: ClientName,
        *,
        emit: Emit,
        state: Callable[[str], Mapping[str, object]] | None = None,
        role: str = "",
        chance: Callable[[], float] = random.random,
        pace: MqttPace = MQTT_PACE,
        look_up: LookUp = look_up,
    ) -> None:
        """`state` gives what is retained as our state for the names `online`, `stopped` and `lost`;
        without it there is neither birth nor will. A `role` beside the daemon's makes the client id
        another one, so that a check or a replay does not throw the daemon out.

        Raises ConfigurationError where a password or certificate cannot be read.
        """
        load_credentials(settings)
        self.counters = ConnectionCounters()
        self._report = ConnectionReport(self.counters, emit)
        self._settings = settings
        self._client_id = f"presence-{store.chain}-{store.store}-{store.gateway}" + (
            f"-{role}" if role else ""
        )
        self._state_topic = f"presence/v1/{store.chain}/{store.store}/gw/{store.gateway}/state"
        self._state = state
        self._chance = chance
        self._pace = pace
        self._brokers = Brokers(settings, chance, look_up)
        self._subscriptions: dict[str, _Subscription] = {}
        self._connection: Connection | None = None
        self._up = asyncio.Event()

    @property
    def trouble(self) -> str | None:
        """Why there is no connection, with the next step; None while there is one."""
        return self._report.trouble

    @property
    def is_connected(self) -> bool:
        return self._up.is_set()

    @property
    def room(self) -> int:
        return 0 if self._connection is None or not self.is_connected else self._connection.room

    async def connected(self) -> None:
        while not self.room:
            await self._up.wait()
            if self._connection is not None:
                await self._connection.has_room()
            # Of a connection that is over `run` learns in a turn of its own.
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Keep a connection until cancelled; then say `stopped` and DISCONNECT."""
        loop = asyncio.get_running_loop()
        attempts = soon_lost = 0
        while True:
            beat()
            broker, began_s = await self._brokers.next(), loop.time()
            async with self._witness(broker, needed=soon_lost >= CONTENDED - 1) as witness:
                # Where a whole round was in vain, all are slow, and each is given its time.
                hurried = self._brokers.several and not attempts
                was_up, ending = await self._connect_and_stay(broker, hurried=hurried)
                stable = was_up and loop.time() - began_s >= STABLE_S
                contended = ending.reason_code == SESSION_TAKEN_OVER
                # Not with a message unanswered: the broker may have hung up on that, and no twin
                # took our place (rule 5).
                if witness is not None and was_up and not stable and not ending.unanswered:
                    contended = contended or await witness.outlived()
            if stable:
                attempts = 0
            # No twin where the broker turned us away, or where it ended itself: it is in trouble.
            broker_ended = witness is not None and not contended
            soon_lost = 0 if stable or not was_up or broker_ended else soon_lost + 1
            if was_up:
                self._brokers.begin_anew()
            ceiling_s = HOP_S
            if self._brokers.round_is_over:
                ceiling_s = min(
                    self._settings.reconnect_max_s, BACKOFF_FIRST_S * 2.0 ** min(attempts, 16)
                )
                attempts += 1
            wait_s = self._chance() * ceiling_s
            self._report.ended(ending, was_up=was_up, wait_s=wait_s, contended=contended)
            with resting():
                await asyncio.sleep(wait_s)

    def publish(self, message: OutgoingMessage) -> Awaitable[None]:
        try:
            answer = self._hand_over(message)
        except BrokerError as error:
            return _failed(error)
        if not isinstance(answer, asyncio.Future):  # it waits for room
            return self._judge_later(message, answer)
        # No task for each: that would be a good part of the cost of a message.
        judged: asyncio.Future[None] = answer.get_loop().create_future()
        answer.add_done_callback(partial(self._pass_on, message, judged))
        return judged

    async def _judge_later(self, message: OutgoingMessage, answer: Awaitable[int]) -> None:
        self._judge(message, await answer)

    def _pass_on(
        self, message: OutgoingMessage, judged: asyncio.Future[None], answer: asyncio.Future[int]
    ) -> None:
        if judged.done():  # the caller gave up waiting
            return
        try:
            self._judge(message, answer.result())
        except BrokerError as error:
            judged.set_exception(error)
        else:
            judged.set_result(None)

    def _hand_over(self, message: OutgoingMessage) -> Awaitable[int]:
        content = WORD
        if message.event_type:
            # Not where payloads are padded to one size: these would show what kind of event it is.
            pairs = (("type", message.event_type), ("id", message.event_id))
            content = Content(CONTENT_TYPE, pairs if message.copies else ())
        return self._usable().publish(
            message.topic,
            message.payload,
            content=content,
            expiry_s=message.expiry_s,
            best_effort=not message.event_type,
        )

    def _judge(self, message: OutgoingMessage, code: int) -> None:
        is_event = bool(message.event_type)
        if code >= FAILURE:
            self.counters.refused[code] += 1
            (self.counters.refused_events if is_event else self.counters.refused_words)[code] += 1
            kind = MessageRefused if code in PERMANENT else MessageNotTaken
            raise kind(
                f"the broker refused a message: {name(code)}: {remedy(code)}", reason_code=code
            )
        if is_event and code == NO_MATCHING_SUBSCRIBERS:
            raise MessageUnheard
        self.counters.published += is_event

    async def send(self, topic: str, payload: bytes) -> None:
        """One message that is worth nothing a second later: QoS 0, never retained. Returns once it
        is on the wire; raises BrokerError where it cannot be now.
        """
        await self._usable().publish(topic, payload, qos=0, best_effort=True)

    async def publish_state(self) -> None:
        """Retain our state anew. Without a connection nothing happens: the next birth says it."""
        if self._connection is not None and self.is_connected:
            with contextlib.suppress(BrokerError):  # `run` reports the end of a connection
                await self._retain_state(self._connection, "online")

    def advance(self, now: Moment) -> None:
        """Log what is logged by the hour (rule 5)."""
        self._report.advance(now)

    async def subscribe(self, topic: str, handler: Handler, *, no_local: bool = False) -> None:
        """Hear a topic (or filter with `+`) from now on, through all reconnections.

        `no_local`: not what we published ourselves (MQTT 5 only). A refusal is logged, not raised.
        """
        if "#" in topic:
            raise ValueError(
                "the daemon subscribes to what it knows: name the topic, `+` for one level"
            )
        self._subscriptions[topic] = _Subscription(handler, no_local)
        # Otherwise the next `_greet` subscribes.
        if self._connection is not None and self.is_connected:
            with contextlib.suppress(BrokerError):
                await self._subscribe(self._connection, topic)

    def _usable(self) -> Connection:
        if self._connection is None or not self.is_connected or self._connection.ended.is_set():
            raise BrokerError(
                f"not connected to the broker: {self.trouble or 'the connection was lost'}"
            )
        return self._connection

    @contextlib.asynccontextmanager
    async def _witness(self, broker: Broker, *, needed: bool) -> AsyncIterator[Witness | None]:
        port = self._settings.port
        witness = await Witness.called(broker.address, port, within_s=STABLE_S) if needed else None
        try:
            yield witness
        finally:
            if witness is not None:
                witness.close()

    async def _connect_and_stay(self, broker: Broker, *, hurried: bool) -> tuple[bool, Ending]:
        """One connection from beginning to end: was it up, and why is it over."""
        try:
            connection = Connection(
                self._settings,
                client_id=self._client_id,
                credentials=load_credentials(self._settings),
                will=None
                if self._state is None
                else Will(self._state_topic, self._encoded_state("lost")),
                receive=self._receive,
                dropped=self.counters.dropped,
                pace=self._pace,
                broker=broker,
                within_s=self._pace.hop_s if hurried else None,
            )
        except ConfigurationError as error:
            return False, Ending(str(error), fault=error)
        self._connection = connection
        was_up = False
        try:
            await self._greet(connection, broker)
            was_up = True
            with resting():
                await connection.ended.wait()
        except BrokerError as error:
            connection.abort(str(error))
            await connection.ended.wait()
        except asyncio.CancelledError:
            await self._farewell(connection)
            raise
        finally:
            self._up.clear()
            self._connection = None
        return was_up, connection.ending

    async def _greet(self, connection: Connection, broker: Broker) -> None:
        await connection.open()
        self.counters.connects += 1
        for topic in tuple(self._subscriptions):
            await self._subscribe(connection, topic)
        await self._retain_state(connection, "online")
        self._up.set()
        self._report.connected(self._settings, broker.name)

    async def _farewell(self, connection: Connection) -> None:
        if connection.is_open:  # also where we are stopped in the middle of the birth
            with contextlib.suppress(BrokerError, TimeoutError):
                async with asyncio.timeout(self._pace.farewell_s):
                    await self._retain_state(connection, "stopped")
                    await connection.close()
        # Otherwise without DISCONNECT, so that a birth which went out already is followed by the
        # will.
        connection.abort("stopped")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.farewell_s):
                await connection.ended.wait()

    async def _subscribe(self, connection: Connection, topic: str) -> None:
        code = await connection.subscribe(topic, no_local=self._subscriptions[topic].no_local)
        if code >= FAILURE:
            self._report.refused("subscription", code, topic)

    async def _retain_state(self, connection: Connection, state: str) -> None:
        if self._state is None:
            return
        payload = self._encoded_state(state)
        code = await connection.publish(self._state_topic, payload, retain=True, content=WORD)
        if code >= FAILURE:
            self._report.refused("state", code, self._state_topic)

    def _encoded_state(self, state: str) -> bytes:
        body = {} if self._state is None else self._state(state)
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()

    def _receive(self, topic: str, payload: bytes, retained: bool) -> None:
        known = [f for f in self._subscriptions if f == topic or paho.topic_matches_sub(f, topic)]
        if not known:
            self.counters.unknown_topic += 1
        for topic_filter in known:
            try:
                self._subscriptions[topic_filter].handler(topic, payload, retained)
            except Exception as error:  # noqa: BLE001 - one bad message must not stop the others
                self._report.handler_failed(topic_filter, error)


async def _failed(error: BrokerError) -> None:
    raise error

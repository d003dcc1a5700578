"""One connection to a broker, from CONNECT to its end. It is never used again: the next one is a
new object.

    a thread: TCP, TLS ─► event loop: paho reads, writes and looks at its clock
                                      on_connect, on_publish … ─► futures, `ended`, `receive`

1. Nothing is handed to paho before CONNACK or after the end: what paho queues goes out later with
   its old expiry.
2. A slot is taken before a message is handed over and given back by its PUBACK only, so that a
   caller who gave up waiting does not make room for an eleventh message (R-50). Best-effort
   messages have a share of the slots: those that are never answered neither end the connection nor
   leave the others without a slot.
3. An exception in a step of paho's, ours or its own, ends the connection and is in
   `Ending.fault` (R-52).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from presence.config.settings import MqttProtocol, MqttSettings
from presence.edges.mqtt.answers import PendingAnswers
from presence.edges.mqtt.brokers import Broker
from presence.edges.mqtt.client import PACKET_MAX, Client, Content, PacketTooLong, Will
from presence.edges.mqtt.credentials import Credentials
from presence.edges.mqtt.pace import MQTT_PACE, MqttPace
from presence.edges.mqtt.reasons import PACKET_TOO_LARGE
from presence.edges.mqtt.report import Dropped, Ending
from presence.edges.mqtt.slots import BEST_EFFORT_MAX, UNACKNOWLEDGED_MAX, Slots
from presence.errors import BrokerError, reason_of

HEAD_MAX: Final = 512
"""Room for the header and properties of our messages, which take about 150 bytes."""

Receive = Callable[[str, bytes, bool], None]
"""Takes topic, payload and retain flag, in the event loop."""
Send = Callable[[Properties | None], paho.MQTTMessageInfo]


class Connection:
    """Says once, at `ended`, why it is over; every call after that raises BrokerError."""

    def __init__(
        self,
        settings: MqttSettings,
        *,
        client_id: str,
        credentials: Credentials,
        will: Will | None,
        receive: Receive,
        dropped: Dropped,
        pace: MqttPace = MQTT_PACE,
        broker: Broker | None = None,
        within_s: float | None = None,
    ) -> None:
        """`broker`: the first of the settings where none is named; `within_s`: until CONNACK, where
        that is shorter than the settings and the pace allow.
        """
        self.ended = asyncio.Event()
        self.ending = Ending("not connected yet")
        self._settings = settings
        self._receive = receive
        self._dropped = dropped
        self._pace = pace if within_s is None else replace(pace, tcp_s=min(pace.tcp_s, within_s))
        self._open_s = within_s or pace.tcp_s + settings.acknowledge_timeout_s
        self._broker = broker or Broker(settings.brokers[0], settings.brokers[0])
        self._loop = asyncio.get_running_loop()
        self._accepted: asyncio.Future[int] = self._loop.create_future()
        self._slots = Slots(UNACKNOWLEDGED_MAX)
        self._best_effort: set[int] = set()
        """Packet ids of unacknowledged best-effort messages."""
        self._answers = PendingAnswers(settings.acknowledge_timeout_s, self._overdue)
        self._packet_max: int | None = None
        self._hint: Ending | None = None
        self._aborted = False
        self._client = self._new_client(client_id, credentials, will)

    @property
    def is_open(self) -> bool:
        """Whether the broker has accepted us, and nothing has ended it since."""
        if not self._accepted.done() or self._accepted.cancelled() or self._accepted.result() < 0:
            return False
        return not self._aborted and not self.ended.is_set()

    @property
    def room(self) -> int:
        """So many messages can be handed over without waiting for a slot."""
        return self._slots.free if self.is_open else 0

    async def has_room(self) -> None:
        """Return once a slot is free, or all is over."""
        await self._slots.wait()
        self._slots.give_back()
        if not self.is_open:
            await self.ended.wait()

    async def open(self) -> None:
        """Connect and return at a good CONNACK. Raises BrokerError; `ending` says why."""
        self._client.begin()
        try:
            async with asyncio.timeout(self._open_s):
                if await self._accepted < 0:
                    raise self._error()
        except TimeoutError:
            self.abort("the broker did not answer CONNECT in time")
            raise self._error() from None

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: Literal[0, 1] = 1,
        retain: bool = False,
        content: Content | None = None,
        expiry_s: float | None = None,
        best_effort: bool = False,
    ) -> Awaitable[int]:
        """Hand one message over, at once where there is room. To be awaited for the reason code of
        its PUBACK (0 where there is none: with MQTT 3.1.1, and with QoS 0, where it comes once the
        message is on the wire).

        `expiry_s` counts from the call: waiting for a slot uses it up. BrokerError is raised, at
        once or to who awaits, where it is used up, where the connection ends, or where no PUBACK
        comes in time (which ends the connection, unless it is best effort).
        """
        # MQTT 5, 3.2.2.3.6: a longer packet must not be sent; brokers end the connection for one.
        if (
            self._packet_max is not None
            and len(topic.encode()) + len(payload) + HEAD_MAX > self._packet_max
        ):
            return self._known(PACKET_TOO_LARGE)
        deadline = None if expiry_s is None else self._loop.time() + expiry_s
        send = partial(self._client.publish, topic, payload, qos, retain)
        if not self.room:
            return self._hand_over_later(send, content, deadline, best_effort=best_effort)
        self._slots.take()
        return self._hand_over(send, content, deadline, best_effort=best_effort)

    async def _hand_over_later(
        self, send: Send, content: Content | None, deadline: float | None, *, best_effort: bool
    ) -> int:
        await self._take_slot()
        return await self._hand_over(send, content, deadline, best_effort=best_effort)

    def _hand_over(
        self, send: Send, content: Content | None, deadline: float | None, *, best_effort: bool
    ) -> asyncio.Future[int]:
        """The slot is ours. Raises BrokerError, and gives it back."""
        try:
            properties = self._prepare(content, deadline, best_effort=best_effort)
            info = self._client.step(partial(send, properties))
            if info is None or info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise self._error()
        except BrokerError:
            self._slots.give_back()
            raise
        if info.is_published():  # QoS 0: it is on the wire, and no answer follows
            self._slots.give_back()
            return self._known(0)
        if best_effort:
            self._best_effort.add(info.mid)
        return self._answers.expect(info.mid, "PUBACK")

    def _prepare(
        self, content: Content | None, deadline: float | None, *, best_effort: bool
    ) -> Properties | None:
        """May it go now, and how much of its time is left? Raises BrokerError."""
        if best_effort and len(self._best_effort) >= min(BEST_EFFORT_MAX, self._slots.count - 1):
            raise BrokerError("the broker has not answered earlier messages of this kind")
        left_s = None if deadline is None else deadline - self._loop.time()
        v5 = self._settings.protocol is MqttProtocol.V5
        if v5 and left_s is not None and left_s <= 0:
            raise BrokerError(
                "the message expired while earlier ones waited for their acknowledgement"
            )
        if content is None or not v5:
            return None
        return content.properties(None if left_s is None else max(1, round(left_s)))

    async def subscribe(self, topic: str, *, no_local: bool) -> int:
        """Return the reason code of the SUBACK. Raises BrokerError."""
        await self._take_slot()
        subscribe = partial(self._client.subscribe, topic, qos=1)
        if self._settings.protocol is MqttProtocol.V5:
            options = SubscribeOptions(qos=1, noLocal=no_local)
            subscribe = partial(self._client.subscribe, topic, options=options)
        result, mid = self._client.step(subscribe) or (MQTTErrorCode.MQTT_ERR_UNKNOWN, None)
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            self._slots.give_back()
            raise self._error()
        return await self._answers.expect(mid, "SUBACK")

    async def close(self) -> None:
        """Say DISCONNECT, so that the broker forgets the will, and wait for the end."""
        self._client.step(self._client.say_goodbye)
        await self.ended.wait()

    def abort(self, why: str) -> None:
        """End it without DISCONNECT. Returns at once; `ended` follows."""
        self._hint = self._hint or Ending(why)
        self._aborted = True
        self._client.cut()

    async def _take_slot(self) -> None:
        await self._slots.wait()
        # It may have ended while we waited for the slot (rule 1).
        if self.ended.is_set() or self._aborted or not self._accepted.done():
            self._slots.give_back()
            raise self._error()

    def _known(self, code: int) -> asyncio.Future[int]:
        answer: asyncio.Future[int] = self._loop.create_future()
        answer.set_result(code)
        return answer

    def _overdue(self, mid: int, complaint: str) -> None:
        if mid not in self._best_effort:  # rule 2: a peer message may stay without an answer
            self.abort(complaint)

    def _error(self) -> BrokerError:
        ending = self._hint or self.ending
        return BrokerError(f"the connection to the broker is over: {ending.detail}")

    def _new_client(self, client_id: str, credentials: Credentials, will: Will | None) -> Client:
        client = Client(
            self._settings,
            client_id=client_id,
            credentials=credentials,
            will=will,
            pace=self._pace,
            broker=self._broker,
        )
        client.ended = self._end
        for callback in CALLBACKS:
            setattr(client, callback, getattr(self, f"_{callback}"))
        return client

    # --- called by paho in a step ---

    def _on_connect(
        self,
        _client: object,
        _data: object,
        _flags: object,
        code: ReasonCode,
        props: Properties | None,
    ) -> None:
        if self._accepted.done():  # the end came first, or the caller stopped waiting
            return
        if code.value != 0:
            self._hint = Ending("the broker refused the connection", reason_code=code.value)
            return  # paho closes the connection, and the end follows
        self._packet_max = getattr(props, "MaximumPacketSize", None)
        receive_max = getattr(props, "ReceiveMaximum", None)
        # MQTT 5, 3.2.2.3.3: a broker may allow fewer; one slot of them is kept for events (rule 2).
        if receive_max is not None and receive_max < UNACKNOWLEDGED_MAX:
            self._slots = Slots(max(1, receive_max))
        self._accepted.set_result(0)

    def _on_disconnect(
        self,
        _client: object,
        _data: object,
        flags: paho.DisconnectFlags,
        code: ReasonCode,
        _props: object,
    ) -> None:
        said = code.value if flags.is_disconnect_packet_from_server else None
        self._hint = self._hint or Ending(code.getName(), reason_code=said)

    def _on_publish(
        self, _client: object, _data: object, mid: int, code: ReasonCode, _props: object
    ) -> None:
        self._settle(mid, code.value)

    def _on_subscribe(
        self, _client: object, _data: object, mid: int, codes: list[ReasonCode], _props: object
    ) -> None:
        self._settle(mid, codes[0].value)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        try:  # paho decodes the topic only here, and an exception would end the connection
            topic = message.topic
        except UnicodeDecodeError:
            self._dropped.not_utf8 += 1
            return
        if len(message.payload) > PACKET_MAX:
            self._dropped.oversize += 1
        elif not self.ended.is_set():
            self._receive(topic, bytes(message.payload), message.retain)

    def _on_socket_open(self, _client: object, _data: object, opened: socket.socket) -> None:
        # Without it a second message may wait for the acknowledgement of the first by TCP, up to
        # 40 ms.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.watch(opened)
        if self._aborted:  # before there was a socket to cut
            self._client.cut()

    def _on_socket_close(self, _client: object, _data: object, opened: socket.socket) -> None:
        self._client.unwatch(opened)

    def _settle(self, mid: int, code: int) -> None:
        """A code below 0: it never comes."""
        answer = self._answers.pop(mid)
        if answer is None:
            return
        self._best_effort.discard(mid)
        self._slots.give_back()
        if answer.done():
            return
        if code < 0:
            answer.set_exception(self._error())
        else:
            answer.set_result(code)

    def _end(self, fault: Exception | None) -> None:
        if self.ended.is_set():
            return
        if isinstance(fault, PacketTooLong):
            self._dropped.oversize += 1
            self.ending = Ending(str(fault))
        elif fault is not None and not self._aborted:
            place = "".join(f" ({note})" for note in getattr(fault, "__notes__", ()))
            what = type(fault).__name__
            why = reason_of(fault) if isinstance(fault, OSError) else f"{what}: {fault}"
            self.ending = Ending(f"{why}{place}", fault=fault)
        else:
            self.ending = self._hint or Ending("the connection was closed")
        # Perhaps the broker hung up on that message: such an end is logged by the hour.
        if self._answers.ids - self._best_effort:
            self.ending = replace(self.ending, unanswered=True)
        self._hint = None
        self.ended.set()
        if not self._accepted.done():
            self._accepted.set_result(-1)
        for mid in tuple(self._answers.ids):
            self._settle(mid, -1)
        self._answers.close()
        self._client.stop()
        # Break the circle client → callback → connection → client, so that paho closes its
        # descriptors at once.
        for callback in CALLBACKS:
            setattr(self._client, callback, None)
        self._client.ended = lambda _fault: None


CALLBACKS: Final = tuple(name[1:] for name in vars(Connection) if name.startswith("_on_"))
"""Of paho's client."""

"""One connection to a broker, from CONNECT to its end. It is never used again: the next one is a
new object.

    network thread (paho)                          event loop
    on_connect, on_publish,   ── call_soon_threadsafe ──►  futures, `ended`, the caller's `receive`
    on_subscribe, on_message,
    and the end of the thread, whatever ended it

1. Nothing is handed to paho before CONNACK or after the end: what paho queues goes out later with
   its old expiry.
2. A slot is taken before a message is handed over and given back by its PUBACK only, so that a
   caller who gave up waiting does not make room for an eleventh message (R-50). Best-effort
   messages have a share of the slots: those that are never answered neither end the connection nor
   leave the others without a slot.
3. The network thread always says that it has ended; an exception in it, ours or paho's, is in
   `Ending.fault` (R-52).
"""

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Final, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from presence.config.settings import MqttProtocol, MqttSettings
from presence.edges.mqtt.brokers import Broker
from presence.edges.mqtt.client import PACKET_MAX, Client, Content, PacketTooLong, Will
from presence.edges.mqtt.credentials import Credentials
from presence.edges.mqtt.pace import MQTT_PACE, MqttPace
from presence.edges.mqtt.reasons import PACKET_TOO_LARGE
from presence.edges.mqtt.report import Dropped, Ending
from presence.edges.mqtt.slots import BEST_EFFORT_MAX, UNACKNOWLEDGED_MAX, Slots
from presence.errors import BrokerError

HEAD_MAX: Final = 512
"""Room for the header and properties of our messages, which take about 150 bytes."""
UNDELIVERED_MAX: Final = 256
"""Messages that wait for the event loop; beyond it they are dropped and counted."""

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
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._acknowledged: deque[tuple[int, int]] = deque()
        """Packet ids and reason codes that the event loop has not taken in yet."""
        self._undelivered = threading.BoundedSemaphore(UNDELIVERED_MAX)
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
        self._client.loop_start()
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
            known: asyncio.Future[int] = self._loop.create_future()
            known.set_result(PACKET_TOO_LARGE)
            return known
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
    ) -> Coroutine[object, object, int]:
        """The slot is ours. Raises BrokerError, and gives it back."""
        try:
            info = send(self._prepare(content, deadline, best_effort=best_effort))
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise self._error()
        except BrokerError:
            self._slots.give_back()
            raise
        if best_effort:
            self._best_effort.add(info.mid)
        return self._answer(
            info.mid, f"no PUBACK within {self._settings.acknowledge_timeout_s:g} s"
        )

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
        if self._settings.protocol is MqttProtocol.V5:
            result, mid = self._client.subscribe(
                topic, options=SubscribeOptions(qos=1, noLocal=no_local)
            )
        else:
            result, mid = self._client.subscribe(topic, qos=1)
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            self._slots.give_back()
            raise self._error()
        return await self._answer(
            mid, f"no SUBACK within {self._settings.acknowledge_timeout_s:g} s"
        )

    async def close(self) -> None:
        """Say DISCONNECT, so that the broker forgets the will, and wait for the end."""
        self._client.say_goodbye()
        await self.ended.wait()

    def abort(self, why: str) -> None:
        """End it without DISCONNECT. Returns at once; `ended` follows from the network thread."""
        self._hint = self._hint or Ending(why)
        self._aborted = True
        self._shut(self._client.socket())

    async def _take_slot(self) -> None:
        await self._slots.wait()
        # It may have ended while we waited for the slot (rule 1).
        if self.ended.is_set() or self._aborted or not self._accepted.done():
            self._slots.give_back()
            raise self._error()

    def _answer(self, mid: int, complaint: str) -> Coroutine[object, object, int]:
        answer: asyncio.Future[int] = self._loop.create_future()
        self._answers[mid] = answer
        return self._answer_in_time(mid, answer, complaint)

    async def _answer_in_time(self, mid: int, answer: asyncio.Future[int], complaint: str) -> int:
        try:
            async with asyncio.timeout(self._settings.acknowledge_timeout_s):
                code = await answer
        except TimeoutError:
            if mid not in self._best_effort:  # rule 2: a peer message may stay without an answer
                self.abort(complaint)
            raise BrokerError(complaint) from None
        if code < 0:
            raise self._error()
        return code

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
        client.ended = lambda fault: self._in_loop(self._end, fault)
        for callback in CALLBACKS:
            setattr(client, callback, getattr(self, f"_{callback}"))
        return client

    # --- in the network thread: take the values out and hand them to the event loop, nothing else
    # ---

    def _on_connect(
        self,
        _client: object,
        _data: object,
        _flags: object,
        code: ReasonCode,
        props: Properties | None,
    ) -> None:
        limits = (getattr(props, "ReceiveMaximum", None), getattr(props, "MaximumPacketSize", None))
        self._in_loop(self._accept, code.value, limits)

    def _on_disconnect(
        self,
        _client: object,
        _data: object,
        flags: paho.DisconnectFlags,
        code: ReasonCode,
        _props: object,
    ) -> None:
        said = code.value if flags.is_disconnect_packet_from_server else None
        self._in_loop(self._note, said, code.getName())

    def _on_publish(
        self, _client: object, _data: object, mid: int, code: ReasonCode, _props: object
    ) -> None:
        self._acknowledged.append((mid, code.value))
        if len(self._acknowledged) == 1:  # otherwise the event loop is about to look
            self._in_loop(self._settle_all)

    def _on_subscribe(
        self, _client: object, _data: object, mid: int, codes: list[ReasonCode], _props: object
    ) -> None:
        self._in_loop(self._settle, mid, codes[0].value)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        try:  # paho decodes the topic only here, and an exception would end its thread
            topic = message.topic
        except UnicodeDecodeError:
            self._dropped.not_utf8 += 1
            return
        if len(message.payload) > PACKET_MAX:
            self._dropped.oversize += 1
        elif not self._undelivered.acquire(blocking=False):
            self._dropped.flooded += 1
        else:
            self._in_loop(self._deliver, topic, bytes(message.payload), message.retain)

    def _on_socket_open(self, _client: object, _data: object, opened: object) -> None:
        if self._aborted:  # before there was a socket to cut
            self._shut(opened)
        elif isinstance(opened, socket.socket):
            # Without it a second message may wait for the acknowledgement of the first by TCP, up
            # to 40 ms.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def _shut(opened: object) -> None:
        """Cut a connection that the network thread reads: it wakes by end of file and tidies up."""
        if isinstance(opened, socket.socket):
            with contextlib.suppress(OSError):
                # Not SSLSocket's own: that would race with the reader.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def _in_loop(self, call: Callable[..., None], *values: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(call, *values)

    # --- in the event loop ---

    def _accept(self, code: int, limits: tuple[int | None, int | None]) -> None:
        if self._accepted.done():  # the end came first, or the caller stopped waiting
            return
        if code != 0:
            self._hint = Ending("the broker refused the connection", reason_code=code)
            return  # paho closes the connection, and the end follows
        receive_max, self._packet_max = limits
        # MQTT 5, 3.2.2.3.3: a broker may allow fewer; one slot of them is kept for events (rule 2).
        if receive_max is not None and receive_max < UNACKNOWLEDGED_MAX:
            self._slots = Slots(max(1, receive_max))
        self._accepted.set_result(0)

    def _note(self, code: int | None, text: str) -> None:
        self._hint = self._hint or Ending(text, reason_code=code)

    def _settle_all(self) -> None:
        while self._acknowledged:
            self._settle(*self._acknowledged.popleft())

    def _settle(self, mid: int, code: int) -> None:
        answer = self._answers.pop(mid, None)
        if answer is None:
            return
        self._best_effort.discard(mid)
        self._slots.give_back()
        if not answer.done():
            answer.set_result(code)

    def _deliver(self, topic: str, payload: bytes, retain: bool) -> None:
        self._undelivered.release()
        if not self.ended.is_set():
            self._receive(topic, payload, retain)

    def _end(self, fault: Exception | None) -> None:
        if isinstance(fault, PacketTooLong):
            self._dropped.oversize += 1
            self.ending = Ending(str(fault))
        elif fault is not None and not self._aborted:
            place = "".join(f" ({note})" for note in getattr(fault, "__notes__", ()))
            self.ending = Ending(f"{type(fault).__name__}: {fault}{place}", fault=fault)
        else:
            self.ending = self._hint or Ending("the connection was closed")
        # Perhaps the broker hung up on that message: such an end is logged by the hour.
        if self._answers.keys() - self._best_effort:
            self.ending = replace(self.ending, unanswered=True)
        self._hint = None
        self.ended.set()
        if not self._accepted.done():
            self._accepted.set_result(-1)
        for mid in tuple(self._answers):
            self._settle(mid, -1)
        # Break the circle client → callback → connection → client, so that paho closes its
        # descriptors at once.
        for callback in CALLBACKS:
            setattr(self._client, callback, None)
        self._client.ended = lambda _fault: None


CALLBACKS: Final = tuple(name[1:] for name in vars(Connection) if name.startswith("_on_"))
"""Of paho's client."""

"""paho's client as we use it: one connection, no queue, no reconnection, and no thread of its own.

The event loop tells it when to read and write (paho: external event loop). A thread of paho's would
take Python's lock from the event loop at each message, and end unheard at the first exception
(R-52). Only to connect takes a thread of ours, for that blocks.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

from presence.config.settings import MqttProtocol, MqttSettings
from presence.edges.mqtt.brokers import Broker
from presence.edges.mqtt.credentials import Credentials
from presence.edges.mqtt.pace import MqttPace
from presence.errors import BrokerError

RECEIVE_MAX: Final = 20
PACKET_MAX: Final = 64 * 1024
READ_MAX: Final = 1024 * 1024
"""A broker that announces a longer packet ignores what we asked for; paho would take in up to 256
MB.
"""
READ_AT_ONCE: Final = 4096
"""paho reads a packet in three pieces; each would be a system call."""
CLOCK_S: Final = 1.0
"""How often paho looks at its clock, as in a thread of its own."""
JSON: Final = "application/json"

Done = TypeVar("Done")


class PacketTooLong(BrokerError):
    """The broker breaks the limits of CONNECT. (An OSError here, and paho would swallow it.)"""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says of us when we vanish."""

    topic: str
    payload: bytes


class Client(paho.Client):
    """Connects once: `begin`. Calls `ended` when that is over, perhaps more than once."""

    ended: Callable[[Exception | None], None]
    _dialled: Any
    """The socket, with TLS or without."""
    _read: bytes = b""
    """Of the socket, and not taken by paho yet."""
    _more: bool = False
    """There may be more to be read, of which the socket does not tell again."""
    _waits_to_write: bool = False
    _clock: asyncio.TimerHandle | None = None

    def __init__(
        self,
        settings: MqttSettings,
        *,
        client_id: str,
        credentials: Credentials,
        will: Will | None,
        pace: MqttPace,
        broker: Broker,
    ) -> None:
        """By MQTT 5.0 §3.1.3.2.2 a will goes out when its delay is over or the session ends, so the
        session lasts as long. Who comes back sooner begins a new session (clean start): by the
        letter the will may go out then, right before the birth.
        """
        self._address = broker.address
        v5 = settings.protocol is MqttProtocol.V5
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5 if v5 else paho.MQTTv311,
            clean_session=None if v5 else True,
            reconnect_on_failure=False,
        )
        self.connect_timeout = pace.tcp_s
        self.max_inflight_messages = RECEIVE_MAX  # above our own limit, so that paho never queues
        if settings.username is not None or credentials.password is not None:
            self.username_pw_set(settings.username, credentials.password)
        if credentials.tls is not None:
            self.tls_set_context(credentials.tls)
        if will is not None:
            will_properties = _will_properties(settings.will_delay_s) if v5 else None
            self.will_set(will.topic, will.payload, qos=1, retain=True, properties=will_properties)
        session_s = 0 if will is None else settings.will_delay_s
        options: dict[str, Any] = (
            {"clean_start": True, "properties": _limits(session_s)} if v5 else {}
        )
        self.connect_async(broker.name, settings.port, keepalive=settings.keep_alive_s, **options)

    def begin(self) -> None:
        """Connect, in a thread, and go on in the event loop; or tell that it has ended."""
        self._events = asyncio.get_running_loop()
        threading.Thread(target=self._dial, name="mqtt-dial", daemon=True).start()

    def _dial(self) -> None:
        fault = None
        try:
            self._dialled = super()._create_socket()
        except Exception as raised:  # noqa: BLE001 - whatever it is, the thread must not die unheard
            fault = _without_frames(raised)
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody listens any more
            self._events.call_soon_threadsafe(self._go_on, fault)

    def _go_on(self, fault: Exception | None) -> None:
        if fault is not None:
            self.ended(fault)
            return
        self.step(self.reconnect)
        if self.socket() is not None:
            self._look_at_clock()

    def _create_socket(self) -> Any:
        return self._dialled

    def step(self, step: Callable[[], Done]) -> Done | None:
        """Have paho do something; None where it raised, which is its end."""
        done = fault = None
        try:
            done = step()
        except Exception as raised:  # noqa: BLE001 - whatever it is, it must not be the end unheard
            fault = _without_frames(raised)
        opened = self.socket()
        if fault is not None and isinstance(opened, socket.socket):
            self.unwatch(opened)
            opened.close()
        if fault is not None or opened is None:
            self.ended(fault)
        elif self._waits_to_write != self.want_write():
            self._waits_to_write = not self._waits_to_write
            if self._waits_to_write:
                self._events.add_writer(opened, self.step, self.loop_write)
            else:
                self._events.remove_writer(opened)
        return done

    def watch(self, opened: socket.socket) -> None:
        """Read as soon as there is something."""
        self._events.add_reader(opened, self.step, self.loop_read)

    def unwatch(self, opened: socket.socket) -> None:
        self._events.remove_reader(opened)
        self._events.remove_writer(opened)

    def cut(self) -> None:
        """Without a word; paho reads its end and tidies up."""
        opened = self.socket()
        if isinstance(opened, socket.socket):
            with contextlib.suppress(OSError):
                # Not SSLSocket's own: paho would go on to read what is encrypted.
                socket.socket.shutdown(opened, socket.SHUT_RDWR)

    def stop(self) -> None:
        """It has ended."""
        if self._clock is not None:
            self._clock.cancel()

    def _look_at_clock(self) -> None:
        """Pings, and whether they are answered."""
        self._clock = self._events.call_later(CLOCK_S, self._look_at_clock)
        self.step(self.loop_misc)

    def say_goodbye(self) -> None:
        """DISCONNECT: the broker forgets the will, and the session with it."""
        if self.protocol == paho.MQTTv5:
            properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0
            self.disconnect(properties=properties)
        else:
            self.disconnect()

    def _create_socket_connection(self) -> socket.socket:
        """To the address; the name is for the certificate."""
        return socket.create_connection((self._address, self.port), timeout=self.connect_timeout)

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > READ_MAX:
            raise PacketTooLong(
                f"the broker announced a packet of {bufsize} bytes, and we asked for {PACKET_MAX} "
                "at most"
            )
        if not self._read:
            if not self._more:
                raise BlockingIOError
            self._more = False
            self._read = super()._sock_recv(max(bufsize, READ_AT_ONCE))
            opened = self.socket()
            self._more = isinstance(opened, ssl.SSLSocket) and opened.pending() > 0
        taken, self._read = self._read[:bufsize], self._read[bufsize:]
        return taken

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """All that is there at the first look."""
        self._more, result = True, MQTTErrorCode.MQTT_ERR_SUCCESS
        while (
            (self._more or self._read)
            and result == MQTTErrorCode.MQTT_ERR_SUCCESS
            and self.socket() is not None
        ):
            result = super().loop_read(max_packets)
        return result


def _without_frames(raised: Exception) -> Exception:
    """Keep no frames: they hold the client, and with it its descriptor until the garbage collector
    comes.
    """
    if not isinstance(raised, OSError | BrokerError):
        last = traceback.extract_tb(raised.__traceback__)[-1]
        raised.add_note(f"{Path(last.filename).name}:{last.lineno}")
    raised.__context__ = raised.__cause__ = None
    return raised.with_traceback(None)


@dataclass(frozen=True, slots=True)
class Content:
    """What a payload is, in the properties of its PUBLISH; it is UTF-8."""

    content_type: str
    pairs: tuple[tuple[str, str], ...] = ()
    """User properties."""

    def properties(self, expiry_s: int | None) -> Properties:
        """MQTT 5.0 §2.2.2. By hand, for paho looks each name up among all: that takes as long as
        all the rest of a publish.
        """
        packed = b"\x01\x01" + b"\x03" + _text(self.content_type)
        if expiry_s is not None:
            packed += b"\x02" + expiry_s.to_bytes(4, "big")
        for name, value in self.pairs:
            packed += b"\x26" + _text(name) + _text(value)
        length: bytes = VariableByteIntegers.encode(len(packed))  # type: ignore[no-untyped-call]
        return _Packed(length + packed)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(2, "big") + encoded


class _Packed(Properties):
    """Not paho's attributes, which cost time; it asks for `pack` only."""

    _packed: bytes

    def __init__(self, packed: bytes) -> None:
        object.__setattr__(self, "_packed", packed)

    def pack(self) -> bytes:
        return self._packed


def _will_properties(delay_s: int) -> Properties:
    properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
    properties.ContentType = JSON
    properties.PayloadFormatIndicator = 1
    properties.WillDelayInterval = delay_s
    return properties


def _limits(session_s: int) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = session_s
    properties.ReceiveMaximum = RECEIVE_MAX
    properties.MaximumPacketSize = PACKET_MAX
    return properties

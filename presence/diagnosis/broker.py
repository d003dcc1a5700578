"""`presence check`, the broker: reachable, may we write, and is there another gateway of our name?

What a gateway may write is known only by writing: an empty message to the audience `test`, which is
for technicians' phones and never for a customer. Reading our own retained state tells whether
somebody else lives under our name.
"""

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from presence.config import Settings
from presence.config.rules import site_of
from presence.config.settings import MqttProtocol
from presence.core.consent.model import TEST_AUDIENCE
from presence.core.event import cloudevent
from presence.core.event.cloudevent import EventType
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.mqtt.publisher import MqttPublisher
from presence.errors import BrokerError, ConfigurationError, MessageRefused, MessageUnheard
from presence.language import Sentence
from presence.ports import OutgoingMessage
from presence.telemetry import BrokerRefused, BrokerUnreachable, OperationalEvent

TIMEOUT_S: Final = 8.0
RETAINED_S: Final = 0.5
"""A retained message comes with the subscription."""


async def look_at_broker(settings: Settings) -> list[Finding]:
    """Each broker by itself. One of several that is away is a warning while another is there."""
    answers = [await _look_at_one(settings, host) for host in settings.mqtt.brokers]
    found = [finding for answer in answers for finding in answer]
    if all(len(answer) == 1 for answer in answers):
        return found
    return [
        replace(finding, verdict=Verdict.WARN) if len(answer) == 1 else finding
        for answer in answers
        for finding in answer
    ]


async def _look_at_one(settings: Settings, host: str) -> list[Finding]:
    """A broker that could not be spoken with is one finding."""
    mqtt = replace(settings.mqtt, host=host, hosts=[])
    where = mqtt.where
    failed = asyncio.Event()

    def emit(event: OperationalEvent) -> None:
        if isinstance(event, BrokerUnreachable | BrokerRefused):
            failed.set()

    try:
        publisher = MqttPublisher(mqtt, settings.store, role="check", emit=emit)
    except ConfigurationError as error:
        return [Finding("broker", Verdict.FAIL, where, str(error))]
    states: list[bytes] = []
    denied = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(publisher.run())
            if await _is_connected(publisher, failed):
                answer = await _may_not_write(publisher, settings)
                await _hear_namesake(publisher, settings, states)
                denied = answer
            running.cancel()
    if denied is None:
        trouble = publisher.trouble or Sentence("no answer: is it running, is the port right?")
        return [Finding("broker", Verdict.FAIL, where, trouble)]
    return [_spoken_with(settings, where), denied, *_namesake(settings, states)]


async def _is_connected(publisher: MqttPublisher, failed: asyncio.Event) -> bool:
    """Return as soon as there is a connection, or the first attempt has failed."""
    async with asyncio.TaskGroup() as tasks:
        up, down = tasks.create_task(publisher.connected()), tasks.create_task(failed.wait())
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        down.cancel()
    return not failed.is_set()


async def _hear_namesake(publisher: MqttPublisher, settings: Settings, states: list[bytes]) -> None:
    store = settings.store
    topic = f"presence/v1/{store.chain}/{store.store}/gw/{store.gateway}/state"
    await publisher.subscribe(topic, lambda _topic, payload, _retained: states.append(payload))
    await asyncio.sleep(RETAINED_S)


def _spoken_with(settings: Settings, where: str) -> Finding:
    if settings.mqtt.protocol is MqttProtocol.V311:
        return Finding(
            "broker",
            Verdict.WARN,
            Sentence("{broker} over MQTT 3.1.1", broker=where),
            Sentence("use 5: refusals and expiry are lost with 3.1.1"),
        )
    return Finding("broker", Verdict.PASS, Sentence("{broker} over MQTT 5", broker=where))


async def _may_not_write(publisher: MqttPublisher, settings: Settings) -> Finding:
    if settings.mqtt.protocol is MqttProtocol.V311:
        return Finding(
            "access",
            Verdict.WARN,
            Sentence("cannot be told with MQTT 3.1.1"),
            Sentence("use 5"),
        )
    topic = cloudevent.topic(site_of(settings), TEST_AUDIENCE)
    try:
        await publisher.publish(
            OutgoingMessage(topic, b"", 1, EventType.ENTERED.value, "check", copies=False)
        )
    except MessageUnheard:
        pass  # nobody listens to the audience `test` but a technician
    except MessageRefused as refusal:
        found = Sentence("may not write to {topic}", topic=topic)
        return Finding("access", Verdict.FAIL, found, str(refusal))
    except BrokerError as error:
        found = Sentence("could not write to {topic}", topic=topic)
        return Finding("access", Verdict.FAIL, found, str(error))
    return Finding("access", Verdict.PASS, Sentence("may write events"))


def _namesake(settings: Settings, states: list[bytes]) -> Iterator[Finding]:
    """Our name is online although no daemon of ours runs here: it is another machine's."""
    online = False
    with contextlib.suppress(ValueError, AttributeError):
        online = bool(states) and json.loads(states[-1]).get("state") == "online"
    gateway = settings.store.gateway
    if online and not _runs_here(settings.storage.runtime_dir):
        found = Sentence("another gateway is online as {gateway}", gateway=gateway)
        next_step = Sentence(
            "give each gateway a store.gateway and a certificate of its own (a daemon "
            "just killed counts too)"
        )
        yield Finding("name", Verdict.FAIL, found, next_step)
    else:
        found = Sentence("{gateway} is unique at the broker", gateway=gateway)
        yield Finding("name", Verdict.PASS, found)


def _runs_here(runtime_dir: Path) -> bool:
    """Whether a daemon holds the directory (presence.edges.host.single_instance)."""
    try:
        handle = os.open(runtime_dir / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False

"""A store's broker bridged to a chain's: what an event keeps on the way, and what the engine makes
of a late one.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as paho
import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from presence.core.event.cloudevent import topic
from presence.errors import MessageUnheard
from scripts.offer_engine import Engine
from scripts.stores.customers import pairwise_key
from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.builders import (
    ANNA,
    CARS,
    OFFERS,
    SITE,
    an_engine,
    approach,
    consent,
    moment,
    send_all,
)
from tests.support.contract import check_event
from tests.support.mqtt_parts import message, new_publisher, running
from tests.support.paths import ROOT
from tests.support.proxies import Wire, wire

pytestmark = needs_mosquitto

EVENTS = topic(SITE, OFFERS.name)
PEERS = "presence/v1/acme/fi-0042/peer/seen"
VERSIONS = pytest.mark.parametrize("version", ["mqttv50", "mqttv311"])


class Bridged(NamedTuple):
    store_port: int
    chain_port: int
    cable: Wire
    arrived: "asyncio.Queue[MQTTMessage]"
    """At the chain's broker, but for the gateways' states."""


def bridge_lines(port: int, version: str) -> list[str]:
    """Those of docs/scaling.md, to a chain's broker on this machine and without TLS."""
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    block = page[page.index("connection chain\n") :].split("```")[0].splitlines()
    here = {
        "address": f"address 127.0.0.1:{port}",
        "bridge_cafile": "",
        "bridge_protocol_version": f"bridge_protocol_version {version}",
        "restart_timeout": "restart_timeout 1",
    }
    return [here.get(line.split()[0], line) for line in block]


@contextlib.asynccontextmanager
async def bridged(folder: Path, version: str) -> AsyncIterator[Bridged]:
    (folder / "chain").mkdir()
    async with (
        mosquitto(folder / "chain") as chain,
        listener(chain.port, f"presence/v1/{SITE.chain}/{SITE.store}/+/+") as arrived,
        wire(chain.port) as cable,
        mosquitto(
            folder,
            *bridge_lines(cable.port, version),
        ) as store,
    ):
        await _carries(store.port, arrived)
        yield Bridged(store.port, chain.port, cable, arrived)


async def _carries(port: int, arrived: "asyncio.Queue[MQTTMessage]") -> None:
    """Return when the bridge is up: an event of now comes out at the other end."""
    async with running(new_publisher(port)) as publisher:
        for _ in range(50):
            await publisher.publish(message(topic=EVENTS, payload=json.dumps(an_event()).encode()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(arrived.get(), 0.2)
                break
        await asyncio.sleep(0.3)
        while not arrived.empty():
            arrived.get_nowait()


def an_event() -> dict[str, Any]:
    """What a real engine says of somebody who comes in."""
    engine = an_engine(consent())
    for heard in approach():
        engine.receive(heard)
    [event] = send_all(engine, moment(8))
    return event


@VERSIONS
@pytest.mark.requirement("R-55")
async def test_an_event_comes_through_a_bridge_complete_and_valid(
    version: str, tmp_path: Path
) -> None:
    event = an_event()
    payload = json.dumps(event).encode()
    async with (
        bridged(tmp_path, version) as through,
        running(new_publisher(through.store_port)) as publisher,
    ):
        word = replace(message(topic=PEERS, payload=b"{}"), event_type="")
        await publisher.publish(word)
        await publisher.publish(message(topic=EVENTS, payload=payload, expiry_s=90))
        got = await asyncio.wait_for(through.arrived.get(), 5)
        assert through.arrived.empty()  # what gateways say to one another stays in the store
    assert (got.topic, got.payload, got.retain, got.qos) == (EVENTS, payload, False, 1)
    assert check_event(json.loads(got.payload)) == event
    properties = got.properties.json() if got.properties else {}  # type: ignore[no-untyped-call]
    if version == "mqttv50":
        assert 80 <= properties["MessageExpiryInterval"] <= 90
        assert properties["ContentType"].startswith("application/cloudevents+json")
    else:
        assert (
            "MessageExpiryInterval" not in properties
        )  # what survives is valid_until in the payload


async def test_what_the_consent_service_says_of_other_stores_does_not_come_down(
    tmp_path: Path,
) -> None:
    control = "presence/v1/acme/ctl"
    async with (
        bridged(tmp_path, "mqttv50") as through,
        running(new_publisher(through.chain_port)) as publisher,
        listener(through.store_port, f"{control}/#") as heard,
    ):
        for store in ("fi-0041", "fi-0042", "fi-0043"):
            for kind in ("revoke", "head"):
                with contextlib.suppress(MessageUnheard):  # nobody asked for what others are told
                    await publisher.publish(
                        message(topic=f"{control}/{kind}/{store}", payload=b"{}")
                    )
        topics = {(await asyncio.wait_for(heard.get(), 5)).topic for _ in range(2)}
        await asyncio.sleep(0.2)
        assert heard.empty()
    assert topics == {f"{control}/revoke/fi-0042", f"{control}/head/fi-0042"}


@contextlib.asynccontextmanager
async def kept_session(port: int) -> AsyncIterator["asyncio.Queue[bytes]"]:
    """An engine whose broker keeps what comes while it is away."""
    heard, subscribed, loop = asyncio.Queue[bytes](), asyncio.Event(), asyncio.get_running_loop()
    client = paho.Client(CallbackAPIVersion.VERSION2, "engine", protocol=paho.MQTTv5)
    client.on_connect = lambda *_: client.subscribe(EVENTS, 1)
    client.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
    client.on_message = lambda _client, _data, got: loop.call_soon_threadsafe(
        heard.put_nowait, got.payload
    )
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 60
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)
    client.loop_start()
    try:
        await asyncio.wait_for(subscribed.wait(), 5)
        yield heard
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


@pytest.mark.slow
@VERSIONS
@pytest.mark.requirement("R-55", "R-58")
async def test_an_event_that_a_broker_kept_too_long_is_refused_by_the_engine(
    version: str, tmp_path: Path
) -> None:
    event = an_event()
    event["data"]["valid_until"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    payload = json.dumps(event).encode()
    async with (
        bridged(tmp_path, version) as through,
        running(new_publisher(through.store_port)) as publisher,
    ):
        async with kept_session(through.chain_port):
            pass
        await publisher.publish(message(topic=EVENTS, payload=payload, expiry_s=2))
        await asyncio.wait_for(through.arrived.get(), 5)
        await asyncio.sleep(3.5)
        async with kept_session(through.chain_port) as heard:
            await asyncio.sleep(0.3)
            late = [heard.get_nowait() for _ in range(heard.qsize())]
    if version == "mqttv50":
        assert late == []  # the expiry came along
        return
    assert late == [payload]  # it did not: nothing but valid_until stops a late offer
    engine = Engine({"Anna": pairwise_key(ANNA, OFFERS.name)}, {CARS: "coffee"})
    assert engine.handle(json.loads(late[0]), time.time()) == []
    assert engine.counts["too_late"] == 1


@pytest.mark.slow
@VERSIONS
@pytest.mark.requirement("R-55", "R-58")
async def test_what_a_cut_bridge_kept_comes_late_or_never_and_always_whole(
    version: str, tmp_path: Path
) -> None:
    event = an_event()
    payload = json.dumps(event).encode()
    async with (
        bridged(tmp_path, version) as through,
        running(new_publisher(through.store_port)) as publisher,
    ):
        through.cable.cut()
        await publisher.publish(message(topic=EVENTS, payload=payload, expiry_s=90))
        await publisher.publish(message(topic=EVENTS, payload=payload, expiry_s=1))
        await asyncio.sleep(2)
        through.cable.mend()
        got = await asyncio.wait_for(through.arrived.get(), 15)
        await asyncio.sleep(0.3)
        rest = [through.arrived.get_nowait().payload for _ in range(through.arrived.qsize())]
    assert got.payload == payload
    assert len(rest) <= 1  # the one that had expired may be there: a bridge does not always look
    assert set(rest) <= {payload}

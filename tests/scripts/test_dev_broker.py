"""config/mosquitto on a real mosquitto: who may say and hear what, by certificate; and
`scripts/dev-broker` itself.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from presence.config import Settings, load_settings
from presence.core.visit.crossings import topic_of_counter
from presence.edges.mqtt.publisher import MqttPublisher
from presence.errors import MessageRefused
from presence.simulation.local_broker import answers, find_mosquitto, free_port, stop
from presence.telemetry import BrokerLost
from scripts.dev_broker.store import (
    AUDIENCE,
    COUNTER,
    ENGINE,
    EXAMPLES,
    GATEWAY,
    SATELLITE,
    broker_config,
    find_plugin,
    lay_out,
)
from tests.support.brokers import needs_mosquitto
from tests.support.contract import check
from tests.support.fakes import RecordingTelemetry
from tests.support.mqtt_parts import an_event, message, running, state_of
from tests.support.paths import ROOT

SITE = "presence/v1/acme/fi-0042"
EVENTS, OFFERS = f"{SITE}/evt/{AUDIENCE}", f"{SITE}/offer/{AUDIENCE}"
REVOKE, HEAD = "presence/v1/acme/ctl/revoke/fi-0042", "presence/v1/acme/ctl/head/fi-0042"
NOT_AUTHORIZED = 0x87
needs_plugin = pytest.mark.skipif(
    find_plugin() is None,
    reason="mosquitto's dynamic-security plugin is not installed: apt install mosquitto",
)


@dataclass
class Store:
    """A broker as config/mosquitto shows it, and the files beside it."""

    folder: Path
    port: int

    @property
    def settings(self) -> Settings:
        return load_settings(self.folder / "presence.yaml")

    def gateway(self, telemetry: RecordingTelemetry) -> MqttPublisher:
        settings = self.settings
        return MqttPublisher(
            settings.mqtt, settings.store, state=state_of, emit=telemetry.emit, chance=lambda: 0.01
        )


@contextlib.asynccontextmanager
async def a_store(folder: Path, *, dynamic_security: bool = False) -> AsyncIterator[Store]:
    mosquitto, store = find_mosquitto(), Store(folder, free_port())
    assert mosquitto is not None
    lay_out(folder, store.port, dynamic_security=dynamic_security)
    log = folder / "mosquitto.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            mosquitto, "-c", folder / "mosquitto.conf", stdout=output, stderr=output
        )
    try:
        assert await answers(process, store.port), log.read_text()
        yield store
    finally:
        await stop(process)


class Client:
    """Somebody with a certificate; says what the broker answered."""

    def __init__(self, store: Store, name: str) -> None:
        self._loop, self._store = asyncio.get_running_loop(), store
        self.heard: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self._answers: asyncio.Queue[int] = asyncio.Queue()
        self._client = client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.tls_set(
            store.folder / "ca.pem", store.folder / f"{name}.pem", store.folder / f"{name}.key"
        )
        client.on_connect = lambda *values: self._answered(values[3].value)
        client.on_disconnect = lambda *values: self._answered(-1)
        client.on_publish = lambda *values: self._answered(values[3].value)
        client.on_subscribe = lambda *values: self._answered(values[3][0].value)
        client.on_message = self._on_message

    def _answered(self, code: int) -> None:
        self._loop.call_soon_threadsafe(self._answers.put_nowait, code)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        check(message.topic, message.payload, retained=False)
        self._loop.call_soon_threadsafe(self.heard.put_nowait, message)

    async def answer(self) -> int:
        return await asyncio.wait_for(self._answers.get(), 5)

    async def publish(self, topic: str, payload: bytes = b"{}") -> int:
        self._client.publish(topic, payload, 1)
        return await self.answer()

    async def subscribe(self, topic: str) -> int:
        self._client.subscribe(topic, 1)
        return await self.answer()

    async def nothing_else(self, topic: str) -> bool:
        """True where a message that we may hear is the next one that comes."""
        await self.publish(topic, b"the end")
        return (await asyncio.wait_for(self.heard.get(), 5)).payload == b"the end"

    async def __aenter__(self) -> "Client":
        self._client.connect("127.0.0.1", self._store.port)
        self._client.loop_start()
        assert await self.answer() == 0
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)


# ---------------------------------------------------------------- the gateway


@needs_mosquitto
@pytest.mark.requirement("R-27")
@pytest.mark.parametrize("dynamic_security", [False, pytest.param(True, marks=needs_plugin)])
async def test_a_gateway_publishes_its_events_and_its_state_over_tls(
    tmp_path: Path, dynamic_security: bool
) -> None:
    telemetry = RecordingTelemetry()
    async with (
        a_store(tmp_path, dynamic_security=dynamic_security) as store,
        Client(store, ENGINE) as engine,
        Client(store, "monitor") as monitor,
    ):
        assert await engine.subscribe(EVENTS) == 1
        assert await monitor.subscribe(f"{SITE}/gw/+/state") == 1
        async with running(store.gateway(telemetry)) as gateway:
            await gateway.publish(message(7))
            assert (await asyncio.wait_for(engine.heard.get(), 5)).payload == an_event(7)
        states = [
            json.loads((await asyncio.wait_for(monitor.heard.get(), 5)).payload)["state"]
            for _ in range(2)
        ]
    assert states == ["online", "stopped"]
    assert "broker.refused" not in telemetry.names()


@needs_mosquitto
@pytest.mark.requirement("R-51")
@pytest.mark.parametrize("dynamic_security", [False, pytest.param(True, marks=needs_plugin)])
@pytest.mark.parametrize(
    "topic",
    ["presence/v1/acme/se-0007/evt/offers-main", f"{SITE}/gw/gw-2/state", OFFERS, REVOKE],
)
async def test_what_a_gateway_may_not_say_is_refused_with_its_reason_code(
    tmp_path: Path, topic: str, dynamic_security: bool
) -> None:
    telemetry = RecordingTelemetry()
    async with (
        a_store(tmp_path, dynamic_security=dynamic_security) as store,
        running(store.gateway(telemetry)) as gateway,
    ):
        with pytest.raises(MessageRefused, match="Not authorized") as refusal:
            await gateway.publish(message(topic=topic))
        assert gateway.is_connected
    assert refusal.value.reason_code == NOT_AUTHORIZED
    assert gateway.counters.refused == {NOT_AUTHORIZED: 1}


@needs_mosquitto
@pytest.mark.requirement("T-13", "T-22")
@pytest.mark.parametrize("dynamic_security", [False, pytest.param(True, marks=needs_plugin)])
async def test_a_gateway_hears_neither_events_nor_offers_not_even_its_own(
    tmp_path: Path, dynamic_security: bool
) -> None:
    async with (
        a_store(tmp_path, dynamic_security=dynamic_security) as store,
        Client(store, GATEWAY) as gateway,
        Client(store, ENGINE) as engine,
    ):
        codes = [await gateway.subscribe(topic) for topic in (EVENTS, OFFERS, f"{SITE}/evt/+", "#")]
        assert (
            codes == [NOT_AUTHORIZED if dynamic_security else 1] * 4
        )  # a list accepts, and delivers nothing
        assert await gateway.subscribe(f"{SITE}/peer/seen") == 1
        assert await gateway.publish(EVENTS, an_event()) in (0, 16)
        assert await engine.publish(OFFERS, b"{}") in (0, 16)
        assert await gateway.nothing_else(f"{SITE}/peer/seen")


@needs_mosquitto
@pytest.mark.requirement("T-07")
@pytest.mark.parametrize("dynamic_security", [False, pytest.param(True, marks=needs_plugin)])
async def test_a_gateway_hears_of_withdrawals_from_the_consent_service_and_from_nobody_else(
    tmp_path: Path, dynamic_security: bool
) -> None:
    async with (
        a_store(tmp_path, dynamic_security=dynamic_security) as store,
        Client(store, GATEWAY) as gateway,
        Client(store, ENGINE) as engine,
        Client(store, "consent-service") as service,
    ):
        assert [await gateway.subscribe(topic) for topic in (REVOKE, HEAD)] == [1, 1]
        assert [await other.publish(REVOKE) for other in (gateway, engine)] == [NOT_AUTHORIZED] * 2
        assert await service.publish(HEAD, b"head") in (0, 16)
        assert await service.publish(REVOKE, b"notice") in (0, 16)
        assert [(await asyncio.wait_for(gateway.heard.get(), 5)).payload for _ in range(2)] == [
            b"head",
            b"notice",
        ]


@needs_mosquitto
@pytest.mark.requirement("T-13", "T-22", "T-27")
@pytest.mark.parametrize("dynamic_security", [False, pytest.param(True, marks=needs_plugin)])
async def test_a_satellite_writes_what_it_heard_and_reads_its_nonce_and_nobody_else_does(
    tmp_path: Path, dynamic_security: bool
) -> None:
    heard, nonce = f"{SITE}/sat/pavement/heard", f"{SITE}/sat/pavement/nonce"
    async with (
        a_store(tmp_path, dynamic_security=dynamic_security) as store,
        Client(store, GATEWAY) as gateway,
        Client(store, ENGINE) as engine,
        Client(store, SATELLITE) as satellite,
    ):
        assert await gateway.subscribe(heard) == 1
        assert await satellite.subscribe(nonce) == 1
        others = (EVENTS, f"{SITE}/peer/seen", f"{SITE}/sat/till/nonce", f"{SITE}/sat/+/heard", "#")
        codes = [await satellite.subscribe(topic) for topic in others]
        assert codes == [NOT_AUTHORIZED if dynamic_security else 1] * len(others)
        assert [await other.publish(heard) for other in (gateway, engine)] == [NOT_AUTHORIZED] * 2
        assert [await other.publish(nonce) for other in (satellite, engine)] == [NOT_AUTHORIZED] * 2
        for topic in (f"{SITE}/sat/till/heard", EVENTS, f"{SITE}/peer/seen"):
            assert await satellite.publish(topic) == NOT_AUTHORIZED
        assert await satellite.publish(heard, b"heard") in (0, 16)
        assert (await asyncio.wait_for(gateway.heard.get(), 5)).payload == b"heard"
        assert await gateway.publish(EVENTS, an_event()) in (0, 16)
        assert await gateway.publish(nonce, b"the end") in (0, 16)
        assert (await asyncio.wait_for(satellite.heard.get(), 5)).payload == b"the end"


# ---------------------------------------------------------------- the people counter


@needs_mosquitto
@pytest.mark.requirement("R-27")
@pytest.mark.parametrize("dynamic_security", [False, pytest.param(True, marks=needs_plugin)])
async def test_a_counter_writes_its_one_topic_which_nobody_else_does_and_reads_nothing(
    tmp_path: Path, dynamic_security: bool
) -> None:
    topic = topic_of_counter("acme", "fi-0042", "main")
    async with (
        a_store(tmp_path, dynamic_security=dynamic_security) as store,
        Client(store, GATEWAY) as gateway,
        Client(store, ENGINE) as engine,
        Client(store, COUNTER) as counter,
    ):
        assert await gateway.subscribe(topic) == 1
        assert [await other.publish(topic) for other in (gateway, engine)] == [NOT_AUTHORIZED] * 2
        elsewhere = (f"{SITE}/counter/side", EVENTS, f"{SITE}/peer/seen", REVOKE)
        assert [await counter.publish(each) for each in elsewhere] == [NOT_AUTHORIZED] * 4
        codes = [await counter.subscribe(each) for each in (topic, EVENTS, "#")]
        assert codes == [NOT_AUTHORIZED if dynamic_security else 1] * 3
        assert await counter.publish(topic, b"crossed") in (0, 16)
        assert (await asyncio.wait_for(gateway.heard.get(), 5)).payload == b"crossed"
        assert await gateway.publish(EVENTS, an_event()) in (0, 16)
        await asyncio.sleep(0.2)
        assert counter.heard.empty()


# ---------------------------------------------------------------- the engine


@needs_mosquitto
@pytest.mark.requirement("T-06", "T-17")
@pytest.mark.parametrize("dynamic_security", [False, pytest.param(True, marks=needs_plugin)])
async def test_an_engine_hears_its_own_audience_only_and_writes_nothing_but_offers(
    tmp_path: Path, dynamic_security: bool
) -> None:
    async with (
        a_store(tmp_path, dynamic_security=dynamic_security) as store,
        Client(store, GATEWAY) as gateway,
        Client(store, ENGINE) as engine,
    ):
        others = (
            f"{SITE}/evt/pick-up",
            f"{SITE}/evt/+",
            f"{SITE}/gw/+/state",
            f"{SITE}/peer/seen",
            "presence/#",
        )
        codes = [await engine.subscribe(topic) for topic in others]
        assert codes == [NOT_AUTHORIZED if dynamic_security else 1] * len(others)
        for topic in (f"{SITE}/gw/{GATEWAY}/state", f"{SITE}/peer/seen"):
            assert await gateway.publish(topic, json.dumps(state_of("online")).encode()) in (0, 16)
        assert await gateway.publish(f"{SITE}/evt/pick-up", b"{}") in (0, 16)
        refused = [
            EVENTS,
            f"{SITE}/offer/pick-up",
            f"{SITE}/gw/{GATEWAY}/state",
            f"{SITE}/peer/seen",
        ]
        assert [await engine.publish(topic) for topic in refused] == [NOT_AUTHORIZED] * len(refused)
        assert await engine.subscribe(OFFERS) == 1
        assert await engine.nothing_else(OFFERS)


@needs_mosquitto
@pytest.mark.parametrize("dynamic_security", [False, pytest.param(True, marks=needs_plugin)])
async def test_engines_may_share_the_load(tmp_path: Path, dynamic_security: bool) -> None:
    async with (
        a_store(tmp_path, dynamic_security=dynamic_security) as store,
        Client(store, GATEWAY) as gateway,
        Client(store, ENGINE) as one,
        Client(store, ENGINE) as other,
    ):
        for engine in (one, other):
            assert await engine.subscribe(f"$share/engines/{EVENTS}") == 1
        for number in range(10):
            await gateway.publish(EVENTS, an_event(number))
        await asyncio.sleep(0.2)
        assert (one.heard.qsize(), other.heard.qsize()) == (5, 5)


# ---------------------------------------------------------------- nobody else


@needs_mosquitto
@pytest.mark.requirement("R-27")
async def test_without_a_certificate_of_ours_nobody_is_let_in(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    lay_out(tmp_path / "other", 1)
    async with a_store(tmp_path / "ours") as store:
        tls = store.settings.mqtt.tls
        assert tls is not None
        for certificate in (None, tmp_path / "other" / f"{GATEWAY}.pem"):
            context = ssl.create_default_context(cafile=tls.ca_file)
            if certificate is not None:
                context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await greeted(store.port, context)


async def greeted(port: int, context: ssl.SSLContext) -> str:
    """The version of TLS in which the broker takes a CONNECT of MQTT 3.1.1."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(bytes.fromhex("100f00044d5154540402000a0003") + b"abc")
        assert await asyncio.wait_for(reader.readexactly(4), 5) == b"\x20\x02\x00\x00"
        return str(writer.get_extra_info("ssl_object").version())
    finally:
        writer.transport.abort()


@needs_mosquitto
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with a_store(tmp_path) as store:
        assert await greeted(store.port, context_of(store, version)) == version.name.replace(
            "_", "."
        )


@needs_mosquitto
async def test_tls_1_1_is_refused(tmp_path: Path) -> None:
    async with a_store(tmp_path) as store:
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context = context_of(store, ssl.TLSVersion.TLSv1_1)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            await greeted(store.port, context)


def context_of(store: Store, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=store.folder / "ca.pem")
    context.load_cert_chain(store.folder / f"{GATEWAY}.pem", store.folder / f"{GATEWAY}.key")
    context.minimum_version = context.maximum_version = version
    return context


@needs_mosquitto
@needs_plugin
@pytest.mark.requirement("T-13")
async def test_a_stolen_gateway_is_cut_off_at_once_and_finds_no_rights_when_it_comes_back(
    tmp_path: Path,
) -> None:
    telemetry = RecordingTelemetry()
    async with (
        a_store(tmp_path, dynamic_security=True) as store,
        Client(store, "admin") as admin,
        running(store.gateway(telemetry)) as gateway,
    ):
        order = {"commands": [{"command": "deleteClient", "username": GATEWAY}]}
        assert await admin.publish("$CONTROL/dynamic-security/v1", json.dumps(order).encode()) in (
            0,
            16,
        )
        await telemetry.wait(BrokerLost)
        await asyncio.wait_for(gateway.connected(), 10)
        with pytest.raises(MessageRefused):
            await gateway.publish(message())


# ---------------------------------------------------------------- the files


def test_the_list_and_dynamic_security_give_the_same_rights() -> None:
    rights: set[tuple[str, str, str]] = set()
    for line in (EXAMPLES / "acl").read_text().splitlines():
        match line.split():
            case ["user", user]:
                pass
            case ["topic", access, topic]:
                rights |= {
                    (user, way, topic) for way in ("read", "write") if access in (way, "readwrite")
                }
    document = json.loads((EXAMPLES / "dynamic-security.json").read_text())
    roles = {role["rolename"]: role["acls"] for role in document["roles"]}
    ways = {"publishClientSend": "write", "publishClientReceive": "read"}
    dynamic, subscribed = set(), set()
    for client in document["clients"]:
        assert set(client) <= {
            "username",
            "textname",
            "roles",
        }  # no password: the certificate is asked for
        for acl in (
            acl
            for role in client["roles"]
            for acl in roles[role["rolename"]]
            if client["username"] != "admin"
        ):
            if acl["acltype"] in ways:
                dynamic.add((client["username"], ways[acl["acltype"]], acl["topic"]))
            else:
                subscribed.add((client["username"], "read", acl["topic"].removeprefix("$share/+/")))
    assert dynamic == rights
    assert subscribed == {right for right in rights if right[1] == "read"}
    assert document["defaultACLAccess"] == {
        "publishClientSend": False,
        "publishClientReceive": False,
        "subscribe": False,
        "unsubscribe": True,
    }


@pytest.mark.requirement("R-27")
def test_the_shipped_configuration_asks_for_certificates_and_lets_nobody_in_without() -> None:
    lines = (EXAMPLES / "mosquitto.conf").read_text().splitlines()
    assert {
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
    } <= set(lines)
    assert {"tls_version tlsv1.2", "persistence false"} <= set(lines)
    assert [line for line in lines if line.startswith("listener")] == ["listener 8883"]


def test_a_shipped_configuration_that_lost_its_listener_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has lost its line"):
        broker_config("listener 1883\n", tmp_path, 1)


def test_secrets_of_the_store_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    lay_out(tmp_path / "store", 1)
    lay_out(tmp_path / "store", 1)  # once more over itself
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    secrets = [*(tmp_path / "store").glob("*key"), tmp_path / "store" / "customers.jsonl"]
    assert len(secrets) == 12
    assert {file.stat().st_mode & 0o777 for file in secrets} == {0o600}
    assert not (tmp_path / "store" / "ca.key").exists()


# ---------------------------------------------------------------- the program


async def line_with(stream: asyncio.StreamReader, words: str) -> str:
    async with asyncio.timeout(20):
        while True:
            line = (await stream.readline()).decode()
            assert line, f"ended without {words!r}"
            if words in line:
                return line


async def run(*command: str | Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, out + err
    return out.decode()


@needs_mosquitto
@pytest.mark.slow
async def test_the_five_minutes_of_the_guide_end_with_an_offer(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, "cwd": ROOT}
    broker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.dev_broker", "--keep", folder, **pipes  # type: ignore[arg-type]
    )  # fmt: skip
    assert broker.stdout is not None
    port = (await line_with(broker.stdout, "broker")).split(",")[0].split(":")[1]
    said = await line_with(broker.stdout, "scripts/offer_engine.py")
    while said.rstrip().endswith("\\"):
        said = said.rstrip()[:-1] + (await broker.stdout.readline()).decode()
    assert f"--port {port}" in said
    engine = await asyncio.create_subprocess_exec(sys.executable, *said.split()[1:], **pipes)  # type: ignore[arg-type]
    assert engine.stdout is not None
    assert engine.stderr is not None
    try:
        await line_with(engine.stderr, "listening")
        key = (folder / "dana.identity-key").read_text()
        capture = folder / "walk.btsnoop"
        await run(
            sys.executable,
            "-m",
            "scripts.app_emulator",
            "capture",
            capture,
            "--identity-key",
            key,
            "--seconds",
            "30",
        )
        replay = (
            sys.executable,
            "-m",
            "presence",
            "replay",
            capture,
            "--config",
            folder / "presence.yaml",
            "--publish",
        )
        replayed = await run(*replay)
        assert "published 1" in replayed
        assert "Dana: Tulip bulbs" in await line_with(engine.stdout, "Dana")
    finally:
        engine.terminate()
        await engine.communicate()
        broker.send_signal(signal.SIGINT)
        await broker.communicate()
    assert (engine.returncode, broker.returncode) == (0, 0)
    assert folder.exists()


@needs_mosquitto
async def test_ctrl_c_ends_the_broker_and_removes_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    broker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scripts.dev_broker",
        "--dynamic-security",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert broker.stdout is not None
    said = await line_with(broker.stdout, "deleteClient")
    assert re.search(r"dynsec deleteClient gw-1$", said.rstrip())
    assert len(os.listdir(tmp_path)) == 1  # noqa: PTH208
    broker.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(broker.wait(), 10) == 0
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_a_port_that_is_taken_is_told_with_the_brokers_own_words(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        broker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scripts.dev_broker",
            "--port",
            f"{port}",
            "--keep",
            tmp_path,
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await asyncio.wait_for(broker.communicate(), 20)
    assert broker.returncode == 69
    assert b"Address already in use" in err or b"not installed" in err

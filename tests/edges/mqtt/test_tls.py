"""TLS with an authority of our own: the right one is believed, any other is not."""

import asyncio
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from presence.config.settings import MqttSettings, TlsSettings
from presence.edges.mqtt.credentials import load_credentials
from presence.errors import ConfigurationError
from presence.telemetry import BrokerUnreachable
from tests.support.brokers import FakeBroker, mosquitto, needs_mosquitto
from tests.support.certificates import Authority, tls_lines
from tests.support.fakes import RecordingTelemetry
from tests.support.mqtt_parts import message, new_publisher, publish_to_nobody, running


@needs_mosquitto
async def test_events_go_over_tls_where_the_pinned_authority_signed_the_broker(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path, "ours")
    tls = TlsSettings(ca_file=authority.file)
    async with (
        mosquitto(tmp_path, *tls_lines(authority)) as broker,
        running(new_publisher(broker.port, tls=tls)) as publisher,
    ):
        await publish_to_nobody(publisher, message())


@needs_mosquitto
async def test_messages_longer_than_one_look_at_the_socket_come_whole_and_in_order_over_tls(
    tmp_path: Path,
) -> None:
    """What TLS has decrypted and nobody has read, the event loop is not told of again."""
    authority, heard = Authority(tmp_path, "ours"), asyncio.Queue[bytes]()
    sent = [bytes([number]) * 40_000 for number in range(5)]
    async with (
        mosquitto(tmp_path, *tls_lines(authority)) as broker,
        running(new_publisher(broker.port, tls=TlsSettings(ca_file=authority.file))) as publisher,
    ):
        await publisher.subscribe("ctl/a", lambda _topic, payload, _kept: heard.put_nowait(payload))
        for payload in sent:
            await publisher.publish(message(topic="ctl/a", payload=payload))
        async with asyncio.timeout(10):
            assert [await heard.get() for _ in sent] == sent


@needs_mosquitto
async def test_a_broker_signed_by_another_authority_is_refused(tmp_path: Path) -> None:
    authority, other, telemetry = (
        Authority(tmp_path, "ours"),
        Authority(tmp_path, "other"),
        RecordingTelemetry(),
    )
    async with mosquitto(tmp_path, *tls_lines(authority)) as broker:
        publisher = new_publisher(broker.port, telemetry, tls=TlsSettings(ca_file=other.file))
        async with running(publisher, connected=False):
            event = await telemetry.wait(BrokerUnreachable, 2)
    assert "certificate verify failed" in event.reason
    assert "mqtt.tls.ca_file" in event.remedy
    assert publisher.counters.connects == 0


@needs_mosquitto
async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    authority, telemetry = Authority(tmp_path, "ours"), RecordingTelemetry()
    async with mosquitto(tmp_path, *tls_lines(authority, address="127.0.0.9")) as broker:
        publisher = new_publisher(broker.port, telemetry, tls=TlsSettings(ca_file=authority.file))
        async with running(publisher, connected=False):
            assert "mismatch" in (await telemetry.wait(BrokerUnreachable)).reason


@needs_mosquitto
async def test_a_broker_that_wants_our_certificate_gets_it(tmp_path: Path) -> None:
    authority, telemetry = Authority(tmp_path, "ours"), RecordingTelemetry()
    certificate, key = authority.issue("door-1")
    lines = [*tls_lines(authority), "require_certificate true", "use_identity_as_username true"]
    async with mosquitto(tmp_path, *lines) as broker:
        with_one = TlsSettings(ca_file=authority.file, certificate_file=certificate, key_file=key)
        async with running(new_publisher(broker.port, tls=with_one)) as publisher:
            await publish_to_nobody(publisher, message())
        without = new_publisher(broker.port, telemetry, tls=TlsSettings(ca_file=authority.file))
        async with running(without, connected=False):
            await telemetry.wait(BrokerUnreachable)
        assert without.counters.connects == 0


async def test_tls_against_a_port_without_it_says_so(tmp_path: Path) -> None:
    authority, telemetry = Authority(tmp_path, "ours"), RecordingTelemetry()
    async with FakeBroker().running() as broker:
        publisher = new_publisher(
            broker.port,
            telemetry,
            tls=TlsSettings(ca_file=authority.file),
            acknowledge_timeout_s=0.2,
        )
        async with running(publisher, connected=False):
            async with asyncio.timeout(5):
                while not broker.writers:  # noqa: ASYNC110 - a moment of a test
                    await asyncio.sleep(0.01)
            broker.writers[0].close()
            event = await telemetry.wait(BrokerUnreachable)
    assert "TLS port" in event.remedy


def test_nothing_below_tls_1_2_no_name_unchecked_and_no_authority_but_ours(tmp_path: Path) -> None:
    context = load_credentials(
        MqttSettings(tls=TlsSettings(ca_file=Authority(tmp_path, "ours").file))
    ).tls
    assert context is not None
    assert (context.minimum_version, context.verify_mode, context.check_hostname) == (
        ssl.TLSVersion.TLSv1_2,
        ssl.CERT_REQUIRED,
        True,
    )
    assert len(context.get_ca_certs()) == 1


def test_an_authority_that_cannot_be_read_is_named_before_the_daemon_starts(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"mqtt\.tls\.ca_file: .*ca\.crt cannot be used"):
        new_publisher(1, tls=TlsSettings(ca_file=tmp_path / "ca.crt"))


def test_a_key_with_a_passphrase_is_refused_and_does_not_ask_for_it_on_the_terminal(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path, "ours")
    certificate, key = authority.issue("door-1")
    locked = serialization.load_pem_private_key(key.read_bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    key.write_bytes(locked)
    with pytest.raises(ConfigurationError, match="without passphrase"):
        new_publisher(
            1, tls=TlsSettings(ca_file=authority.file, certificate_file=certificate, key_file=key)
        )

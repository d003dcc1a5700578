"""TLS with an authority of our own: the right one is believed, any other is not."""

import asyncio
import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from presence.config.settings import MqttSettings, TlsSettings
from presence.edges.mqtt.credentials import load_credentials
from presence.errors import ConfigurationError
from tests.support.brokers import FakeBroker, mosquitto, needs_mosquitto
from tests.support.mqtt_parts import Told, message, new_publisher, running


@dataclass
class Authority:
    """Signs certificates into a folder."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(self.name)
        self._write(self.name, self._key, self._sign(self._subject, self._key, authority=True))

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.crt"

    def issue(self, name: str, *, address: str = "127.0.0.1") -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(name, key, self._sign(_name(name), key, address=address))
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        address: str = "127.0.0.1",
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(alternative, critical=False)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )

    def _write(
        self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        (self.folder / f"{name}.crt").write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
        )
        (self.folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def tls_lines(authority: Authority, *, address: str = "127.0.0.1") -> list[str]:
    certificate, key = authority.issue("broker", address=address)
    return [f"cafile {authority.file}", f"certfile {certificate}", f"keyfile {key}"]


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
        await publisher.publish(message())


@needs_mosquitto
async def test_a_broker_signed_by_another_authority_is_refused(tmp_path: Path) -> None:
    authority, other, told = Authority(tmp_path, "ours"), Authority(tmp_path, "other"), Told()
    async with mosquitto(tmp_path, *tls_lines(authority)) as broker:
        publisher = new_publisher(broker.port, told, tls=TlsSettings(ca_file=other.file))
        async with running(publisher, connected=False):
            fields = await told.wait("broker.unreachable", 2)
    assert "certificate verify failed" in fields["reason"]
    assert "mqtt.tls.ca_file" in fields["remedy"]
    assert publisher.counters.connects == 0


@needs_mosquitto
async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    authority, told = Authority(tmp_path, "ours"), Told()
    async with mosquitto(tmp_path, *tls_lines(authority, address="127.0.0.9")) as broker:
        publisher = new_publisher(broker.port, told, tls=TlsSettings(ca_file=authority.file))
        async with running(publisher, connected=False):
            assert "mismatch" in (await told.wait("broker.unreachable"))["reason"]


@needs_mosquitto
async def test_a_broker_that_wants_our_certificate_gets_it(tmp_path: Path) -> None:
    authority, told = Authority(tmp_path, "ours"), Told()
    certificate, key = authority.issue("door-1")
    lines = [*tls_lines(authority), "require_certificate true", "use_identity_as_username true"]
    async with mosquitto(tmp_path, *lines) as broker:
        with_one = TlsSettings(ca_file=authority.file, certificate_file=certificate, key_file=key)
        async with running(new_publisher(broker.port, tls=with_one)) as publisher:
            await publisher.publish(message())
        without = new_publisher(broker.port, told, tls=TlsSettings(ca_file=authority.file))
        async with running(without, connected=False):
            await told.wait("broker.unreachable")
        assert without.counters.connects == 0


async def test_tls_against_a_port_without_it_says_so(tmp_path: Path) -> None:
    authority, told = Authority(tmp_path, "ours"), Told()
    async with FakeBroker().running() as broker:
        publisher = new_publisher(
            broker.port, told, tls=TlsSettings(ca_file=authority.file), acknowledge_timeout_s=0.2
        )
        async with running(publisher, connected=False):
            async with asyncio.timeout(5):
                while not broker.writers:  # noqa: ASYNC110 - a moment of a test
                    await asyncio.sleep(0.01)
            broker.writers[0].close()
            fields = await told.wait("broker.unreachable")
    assert "TLS port" in fields["remedy"]


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

"""From the publisher's command to what the gateway has: over HTTPS, and from a folder."""

import functools
import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from presence.consent_service.service import ConsentService
from presence.core.consent.jws import parse_keys
from presence.errors import ConsentListError
from tests.support.consent_services import CARS, DAY_S, GARDEN, a_wish
from tests.support.signed_gateway import a_reader, read
from tests.support.signed_lists import LIST


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ConsentService]:
    service = ConsentService.create(
        tmp_path / "service",
        tmp_path / "repository",
        list_name=LIST,
        notice="fi-2026-03",
        clock=time.time,
    )
    service.suppression_checked()
    yield service
    service.close()


@pytest.fixture
def root_file(tmp_path: Path, service: ConsentService) -> Path:
    file = tmp_path / "root.json"
    file.write_bytes((tmp_path / "repository/metadata/1.root.json").read_bytes())
    return file


@pytest.mark.requirement("R-34", "R-47")
def test_what_the_service_is_told_is_what_the_gateway_has(
    tmp_path: Path, service: ConsentService, root_file: Path
) -> None:
    gateway = a_reader(tmp_path / "gateway", str(tmp_path / "repository"), root_file)
    now_s = time.time()
    anna = service.add(a_wish("anna", not_before_s=now_s - 60, not_after_s=now_s + DAY_S))
    berit = service.add(a_wish("berit", not_before_s=now_s - 60, not_after_s=now_s + DAY_S))
    service.publish()
    first = read(gateway)
    assert first.indexed is not None
    assert set(first.indexed.consents) == {anna.ref, berit.ref}
    assert len(first.indexed.keys) == 4
    assert parse_keys(first.revocation_keys)
    service.narrow("anna", categories=[GARDEN])
    service.withdraw("berit")
    service.publish()
    second = read(gateway)
    assert second.indexed is not None
    assert {grant.category for grant in second.indexed.consents[anna.ref].grants} == {CARS}
    assert set(second.indexed.consents) == {anna.ref}
    assert (second.revocation_keys, second.entries) == (b"", 1)
    service.publish(rebase=True)
    third = read(gateway)
    assert third.header.seq == second.header.seq
    assert third.entries == 1
    service.publish()
    assert read(gateway).indexed is None
    gateway.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "consent service")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "server.pem").write_bytes(
        private + certificate.public_bytes(serialization.Encoding.PEM)
    )
    file = tmp_path / "ca.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def server(tmp_path: Path, authority: Path, service: ConsentService) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=tmp_path / "repository")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        serving = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        yield f"https://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        serving.join()


@pytest.mark.requirement("R-27")
def test_a_list_is_read_over_https_from_a_server_that_is_verified(
    tmp_path: Path, service: ConsentService, server: str, root_file: Path, authority: Path
) -> None:
    service.add(a_wish())
    service.publish()
    with closing(a_reader(tmp_path / "gateway", server, root_file, authority)) as gateway:
        assert read(gateway).entries == 1
    with (
        closing(a_reader(tmp_path / "stranger", server, root_file)) as stranger,
        pytest.raises(
            ConsentListError, match=r"cannot be fetched \(SSLError\).*repository_ca_file"
        ),
    ):
        stranger.read()


def test_a_server_without_the_list_and_no_server_at_all_are_told_apart(
    tmp_path: Path, service: ConsentService, server: str, root_file: Path, authority: Path
) -> None:
    service.publish()
    elsewhere = a_reader(tmp_path / "elsewhere", f"{server}/elsewhere", root_file, authority)
    with pytest.raises(ConsentListError, match="not found"):
        elsewhere.read()
    elsewhere.close()
    nowhere = a_reader(tmp_path / "nowhere", "https://127.0.0.1:9", root_file, authority)
    with pytest.raises(ConsentListError, match="is the network up"):
        nowhere.read()
    nowhere.close()

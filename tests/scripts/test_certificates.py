"""The certificates that `scripts/dev-broker` makes hold before a client that takes RFC 5280 at its
word.
"""

import ssl
from pathlib import Path

from scripts.dev_broker.certificates import Authority


def shake_hands(
    client: ssl.SSLObject, server: ssl.SSLObject, wires: tuple[ssl.MemoryBIO, ...]
) -> None:
    """Carry bytes to and fro until both are content; raises SSLError."""
    to_client, from_client, to_server, from_server = wires
    waiting = {client, server}
    while waiting:
        for side in waiting.copy():
            try:
                side.do_handshake()
                waiting.discard(side)
            except ssl.SSLWantReadError:
                pass
            to_server.write(from_client.read())
            to_client.write(from_server.read())


def test_a_strict_client_takes_the_brokers_certificate_and_the_broker_the_clients(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    authority.broker()
    authority.client("gateway")
    client_side = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    client_side.load_cert_chain(tmp_path / "gateway.pem", tmp_path / "gateway.key")
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
    server_side.verify_flags |= ssl.VERIFY_X509_STRICT
    server_side.verify_mode = ssl.CERT_REQUIRED
    server_side.load_cert_chain(tmp_path / "broker.pem", tmp_path / "broker.key")
    wires = tuple(ssl.MemoryBIO() for _ in range(4))
    to_client, from_client, to_server, from_server = wires
    client = client_side.wrap_bio(to_client, from_client, server_hostname="localhost")
    server = server_side.wrap_bio(to_server, from_server, server_side=True)
    shake_hands(client, server, wires)
    assert dict(pair for (pair,) in server.getpeercert()["subject"])["commonName"] == "gateway"  # type: ignore[index,misc,arg-type]

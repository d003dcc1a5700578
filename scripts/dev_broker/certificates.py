"""An authority for a day: signs a certificate for the broker and one for each client. For
development only.
"""

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE: Final = timedelta(days=7)
SKEW: Final = timedelta(hours=1)
SIGNS_CERTIFICATES: Final = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """Its key is never written: when the program ends, nobody can sign any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("presence development authority")
        usage = x509.BasicConstraints(ca=True, path_length=0)
        builder = _builder(self._name, self._key, self._name, self._key).add_extension(
            usage, critical=True
        )
        builder = builder.add_extension(SIGNS_CERTIFICATES, critical=True)
        self._write("ca", builder.sign(self._key, hashes.SHA256()), None)

    def broker(self) -> None:
        """`broker.pem` and `broker.key`, for this machine by each of its names."""
        names = x509.SubjectAlternativeName(
            [
                x509.DNSName("localhost"),
                *(x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")),
            ]
        )
        self._issue("broker", ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, name: str) -> None:
        """`{name}.pem` and `{name}.key`; the access list knows the client by that name."""
        self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self, name: str, usage: x509.ObjectIdentifier, *extensions: x509.SubjectAlternativeName
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), key, self._name, self._key)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        self._write(name, builder.sign(self._key, hashes.SHA256()), key)

    def _write(
        self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | None
    ) -> None:
        (self._folder / f"{name}.pem").write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
        )
        if key is None:
            return
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with os.fdopen(
            os.open(self._folder / f"{name}.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            "wb",
        ) as file:
            file.write(secret)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    """With both key identifiers of RFC 5280 (4.2.1.1, 4.2.1.2): Python 3.13 refuses a certificate
    without them.
    """
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )

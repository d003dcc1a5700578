"""What we show to the broker and whom we believe: password, client certificate, and one pinned
authority.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from presence.config.settings import MqttSettings, TlsSettings
from presence.errors import ConfigurationError, reason_of


class _ClosingSocket(ssl.SSLSocket):
    """paho forgets the socket where the handshake fails; it would stay open until the garbage
    collector comes.
    """

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What we show to the broker, and whom we believe."""

    password: str | None
    tls: ssl.SSLContext | None


def load_credentials(settings: MqttSettings) -> Credentials:
    """Read the files anew (they may have been rotated). Raises ConfigurationError that names the
    key and the file.
    """
    password = None
    if settings.password_file is not None:
        try:
            password = (
                settings.password_file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
            )
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                [_unreadable("mqtt.password_file", settings.password_file, error)]
            ) from error
    return Credentials(password, None if settings.tls is None else _tls_context(settings.tls))


def _tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """TLS 1.2 or later, this one authority, names checked; there is no way to switch that off."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _ClosingSocket
    try:
        context.load_verify_locations(cafile=tls.ca_file)
    except OSError as error:
        raise ConfigurationError([_unreadable("mqtt.tls.ca_file", tls.ca_file, error)]) from error
    if tls.certificate_file is not None:
        try:
            # Without a password OpenSSL would ask for one on the terminal where the key has one.
            context.load_cert_chain(tls.certificate_file, tls.key_file, password="")
        except OSError as error:
            problem = _unreadable(
                "mqtt.tls.certificate_file and key_file", tls.certificate_file, error
            )
            raise ConfigurationError([problem]) from error
    return context


def _unreadable(key: str, path: Path, error: Exception) -> str:
    return (
        f"{key}: {path} cannot be used ({reason_of(error)}): it must be readable by the daemon, "
        "PEM or UTF-8, without passphrase"
    )

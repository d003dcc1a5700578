"""Where `presence consents … --mqtt` sends: imported where a broker is named, and not before."""

import argparse

from presence.config.relations import is_loopback
from presence.config.settings import MqttSettings, TlsSettings
from presence.consent_service.post import Post
from presence.errors import UsageError


def post_to(options: argparse.Namespace, list_name: str) -> Post:
    """Raises UsageError."""
    hosts = [host for host, _ in options.mqtt]
    port = options.mqtt[0][1]
    if any(other != port for _, other in options.mqtt):
        raise UsageError("--mqtt: the brokers of a list have one port")
    strangers = [host for host in hosts if not is_loopback(host)]
    tls = None
    if options.mqtt_ca is not None:
        tls = TlsSettings(
            ca_file=options.mqtt_ca,
            certificate_file=options.mqtt_certificate,
            key_file=options.mqtt_key,
        )
    elif strangers:
        raise UsageError(
            f"--mqtt {strangers[0]}: another machine is reached by TLS only: name its --mqtt-ca"
        )
    settings = MqttSettings(
        hosts=hosts,
        port=port,
        username=options.mqtt_user,
        password_file=options.mqtt_password_file,
        tls=tls,
    )
    return Post(settings, list_name)

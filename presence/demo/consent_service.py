"""The consent service of the play: publishes the list, and signs what takes away at once.

The list goes by rename, as anybody must who writes the plain file; a notice goes over the broker,
signed with a key that was made when the play began.
"""

import asyncio
import json
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt import publish
from paho.mqtt.enums import MQTTProtocolVersion

from presence.config.settings import ConsentSettings, MqttProtocol
from presence.core.consent.jws import encode_keys
from presence.core.consent.revocation import (
    Revocation,
    RevokedRights,
    sign_revocation,
    topic_of_revocations,
)
from presence.demo.story import LIST, Person, consent_list
from presence.edges.consent_list.plain import FILE_NAME
from presence.edges.host.files import replace_file
from presence.errors import BrokerError
from presence.simulation.local_broker import LocalBroker

KID: Final = "demo-1"


class PlayedConsentService:
    """Writes the public key where the gateway looks for it; the private one is in this object
    alone.
    """

    def __init__(self, settings: ConsentSettings, broker: LocalBroker) -> None:
        settings.directory.mkdir(parents=True)
        self._path = settings.directory / FILE_NAME
        self._broker = broker
        self._key = Ed25519PrivateKey.generate()
        self._revocations = 0
        self.seq = 88_212
        if settings.notice_keys is not None:
            settings.notice_keys.write_bytes(encode_keys({KID: self._key.public_key()}))

    def publish(self, people: tuple[Person, ...], *, now_s: float) -> None:
        self.seq += 1
        lines = consent_list(people, seq=self.seq, now_s=now_s)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        replace_file(self._path, text.encode(), durable=False)

    async def revoke(self, people: tuple[Person, ...], *, now_s: float) -> None:
        """These customers withdraw; returns when the broker has the notice. Raises BrokerError."""
        self._revocations += 1
        rows = tuple(RevokedRights(person.ref, version=2, removed=True) for person in people)
        revocation = Revocation(
            LIST, self._revocations, self._revocations - 1, self.seq + 1, int(now_s), rows
        )
        await asyncio.to_thread(self._say, sign_revocation(revocation, kid=KID, key=self._key))

    def _say(self, message: bytes) -> None:
        broker = self._broker
        v5 = broker.protocol is MqttProtocol.V5
        protocol = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
        try:
            publish.single(
                topic_of_revocations(LIST), message, qos=1, hostname=broker.host, port=broker.port,
                client_id="presence-demo-consents", protocol=protocol,
            )  # fmt: skip
        except OSError as error:
            raise BrokerError(f"the consent service cannot reach the broker: {error}") from error

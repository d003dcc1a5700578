"""What a broker means by its reason code, and what the operator does about it.

Codes: MQTT 5.0 §2.4. A broker that speaks 3.1.1 gives none in PUBACK, and paho translates those of
its CONNACK.
"""

import ssl
from collections.abc import Mapping
from typing import Final

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from presence.language import Sentence

NO_MATCHING_SUBSCRIBERS: Final = 0x10
"""No refusal (MQTT 5.0 §3.4.2.1): the broker took the message, and had nobody to give it to. A
session counts as a subscriber, whether its client is there or not.
"""
FAILURE: Final = 0x80
"""From here on a reason code is a refusal (MQTT 5.0 §2.4)."""
UNSUPPORTED_PROTOCOL: Final = 0x84
NOT_AUTHORIZED: Final = 0x87
SESSION_TAKEN_OVER: Final = 0x8E
TOPIC_NAME_INVALID: Final = 0x90
PACKET_TOO_LARGE: Final = 0x95
PAYLOAD_FORMAT_INVALID: Final = 0x99

PERMANENT: Final = frozenset(
    {NOT_AUTHORIZED, TOPIC_NAME_INVALID, PACKET_TOO_LARGE, PAYLOAD_FORMAT_INVALID}
)
"""The same message will be refused again. All other codes of a PUBACK speak of the broker's state
of the moment. (0x95 is not in PUBACK: we find it ourselves by the Maximum Packet Size of CONNACK.)
"""

LOST_WITH_311: Final = Sentence(
    "reason codes (a denied publish reads as success), message expiry and content type"
)
"""What nobody gets back from a broker that speaks 3.1.1 only (docs/design.md#paho)."""

ONLY_311: Final = Sentence(
    'the broker speaks MQTT 3.1.1 only: use one that speaks 5, or set mqtt.protocol: "3.1.1" '
    "and do without {lost}",
    lost=LOST_WITH_311,
)

NO_ANSWER: Final = Sentence(
    "nobody answered as a broker: mqtt.port may be its TLS port (set mqtt.tls) or another service, "
    'or it speaks MQTT 3.1.1 only (mqtt.protocol: "3.1.1")'
)

HUNG_UP: Final = Sentence(
    "the broker ends the connection, or never answers, where we publish: read its log; its access "
    "list may deny us our "
    "topics (`presence check`, question `access`)"
)

CREDENTIALS: Final = Sentence(
    "check mqtt.username, the content of mqtt.password_file, and the account on the broker"
)

READ_LOG: Final = Sentence("read the broker's log")

_REMEDIES: Final[Mapping[int, Sentence]] = {
    0x82: Sentence(
        "the broker or something between breaks the protocol: read the broker's log, check "
        "mqtt.port"
    ),
    UNSUPPORTED_PROTOCOL: ONLY_311,
    0x85: Sentence(
        "the broker does not take the name of this gateway as client id: change store.gateway "
        "or its rules"
    ),
    0x86: CREDENTIALS,
    NOT_AUTHORIZED: Sentence(
        "allow this gateway in the broker's access list: write …/evt/+ and its own "
        "…/gw/{{gateway}}/#"
    ),
    0x88: Sentence("the broker is overloaded or starting: wait, or read its log"),
    0x8A: Sentence("this gateway is banned on the broker: ask who runs it"),
    0x8C: Sentence(
        "the broker wants another way to authenticate: use a password or a client certificate there"
    ),
    0x8D: Sentence(
        "the broker heard nothing for too long: check the network, or raise mqtt.keep_alive_s"
    ),
    SESSION_TAKEN_OVER: Sentence(
        "another gateway uses the same chain, store and gateway name, or the same "
        "certificate: give "
        "each its own store.gateway and certificate; if you know of no other, somebody has copied "
        "this one: revoke it"
    ),
    PACKET_TOO_LARGE: Sentence("raise the broker's largest packet size to 64 KiB"),
    0x97: Sentence("the broker's quota is used up: raise it there"),
    0x9A: Sentence(
        "the broker keeps no retained messages: switch them on, the gateway's state needs one"
    ),
    0x9B: Sentence("the broker does not take QoS 1: switch it on"),
    0x9F: Sentence("the broker limits how often we may connect: raise the limit there"),
}


def name(code: int) -> str:
    """`0x87 Not authorized`, in the words of the specification."""
    for packet in (
        PacketTypes.PUBACK,
        PacketTypes.CONNACK,
        PacketTypes.DISCONNECT,
        PacketTypes.SUBACK,
    ):
        try:
            return f"0x{code:02x} {ReasonCode(packet, identifier=code).getName()}"
        except (KeyError, ValueError):
            continue
    return f"0x{code:02x}"


def remedy(code: int, *, connecting: bool = False) -> Sentence:
    """The next step for the operator; the broker's log where we know no better.

    In a CONNACK mosquitto says "not authorized" for a wrong password too.
    """
    if connecting and code == NOT_AUTHORIZED:
        return CREDENTIALS
    return _REMEDIES.get(code, READ_LOG)


def remedy_of_fault(fault: BaseException) -> Sentence:
    """The next step where the connection could not even be made."""
    match fault:
        case ssl.SSLCertVerificationError():
            return Sentence(
                "mqtt.tls.ca_file must hold the authority that signed the broker, and "
                "mqtt.host (or each of mqtt.hosts) the name it signed"
            )
        case ssl.SSLError():
            return Sentence(
                "mqtt.port must be the broker's TLS port (often 8883), and the broker may "
                "want a client certificate"
            )
        case ConnectionRefusedError():
            return Sentence(
                "nothing listens there: start the broker, check mqtt.host and mqtt.port"
            )
        case TimeoutError():
            return Sentence("no answer: check mqtt.host, the network and the firewall")
        case OSError():
            return Sentence("check mqtt.host, mqtt.port and the network")
        case _:
            return Sentence("a fault of the program: please report it with this line")

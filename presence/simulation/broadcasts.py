"""What devices say, byte for byte: a customer's rotating identifier, and the many kinds of
strangers.

A broadcast lives in *epochs*: with each one address and payload change together, as phones do so
that neither betrays the other (Core Vol 3 Part C §10.7; Eddystone-EID changes every 1,024 s).

Sources of the strangers' formats: Apple continuity as dissected by "Handoff All Your Privacy"
(Martin et al., 2019), Exposure Notification Bluetooth Specification 1.2, Assigned Numbers for
companies and 16-bit UUIDs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol

from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import ephemeral_identifier, slot_at
from presence.core.recognition.ticks import seal_at, tick_at
from presence.simulation.identity_keys import window_key

TX_POWER_AT_0_M_DBM: Final = -18


class Broadcast(Protocol):
    """One device's way of advertising."""

    def epoch(self, at_s: float, utc_s: float) -> int:
        """Address and payload stay the same while this number does. Times: since the start, and
        UTC.
        """

    def tick(self, utc_s: float) -> int:
        """Within an epoch the payload alone changes with this number."""

    def payload(self, utc_s: float, chance: Random) -> bytes:
        """The 0–31 bytes on air; `chance` is new for each epoch."""


@dataclass(frozen=True, slots=True)
class CustomerBroadcast:
    """E1, Eddystone-EID: what the app of somebody who asked to be recognised sends."""

    identity_key: bytes = field(repr=False)
    ticks: bool = False
    """Whether the app seals its identifier anew every 16 s."""

    def epoch(self, at_s: float, utc_s: float) -> int:  # noqa: ARG002 - the identifier follows the date alone
        return slot_at(utc_s)

    def tick(self, utc_s: float) -> int:
        return tick_at(utc_s) if self.ticks else 0

    def payload(self, utc_s: float, chance: Random) -> bytes:  # noqa: ARG002 - nothing in it is chance
        key = window_key(self.identity_key, utc_s)
        return eddystone.payload(
            ephemeral_identifier(key, slot_at(utc_s)),
            tx_power_dbm=TX_POWER_AT_0_M_DBM,
            seal=seal_at(key, utc_s) if self.ticks else b"",
        )


@dataclass(frozen=True, slots=True)
class StrangerBroadcast:
    """Any other device; see KINDS."""

    kind: str
    life_s: float = 900.0
    phase_s: float = 0.0

    def epoch(self, at_s: float, utc_s: float) -> int:  # noqa: ARG002 - its own time, not the date
        return int((at_s + self.phase_s) // self.life_s)

    def tick(self, utc_s: float) -> int:  # noqa: ARG002 - nothing changes within an epoch
        return 0

    def payload(self, utc_s: float, chance: Random) -> bytes:  # noqa: ARG002 - see epoch
        return KINDS[self.kind](chance)


def structure(kind: int, data: bytes) -> bytes:
    """One AD structure."""
    return bytes((len(data) + 1, kind)) + data


FLAGS: Final = structure(0x01, b"\x1a")


def _apple_nearby(chance: Random) -> bytes:
    return FLAGS + structure(0xFF, b"\x4c\x00\x10\x06" + chance.randbytes(6))


def _apple_handoff(chance: Random) -> bytes:
    return FLAGS + structure(
        0xFF, b"\x4c\x00\x0c\x0e\x00" + chance.randbytes(13) + b"\x10\x05" + chance.randbytes(5)
    )


def _apple_find_my(chance: Random) -> bytes:
    return structure(0xFF, b"\x4c\x00\x12\x19" + chance.randbytes(25))


def _apple_earphones(chance: Random) -> bytes:
    return structure(0xFF, b"\x4c\x00\x07\x19\x01" + chance.randbytes(24))


def _exposure_notification(chance: Random) -> bytes:
    return (
        FLAGS + structure(0x03, b"\x6f\xfd") + structure(0x16, b"\x6f\xfd" + chance.randbytes(20))
    )


def _named(chance: Random) -> bytes:
    what = chance.choice(("Band", "Watch", "Buds", "Speaker", "Scale", "TV"))
    name = f"{what}-{chance.randbytes(4).hex().upper()}"
    return FLAGS + structure(0x09, name.encode()) + structure(0x0A, b"\x04")


def _tile(chance: Random) -> bytes:
    return (
        FLAGS
        + structure(0x03, b"\xed\xfe")
        + structure(0x16, b"\xed\xfe\x02\x00" + chance.randbytes(8))
    )


def _smart_tag(chance: Random) -> bytes:
    return (
        FLAGS + structure(0x03, b"\x5a\xfd") + structure(0x16, b"\x5a\xfd" + chance.randbytes(20))
    )


def _windows(chance: Random) -> bytes:
    return structure(0xFF, b"\x06\x00\x01\x09\x20\x02" + chance.randbytes(23))


def _other_chain(chance: Random) -> bytes:
    return eddystone.payload(chance.randbytes(8), tx_power_dbm=TX_POWER_AT_0_M_DBM)


def _eddystone_url(chance: Random) -> bytes:
    address = chance.randbytes(5).hex().encode()
    return FLAGS + structure(0x03, b"\xaa\xfe") + structure(0x16, b"\xaa\xfe\x10\xee\x03" + address)


def _malformed(chance: Random) -> bytes:
    """Structures that run over the end, or are too short for their type."""
    noise = chance.randbytes(12)
    return chance.choice(
        (
            b"\x1e\xff" + noise,
            b"\x02\x01\x06\x13\x16\xaa\xfe\x30" + noise,
            b"\x02\xff\x4c" + noise[:1],
        )
    )


KINDS: Final[Mapping[str, Callable[[Random], bytes]]] = {
    "apple nearby": _apple_nearby,
    "apple handoff": _apple_handoff,
    "apple find my": _apple_find_my,
    "apple earphones": _apple_earphones,
    "exposure notification": _exposure_notification,
    "named device": _named,
    "tile": _tile,
    "smart tag": _smart_tag,
    "windows": _windows,
    "other chain": _other_chain,
    "eddystone url": _eddystone_url,
    "malformed": _malformed,
}
"""Every kind of stranger, by name."""

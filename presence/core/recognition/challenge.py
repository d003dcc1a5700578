"""The doorbell: a phone that heard the gateway connects to it, and proves who it is
(docs/doorbell.md, byte by byte).

    phone                                                gateway
      │ ◄───────────── advertisement: doorbell service ────── │
      │     measures the strength of each                     │
      │ ── connect, read challenge ─────────────────────────► │ challenge: one for each connection
      │ ◄──────────────────── version ‖ 16 random bytes ───── │
      │ ── write answer ────────────────────────────────────► │ answer: form, order and time
      │                       (always taken, never answered)  │ is_genuine: whose key, whose MAC
      │ ── disconnect                                         │ gone

    challenge  17 bytes: 01 ‖ nonce 16
    answer     26 + 2n bytes, 1 ≤ n ≤ 32: 01 ‖ EID 8 ‖ n ‖ n × (age 1, strength 1) ‖ MAC 16
               26 + 3n of a phone that heard several bells: 02 ‖ … × (age 1, strength 1, bell 1) ‖ …
    key        HKDF-SHA256(TK, no salt, info "presence doorbell v1", 32 bytes)             RFC 5869
    MAC        HMAC-SHA256(key, content), the first 16 bytes             RFC 2104, 4868 §2.6 (half)
    content    "presence doorbell answer v1" ‖ 00 ‖ challenge ‖ len chain ‖ chain ‖ len store
               ‖ store ‖ slot 4 ‖ the answer without its MAC

Numbers are big-endian; a length is one byte. `age` counts tenths of a second before the answer,
oldest reading first; `strength` is dBm, signed; `bell` is the number that the bell's beacon says
(its minor), and where it is left out, that of the bell that was answered. TK and EID are those of
presence.core.recognition.identifiers, `slot` is the slot of the EID.

1. Whatever is wrong with an answer, the phone learns nothing, and nothing changes but a count
   (R-01).
2. A challenge is good for one connection, one answer and CHALLENGE_S. So a recorded answer is worth
   nothing.
3. The gateway holds window keys only: a stolen one can play customers for as long as it has keys,
   and no longer.
"""

import hmac
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from presence.core.encoding import EID_BYTES
from presence.core.recognition.identifiers import ephemeral_identifier
from presence.core.site import Site
from presence.core.timestamps import Moment

CHALLENGE_UUID: Final = "70726573-656e-6365-0001-63686c6c6e67"
ANSWER_UUID: Final = "70726573-656e-6365-0001-616e73776572"
"""The characteristics of every chain's service; "presence", 1, "chllng" and "answer" in ASCII."""

VERSION: Final = 1
"""Of the protocol, in the challenge."""
ONE_BELL: Final = 1
SEVERAL_BELLS: Final = 2
"""Versions of an answer: its readings are of the bell that was answered, or name their bells."""
READING_BYTES: Final = {ONE_BELL: 2, SEVERAL_BELLS: 3}
NONCE_BYTES: Final = 16
CHALLENGE_S: Final = 2.0
"""From the reading of a challenge to its answer, and the longest time that a relay has for both
ways. A phone needs some 0.1 s; from the advertisement to the end of the answer, all exchanges
before the challenge included, the slowest of 1,000 measured needed 1.4 s (docs/doorbell.md).
"""
MAX_LINKS: Final = 32
"""Connections with a challenge open. Controllers hold fewer; a peer beyond it reads a challenge
that nobody keeps.
"""
MAX_READINGS: Final = 32
"""So that an answer fits into one write with the smallest MTU that iOS asks for (185 bytes, ATT
header 3).
"""
AGE_UNIT_S: Final = 0.1
MAX_RSSI_DBM: Final = 20
"""Core Specification 5.4, Vol 4, Part E, 7.7.65.2: −127 to +20 dBm; 127 means that there is
none.
"""
MAC_BYTES: Final = 16
HEADER_BYTES: Final = 1 + EID_BYTES + 1
MAX_ANSWER_BYTES: Final = HEADER_BYTES + 3 * MAX_READINGS + MAC_BYTES


class DoorbellReading(NamedTuple):
    """How strongly the phone heard a bell of the store."""

    age_s: float
    """Before the answer: 0 to 25.5 s in steps of 0.1 s."""
    rssi_dbm: int
    """−127 to +20."""
    bell: int = 0
    """Number of the bell that it is about, 0 to 255."""


class RejectReason(StrEnum):
    """Why an answer counts for nothing; a closed set, for counting."""

    MALFORMED = "malformed"
    NO_CHALLENGE = "no_challenge"
    """Written without reading, or a second time."""
    LATE = "late"
    UNKNOWN = "unknown"
    """No identifier of the list, or of another slot."""
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"
    """Genuine, but no consent is in force, or the shop is closed."""
    FORGED = "forged"
    """The MAC is wrong: another challenge, store, slot, strength or key."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A well-formed answer to our challenge, in time; nobody's until it is verified."""

    at: Moment
    eid: bytes = field(repr=False)
    readings: tuple[DoorbellReading, ...]
    challenge: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    """The answer without its MAC."""
    mac: bytes = field(repr=False)


class ChallengeRegistry:
    """The challenges of the open connections of one bell. A `link` is whatever names one, and goes
    with it.
    """

    def __init__(self, bell: int = 0) -> None:
        self._bell = bell
        self._open: dict[Hashable, tuple[bytes, Moment]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def challenge(self, link: Hashable, nonce: bytes, now: Moment) -> bytes:
        """What the phone reads; the same while the challenge of this link is open. `nonce`: 16
        random bytes.
        """
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
        self._forget_late(now)
        challenge, _ = self._open.get(link, (bytes((VERSION,)) + nonce, now))
        # Beyond MAX_LINKS the phone gets one as well, and its answer is worth nothing (rule 1).
        if link not in self._open and len(self._open) < MAX_LINKS:
            self._open[link] = (challenge, now)
        return challenge

    def answer(self, link: Hashable, written: bytes, now: Moment) -> Answer | RejectReason:
        """What the phone wrote. The challenge is used up, whatever the answer is worth."""
        # Before the answer is looked at: one challenge, one answer, also a malformed one (rule 2).
        challenge, read_at = self._open.pop(link, (b"", now))
        parsed = _parse(written, self._bell)
        if parsed is None:
            return RejectReason.MALFORMED
        if not challenge:
            return RejectReason.NO_CHALLENGE
        if not 0 <= now.monotonic_s - read_at.monotonic_s <= CHALLENGE_S:
            return RejectReason.LATE
        eid, readings = parsed
        return Answer(now, eid, readings, challenge, written[:-MAC_BYTES], written[-MAC_BYTES:])

    def gone(self, link: Hashable) -> None:
        """The connection is over."""
        self._open.pop(link, None)

    def _forget_late(self, now: Moment) -> None:
        """Challenges that nobody can answer any more do not take the place of others."""
        for link, (_, read_at) in tuple(self._open.items()):
            if not 0 <= now.monotonic_s - read_at.monotonic_s <= CHALLENGE_S:
                del self._open[link]


def is_genuine(answer: Answer, window_key: bytes, site: Site, slot: int) -> bool:
    """Was it made by a holder of this window key, for this challenge, store and slot? Takes the
    same time for all.
    """
    return hmac.compare_digest(
        answer.mac, _mac(answer.challenge, answer.signed, window_key, site, slot)
    )


def make_answer(
    challenge: bytes,
    readings: Sequence[DoorbellReading],
    window_key: bytes,
    site: Site,
    slot: int,
    *,
    naming_bells: bool = False,
) -> bytes:
    """The phone's side: what it writes. `naming_bells`: each reading says of which bell it is; else
    all are of the one that is answered. Raises ValueError where the readings cannot be encoded."""
    version = SEVERAL_BELLS if naming_bells else ONE_BELL
    series = bytearray()
    for age_s, rssi_dbm, bell in readings:
        series += round(age_s / AGE_UNIT_S).to_bytes(1, "big")
        series += rssi_dbm.to_bytes(1, "big", signed=True)
        if naming_bells:
            series += bytes((bell,))
    signed = (
        bytes((version,))
        + ephemeral_identifier(window_key, slot)
        + bytes((len(readings),))
        + series
    )
    if _parse(signed + bytes(MAC_BYTES), 0) is None:
        raise ValueError(
            f"an answer has 1 to {MAX_READINGS} readings, oldest first, of -127 to "
            f"{MAX_RSSI_DBM} dBm"
        )
    return signed + _mac(challenge, signed, window_key, site, slot)


def answer_key(window_key: bytes) -> bytes:
    """The key of a window's answers (32 bytes); the window key itself only makes identifiers."""
    return HKDF(SHA256(), 32, salt=None, info=b"presence doorbell v1").derive(window_key)


def _mac(challenge: bytes, signed: bytes, window_key: bytes, site: Site, slot: int) -> bytes:
    names = b"".join(
        bytes((len(name),)) + name for name in (site.chain.encode(), site.store.encode())
    )
    content = (
        b"presence doorbell answer v1\0" + challenge + names + slot.to_bytes(4, "big") + signed
    )
    return hmac.digest(answer_key(window_key), content, "sha256")[:MAC_BYTES]


def _parse(written: bytes, bell: int) -> tuple[bytes, tuple[DoorbellReading, ...]] | None:
    """EID and readings, or None where it is no answer that we know. `bell`: the one it was written
    to.
    """
    if len(written) < HEADER_BYTES + MAC_BYTES or written[0] not in READING_BYTES:
        return None
    each = READING_BYTES[written[0]]
    eid, count = written[1 : 1 + EID_BYTES], written[1 + EID_BYTES]
    series = written[HEADER_BYTES:-MAC_BYTES]
    if not 1 <= count <= MAX_READINGS or len(series) != each * count:
        return None
    ages, strengths = (
        series[::each],
        [strength - 256 if strength > 127 else strength for strength in series[1::each]],
    )
    if list(ages) != sorted(ages, reverse=True) or not all(
        -127 <= strength <= MAX_RSSI_DBM for strength in strengths
    ):
        return None
    bells = series[2::3] if each == READING_BYTES[SEVERAL_BELLS] else (bell,) * count
    readings = (
        DoorbellReading(age * AGE_UNIT_S, strength, number)
        for age, strength, number in zip(ages, strengths, bells, strict=True)
    )
    return eid, tuple(readings)

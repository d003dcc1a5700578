"""Phones that send E1 or E2: which bytes, under which address, at a given time.

A phone knows its identity key, and sends until its customer's consent ends; or it is made from a
test consent, which holds window keys only, and then falls silent after the last of them.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from presence.core.consent.entry_rules import Refused
from presence.core.consent.list_json import parse_entry
from presence.core.consent.model import Flag
from presence.core.recognition.beacons import eddystone, ibeacon
from presence.core.recognition.identifiers import (
    SLOT_S,
    ephemeral_identifier,
    slot_at,
    window_at,
)
from presence.core.recognition.ticks import TICK_S, seal_at
from presence.simulation.identity_keys import window_key

Encode = Callable[[bytes, bytes], bytes]
"""From an EID and its seal (empty: none) to the payload on air."""
KeyAt = Callable[[float], bytes | None]
"""The window key at a time (UTC seconds), where the phone has one."""
A_CENTURY_S: Final = 100 * 366 * 86_400.0


class NoPhones(ValueError):
    """Nothing to play; the message says what to give instead."""


@dataclass(frozen=True, slots=True)
class Phone:
    """One test phone. `seed` makes its addresses: the same phone has the same ones in every run."""

    seed: bytes
    key_at: KeyAt
    encode: Encode
    ticks: bool = False
    """Whether it seals its identifier anew every 16 s (presence.core.recognition.ticks)."""

    def payload_at(self, utc_s: float) -> bytes | None:
        """What it sends then; None where its keys are over."""
        key = self.key_at(utc_s)
        if key is None:
            return None
        seal = seal_at(key, utc_s) if self.ticks else b""
        return self.encode(ephemeral_identifier(key, slot_at(utc_s)), seal)

    def next_payload_s(self, utc_s: float) -> float:
        """When its payload changes next."""
        life_s = TICK_S if self.ticks else SLOT_S
        return (utc_s // life_s + 1) * life_s

    def address_at(self, utc_s: float) -> bytes:
        """A resolvable-looking private address (top bits 01), a new one with every identifier."""
        drawn = hashlib.sha256(self.seed + slot_at(utc_s).to_bytes(8, "big")).digest()[:6]
        return bytes((drawn[0] & 0x3F | 0x40,)) + drawn[1:]


def encoder(name: str, *, prefix: bytes, tx_power_dbm: int) -> Encode:
    """E1, or E2 with the chain's prefix."""
    if name == "E1":
        return lambda eid, seal: eddystone.payload(eid, tx_power_dbm=tx_power_dbm, seal=seal)
    return lambda eid, _: ibeacon.payload(prefix, eid, tx_power_dbm=tx_power_dbm)


def phone_of_identity_key(
    key: bytes, encode: Encode, *, until_s: float = math.inf, ticks: bool = False
) -> Phone:
    """A phone as the app makes it: silent from the second in which its customer's consent ends (UTC
    seconds).
    """
    return Phone(
        key, lambda utc_s: window_key(key, utc_s) if utc_s < until_s else None, encode, ticks
    )


def phones_of_list(path: Path, encode: Encode, *, ticks: bool = False) -> Iterator[Phone]:
    """A phone for every entry of a consent list that has the flag `test`; raises NoPhones where
    none has.

    The list's real customers are never played: whoever could play them could walk in as them.
    """
    found = False
    with path.open(encoding="utf-8") as lines:
        next(lines, None)  # the header
        for number, line in enumerate(lines, start=2):
            try:
                entry = parse_entry(json.loads(line), max_span_s=A_CENTURY_S)
            except (Refused, ValueError) as error:
                raise NoPhones(f"{path} line {number}: {error}") from error
            if Flag.TEST in entry.consent.flags:
                found = True
                keys = {key.window: key.key for key in entry.keys}
                yield Phone(entry.consent.ref, _key_of(keys), encode, ticks)
    if not found:
        raise NoPhones(f"{path}: no entry has the flag `test`; real customers are not played")


def _key_of(keys: Mapping[int, bytes]) -> KeyAt:
    return lambda utc_s: keys.get(window_at(utc_s))


@dataclass(frozen=True, slots=True)
class Heard:
    """One advertisement, as a gateway near the phone would hear it."""

    t: float
    address: bytes
    rssi_dbm: int
    payload: bytes


def performance(
    phones: Iterable[Phone],
    *,
    start_s: float,
    seconds: float,
    interval_ms: int,
    rssi_dbm: tuple[int, int],
) -> Iterator[Heard]:
    """Everything that the phones send, in the order of time; the strength goes evenly from the
    first to the second.
    """
    everybody = list(phones)
    count = int(seconds * 1000 / interval_ms)
    for round_ in range(count):
        share = round_ / max(1, count - 1)
        rssi = round(rssi_dbm[0] + share * (rssi_dbm[1] - rssi_dbm[0]))
        for number, phone in enumerate(everybody):
            t = start_s + (round_ + number / len(everybody)) * interval_ms / 1000
            payload = phone.payload_at(t)
            if payload is not None:
                yield Heard(t, phone.address_at(t), rssi, payload)

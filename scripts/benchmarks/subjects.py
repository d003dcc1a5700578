"""Consents and advertisements to measure with; made from counters, nobody's."""

from presence.config.settings import EntrySettings
from presence.core.consent.gate import ListStanding
from presence.core.consent.list_json import ConsentList, Entry, ListHeader
from presence.core.consent.model import Audience, Consent, Grant, Purpose, Scope
from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import (
    WindowKey,
    ephemeral_identifier,
    slot_at,
    window_at,
)
from presence.core.rules import Rules
from presence.core.site import Site
from presence.core.timestamps import Moment

NOW = Moment(1_000_000.0, 1_795_440_000.0)
STANDING = ListStanding(publishing=True, seq=1, suppression_checked_at_s=NOW.utc_s - 3600)
"""An hour ago, so that a benchmark may begin some minutes before NOW and still publish."""


def rules() -> Rules:
    return Rules(
        site=Site("acme", "fi-0042"),
        audiences=(Audience("offers-main", Purpose.OFFERS, frozenset({"ap2:1551"})),),
        notice="fi-2026-03",
        store_key=bytes(32),
        entry=EntrySettings(),
    )


def window_key_of(number: int, window: int) -> bytes:
    return number.to_bytes(8, "big") + window.to_bytes(8, "big")


def consent_list(count: int, at: Moment = NOW) -> ConsentList:
    window = window_at(at.utc_s)
    entries: dict[bytes, Entry] = {}
    for number in range(count):
        ref = number.to_bytes(8, "big")
        consent = Consent(
            ref=ref,
            version=1,
            purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS}),
            not_before_s=at.utc_s - 86_400,
            not_after_s=at.utc_s + 86_400,
            scope=Scope(frozenset({"fi-0042"})),
            grants=(Grant("ap2:1551", 0, at.utc_s + 86_400),),
            pairwise_keys={"offers-main": ref * 2},
        )
        keys = tuple(
            WindowKey(ref, w, window_key_of(number, w)) for w in (window - 1, window, window + 1)
        )
        entries[ref] = Entry(consent, keys)
    return ConsentList(ListHeader("acme/fi-0042", 1, at.utc_s, at.utc_s, count), entries)


def customer(number: int, rssi_dbm: int = -90) -> Advertisement:
    """Too weak to enter: what is measured is the recognition, not the visit."""
    key = window_key_of(number, window_at(NOW.utc_s))
    payload = eddystone.payload(ephemeral_identifier(key, slot_at(NOW.utc_s)), tx_power_dbm=-20)
    return advertisement_from_payload(NOW, number.to_bytes(6, "big"), rssi_dbm, payload)


def stranger_of_ours(number: int) -> Advertisement:
    payload = eddystone.payload(b"\xee" + number.to_bytes(7, "big"), tx_power_dbm=-20)
    return advertisement_from_payload(NOW, number.to_bytes(6, "big"), -70, payload)


def stranger_of_another_format(number: int) -> Advertisement:
    payload = bytes.fromhex("02011a0aff4c001005") + number.to_bytes(5, "big")
    return advertisement_from_payload(NOW, number.to_bytes(6, "big"), -70, payload)

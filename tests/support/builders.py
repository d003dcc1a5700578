"""Ready-made values: a test names only what it is about, the rest is a customer on an ordinary
afternoon.

The afternoon is `START_S`, 2026-11-23T14:05:07Z, in store fi-0042 of the chain acme. Every
subject's keys follow from its ref, so that `advertisement(ref=ANNA)` is heard as Anna wherever a
list holds `consent(ref=ANNA)`.
"""

import itertools
import json
import math
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from presence.core.consent.gate import ListStanding
from presence.core.consent.list_json import ConsentList, Entry, ListHeader
from presence.core.consent.model import Audience, Consent, Flag, Grant, Purpose, Scope
from presence.core.engine import Engine
from presence.core.event.cloudevent import EventType, encode
from presence.core.event.outbox import Announcement, Outgoing, Step
from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import (
    WINDOW_S,
    WindowKey,
    ephemeral_identifier,
    slot_at,
    window_at,
)
from presence.core.rules import Rules
from presence.core.site import Site
from presence.core.timestamps import Moment
from presence.core.visit.visits import Sighting, Visit
from presence.simulation.identity_keys import window_key
from scripts.stores import customers
from scripts.stores.customers import identity_key, pairwise_key
from tests.support.contract import check_event
from tests.support.small import SmallEngine

START_S: Final = 1795442707.0
"""2026-11-23T14:05:07Z: 19 s into a slot (so the one before it counts too), 5 h into a window."""
BOOT_S: Final = 5000.0
"""The monotonic reading at that moment."""
HOUR_S: Final = 3600.0
DAY_S: Final = 86400.0

ANNA: Final = bytes.fromhex("a1a2a3a4a5a6a7a8")
BERIT: Final = bytes.fromhex("b1b2b3b4b5b6b7b8")
CARL: Final = bytes.fromhex("c1c2c3c4c5c6c7c8")

SITE: Final = Site("acme", "fi-0042")
STORE_KEY: Final = bytes(range(32))
CARS: Final = "ap2:1551"
VANS: Final = "ap2:1552"
GARDEN: Final = "ap2:1285"
HEALTH: Final = "ap2:1473"
"""On the deny list of docs/design.md#taxonomy: needs an explicit grant of its own."""

OFFERS: Final = Audience("offers-main", Purpose.OFFERS, frozenset({CARS, GARDEN}))
PICK_UP: Final = Audience("pick-up", Purpose.SERVICE, frozenset())


def moment(seconds: float = 0.0) -> Moment:
    """So many seconds after the start of the afternoon, on both clocks."""
    return Moment(BOOT_S + seconds, START_S + seconds)


def identifier_of(ref: bytes, utc_s: float) -> bytes:
    """The 8 bytes that this subject's phone broadcasts at this time."""
    return ephemeral_identifier(window_key(identity_key(ref), utc_s), slot_at(utc_s))


def advertisement(
    *,
    ref: bytes = ANNA,
    at: Moment | None = None,
    rssi_dbm: int | None = -60,
    identifier: bytes | None = None,
    address: bytes = b"\x4a\x11\x22\x33\x44\x55",
) -> Advertisement:
    """A phone near the door; `identifier` overrides what the subject's own phone would send."""
    at = moment() if at is None else at
    eid = identifier_of(ref, at.utc_s) if identifier is None else identifier
    heard = advertisement_from_payload(
        at, address, 0, eddystone.payload(eid, tx_power_dbm=-18), antenna="hci0"
    )
    return heard._replace(rssi_dbm=rssi_dbm)


def stranger(number: int = 0, *, at: Moment | None = None) -> Advertisement:
    """Somebody's earbuds."""
    payload = bytes.fromhex("0201060bff4c001005") + number.to_bytes(6, "big")
    return advertisement_from_payload(at or moment(), number.to_bytes(6, "big"), -55, payload)


def sighting(
    *, ref: bytes = ANNA, at: Moment | None = None, rssi_dbm: int | None = -60
) -> Sighting:
    return Sighting(moment() if at is None else at, ref, rssi_dbm)


def grant(
    category: str = CARS,
    *,
    start_s: float = -math.inf,
    end_s: float = math.inf,
    explicit: bool = False,
) -> Grant:
    return Grant(category, start_s, end_s, explicit)


def consent(**changes: Any) -> Consent:
    """Anna wants to hear about cars and garden, and agreed to all that is not sensitive; in force
    for 100 days.
    """
    ref = changes.get("ref", ANNA)
    values: dict[str, Any] = {
        "ref": ref,
        "version": 1,
        "purposes": frozenset({Purpose.PRESENCE, Purpose.OFFERS}),
        "not_before_s": START_S - DAY_S,
        "not_after_s": START_S + 100 * DAY_S,
        "scope": Scope(frozenset({SITE.store})),
        "grants": (grant(CARS), grant(GARDEN)),
        "pairwise_keys": {
            name: pairwise_key(ref, name) for name in (OFFERS.name, PICK_UP.name, "test")
        },
        **changes,
    }
    given = Consent(**values)
    return replace(given, grants=tuple(_within(given, grant) for grant in given.grants))


def _within(consent: Consent, grant: Grant) -> Grant:
    """As every reader makes it: no grant reaches beyond its consent."""
    return replace(
        grant,
        not_before_s=max(grant.not_before_s, consent.not_before_s),
        not_after_s=min(grant.not_after_s, consent.not_after_s),
    )


def window_keys(ref: bytes, around_s: float = START_S) -> tuple[WindowKey, ...]:
    """What a list holds: this window's key and the next."""
    return customers.window_keys(ref, around_s)


def header(**changes: Any) -> ListHeader:
    values: dict[str, Any] = {
        "name": "acme/fi-0042",
        "seq": 7,
        "published_at_s": START_S - 30,
        "suppression_checked_at_s": START_S - HOUR_S,
        "count": 0,
        **changes,
    }
    return ListHeader(**values)


def a_list(
    *consents: Consent, keys: Iterable[WindowKey] | None = None, **changes: Any
) -> ConsentList:
    """A verified list of these consents; further arguments change its header."""
    held = {c.ref: window_keys(c.ref) for c in consents}
    if keys is not None:
        held = {ref: tuple(key for key in keys if key.ref == ref) for ref in held}
    return ConsentList(
        header(count=len(consents), **changes), {c.ref: Entry(c, held[c.ref]) for c in consents}
    )


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def entry_json(**changes: Any) -> dict[str, Any]:
    """One entry of a list as the consent service writes it; a change to `...` leaves the field
    out.
    """
    ref = changes.pop("of", ANNA)
    window = window_at(START_S)
    entry: dict[str, Any] = {
        "ref": base64url(ref),
        "ver": 12,
        "win": {
            "start": window * WINDOW_S,
            "len": WINDOW_S,
            "keys": [base64url(key.key) for key in window_keys(ref)],
        },
        "pk": {OFFERS.name: base64url(pairwise_key(ref, OFFERS.name))},
        "purposes": ["presence", "offers"],
        "flags": [],
        "nb": int(START_S - DAY_S),
        "na": int(START_S + 100 * DAY_S),
        "paused_until": 0,
        "scope": {"type": "store", "id": SITE.store},
        "grants": [[CARS, int(START_S + 30 * DAY_S)], [GARDEN, 0]],
        **changes,
    }
    return {key: value for key, value in entry.items() if value is not ...}


def header_json(**changes: Any) -> dict[str, Any]:
    """The first line of a list; a change to `...` leaves the field out."""
    value: dict[str, Any] = {
        "v": 1,
        "list": "acme/fi-0042",
        "seq": 7,
        "published_at": int(START_S - 30),
        "suppression_checked_at": int(START_S - HOUR_S),
        "count": 1,
        **changes,
    }
    return {key: item for key, item in value.items() if item is not ...}


def standing(**changes: Any) -> ListStanding:
    """A list that is proven, fresh and checked against the opt-out registers an hour ago."""
    values: dict[str, Any] = {
        "publishing": True,
        "seq": 7,
        "suppression_checked_at_s": START_S - HOUR_S,
        "parents": {VANS: CARS},
        **changes,
    }
    return ListStanding(**values)


@dataclass(frozen=True, kw_only=True)
class DoorRule:
    """An entry rule whose numbers are easy to count with: 70 dB·s, 10 a second for who is
    strong.
    """

    enter_rssi_dbm: float = -75
    evidence_db_s: float = 70
    exit_rssi_dbm: float = -85
    window_s: float = 15
    min_sightings: int = 4
    min_duration_s: float = 4
    absence_s: float = 300
    reentry_cooldown_s: float = 900
    side_offset_db: float | None = None
    near_dbm: float = -62
    score: float | None = None


def rules(**changes: Any) -> Rules:
    values: dict[str, Any] = {
        "site": SITE,
        "audiences": (OFFERS,),
        "notice": "fi-2026-03",
        "store_key": STORE_KEY,
        "entry": DoorRule(),
        **changes,
    }
    return Rules(**values)


def an_engine(*consents: Consent, at: Moment | None = None, **changes: Any) -> Engine:
    """An engine with a fresh list of these consents; further arguments change the rules."""
    now = at or moment()
    engine = SmallEngine(rules(**changes))
    engine.admissions.trust(standing())
    engine.apply(a_list(*consents), now)
    return engine


def restarted(before: Engine, *consents: Consent, at: Moment, **changes: Any) -> Engine:
    """An engine that goes on where another one was, as after a change of the configuration; further
    arguments change the rules.
    """
    engine = SmallEngine(
        rules(**changes),
        visits=tuple(before.visits),
        pending=tuple(before.outbox.pending),
        announcements=tuple(before.outbox.announced),
        taken_back=before.outbox.announced.taken_back,
    )
    engine.admissions.trust(standing())
    engine.apply(a_list(*consents), at)
    return engine


APPROACH_S: Final = 7.0
"""How long `approach` takes: with DoorRule the eighth reading brings the evidence to 70 dB·s."""


def approach(
    start: Moment | None = None, *, ref: bytes = ANNA, rssi_dbm: int = -60
) -> Iterator[Advertisement]:
    """The eight advertisements, one a second, by which DoorRule lets somebody in: the last one
    decides.
    """
    first = start or moment()
    for second in range(int(APPROACH_S) + 1):
        yield advertisement(ref=ref, at=first.later(second), rssi_dbm=rssi_dbm)


def walk_in(engine: Engine, *, ref: bytes = ANNA, start: Moment | None = None) -> Step:
    """Somebody comes in: the steps of their advertisements as one."""
    steps = [engine.receive(heard) for heard in approach(start, ref=ref)]
    return Step(
        saved=tuple(itertools.chain.from_iterable(step.saved for step in steps)),
        queued=tuple(itertools.chain.from_iterable(step.queued for step in steps)),
    )


def stay(
    engine: Engine, start: Moment, until: Moment, *, ref: bytes = ANNA, every_s: float = 30
) -> list[Outgoing]:
    """Somebody is heard inside, time passes, and what was queued meanwhile comes back."""
    queued: list[Outgoing] = []
    now = start
    while now.monotonic_s <= until.monotonic_s:
        queued += engine.receive(advertisement(ref=ref, at=now)).queued
        queued += engine.advance(now).queued
        now = now.later(every_s)
    return queued


def send_all(engine: Engine, now: Moment, *, acknowledged: bool = True) -> list[dict[str, Any]]:
    """The relay's work without a broker: what goes out at this moment, decoded."""
    sent: list[dict[str, Any]] = []
    for waiting in tuple(engine.outbox.pending):
        released = engine.dispatcher.release(waiting, now)
        if isinstance(released, tuple):
            sent.append(check_event(json.loads(encode(released[0], SITE))))
            if acknowledged:
                engine.outbox.pending.pop(waiting.id)
    return sent


def visit(**changes: Any) -> Visit:
    values: dict[str, Any] = {
        "ref": ANNA,
        "entered_at": moment(7),
        "heard_at": moment(60),
        **changes,
    }
    return Visit(**values)


def outgoing(**changes: Any) -> Outgoing:
    values: dict[str, Any] = {
        "id": "aik7q4t3m5v2c7h5xab6ndd4ze",
        "type": EventType.ENTERED,
        "audience": OFFERS.name,
        "ref": ANNA,
        "subject": "",
        "occurred_at": moment(7),
        "expires_s": moment(127).monotonic_s,
        **changes,
    }
    return Outgoing(**values)


def announcement(**changes: Any) -> Announcement:
    values: dict[str, Any] = {
        "event_id": "aik7q4t3m5v2c7h5xab6ndd4ze",
        "audience": OFFERS.name,
        "ref": ANNA,
        "subject": "p_xjcVKc5w07Djo4pEbCUcXQ",
        "categories": (CARS, GARDEN),
        "valid_until_s": START_S + 1800,
        "day": "2026-11-23",
        **changes,
    }
    values.setdefault("over_s", moment(values["valid_until_s"] - START_S).monotonic_s)
    return Announcement(**values)


def with_flags(*flags: Flag, **changes: Any) -> Consent:
    return consent(flags=frozenset(flags), **changes)


def with_purposes(*purposes: Purpose, **changes: Any) -> Consent:
    return consent(purposes=frozenset(purposes), **changes)


def taxonomy(*pairs: tuple[str, str]) -> Mapping[str, str]:
    """Category → parent."""
    return dict(pairs)

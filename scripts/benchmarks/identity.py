"""Whose advertisement is this? Its cost from a thousand to five million consents
(docs/design.md#performance).

PRESENCE_BENCH_MOST=100000 leaves the larger lists out.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from presence.core.consent.gate import permitted
from presence.core.consent.index import ConsentIndex
from presence.core.consent.model import Consent, Grant, Purpose, Scope
from presence.core.consent.record import Words, encode_record
from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.beacons.ibeacon import format_for
from presence.core.recognition.identifiers import ephemeral_identifier, slot_at, window_at
from presence.core.recognition.key_ring import KeyRing
from presence.core.recognition.matcher import Match, Matcher
from presence.core.recognition.slot_table import SlotTable, build_table
from presence.core.site import Site
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure, in_slices, interleaved_ns

SIZES: Final = (1_000, 100_000, 1_000_000, 5_000_000)
GOAL_RATIO: Final = 1.2
GOAL_NS: Final = 3_000
PRESENT: Final = 200
"""Customers in the shop: their advertisements come again and again."""
HEARD: Final = 20_000
WINDOW: Final = window_at(subjects.NOW.utc_s)
SLOT: Final = slot_at(subjects.NOW.utc_s)
SITE: Final = Site("acme", "fi-0042")
FORMATS: Final = (eddystone.FORMAT, format_for(b"acme/tst"))


def sizes() -> tuple[int, ...]:
    """Up to PRESENCE_BENCH_MOST consents."""
    most = int(os.environ.get("PRESENCE_BENCH_MOST", SIZES[-1]))
    return tuple(size for size in SIZES if size <= most)


@dataclass(frozen=True, slots=True)
class Shop:
    """What a gateway holds to recognise by."""

    refs: "np.ndarray[tuple[int], np.dtype[np.uint64]]"
    ring: KeyRing
    consents: ConsentIndex


def a_shop(count: int, *, windows: int = 1, seed: int = 1) -> Shop:
    """So many subjects with random refs and keys, and consents of one audience and two grants;
    nobody's.
    """
    chance = np.random.default_rng(seed)
    refs = np.unique(chance.integers(0, 1 << 64, count, np.uint64, endpoint=False))
    column = refs.astype(">u8").tobytes()
    ring = KeyRing.from_bytes(
        {WINDOW + n: (column, bytearray(chance.bytes(16 * len(refs)))) for n in range(windows)}
    )
    return Shop(refs, ring, ConsentIndex(refs, *records(len(refs), chance)))


def records(
    count: int, chance: np.random.Generator
) -> tuple["np.ndarray[tuple[int], np.dtype[np.uint32]]", bytes, list[str]]:
    """Columns as `ConsentIndex.from_consents` makes them, without millions of objects between."""
    words, now_s = Words(), subjects.NOW.utc_s
    typical = Consent(
        ref=bytes(8),
        version=1000,
        purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS}),
        not_before_s=now_s - 86_400,
        not_after_s=now_s + 86_400,
        scope=Scope(frozenset({SITE.store})),
        grants=tuple(
            Grant(category, now_s - 86_400, now_s + 43_200) for category in ("ap2:1551", "ap2:1285")
        ),
        pairwise_keys={"offers-main": bytes(16)},
    )
    record = np.frombuffer(encode_record(typical, words), np.uint8)
    table = np.tile(record, (count, 1))
    table[:, -16:] = np.frombuffer(chance.bytes(16 * count), np.uint8).reshape(-1, 16)
    starts = np.arange(0, table.size + 1, len(record), dtype=np.uint32)
    return starts, table.tobytes(), words.all


def customers(shop: Shop, count: int) -> list[Advertisement]:
    """Advertisements of so many of its subjects, spread over the whole list."""
    window = shop.ring.window(WINDOW)
    rows = np.linspace(0, len(window) - 1, count).astype(int)
    return [
        _heard(ephemeral_identifier(window.keys[row].tobytes(), SLOT), int(row)) for row in rows
    ]


def _heard(eid: bytes, number: int) -> Advertisement:
    payload = eddystone.payload(eid, tx_power_dbm=-20)
    return advertisement_from_payload(subjects.NOW, number.to_bytes(6, "big"), -70, payload)


def recogniser(table: SlotTable, consents: ConsentIndex) -> Callable[[Advertisement], bytes | None]:
    """From an advertisement to the ref whose consent is in force: format, table, index, gate; with
    nothing kept of who was heard before.
    """
    matcher, ring = Matcher[object](FORMATS), KeyRing()
    matcher.change_keys(ring)
    matcher.install(table, ring)

    def recognise(advertisement: Advertisement) -> bytes | None:
        match = matcher.match(advertisement)
        if not isinstance(match, Match):
            return None
        consent = consents.get(match.ref)
        return match.ref if permitted(consent, SITE, advertisement.at.utc_s) is None else None

    return recognise


def require(holds: bool, what: str) -> None:
    """A figure of something that does not work is no figure."""
    if not holds:
        raise SystemExit(f"the benchmark is wrong: not true that {what}")


def figures() -> Iterator[Figure]:
    others = [subjects.stranger_of_another_format(n) for n in range(HEARD)]
    ours = [_heard(np.random.default_rng(n).bytes(8), n) for n in range(HEARD)]
    cases: dict[str, Callable[[], int]] = {}
    for size in sizes():
        shop = a_shop(size)
        recognise = recogniser(build_table(SLOT, shop.ring), shop.consents)
        present = customers(shop, PRESENT)
        require(all(map(recognise, present)), "every customer is recognised")
        cases[f"stranger_other_format.{size}"] = in_slices(recognise, others)
        cases[f"stranger_of_ours.{size}"] = in_slices(recognise, ours)
        cases[f"customer.{size}"] = in_slices(recognise, present * (HEARD // PRESENT))
    nanoseconds = interleaved_ns(cases)
    for name, value in nanoseconds.items():
        yield Figure(
            f"identity.{name}",
            round(value),
            "ns/advertisement",
            GOAL_NS,
            note="format, table, index, gate",
        )
    least, most = sizes()[0], sizes()[-1]
    for kind in ("stranger_other_format", "stranger_of_ours", "customer"):
        ratio = nanoseconds[f"{kind}.{most}"] / nanoseconds[f"{kind}.{least}"]
        yield Figure(
            f"identity.{kind}.ratio", round(ratio, 2), f"x, {most:,} : {least:,}", GOAL_RATIO
        )

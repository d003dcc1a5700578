"""Ticks: the seal behind an EID, byte for byte, and for how long it counts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition import ticks
from presence.core.recognition.advertisement import advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import SLOT_S, ephemeral_identifier, slot_at
from presence.core.recognition.ticks import TICK_S, TOLERANCE_S
from presence.simulation.identity_keys import window_key
from tests.support.builders import START_S, moment
from tests.support.paths import ROOT

VECTORS: list[dict[str, Any]] = json.loads((ROOT / "tests" / "vectors" / "ticks.json").read_text())[
    "vectors"
]
KEY = ticks.tick_key(bytes(range(16)))
SLOT = slot_at(START_S)
TIMES = st.integers(0, (1 << 32) - 1)


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: str(row["t"]))
def test_the_seal_is_that_of_the_vectors(row: dict[str, Any]) -> None:
    key, t = window_key(bytes.fromhex(row["identity_key"]), row["t"]), row["t"]
    seal = ticks.seal_at(key, t)

    assert ticks.tick_key(key).hex() == row["tick_key"]
    assert seal.hex() == row["tick"] + row["mac"]
    eid = ephemeral_identifier(key, slot_at(t))
    assert eddystone.payload(eid, tx_power_dbm=-18, seal=seal).hex() == row["e1"]


@given(st.binary(min_size=16, max_size=16), TIMES)
def test_the_seal_of_a_moment_is_genuine_and_counts_then(key: bytes, t: int) -> None:
    seal, slot = ticks.seal_at(key, t), slot_at(t)

    assert ticks.is_genuine(seal, ticks.tick_key(key), slot)
    assert t < ticks.counts_until_s(seal, slot, t) <= t + 2 * TICK_S


@pytest.mark.requirement("T-01")
@given(TIMES, st.integers(0, 8 * ticks.SEAL_BYTES - 1), st.booleans())
def test_one_bit_or_another_slot_and_it_is_forged(t: int, bit: int, flip: bool) -> None:
    seal, slot = ticks.seal_at(bytes(16), t), slot_at(t)
    flipped = (int.from_bytes(seal, "big") ^ 1 << bit).to_bytes(len(seal), "big")
    key = ticks.tick_key(bytes(16))

    assert not ticks.is_genuine(flipped if flip else seal, key, slot if flip else slot ^ 1)


@pytest.mark.requirement("T-01")
@given(TIMES, st.floats(-2 * SLOT_S, 2 * SLOT_S))
def test_a_recording_lives_for_16_to_32_seconds(t: int, later_s: float) -> None:
    """And one from the future, a phone whose clock is fast, as long before its tick."""
    seal, now_s = ticks.seal_at(bytes(16), t), t + later_s
    begins_s = t // TICK_S * TICK_S
    counts = begins_s - TOLERANCE_S <= now_s < begins_s + TICK_S + TOLERANCE_S

    until_s = ticks.counts_until_s(seal, slot_at(t), now_s)

    assert (until_s != 0) == counts
    if later_s > 2 * TICK_S:
        assert until_s == 0


@given(st.integers(64, 255))
def test_a_seal_of_another_version_never_counts(tick: int) -> None:
    seal = ticks.make_seal(KEY, SLOT, tick)

    assert ticks.counts_until_s(seal, SLOT, START_S) == 0


@given(st.binary(min_size=8, max_size=8), TIMES, st.integers(-100, 20))
def test_the_frame_that_was_sent_is_the_frame_that_is_read(
    eid: bytes, t: int, tx_power_dbm: int
) -> None:
    seal = ticks.seal_at(bytes(16), t)
    payload = eddystone.payload(eid, tx_power_dbm=tx_power_dbm, seal=seal)
    heard = advertisement_from_payload(moment(), bytes(6), -60, payload)

    assert eddystone.FORMAT.identify(heard) == eid + seal
    assert len(payload) == 31

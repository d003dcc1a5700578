"""Published vectors, slots and windows."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import (
    SLOT_S,
    WINDOW_S,
    WindowKey,
    ephemeral_identifier,
    slot_at,
    slots_to_accept,
    window_at,
    window_of_slot,
)
from presence.simulation.identity_keys import window_key
from scripts.stores.customers import identity_key
from tests.support.builders import (
    ANNA,
    START_S,
)
from tests.support.paths import ROOT

OURS = ROOT / "tests" / "vectors" / "identity.json"
SHARED = ROOT.parent / "shared" / "vectors" / "identity.json"

TIMES = st.integers(0, (1 << 32) - 1)


def rows(path: Path) -> list[tuple[str, str, int, int, str, str | None]]:
    """(provenance, identity key, K, time, identifier, temporary key where it is given)."""
    found: list[tuple[str, str, int, int, str, str | None]] = []
    for vector in json.loads(path.read_text())["vectors"]:
        if vector["kind"] == "eddystone_eid":
            times, eids = as_list(vector["t"]), as_list(vector["eid"])
            found += [
                (vector["provenance"], vector["ik"], vector["k"], t, eid, vector.get("tk"))
                for t, eid in zip(times, eids, strict=True)
            ]
        elif vector["kind"] == "eddystone_eid_tk_rollover":
            found += [
                (vector["provenance"], vector["ik"], vector["k"], row["t"], row["eid"], row["tk"])
                for row in vector["rows"]
            ]
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def check(path: Path) -> int:
    checked = 0
    for provenance, identity, k, t, eid, temporary in rows(path):
        key = window_key(bytes.fromhex(identity), t)
        assert temporary is None or key.hex() == temporary, provenance
        assert ephemeral_identifier(key, t >> k, k=k).hex() == eid, provenance
        checked += 1
    return checked


def test_identifiers_are_those_of_the_published_vectors() -> None:
    assert check(OURS) == 13


def test_identifiers_are_those_of_the_shared_vectors() -> None:
    if not SHARED.exists():
        pytest.skip(
            "the shared collection of vectors is not beside this checkout; our copy of it was "
            "tested"
        )
    assert check(SHARED) >= 13


def test_the_advertisement_is_that_of_the_specification() -> None:
    vector = next(
        v for v in json.loads(OURS.read_text())["vectors"] if v["kind"] == "eddystone_eid_adv"
    )

    payload = eddystone.payload(bytes.fromhex(vector["eid"]), tx_power_dbm=vector["tx_power"])

    assert payload.hex() == vector["adv"]


@given(TIMES)
def test_a_slot_lies_in_the_window_of_its_start(t: int) -> None:
    assert window_of_slot(slot_at(t)) == window_at(t) == t // WINDOW_S
    assert slot_at(t) == t // SLOT_S


@pytest.mark.requirement("T-01")
@given(st.floats(0, 1023.999), st.integers(1_000_000, 4_000_000))
def test_a_neighbouring_slot_counts_only_within_120_s_of_the_boundary(
    into_s: float, slot: int
) -> None:
    accepted = set(slots_to_accept(slot * SLOT_S + into_s))

    assert slot in accepted
    assert (slot - 1 in accepted) == (into_s < 120)
    assert (slot + 1 in accepted) == (into_s >= 904)
    assert accepted <= {slot - 1, slot, slot + 1}


def test_identifiers_of_one_subject_change_with_every_slot() -> None:
    key = window_key(identity_key(ANNA), START_S)
    slots = range(slot_at(START_S), slot_at(START_S) + 40)

    assert len({ephemeral_identifier(key, slot) for slot in slots}) == len(slots)


@pytest.mark.requirement("R-03")
def test_a_window_key_does_not_print_itself() -> None:
    key = WindowKey(ANNA, 1, b"0123456789abcdef")

    assert "0123456789abcdef" not in repr(key)

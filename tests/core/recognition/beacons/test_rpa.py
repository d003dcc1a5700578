"""R1: published vectors, the limit of keys, and that strangers' addresses are not remembered."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.beacons import rpa
from presence.core.recognition.beacons.rpa import Resolver, TooManyKeys, ah
from tests.support.builders import ANNA, BERIT, advertisement, moment
from tests.support.paths import ROOT

VECTORS = json.loads((ROOT / "tests" / "vectors" / "addresses.json").read_text())["vectors"]
IRK = bytes.fromhex("ec0234a357c8ad05341010a60a397d9b")


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [vector for vector in VECTORS if vector["kind"] == kind]


def address_of(irk: bytes, number: int) -> bytes:
    prand = (0x400000 | number).to_bytes(3, "big")
    return prand + ah(irk, prand)


def resolved(resolver: Resolver, address: bytes, *, after_s: float = 0.0) -> bytes | None:
    return resolver.resolve(advertisement(address=address, at=moment(after_s)))


def keys(count: int) -> Mapping[bytes, bytes]:
    return {n.to_bytes(8, "big"): n.to_bytes(16, "big") for n in range(count)}


def test_the_hash_is_that_of_the_specification() -> None:
    (vector,) = of_kind("rpa_ah")

    assert ah(bytes.fromhex(vector["irk"]), bytes.fromhex(vector["prand"])).hex() == vector["hash"]


@pytest.mark.parametrize("vector", of_kind("rpa_resolve"), ids=lambda vector: vector["address"])
def test_published_addresses_resolve(vector: dict[str, Any]) -> None:
    address = bytes.fromhex(vector["address"].replace(":", ""))

    assert resolved(Resolver({ANNA: bytes.fromhex(vector["irk"])}), address) == ANNA
    assert resolved(Resolver({ANNA: bytes(15) + b"\1"}), address) is None
    assert resolved(Resolver({ANNA: bytes.fromhex(vector["irk"])}), address[::-1]) is None


@given(st.binary(min_size=6, max_size=6))
def test_an_address_resolves_where_its_hash_is_right_and_its_top_bits_are_01(
    address: bytes,
) -> None:
    right = address[:3] + ah(IRK, address[:3])
    resolver = Resolver({ANNA: IRK})

    assert resolved(resolver, right) == (ANNA if address[0] & 0xC0 == 0x40 else None)
    if address != right:
        assert resolved(resolver, address) is None


def test_an_address_that_two_keys_resolve_belongs_to_nobody() -> None:
    assert resolved(Resolver({ANNA: IRK, BERIT: IRK}), address_of(IRK, 1)) is None


def test_a_thousand_keys_are_taken_and_one_more_is_refused_with_the_reason() -> None:
    Resolver(keys(1000))

    with pytest.raises(TooManyKeys, match=r"1001 IRKs, at most 1000: .*E1 or E2"):
        Resolver(keys(1001))


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Resolver({ANNA: bytes(15)})


def test_without_keys_nothing_resolves_and_nothing_is_counted() -> None:
    resolver = Resolver({})

    assert resolved(resolver, address_of(IRK, 1)) is None
    assert resolver.unexamined == 0


@pytest.mark.requirement("R-02", "T-03")
def test_a_stranger_s_address_is_in_no_structure_afterwards() -> None:
    resolver = Resolver({ANNA: IRK})
    before = len(resolver._resolved)

    for number in range(5000):
        assert (
            resolved(resolver, (0x400000000000 | number << 24 | 0xABCDEF).to_bytes(6, "big"))
            is None
        )

    assert len(resolver._resolved) == before == 0


@pytest.mark.requirement("T-03")
def test_a_flood_of_addresses_meets_a_budget_and_the_next_second_starts_anew() -> None:
    resolver = Resolver(keys(10) | {ANNA: IRK}, budget_per_s=110)
    strangers = [(0x400000000000 | number).to_bytes(6, "big") for number in range(30)]

    for address in strangers:
        resolved(resolver, address)

    assert resolver.unexamined == 20
    assert resolved(resolver, address_of(IRK, 1)) is None
    assert resolved(resolver, address_of(IRK, 1), after_s=1) == ANNA


def test_a_known_address_costs_no_budget_while_it_lives() -> None:
    resolver = Resolver({ANNA: IRK}, budget_per_s=1)

    assert [resolved(resolver, address_of(IRK, 1)) for _ in range(5)] == [ANNA] * 5
    assert resolved(resolver, address_of(IRK, 2)) is None
    assert resolved(resolver, address_of(IRK, 1), after_s=rpa.REMEMBERED_S) == ANNA
    assert resolver.unexamined == 1


def test_our_own_addresses_are_remembered_up_to_a_limit() -> None:
    resolver = Resolver({ANNA: IRK})

    for number in range(rpa.REMEMBERED + 50):
        assert resolved(resolver, address_of(IRK, number)) == ANNA
    assert len(resolver._resolved) == rpa.REMEMBERED

    assert resolved(resolver, address_of(IRK, 5000), after_s=rpa.REMEMBERED_S + 1) == ANNA
    assert len(resolver._resolved) == 1

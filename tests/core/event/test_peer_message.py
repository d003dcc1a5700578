"""What gateways say to one another: closed, sealed, short-lived, and about nobody."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.event.peer_message import (
    MAX_MESSAGE_BYTES,
    IgnoreReason,
    PeerMessage,
    PeerMessageKind,
    decode_peer_message,
    encode_peer_message,
    opaque_name,
    topic_of_peers,
)
from presence.core.site import Site
from tests.support.builders import ANNA, SITE, START_S, STORE_KEY

NAME = opaque_name(STORE_KEY, "01k9q4t3m8v2c7h5x0b6n1d4ze")
CLAIM = PeerMessage(PeerMessageKind.CLAIM, NAME, NAME, "door-1", int(START_S))
GOOD = encode_peer_message(CLAIM, STORE_KEY, SITE)


def changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(GOOD), **changes}).encode()


@pytest.mark.parametrize("said", list(PeerMessageKind))
def test_what_was_said_is_what_is_heard(said: PeerMessageKind) -> None:
    seen = replace(CLAIM, kind=said)
    assert (
        decode_peer_message(encode_peer_message(seen, STORE_KEY, SITE), STORE_KEY, SITE, START_S)
        == seen
    )


def test_the_topic_is_the_stores_own() -> None:
    assert topic_of_peers(SITE) == "presence/v1/acme/fi-0042/peer/seen"


@pytest.mark.requirement("R-21", "R-22")
def test_nothing_in_it_is_a_person_an_event_or_an_audience() -> None:
    assert json.loads(GOOD).keys() == {"said", "visit", "told", "gateway", "at", "mac"}
    assert b"01k9q4t3m8v2c7h5x0b6n1d4ze" not in GOOD
    assert ANNA.hex().encode() not in GOOD
    assert opaque_name(bytes(32), "01k9q4t3m8v2c7h5x0b6n1d4ze") != NAME


@pytest.mark.requirement("T-21", "T-22")
@pytest.mark.parametrize(
    "change",
    [
        {"said": "told"},
        {"visit": "a" * 26},
        {"told": "a" * 26},
        {"gateway": "door-2"},
        {"at": int(START_S) + 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_forged_word_is_nothing(change: dict[str, Any]) -> None:
    assert decode_peer_message(changed(**change), STORE_KEY, SITE, START_S) is IgnoreReason.FORGED


def test_the_word_of_another_store_is_nothing() -> None:
    assert decode_peer_message(GOOD, bytes(32), SITE, START_S) is IgnoreReason.FORGED
    assert (
        decode_peer_message(GOOD, STORE_KEY, Site("acme", "fi-0043"), START_S)
        is IgnoreReason.FORGED
    )


@pytest.mark.parametrize("late_s", [31, -31, 86_400])
def test_a_word_that_somebody_kept_is_nothing(late_s: float) -> None:
    assert decode_peer_message(GOOD, STORE_KEY, SITE, START_S + late_s) is IgnoreReason.OLD


@pytest.mark.requirement("R-54")
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 400,
        changed(extra=1),
        changed(at=True),
        changed(at="1795442707"),
        changed(at=1e300),
        changed(visit=None),
        changed(visit=NAME.upper()),
        changed(kind="left"),
        changed(kind=["claim"]),
        changed(kind={}),
        changed(gateway="Door 1"),
        changed(mac=""),
        changed(mac="é" * 22),
        GOOD + b" " * MAX_MESSAGE_BYTES,
    ],
)
def test_whatever_is_no_such_word_is_malformed(payload: bytes) -> None:
    assert decode_peer_message(payload, STORE_KEY, SITE, START_S) is IgnoreReason.MALFORMED


@pytest.mark.requirement("R-54")
@given(payload=st.binary(max_size=600))
def test_no_bytes_break_it(payload: bytes) -> None:
    assert isinstance(decode_peer_message(payload, STORE_KEY, SITE, START_S), IgnoreReason)

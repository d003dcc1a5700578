"""What a satellite says, byte by byte, and all that is no word of its."""

import inspect
import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition import satellite_message
from presence.core.recognition.satellite_message import (
    HEAD_BYTES,
    KEY_BYTES,
    MAC_BYTES,
    MAX_AGE_MS,
    MAX_EXTENSION_BYTES,
    MAX_HEARD_BYTES,
    MAX_READINGS,
    NONCE_BYTES,
    SENT_BYTES,
    SESSION_BYTES,
    Reading,
    SatelliteMessage,
    SatelliteRefusal,
    decode_heard,
    decode_nonce,
    encode_heard,
    encode_nonce,
    topic_of_heard,
    topic_of_nonce,
)
from presence.core.site import Site
from tests.support.builders import SITE
from tests.support.paths import ROOT

VECTORS = json.loads((ROOT / "tests" / "vectors" / "satellite.json").read_text())
KEY = bytes(range(KEY_BYTES))
NAME = "pavement"
EID = bytes.fromhex("1122334455667788")


def message(*readings: Reading, sent_ms: int = 4000) -> SatelliteMessage:
    return SatelliteMessage(bytes(NONCE_BYTES), bytes(SESSION_BYTES), sent_ms, readings)


def said(*readings: Reading) -> bytes:
    return encode_heard(message(*readings), KEY, SITE, NAME)


def read(payload: bytes) -> SatelliteMessage | SatelliteRefusal:
    return decode_heard(payload, KEY, SITE, NAME)


def signed(body: bytes) -> bytes:
    """Any content with the right MAC: the form is judged by itself."""
    return body + satellite_message._mac(body, KEY, SITE, NAME)


one_reading = st.builds(
    Reading,
    st.integers(0, MAX_AGE_MS),
    st.integers(-126, 0),
    st.binary(min_size=8, max_size=8),
    st.binary(max_size=MAX_EXTENSION_BYTES),
)
messages = st.builds(
    SatelliteMessage,
    st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES),
    st.binary(min_size=SESSION_BYTES, max_size=SESSION_BYTES),
    st.integers(0, (1 << 8 * SENT_BYTES) - 1),
    st.lists(one_reading, max_size=MAX_READINGS).map(tuple),
)


@given(messages, st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_what_a_satellite_says_is_read_back(heard: SatelliteMessage, key: bytes) -> None:
    payload = encode_heard(heard, key, SITE, NAME)
    assert len(payload) <= MAX_HEARD_BYTES
    assert decode_heard(payload, key, SITE, NAME) == heard


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["what"])
def test_messages_are_byte_by_byte_those_that_openssl_makes(vector: dict[str, str]) -> None:
    readings = tuple(
        Reading(int(age_ms), int(rssi_dbm), bytes.fromhex(eid), bytes.fromhex(extension))
        for age_ms, rssi_dbm, eid, extension in vector["readings"]
    )
    nonce, session = bytes.fromhex(VECTORS["nonce"]), bytes.fromhex(VECTORS["session"])
    heard = SatelliteMessage(nonce, session, int(vector["sent_ms"]), readings)
    site = Site(VECTORS["chain"], VECTORS["store"])
    key = bytes.fromhex(VECTORS["key"])
    assert encode_heard(heard, key, site, VECTORS["satellite"]).hex() == vector["heard"]


@pytest.mark.parametrize("what", ["doorbell", "satellite"])
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_script_beside_the_vectors_prints_them(what: str) -> None:
    folder = ROOT / "tests" / "vectors"
    script = folder / f"how-{what}-was-made.sh"
    printed = subprocess.run(["bash", script], capture_output=True, text=True, check=True).stdout
    vectors = json.loads((folder / f"{what}.json").read_text())
    golden = [
        each.get("answer") or each["heard"]
        for each in vectors.get("answers", vectors.get("messages"))
    ]
    assert [line.split()[-1] for line in printed.splitlines()][-len(golden) :] == golden


@pytest.mark.requirement("T-27")
@given(st.integers(0, 8 * len(said(Reading(0, -60, EID))) - 1))
def test_one_bit_changed_makes_it_worth_nothing(bit: int) -> None:
    forged = bytearray(said(Reading(0, -60, EID)))
    forged[bit // 8] ^= 1 << bit % 8
    assert read(bytes(forged)) in (SatelliteRefusal.FORGED, SatelliteRefusal.MALFORMED)


@pytest.mark.requirement("T-27")
@pytest.mark.parametrize(
    ("key", "site", "name"),
    [
        (bytes(KEY_BYTES), SITE, NAME),
        (KEY, Site("acme", "fi-0043"), NAME),
        (KEY, Site("acmefi", "-0042"), NAME),
        (KEY, SITE, "window"),
    ],
    ids=["another key", "another store", "names that run into each other", "another satellite"],
)
def test_a_message_of_another_satellite_is_forged(key: bytes, site: Site, name: str) -> None:
    payload = encode_heard(message(Reading(0, -60, EID)), key, site, name)
    assert read(payload) is SatelliteRefusal.FORGED


@given(st.binary(max_size=MAX_HEARD_BYTES + 40))
def test_whatever_the_broker_brings_raises_nothing(payload: bytes) -> None:
    assert read(payload) in (SatelliteRefusal.FORGED, SatelliteRefusal.MALFORMED)
    assert decode_nonce(payload) is None or len(payload) == 1 + NONCE_BYTES


HEAD = said()[:HEAD_BYTES]
GOOD = b"\x00\x00\xc4\x00" + EID


@pytest.mark.parametrize(
    "body",
    [
        b"\x02" + HEAD[1:],
        HEAD + GOOD[:-1],
        HEAD + GOOD + b"\0",
        HEAD + b"\x07\xd1\xc4\x00" + EID,
        HEAD + b"\x00\x00\x7f\x00" + EID,
        HEAD + b"\x00\x00\x01\x00" + EID,
        HEAD + b"\x00\x00\xc4\x0b" + EID + bytes(11),
        HEAD + b"\x00\x00\xc4\x02" + EID + bytes(1),
        HEAD + b"\x00\x00\xc4\x10" + EID + bytes(16),
        HEAD + b"\x00\x00\xc4\x80" + EID,
        HEAD + GOOD * (MAX_READINGS + 1),
    ],
    ids=[
        "another version",
        "a piece",
        "a byte too many",
        "too old",
        "no strength",
        "an impossible strength",
        "too much behind the EID",
        "less behind the EID than said",
        "a flag that nobody knows",
        "another flag that nobody knows",
        "too many readings",
    ],
)
def test_what_is_of_no_known_form_is_malformed_though_its_key_is_right(body: bytes) -> None:
    assert read(signed(body)) is SatelliteRefusal.MALFORMED


def test_the_head_alone_is_a_heartbeat_and_less_is_malformed() -> None:
    assert read(signed(HEAD)) == message()
    assert read(signed(HEAD[:-1])) is SatelliteRefusal.MALFORMED
    assert read(bytes(MAX_HEARD_BYTES + 1)) is SatelliteRefusal.MALFORMED


@pytest.mark.parametrize(
    "heard",
    [
        message(Reading(MAX_AGE_MS + 1, -60, EID)),
        message(Reading(0, 1, EID)),
        message(Reading(0, -60, EID[:7])),
        message(Reading(0, -60, EID, bytes(11))),
        message(*[Reading(0, -60, EID)] * (MAX_READINGS + 1)),
        SatelliteMessage(b"short", bytes(SESSION_BYTES), 0),
        message(sent_ms=-1),
    ],
    ids=["old", "strong", "short EID", "long extension", "many", "short nonce", "before"],
)
def test_a_satellite_cannot_say_what_no_gateway_would_take(heard: SatelliteMessage) -> None:
    with pytest.raises((ValueError, OverflowError)):
        encode_heard(heard, KEY, SITE, NAME)


def test_a_nonce_is_read_back() -> None:
    nonce = bytes(range(NONCE_BYTES))
    assert decode_nonce(encode_nonce(nonce)) == nonce
    assert decode_nonce(b"\x02" + nonce) is None


def test_macs_are_compared_in_constant_time() -> None:
    assert "hmac.compare_digest(" in inspect.getsource(decode_heard)


def test_nobody_stands_in_a_topic() -> None:
    assert topic_of_heard(SITE, NAME) == "presence/v1/acme/fi-0042/sat/pavement/heard"
    assert topic_of_nonce(SITE, NAME) == "presence/v1/acme/fi-0042/sat/pavement/nonce"


@pytest.mark.requirement("R-65")
def test_no_identifier_shows_when_a_message_is_printed() -> None:
    assert EID.hex() not in repr(message(Reading(0, -60, EID)))
    assert repr(EID) not in repr(message(Reading(0, -60, EID)))


def test_a_message_of_one_reading_has_51_bytes() -> None:
    assert len(said(Reading(0, -60, EID))) == HEAD_BYTES + 12 + MAC_BYTES == 51

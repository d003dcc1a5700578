"""E2: the iBeacon on air, and what only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import ibeacon
from tests.support.builders import moment

PREFIX = bytes.fromhex("0f1e2d3c4b5a6978")
EID = bytes.fromhex("a9b76a71c5f89290")
EIGHT_BYTES = st.binary(min_size=8, max_size=8)

identifier = ibeacon.format_for(PREFIX).identify


def heard(payload: bytes) -> Advertisement:
    return advertisement_from_payload(moment(), bytes(6), -60, payload)


def of_company(data: bytes, company: int = ibeacon.COMPANY) -> Advertisement:
    return heard(b"")._replace(manufacturer_data={company: data})


@given(EIGHT_BYTES, EIGHT_BYTES, st.integers(-127, 20))
def test_the_identifier_that_was_sent_is_the_identifier_that_is_read(
    prefix: bytes, eid: bytes, power: int
) -> None:
    payload = ibeacon.payload(prefix, eid, tx_power_dbm=power)

    assert ibeacon.format_for(prefix).identify(heard(payload)) == eid
    assert len(payload) == 30


def test_the_bytes_on_air_are_those_of_the_design() -> None:
    payload = ibeacon.payload(PREFIX, EID, tx_power_dbm=-59)

    assert payload.hex(" ") == (
        "02 01 1a 1a ff 4c 00 02 15 0f 1e 2d 3c 4b 5a 69 78 a9 b7 6a 71 c5 f8 92 90 00 00 00 00 c5"
    )


@pytest.mark.requirement("T-05")
@given(st.binary(max_size=30))
def test_any_manufacturer_data_is_an_identifier_or_none(data: bytes) -> None:
    for frame in (data, b"\x02\x15" + PREFIX + data):
        found = identifier(of_company(frame))

        whole = len(frame) == 23 and frame[:10] == b"\x02\x15" + PREFIX and frame[18:22] == bytes(4)
        assert found == (frame[10:18] if whole else None)


FRAME = b"\x02\x15" + PREFIX + EID + bytes(4) + b"\xc5"


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (FRAME[:-1], "a byte short"),
        (FRAME + b"\0", "a byte long"),
        (b"\x10\x15" + FRAME[2:], "another type"),
        (b"\x02\x16" + FRAME[2:], "another length"),
        (FRAME[:2] + bytes(8) + FRAME[10:], "another chain"),
        (FRAME[:18] + b"\0\1" + FRAME[20:], "a major"),
        (FRAME[:20] + b"\0\1" + FRAME[22:], "a minor"),
        (b"", "nothing"),
    ],
)
def test_any_other_frame_is_not_ours(frame: bytes, why: str) -> None:
    assert identifier(of_company(FRAME)) == EID
    assert identifier(of_company(frame)) is None


def test_the_frame_of_another_company_is_not_ours() -> None:
    assert identifier(of_company(FRAME, company=0x004D)) is None


def test_what_has_not_8_bytes_is_refused_with_its_name() -> None:
    with pytest.raises(ValueError, match="prefix has 8 bytes"):
        ibeacon.format_for(PREFIX[:7])
    with pytest.raises(ValueError, match="EID has 8 bytes"):
        ibeacon.payload(PREFIX, EID + b"x", tx_power_dbm=0)

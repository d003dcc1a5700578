"""Raw payloads: whatever comes in, an answer or MalformedPayload comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.advertisement import (
    MalformedPayload,
    advertisement_from_payload,
    decode_payload,
    plausible_rssi_dbm,
    uuid_from_16,
)
from tests.support.builders import moment

UUID16 = "0000feaa-0000-1000-8000-00805f9b34fb"


@pytest.mark.requirement("T-05")
@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_called_malformed(payload: bytes) -> None:
    try:
        service_data, manufacturer_data = decode_payload(payload)
    except MalformedPayload:
        return
    assert all(len(uuid) == 36 and uuid == uuid.lower() for uuid in service_data)
    assert all(0 <= company <= 0xFFFF for company in manufacturer_data)


@pytest.mark.requirement("R-03")
@given(st.binary(min_size=1, max_size=40))
def test_a_complaint_about_a_payload_holds_nothing_of_it(payload: bytes) -> None:
    try:
        decode_payload(payload)
    except MalformedPayload as error:
        words = str(error)
        assert not any(character.isdigit() for character in words)


@given(
    st.dictionaries(
        st.integers(0, 0xFFFF),
        st.binary(max_size=20),
        max_size=4,
    ),
    st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=20), max_size=4),
    st.binary(max_size=8).map(lambda padding: bytes(len(padding))),
)
def test_what_was_put_in_comes_out(
    services: dict[int, bytes], companies: dict[int, bytes], padding: bytes
) -> None:
    structures = [(0x16, uuid, data) for uuid, data in services.items()]
    structures += [(0xFF, company, data) for company, data in companies.items()]
    payload = b"".join(
        bytes((len(data) + 3, kind)) + number.to_bytes(2, "little") + data
        for kind, number, data in structures
    )

    assert decode_payload(payload + padding) == (
        {uuid_from_16(uuid): data for uuid, data in services.items()},
        companies,
    )


def test_a_long_uuid_is_read_backwards() -> None:
    uuid = bytes.fromhex("7fc90000d5ea4e25a0c2c3a3f6e11001")
    payload = bytes((19, 0x21)) + uuid[::-1] + b"\x01\x02"

    assert decode_payload(payload) == ({"7fc90000-d5ea-4e25-a0c2-c3a3f6e11001": b"\x01\x02"}, {})


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("0201", "the structure's last byte is missing"),
        ("02", "a length and nothing else"),
        ("ff16aafe30", "a length beyond the end"),
        ("0216aa", "half a 16-bit UUID"),
        ("0116", "service data without any UUID"),
        ("02ff4c", "half a company identifier"),
        ("1021" + "00" * 15, "a 128-bit UUID one byte short"),
    ],
)
def test_a_payload_that_does_not_add_up_is_malformed(payload: str, why: str) -> None:
    with pytest.raises(MalformedPayload):
        decode_payload(bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("", "nothing"),
        ("00", "padding alone"),
        ("020106", "flags alone"),
        ("0106", "a structure with a type and no data"),
        ("020106" + "00" + "ffffff", "garbage after the early end (Core Vol 3 Part C §11)"),
    ],
)
def test_a_payload_may_hold_nothing_for_us(payload: str, why: str) -> None:
    assert decode_payload(bytes.fromhex(payload)) == ({}, {})


def test_of_two_service_data_with_one_uuid_the_last_counts() -> None:
    payload = bytes.fromhex("0416aafe01" + "0416aafe02")

    assert decode_payload(payload)[0] == {UUID16: b"\x02"}


@pytest.mark.parametrize(
    ("reading_dbm", "expected"),
    [
        (-60, -60),
        (0, 0),
        (-126, -126),
        (127, None),
        (-127, None),
        (-128, None),
        (1, None),
        (12, None),
        (20, None),
    ],
)
def test_a_reading_that_says_nothing_about_distance_is_none(
    reading_dbm: int, expected: int | None
) -> None:
    assert plausible_rssi_dbm(reading_dbm) == expected


def test_a_raw_report_becomes_an_advertisement() -> None:
    heard = advertisement_from_payload(
        moment(), b"\x01" * 6, 127, bytes.fromhex("0416aafe01"), antenna="hci1"
    )

    assert heard.rssi_dbm is None
    assert heard.service_data == {UUID16: b"\x01"}
    assert (heard.at, heard.address, heard.antenna) == (moment(), b"\x01" * 6, "hci1")

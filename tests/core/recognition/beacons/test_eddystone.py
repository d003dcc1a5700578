"""E1: the frame on air, and what only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from tests.support.builders import moment

EID = bytes.fromhex("a9b76a71c5f89290")


def heard(payload: bytes) -> Advertisement:
    return advertisement_from_payload(moment(), bytes(6), -60, payload)


@given(st.binary(min_size=8, max_size=8), st.integers(-100, 20))
def test_the_identifier_that_was_sent_is_the_identifier_that_is_read(
    eid: bytes, tx_power_dbm: int
) -> None:
    payload = eddystone.payload(eid, tx_power_dbm=tx_power_dbm)

    assert eddystone.FORMAT.identify(heard(payload)) == eid
    assert len(payload) == 21


@pytest.mark.requirement("T-05")
@given(st.binary(max_size=24) | st.binary(min_size=20, max_size=20).map(lambda b: b"\x30" + b[1:]))
def test_any_service_data_is_an_identifier_or_none(data: bytes) -> None:
    advertisement = heard(b"")._replace(service_data={eddystone.SERVICE_UUID: data})

    found = eddystone.FORMAT.identify(advertisement)

    assert (found == data[2:]) == (len(data) in {10, 20} and data[0] == 0x30)
    assert found is None or found == data[2:]


def test_flags_and_the_uuid_list_are_optional() -> None:
    assert eddystone.FORMAT.identify(heard(bytes.fromhex("0d16aafe30ee") + EID)) == EID


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("00ee" + "00" * 8, "Eddystone-UID"),
        ("10ee" + "00" * 8, "Eddystone-URL"),
        ("20ee" + "00" * 8, "Eddystone-TLM"),
        ("30ee" + "00" * 7, "a byte short"),
        ("30ee" + "00" * 9, "a byte long"),
        ("30ee" + "00" * 17, "a seal that is a byte short"),
        ("30ee" + "00" * 19, "a seal that is a byte long"),
        ("30", "the type alone"),
        ("", "nothing"),
    ],
)
def test_any_other_frame_is_not_ours(frame: str, why: str) -> None:
    advertisement = heard(b"")._replace(service_data={eddystone.SERVICE_UUID: bytes.fromhex(frame)})

    assert eddystone.FORMAT.identify(advertisement) is None


def test_the_frame_under_another_uuid_is_not_ours() -> None:
    advertisement = heard(b"")._replace(
        service_data={"0000fd6f-0000-1000-8000-00805f9b34fb": b"\x30\xee" + EID}
    )

    assert eddystone.FORMAT.identify(advertisement) is None


def test_an_identifier_of_the_wrong_length_is_not_sent() -> None:
    with pytest.raises(ValueError, match="8 bytes"):
        eddystone.payload(EID[:7], tx_power_dbm=0)


def test_a_seal_of_the_wrong_length_is_not_sent() -> None:
    with pytest.raises(ValueError, match="a seal 10"):
        eddystone.payload(EID, tx_power_dbm=0, seal=bytes(9))


@pytest.mark.parametrize("seal", [b"", bytes(10)])
def test_a_radio_that_filters_hears_it_with_a_seal_and_without(seal: bytes) -> None:
    """The pattern is compared with the start of the structure behind its type."""
    (pattern,) = eddystone.FORMAT.scan_filter.patterns
    payload = eddystone.payload(EID, tx_power_dbm=0, seal=seal)
    structure = payload[7:]

    assert structure[0] == len(structure) - 1
    assert structure[1] == pattern.ad_type
    assert structure[2:].startswith(pattern.content)
    assert pattern.offset == 0

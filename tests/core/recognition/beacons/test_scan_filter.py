"""What an edge may leave out by the data that an advertisement stands in: nothing of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.advertisement import (
    AD_SERVICE_DATA_128,
    Advertisement,
    decode_payload,
)
from presence.core.recognition.beacons import eddystone, ibeacon
from presence.core.recognition.beacons.format import Format, Pattern, ScanFilter
from tests.support import coins
from tests.support.builders import moment

PREFIX = bytes.fromhex("5072657365636531")
FORMATS = (eddystone.FORMAT, ibeacon.format_for(PREFIX), coins.FORMAT)
UUID_128 = bytes(range(16))

STRANGERS = "0000fd6f-0000-1000-8000-00805f9b34fb"

eids = st.binary(min_size=8, max_size=8)
frames = st.one_of(
    st.binary(max_size=24),
    eids.map(lambda eid: b"\x30\xec" + eid),
    eids.map(lambda eid: b"\xc0" + eid),
    eids.map(lambda eid: ibeacon.payload(PREFIX, eid, tx_power_dbm=0)[7:]),
)
uuids = st.sampled_from([eddystone.SERVICE_UUID, coins.SERVICE_UUID, STRANGERS])
companies = st.sampled_from([ibeacon.COMPANY, 0x0075])


@pytest.mark.requirement("T-05")
@given(st.dictionaries(uuids, frames), st.dictionaries(companies, frames))
def test_what_a_format_identifies_stands_in_the_data_that_its_filter_names(
    service_data: dict[str, bytes], manufacturer_data: dict[int, bytes]
) -> None:
    heard = Advertisement(moment(), b"", None, service_data, manufacturer_data)
    for each in FORMATS:
        wanted = each.scan_filter
        if each.identify(heard) is not None:
            assert wanted.service_data_of & service_data.keys() or (
                wanted.manufacturer_data_of & manufacturer_data.keys()
            )


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.name)
def test_a_format_stands_where_its_filter_says(each: Format) -> None:
    wanted = each.scan_filter

    assert {each.place} == wanted.service_data_of | wanted.manufacturer_data_of
    assert wanted.tells_by_data


def test_a_long_uuid_is_spelt_as_in_a_decoded_payload() -> None:
    wanted = ScanFilter(what="it", patterns=(Pattern(AD_SERVICE_DATA_128, UUID_128 + b"\x01"),))
    service_data, _ = decode_payload(bytes((18, AD_SERVICE_DATA_128)) + UUID_128 + b"\x01")

    assert wanted.service_data_of == service_data.keys()


@pytest.mark.parametrize(
    ("patterns", "tells"),
    [
        ((), False),
        ((Pattern(0x09, b"name"),), False),
        ((Pattern(0x16, b"\xaa\xfe"), Pattern(0x09, b"name")), False),
        ((Pattern(0x16, b"\xaa\xfe"), Pattern(0xFF, b"\x4c\x00")), True),
    ],
)
def test_what_stands_elsewhere_cannot_be_told_by_its_data(
    patterns: tuple[Pattern, ...], tells: bool
) -> None:
    assert ScanFilter(what="it", patterns=patterns).tells_by_data is tells

"""Real recordings of strangers in a crowd: read to the last report, and with a customer among
them.
"""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from presence.core.recognition.advertisement import Advertisement
from presence.edges.capture import CaptureCounts, CaptureReader
from presence.errors import CaptureError
from tests.support.captures import (
    CUSTOMER,
    EDDYSTONE,
    EDDYSTONE_UUID,
    Entry,
    Heard,
    btsnoop,
    legacy_event,
)
from tests.support.captures import splice_btsnoop as splice
from tests.support.examples import examples
from tests.support.paths import ROOT

RECORDINGS = ROOT.parent / "shared" / "data" / "captures"

needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(),
    reason=(
        "the recordings (CC BY-ND, not ours to ship) are not beside the checkout: "
        "docs/recordings.md#captures"
    ),
)

ACCOUNTS = {
    # name: HCI records, reports, of them scan responses, addresses (docs/recordings.md#captures)
    "phone18_legacy": (50_965, 19_078, 3_758, 602),
    "phone15_legacy": (42_053, 20_346, 4_192, 601),
    "phone07_extended": (25_557, 16_478, 4_464, 600),
    "phone04_extended": (24_842, 14_538, 3_783, 519),
    "anechoic23_extended": (2_891, 810, 401, 18),
    "anechoic10_legacy": (3_773, 236, 12, 7),
}


@needs_recordings
@pytest.mark.parametrize("name", ACCOUNTS)
def test_a_recording_is_read_to_its_last_report(name: str) -> None:
    records, reports, scan_responses, addresses = ACCOUNTS[name]
    reader = CaptureReader(RECORDINGS / f"{name}.btsnoop")
    heard = 0
    distinct = set()
    for advertisement in reader.advertisements():
        heard += 1
        distinct.add(advertisement.address)
    counts, number_of_addresses = reader.counts, len(distinct)
    del distinct, advertisement  # a failing test must not show them

    assert heard == counts.reports == reports
    assert counts.scan_responses == scan_responses
    assert number_of_addresses == addresses
    assert counts.other_records + reports == records  # one report to an event, in all of these
    assert (counts.legacy if name.endswith("legacy") else counts.extended) == reports
    assert (
        counts.malformed_reports,
        counts.malformed_payloads,
        counts.fragments,
        counts.crc_failed,
    ) == (0, 0, 0, 0)


@needs_recordings
def test_strengths_above_what_a_phone_can_cause_are_given_to_nobody() -> None:
    reader = CaptureReader(RECORDINGS / "phone04_extended.btsnoop")
    without_strength = sum(
        advertisement.rssi_dbm is None for advertisement in reader.advertisements()
    )

    assert without_strength == reader.counts.rssi_impossible == 7
    assert reader.counts.rssi_unknown == 0


@needs_recordings
@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, 130_000), st.integers(0, 255)), max_size=40),
    length=st.integers(0, 130_000),
)
def test_a_damaged_recording_raises_nothing_but_capture_errors(
    tmp_path: Path, flips: list[tuple[int, int]], length: int
) -> None:
    file = bytearray((RECORDINGS / "anechoic23_extended.btsnoop").read_bytes())
    for position, value in flips:
        file[position % len(file)] = value
    path = tmp_path / "damaged.btsnoop"
    path.write_bytes(file[: length or None])
    try:
        for _ in CaptureReader(path).advertisements():
            pass
    except CaptureError as error:
        assert 0 <= error.offset <= len(file)  # noqa: PT017 - most damage is an error, some is not


# --- a customer among strangers ---


def of_customer(advertisement: Advertisement) -> bool:
    return advertisement.address == CUSTOMER and EDDYSTONE_UUID in advertisement.service_data


@needs_recordings
@pytest.mark.parametrize(
    ("name", "extended"), [("anechoic10_legacy", False), ("anechoic23_extended", True)]
)
def test_a_spliced_customer_is_heard_in_place_and_the_strangers_stay(
    tmp_path: Path, name: str, *, extended: bool
) -> None:
    source, target = RECORDINGS / f"{name}.btsnoop", tmp_path / "spliced.btsnoop"
    times_s = [advertisement.at.utc_s for advertisement in CaptureReader(source).advertisements()]
    first_s, last_s = times_s[0], times_s[-1]
    visit = [
        (first_s + part * (last_s - first_s) / 20, CUSTOMER, -50 - part, EDDYSTONE)
        for part in range(21)
    ]

    splice(source, target, reversed(visit), extended=extended)
    reader = CaptureReader(target)
    heard = list(reader.advertisements())
    customers = [advertisement for advertisement in heard if of_customer(advertisement)]

    assert [advertisement.rssi_dbm for advertisement in customers] == [
        report[2] for report in visit
    ]
    assert [advertisement.at.utc_s for advertisement in customers] == pytest.approx(
        [report[0] for report in visit]
    )
    assert all(one.at.utc_s <= other.at.utc_s for one, other in pairwise(heard))
    assert reader.counts.reports == len(times_s) + len(visit)
    assert (reader.counts.extended == 0) is not extended


@pytest.mark.parametrize(
    ("data_link", "flags", "indicator"), [(1001, 3, b""), (1002, 3, b"\x04"), (2001, 3, b"")]
)
def test_splicing_keeps_to_the_data_link_of_its_source(
    tmp_path: Path, data_link: int, flags: int, indicator: bytes
) -> None:
    source, target = tmp_path / "source.btsnoop", tmp_path / "target.btsnoop"
    events = [
        Entry(indicator + legacy_event(Heard(rssi_dbm=rssi)), 1000.0 - rssi, flags)
        for rssi in (-10, -30)
    ]
    source.write_bytes(btsnoop(events, data_link=data_link))

    splice(source, target, [(1020.0, CUSTOMER, -20, EDDYSTONE)])
    reader = CaptureReader(target)

    assert [advertisement.rssi_dbm for advertisement in reader.advertisements()] == [-10, -20, -30]
    assert reader.counts == CaptureCounts(legacy=3)

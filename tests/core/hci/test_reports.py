"""Advertising reports in HCI events, as they lie in a buffer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.hci.fragments import MAX_CHAINS, FragmentChains
from presence.core.hci.reports import AdvertisingReports, Report, ReportCounts
from tests.support.captures import (
    Heard,
    directed_event,
    extended_event,
    legacy_event,
)

HEARD = st.builds(
    Heard,
    address=st.binary(min_size=6, max_size=6),
    rssi_dbm=st.integers(-127, 127),
    payload=st.binary(max_size=31),
    event_type=st.none(),
    sid=st.just(0xFF),
    announced_payload_bytes=st.none(),
)


def taken(event: bytes, counts: ReportCounts | None = None) -> list[Report]:
    return list(AdvertisingReports(counts or ReportCounts()).take(event, 0, len(event)))


def reported(*heard: Heard) -> list[Report]:
    return [(int.from_bytes(one.address, "big"), 1, one.rssi_dbm, one.payload) for one in heard]


@pytest.mark.parametrize(
    ("event", "report"),
    [
        # Made by hand from §7.7.65.2 and §7.7.65.13, field by field.
        (
            "3e 14 02 01" + "03 01 060504030201 08" + "0303aafe04096162" + "c4",
            (0x010203040506, 1, -60, bytes.fromhex("0303aafe04096162")),
        ),
        (
            "3e 1d 0d 01"
            + "1000 00 665544332211 01 00 ff 7f b0 0000 00 000000000000 03"
            + "020106",
            (0x112233445566, 0, -80, bytes.fromhex("020106")),
        ),
        ("3e 12 0b 01" + "01 01 060504030201 fe 000000000000 14", (0x010203040506, 1, 20, b"")),
    ],
)
def test_a_report_is_read_as_the_specification_draws_it(event: str, report: Report) -> None:
    assert taken(bytes.fromhex(event)) == [report]


@given(st.lists(HEARD, min_size=1, max_size=4), st.sampled_from([legacy_event, extended_event]))
def test_what_a_controller_reports_comes_out(heard: list[Heard], event: object) -> None:
    assert callable(event)
    counts = ReportCounts()

    assert taken(event(*heard), counts) == reported(*heard)
    assert counts.reports == len(heard)


@given(HEARD, st.binary(max_size=9), st.binary(max_size=9))
def test_an_event_is_read_from_the_middle_of_a_buffer_and_no_byte_beyond_it(
    one: Heard, before: bytes, behind: bytes
) -> None:
    reports = AdvertisingReports(ReportCounts())
    for event in (legacy_event(one), extended_event(one)):
        data = before + event + behind
        assert reports.take(data, len(before), len(before) + len(event)) == reported(one)


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_any_bytes_are_reports_or_nothing(data: bytes, at: int, end: int) -> None:
    at, end = min(at, len(data)), min(end, len(data))
    AdvertisingReports(ReportCounts()).take(data, at, end)


@given(
    st.sampled_from([0x02, 0x0B, 0x0D]),
    st.integers(0, 255),
    st.lists(st.binary(max_size=255), max_size=8),
)
def test_reports_of_any_bytes_stay_within_their_event(
    subevent: int, length: int, bodies: list[bytes]
) -> None:
    counts = ReportCounts()
    reports = AdvertisingReports(counts)
    for body in bodies:
        event = bytes((0x3E, length, subevent)) + body
        given_bytes = sum(len(data) for *_, data in reports.take(event, 0, len(event)))
        assert counts.fragments or given_bytes <= min(length, len(event))
    assert counts.malformed_reports <= len(bodies)


@given(HEARD, st.sampled_from([legacy_event, directed_event, extended_event]))
def test_an_event_cut_off_anywhere_gives_no_report(one: Heard, event: object) -> None:
    assert callable(event)
    whole = event(one)
    for length in range(len(whole)):
        assert taken(whole[:length]) == []


def test_unfinished_advertisements_take_a_bounded_place() -> None:
    chains = FragmentChains()
    for number in range(10 * MAX_CHAINS):
        for _ in range(20):
            chains.extend((0, number, 0, False), bytes(229))

    assert len(chains) == MAX_CHAINS
    assert sum(len(chain) for chain in chains._chains.values()) <= MAX_CHAINS * (1650 + 229)

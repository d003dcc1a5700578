"""HCI events become advertisements: layouts, counts, and what cannot be used."""

from collections.abc import Callable
from pathlib import Path

import pytest

from presence.core.hci.fragments import whole_structures
from presence.core.recognition.advertisement import Advertisement
from presence.edges.capture import CaptureCounts, CaptureReader
from tests.support.captures import (
    CUSTOMER,
    EDDYSTONE,
    EDDYSTONE_DATA,
    EDDYSTONE_UUID,
    EXTENDED_SCAN_RESPONSE,
    MORE_TO_COME,
    NAME,
    NOON_S,
    STRANGER,
    TRUNCATED,
    Entry,
    Heard,
    btsnoop,
    directed_event,
    extended_event,
    legacy_event,
)

Read = Callable[..., tuple[list[Advertisement], CaptureCounts]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Puts events into an H4 capture and reads it back."""

    def read_events(*events: bytes) -> tuple[list[Advertisement], CaptureCounts]:
        path = tmp_path / "made.btsnoop"
        path.write_bytes(btsnoop(Entry(b"\x04" + event) for event in events))
        reader = CaptureReader(path)
        heard = list(reader.advertisements())
        counts = reader.counts
        assert counts.reports == len(heard) + counts.malformed_payloads + counts.fragments
        return heard, counts

    return read_events


@pytest.mark.parametrize("event", [legacy_event, extended_event])
def test_a_report_gives_time_address_strength_and_fields(
    read: Read, event: Callable[..., bytes]
) -> None:
    [heard], _ = read(event(Heard()))

    assert heard.at == (NOON_S, NOON_S)
    assert heard.address == CUSTOMER
    assert heard.rssi_dbm == -60
    assert heard.service_data == {EDDYSTONE_UUID: EDDYSTONE_DATA}
    assert not heard.manufacturer_data
    assert not heard.antenna


@pytest.mark.parametrize("event", [legacy_event, extended_event])
def test_reports_of_one_event_lie_one_after_another(
    read: Read, event: Callable[..., bytes]
) -> None:
    heard, counts = read(event(Heard(rssi_dbm=-50), Heard(STRANGER, -90, NAME), Heard(payload=b"")))

    assert [(one.address, one.rssi_dbm, len(one.service_data)) for one in heard] == [
        (CUSTOMER, -50, 1),
        (STRANGER, -90, 0),
        (CUSTOMER, -60, 0),
    ]
    assert counts.reports == 3


def test_a_directed_report_is_heard_without_a_payload(read: Read) -> None:
    heard, counts = read(directed_event(Heard(rssi_dbm=-71), Heard(STRANGER, -72)))

    assert [(one.address, one.rssi_dbm) for one in heard] == [(CUSTOMER, -71), (STRANGER, -72)]
    assert counts == CaptureCounts(directed=2)


def test_scan_responses_are_counted_in_either_event(read: Read) -> None:
    _, counts = read(
        legacy_event(Heard(event_type=4), Heard()),
        extended_event(Heard(event_type=EXTENDED_SCAN_RESPONSE), Heard(), Heard()),
    )

    assert counts == CaptureCounts(legacy=2, extended=3, scan_responses=2)


@pytest.mark.parametrize("event", [legacy_event, directed_event, extended_event])
def test_unknown_and_impossible_strengths_are_told_apart_and_given_to_nobody(
    read: Read, event: Callable[..., bytes]
) -> None:
    heard, counts = read(
        event(Heard(rssi_dbm=127), Heard(rssi_dbm=12), Heard(rssi_dbm=-127), Heard(rssi_dbm=0))
    )

    assert [one.rssi_dbm for one in heard] == [None, None, None, 0]
    assert (counts.rssi_unknown, counts.rssi_impossible, counts.reports) == (1, 2, 4)


@pytest.mark.parametrize("event", [legacy_event, extended_event])
def test_a_malformed_payload_is_counted_and_its_neighbours_are_read(
    read: Read, event: Callable[..., bytes]
) -> None:
    heard, counts = read(event(Heard(payload=b"\x09\x16\xaa"), Heard(STRANGER)))

    assert [one.address for one in heard] == [STRANGER]
    assert (counts.malformed_payloads, counts.malformed_reports, counts.reports) == (1, 0, 2)


@pytest.mark.parametrize("event", [legacy_event, directed_event, extended_event])
def test_an_event_that_announces_more_reports_than_it_holds_gives_those_it_holds(
    read: Read, event: Callable[..., bytes]
) -> None:
    heard, counts = read(event(Heard(), count=3), event(count=0), event(Heard(STRANGER)))

    assert [one.address for one in heard] == [CUSTOMER, STRANGER]
    assert counts.malformed_reports == 2


@pytest.mark.parametrize("event", [legacy_event, extended_event])
def test_a_payload_that_runs_over_its_event_is_not_used(
    read: Read, event: Callable[..., bytes]
) -> None:
    heard, counts = read(event(Heard(), Heard(announced_payload_bytes=200)))

    assert len(heard) == 1
    assert (counts.reports, counts.malformed_reports) == (1, 1)


@pytest.mark.parametrize(
    "event", [legacy_event(Heard()), directed_event(Heard()), extended_event(Heard())]
)
def test_an_event_cut_off_anywhere_gives_no_advertisement_and_no_other_trouble(
    read: Read, event: bytes
) -> None:
    pieces = [event[:length] for length in range(len(event))]
    heard, counts = read(*pieces)

    assert heard == []
    assert counts.malformed_reports + counts.other_records == len(pieces)


def test_an_event_that_ends_before_its_record_keeps_to_its_own_length(read: Read) -> None:
    heard, _ = read(legacy_event(Heard()) + legacy_event(Heard(STRANGER)))

    assert [one.address for one in heard] == [CUSTOMER]


def test_commands_data_and_other_events_are_only_counted(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "made.btsnoop"
    records = [
        b"\x01\x0c\x20\x02\x01\x00",
        b"\x02\x40\x00\x02\x00\xff\xff",
        b"\x04\x0e\x04\x01\x0c\x20\x00",
        b"",
    ]
    path.write_bytes(
        btsnoop(map(Entry, [*records, b"\x04\x3e\x0a\x03\x00\x40\x00\x18\x00\x00\x00\x48\x00"]))
    )
    reader = CaptureReader(path)

    assert list(reader.advertisements()) == []
    assert reader.counts == CaptureCounts(other_records=5)


# --- extended advertising data in several parts ---


def test_parts_are_joined_though_others_come_between(read: Read) -> None:
    heard, counts = read(
        extended_event(Heard(payload=EDDYSTONE[:10], event_type=MORE_TO_COME, sid=1)),
        extended_event(Heard(STRANGER, payload=NAME, event_type=MORE_TO_COME, sid=1)),
        extended_event(Heard(payload=NAME, sid=2)),
        extended_event(Heard(payload=EDDYSTONE[10:15], event_type=MORE_TO_COME, sid=1)),
        extended_event(Heard(payload=EDDYSTONE[15:], sid=1, rssi_dbm=-44)),
    )

    assert [(one.address, one.rssi_dbm, dict(one.service_data)) for one in heard] == [
        (CUSTOMER, -60, {}),
        (CUSTOMER, -44, {EDDYSTONE_UUID: EDDYSTONE_DATA}),
    ]
    assert counts == CaptureCounts(extended=5, fragments=3)


def test_a_scan_response_does_not_end_the_advertisement_it_answers(read: Read) -> None:
    heard, _ = read(
        extended_event(Heard(payload=EDDYSTONE[:10], event_type=MORE_TO_COME, sid=1)),
        extended_event(Heard(payload=NAME, event_type=EXTENDED_SCAN_RESPONSE, sid=1)),
        extended_event(Heard(payload=EDDYSTONE[10:], sid=1)),
    )

    assert [dict(one.service_data) for one in heard] == [{}, {EDDYSTONE_UUID: EDDYSTONE_DATA}]


def test_data_that_the_controller_cut_off_is_used_up_to_its_last_whole_structure(
    read: Read,
) -> None:
    heard, counts = read(
        extended_event(Heard(payload=EDDYSTONE, event_type=MORE_TO_COME, sid=1)),
        extended_event(Heard(payload=b"\x1e\xff\x4c\x00", event_type=TRUNCATED, sid=1)),
        extended_event(Heard(STRANGER, payload=EDDYSTONE[:-1], event_type=TRUNCATED, sid=1)),
    )

    assert [dict(one.service_data) for one in heard] == [{EDDYSTONE_UUID: EDDYSTONE_DATA}, {}]
    assert (counts.malformed_payloads, counts.fragments) == (0, 1)


def test_data_longer_than_the_radio_allows_is_given_up(read: Read) -> None:
    part = extended_event(Heard(payload=b"\xc7\x09" + bytes(198), event_type=MORE_TO_COME, sid=1))
    end = extended_event(Heard(payload=NAME, sid=1))

    fits, _ = read(*[part] * 8, end)
    too_long, counts = read(*[part] * 20, end)

    assert (len(fits), len(too_long)) == (1, 0)
    assert (counts.fragments, counts.malformed_payloads) == (20, 1)


def test_an_unfinished_advertisement_at_the_end_of_the_capture_is_only_counted(read: Read) -> None:
    heard, counts = read(extended_event(Heard(event_type=MORE_TO_COME)))

    assert heard == []
    assert counts == CaptureCounts(extended=1, fragments=1)


@pytest.mark.parametrize(
    ("payload", "whole"),
    [
        (b"", b""),
        (NAME, NAME),
        (NAME + b"\x05\x09Wa", NAME),
        (NAME + b"\x00\x00", NAME),
        (b"\xff", b""),
    ],
)
def test_the_whole_structures_of_a_payload_end_where_one_is_broken_or_padding_begins(
    payload: bytes, whole: bytes
) -> None:
    assert whole_structures(payload) == whole

"""The same advertisement in every container and data link, and the clock of each."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from presence.edges.capture import CaptureCounts, CaptureReader
from tests.support.captures import (
    ADV_IND,
    CUSTOMER,
    EDDYSTONE_DATA,
    EDDYSTONE_UUID,
    MONITOR_EVENT,
    NOON_S,
    STRANGER,
    Entry,
    Heard,
    PcapngWriter,
    air_packet,
    btsnoop,
    legacy_event,
    legacy_pdu,
    nordic,
    pcap,
    with_phdr,
)

EVENT = legacy_event(Heard())
PACKET = air_packet(legacy_pdu(ADV_IND))
OTHER_EVENT = b"\x0e\x04\x01\x0c\x20\x00"

RECORDS_BY_LINK = {
    187: b"\x04" + EVENT,
    201: b"\x00\x00\x00\x01\x04" + EVENT,
    251: PACKET,
    254: b"\x00\x02\x00\x03" + EVENT,
    256: with_phdr(PACKET),
    272: nordic(PACKET, 3),
}
NAMES_BY_LINK = {
    187: "HCI UART, H4",
    201: "HCI UART, H4 with direction",
    251: "LE link layer",
    254: "Linux monitor",
    256: "LE link layer with radio header",
    272: "nRF Sniffer",
}

Open = Callable[[bytes], CaptureReader]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def opened_file(file: bytes) -> CaptureReader:
        path = tmp_path / "made.capture"
        path.write_bytes(file)
        return CaptureReader(path)

    return opened_file


def assert_is_the_customer(
    reader: CaptureReader, *, rssi_dbm: int | None = -60, adapter: str = ""
) -> None:
    [heard] = reader.advertisements()
    assert heard.at == pytest.approx((NOON_S, NOON_S), abs=1e-6)
    assert heard.address == CUSTOMER
    assert heard.rssi_dbm == rssi_dbm
    assert heard.service_data == {EDDYSTONE_UUID: EDDYSTONE_DATA}
    assert heard.antenna == adapter


def dates(reader: CaptureReader) -> list[float]:
    return [heard.at.utc_s for heard in reader.advertisements()]


# --- btsnoop ---


def test_btsnoop_h4_is_read(opened: Open) -> None:
    reader = opened(btsnoop([Entry(b"\x01\x0c\x20\x02\x01\x00"), Entry(b"\x04" + EVENT)]))

    assert_is_the_customer(reader)
    assert reader.format == "btsnoop, data link 1002 (HCI UART, H4)"
    assert reader.counts == CaptureCounts(legacy=1, other_records=1)


@pytest.mark.parametrize("flags", [0, 1, 2])
def test_btsnoop_unencapsulated_tells_events_from_data_and_commands_by_the_flags(
    opened: Open, flags: int
) -> None:
    reader = opened(btsnoop([Entry(EVENT, flags=flags), Entry(EVENT, flags=3)], data_link=1001))

    assert_is_the_customer(reader)
    assert reader.format == "btsnoop, data link 1001 (HCI, unencapsulated)"
    assert reader.counts.other_records == 1


def test_btsnoop_of_the_linux_monitor_names_the_adapter(opened: Open) -> None:
    events = [Entry(EVENT, flags=1 << 16 | MONITOR_EVENT), Entry(EVENT, flags=1 << 16 | 5)]
    reader = opened(btsnoop(events, data_link=2001))

    assert_is_the_customer(reader, adapter="hci1")
    assert reader.format == "btsnoop, data link 2001 (Linux monitor)"
    assert reader.counts.other_records == 1


# --- pcap ---


@pytest.mark.parametrize("ticks_per_s", [10**6, 10**9])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("link_type", RECORDS_BY_LINK)
def test_pcap_is_read_in_both_byte_orders_and_resolutions(
    opened: Open, link_type: int, byte_order: str, ticks_per_s: int
) -> None:
    entries = [Entry(RECORDS_BY_LINK[link_type])]
    reader = opened(
        pcap(entries, link_type=link_type, byte_order=byte_order, ticks_per_s=ticks_per_s)
    )

    assert_is_the_customer(
        reader,
        rssi_dbm=None if link_type == 251 else -60,
        adapter="hci2" if link_type == 254 else "",
    )
    assert reader.format == f"pcap, link type {link_type} ({NAMES_BY_LINK[link_type]})"


def test_pcap_link_type_is_found_beside_the_frame_check_bits(opened: Open) -> None:
    assert_is_the_customer(opened(pcap([Entry(RECORDS_BY_LINK[187])], link_type=187 | 0x10000000)))


def test_the_direction_of_link_type_201_may_be_missing(opened: Open) -> None:
    reader = opened(pcap([Entry(b"\x00\x00"), Entry(b"")], link_type=201))

    assert list(reader.advertisements()) == []
    assert reader.counts.other_records == 2


def test_the_monitor_header_of_link_type_254_may_be_cut(opened: Open) -> None:
    reader = opened(pcap([Entry(b"\x00\x00\x00")], link_type=254))

    assert list(reader.advertisements()) == []
    assert reader.counts.malformed_reports == 1


# --- pcapng ---


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("link_type", RECORDS_BY_LINK)
def test_pcapng_is_read_in_both_byte_orders(opened: Open, link_type: int, byte_order: str) -> None:
    writer = PcapngWriter(byte_order)
    writer.interface(link_type)
    writer.block(0x0BAD, b"nobody knows this block")
    writer.enhanced(RECORDS_BY_LINK[link_type])
    reader = opened(writer.file)

    assert_is_the_customer(
        reader,
        rssi_dbm=None if link_type == 251 else -60,
        adapter="hci2" if link_type == 254 else "",
    )
    assert reader.format == f"pcapng, link type {link_type} ({NAMES_BY_LINK[link_type]})"


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_pcapng_interfaces_each_have_their_own_link_type_and_clock(
    opened: Open, byte_order: str
) -> None:
    writer = PcapngWriter(byte_order)
    offset_s = (1_000_000_000).to_bytes(8, "little" if byte_order == "<" else "big")
    writer.interface(187, writer.option(9, b"\x09") + writer.option(0, b""))
    writer.interface(1)
    writer.interface(
        256, writer.option(2, b"radio") + writer.option(9, b"\x8a") + writer.option(14, offset_s)
    )
    writer.enhanced(RECORDS_BY_LINK[187], ticks=round(NOON_S * 10**9))
    writer.enhanced(b"ethernet, or anything", interface=1)
    writer.enhanced(RECORDS_BY_LINK[256], ticks=1024 * 5 + 512, interface=2)
    reader = opened(writer.file)

    assert dates(reader) == pytest.approx([NOON_S, 1_000_000_005.5])
    assert reader.counts == CaptureCounts(legacy=2, other_records=1)
    assert "187 (HCI UART, H4)" in reader.format
    assert "256 (LE link layer with radio header)" in reader.format


def test_pcapng_simple_packets_are_dated_like_the_packet_before_them(opened: Open) -> None:
    writer = PcapngWriter()
    writer.interface(187, snapshot_bytes=len(RECORDS_BY_LINK[187]))
    writer.enhanced(RECORDS_BY_LINK[187])
    writer.simple(RECORDS_BY_LINK[187])
    writer.simple(RECORDS_BY_LINK[187], original_bytes=5000)

    assert dates(opened(writer.file)) == [NOON_S] * 3


def test_pcapng_obsolete_packets_are_read(opened: Open) -> None:
    writer = PcapngWriter(">")
    writer.interface(201)
    writer.obsolete(RECORDS_BY_LINK[201])

    assert_is_the_customer(opened(writer.file))


def test_pcapng_sections_may_change_byte_order_and_interfaces(opened: Open) -> None:
    first, second = PcapngWriter("<"), PcapngWriter(">")
    first.interface(187)
    first.enhanced(RECORDS_BY_LINK[187])
    second.interface(251)
    second.enhanced(RECORDS_BY_LINK[251])
    reader = opened(first.file + second.file)

    assert [heard.rssi_dbm for heard in reader.advertisements()] == [-60, None]


# --- time ---


def entries_at(times_s: Iterable[float]) -> bytes:
    return btsnoop(Entry(b"\x04" + legacy_event(Heard(STRANGER)), utc_s) for utc_s in times_s)


def test_a_clock_that_was_set_back_moves_the_date_and_never_the_monotonic_reading(
    opened: Open,
) -> None:
    reader = opened(entries_at([1000.0, 2000.0, 1500.0, 2500.0]))

    assert [heard.at for heard in reader.advertisements()] == [
        (1000.0, 1000.0),
        (2000.0, 2000.0),
        (2000.0, 1500.0),
        (2500.0, 2500.0),
    ]


def test_a_second_reading_gives_the_same_advertisements_and_counts_anew(opened: Open) -> None:
    reader = opened(entries_at([1000.0, 2000.0]))
    first = list(reader.advertisements())

    assert list(reader.advertisements()) == first
    assert reader.counts == CaptureCounts(legacy=2)


def test_counts_are_ready_for_json_and_add_up(opened: Open) -> None:
    reader = opened(entries_at([1000.0, 2000.0]))
    list(reader.advertisements())

    counts = reader.counts.as_dict()
    assert counts["reports"] == counts["legacy"] == 2
    assert all(isinstance(count, int) for count in counts.values())


def test_an_empty_capture_is_read_to_its_end(opened: Open) -> None:
    for file in (btsnoop([]), pcap([], link_type=187), PcapngWriter().file):
        assert list(opened(file).advertisements()) == []

"""Packets that a sniffer took from the air: which of them are advertisements, and which were
received with errors.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from presence.core.recognition.advertisement import Advertisement
from presence.edges.capture import CaptureCounts, CaptureReader
from presence.edges.capture.crc24 import advertising_crc
from tests.support.captures import (
    ADV_DIRECT_IND,
    ADV_IND,
    ADV_NONCONN_IND,
    ADV_SCAN_IND,
    CUSTOMER,
    EDDYSTONE,
    EDDYSTONE_DATA,
    EDDYSTONE_UUID,
    EXTENDED_PDU,
    NAME,
    SCAN_REQ,
    SCAN_RSP,
    STRANGER,
    Entry,
    air_packet,
    crc24,
    extended_pdu,
    legacy_pdu,
    nordic,
    pcap,
    pdu,
    with_phdr,
)

LINK_LAYER, WITH_PHDR, NORDIC = 251, 256, 272
SIGNAL_VALID, CHECKED, VALID, CODED_PHY = 0x0002, 0x0400, 0x0800, 0x8000
DEWHITENED = 0x0001

Read = Callable[..., tuple[list[Advertisement], CaptureCounts]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Puts packets into a pcap of the link type and reads them back."""

    def read_packets(link_type: int, *packets: bytes) -> tuple[list[Advertisement], CaptureCounts]:
        path = tmp_path / "air.pcap"
        path.write_bytes(pcap(map(Entry, packets), link_type=link_type))
        reader = CaptureReader(path)
        return list(reader.advertisements()), reader.counts

    return read_packets


def fields_of(heard: list[Advertisement]) -> list[tuple[bytes, dict[str, bytes]]]:
    return [(one.address, dict(one.service_data)) for one in heard]


THE_CUSTOMER = (CUSTOMER, {EDDYSTONE_UUID: EDDYSTONE_DATA})


@pytest.mark.parametrize("kind", [ADV_IND, ADV_NONCONN_IND, ADV_SCAN_IND, SCAN_RSP])
def test_legacy_pdus_with_a_payload_are_read(read: Read, kind: int) -> None:
    heard, counts = read(LINK_LAYER, air_packet(legacy_pdu(kind)))

    assert fields_of(heard) == [THE_CUSTOMER]
    assert counts == CaptureCounts(legacy=1, scan_responses=kind == SCAN_RSP, rssi_unknown=1)


def test_a_directed_pdu_is_heard_and_its_receivers_address_is_no_payload(read: Read) -> None:
    heard, counts = read(LINK_LAYER, air_packet(legacy_pdu(ADV_DIRECT_IND, payload=STRANGER)))

    assert fields_of(heard) == [(CUSTOMER, {})]
    assert counts.directed == 1


def test_scan_requests_connections_and_data_are_only_counted(read: Read) -> None:
    heard, counts = read(
        LINK_LAYER,
        air_packet(legacy_pdu(SCAN_REQ, payload=STRANGER)),
        air_packet(legacy_pdu(5, payload=bytes(28))),
        air_packet(pdu(1, b"\x00"), access_address=0x12345678, damaged=True),
        b"\xd6\xbe",
    )

    assert heard == []
    assert counts == CaptureCounts(other_records=4)


def test_a_pdu_too_short_for_an_address_is_malformed(read: Read) -> None:
    heard, counts = read(LINK_LAYER, air_packet(pdu(ADV_IND, b"\x01\x02\x03")))

    assert heard == []
    assert counts == CaptureCounts(malformed_reports=1)


def test_a_packet_cut_off_anywhere_is_never_an_advertisement(read: Read) -> None:
    packet = air_packet(legacy_pdu(ADV_IND))
    heard, counts = read(LINK_LAYER, *(packet[:length] for length in range(len(packet))))

    assert heard == []
    assert counts.other_records == 4  # not even an access address
    assert counts.malformed_reports == len(packet) - 4


# --- the checksum ---


def test_the_table_driven_checksum_agrees_with_the_drawing_of_the_specification() -> None:
    for content in (b"", b"\x00", legacy_pdu(ADV_IND), extended_pdu(), bytes(range(256))):
        assert advertising_crc(content) == crc24(content)


def test_the_checksum_of_a_packet_that_another_program_checked() -> None:
    """Wireshark 4.0.17 shows "CRC: 0xce79fa" for it and no complaint; it turns the bits of each
    byte round.
    """
    content = bytes.fromhex("401b 563412eeffc0 02010603 03aafe0d16aafe30ee0123456789abcdef")
    checksum = advertising_crc(content)

    assert checksum == bytes.fromhex("739e5f")
    assert bytes(int(f"{byte:08b}"[::-1], 2) for byte in checksum) == bytes.fromhex("ce79fa")


def test_a_packet_without_signal_header_is_believed_only_if_its_checksum_holds(read: Read) -> None:
    good, bad = (
        air_packet(legacy_pdu(ADV_IND)),
        air_packet(legacy_pdu(ADV_IND, STRANGER), damaged=True),
    )
    heard, counts = read(LINK_LAYER, bad, good, bad)

    assert fields_of(heard) == [THE_CUSTOMER]
    assert (counts.crc_failed, counts.legacy) == (2, 1)


def test_the_sniffers_own_verdict_counts_where_it_has_checked(read: Read) -> None:
    damaged, whole = air_packet(legacy_pdu(ADV_IND), damaged=True), air_packet(legacy_pdu(ADV_IND))
    base = DEWHITENED | SIGNAL_VALID
    heard, counts = read(
        WITH_PHDR,
        with_phdr(damaged, flags=base | CHECKED | VALID),
        with_phdr(whole, flags=base | CHECKED),
        with_phdr(whole, flags=base | VALID),
        with_phdr(damaged, flags=base | VALID),
    )

    assert len(heard) == 2
    assert counts == CaptureCounts(legacy=2, crc_failed=2)


# --- the header of link type 256 ---


def test_a_signal_power_that_the_header_calls_invalid_is_unknown(read: Read) -> None:
    packet = air_packet(legacy_pdu(ADV_IND))
    heard, counts = read(
        WITH_PHDR,
        with_phdr(packet, power_dbm=-77),
        with_phdr(packet, power_dbm=-77, flags=DEWHITENED | CHECKED | VALID),
        with_phdr(packet, power_dbm=20),
    )

    assert [one.rssi_dbm for one in heard] == [-77, None, None]
    assert (counts.rssi_unknown, counts.rssi_impossible) == (1, 1)


def test_whitened_packets_are_left_out(read: Read) -> None:
    heard, counts = read(
        WITH_PHDR, with_phdr(air_packet(legacy_pdu(ADV_IND)), flags=CHECKED | VALID)
    )

    assert heard == []
    assert counts == CaptureCounts(other_records=1)


def test_a_header_cut_off_is_malformed(read: Read) -> None:
    heard, counts = read(WITH_PHDR, b"\x25\xc4\x00")

    assert heard == []
    assert counts == CaptureCounts(malformed_reports=1)


def test_the_coded_phys_extra_byte_is_skipped(read: Read) -> None:
    packet = air_packet(extended_pdu(), coded=True)
    heard, _ = read(WITH_PHDR, with_phdr(packet, flags=DEWHITENED | SIGNAL_VALID | CODED_PHY))
    nordic_heard, _ = read(NORDIC, nordic(packet, 3, flags=0x21))

    assert fields_of(heard) == fields_of(nordic_heard) == [THE_CUSTOMER]


# --- the nRF Sniffer ---


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_every_version_of_the_nordic_header_is_read(read: Read, version: int) -> None:
    packet = air_packet(legacy_pdu(ADV_IND))
    heard, counts = read(
        NORDIC,
        nordic(packet, version, rssi_dbm=-83),
        nordic(packet, version, flags=0x00),
        nordic(packet, version, packet_id=0x05),
    )

    assert fields_of(heard) == [THE_CUSTOMER]
    assert heard[0].rssi_dbm == -83
    assert counts == CaptureCounts(legacy=1, crc_failed=1, other_records=1)


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_a_nordic_record_cut_off_anywhere_is_never_an_advertisement(
    read: Read, version: int
) -> None:
    record = nordic(air_packet(legacy_pdu(ADV_IND)), version)
    heard, counts = read(NORDIC, *(record[:length] for length in range(len(record))))

    assert heard == []
    assert counts.malformed_reports + counts.other_records == len(record)


# --- extended advertising ---


def test_an_auxiliary_pdu_with_address_and_data_is_read(read: Read) -> None:
    heard, counts = read(LINK_LAYER, air_packet(extended_pdu(acad=b"\x02\x2f\x01")))

    assert fields_of(heard) == [THE_CUSTOMER]
    assert counts.extended == 1


def test_a_pdu_that_only_points_to_its_data_is_no_report(read: Read) -> None:
    heard, counts = read(LINK_LAYER, air_packet(extended_pdu(payload=b"", points_on=True)))

    assert heard == []
    assert counts == CaptureCounts(other_records=1)


def test_data_that_goes_on_in_a_chain_is_used_up_to_its_last_whole_structure(read: Read) -> None:
    heard, counts = read(
        LINK_LAYER,
        air_packet(extended_pdu(payload=EDDYSTONE + b"\x1e\xff\x4c", points_on=True)),
        air_packet(extended_pdu(address=None, payload=NAME)),
    )

    assert fields_of(heard) == [THE_CUSTOMER]
    assert (counts.extended, counts.other_records) == (1, 1)


@pytest.mark.parametrize(
    "body", [b"", b"\x3f", b"\x03\x01\x00\x00", b"\x07\x01\x00", b"\x01\x01" + CUSTOMER]
)
def test_an_extended_header_that_runs_over_its_pdu_is_malformed(read: Read, body: bytes) -> None:
    heard, counts = read(LINK_LAYER, air_packet(pdu(EXTENDED_PDU, body)))

    assert heard == []
    assert counts == CaptureCounts(malformed_reports=1)

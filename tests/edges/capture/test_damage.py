"""Damaged, truncated and foreign files: all before the damage is read, and the error says where,
and what to do.
"""

import re
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from presence.core.recognition.advertisement import Advertisement
from presence.edges.capture import CaptureReader
from presence.errors import CaptureError
from tests.support.captures import (
    ADV_IND,
    CUSTOMER,
    EDDYSTONE,
    MONITOR_EVENT,
    MORE_TO_COME,
    STRANGER,
    Entry,
    Heard,
    PcapngWriter,
    air_packet,
    btsnoop,
    directed_event,
    extended_event,
    extended_pdu,
    legacy_event,
    legacy_pdu,
    nordic,
    pcap,
    with_phdr,
)
from tests.support.examples import examples

EVENTS = [
    legacy_event(Heard(), Heard(STRANGER)),
    directed_event(Heard()),
    extended_event(Heard(event_type=MORE_TO_COME, sid=3)),
    extended_event(Heard(sid=3)),
]
PACKETS = [air_packet(legacy_pdu(ADV_IND)), air_packet(extended_pdu())]


def pcapng_of(link_type: int, records: Iterable[bytes]) -> bytes:
    writer = PcapngWriter()
    writer.interface(link_type, writer.option(9, b"\x06"))
    for number, record in enumerate(records):
        writer.obsolete(record) if number % 2 else writer.enhanced(record)
        writer.simple(record)
    return writer.file


FILES = {
    "btsnoop_h4": btsnoop(Entry(b"\x04" + event) for event in EVENTS),
    "btsnoop_h1": btsnoop(map(Entry, EVENTS), data_link=1001),
    "btsnoop_monitor": btsnoop(
        (Entry(event, flags=MONITOR_EVENT) for event in EVENTS), data_link=2001
    ),
    "pcap_h4": pcap((Entry(b"\x04" + event) for event in EVENTS), link_type=187),
    "pcap_monitor": pcap(
        (Entry(b"\x00\x00\x00\x03" + event) for event in EVENTS), link_type=254, byte_order=">"
    ),
    "pcap_air": pcap(map(Entry, PACKETS), link_type=251),
    "pcap_phdr": pcap(map(Entry, map(with_phdr, PACKETS)), link_type=256, ticks_per_s=10**9),
    "pcap_nordic": pcap(
        (Entry(nordic(packet, n)) for n in range(4) for packet in PACKETS), link_type=272
    ),
    "pcapng_h4": pcapng_of(201, (b"\x00\x00\x00\x01\x04" + event for event in EVENTS)),
    "pcapng_phdr": pcapng_of(256, map(with_phdr, PACKETS)),
}


def read_to_the_end(path: Path) -> tuple[list[Advertisement], CaptureError | None]:
    """What could be read, and the error at which it ended; any other error passes through and fails
    the test.
    """
    heard: list[Advertisement] = []
    try:
        heard.extend(
            CaptureReader(path).advertisements()
        )  # a list keeps what it got before the error
    except CaptureError as error:
        return heard, error
    return heard, None


def read_bytes(directory: Path, file: bytes) -> tuple[list[Advertisement], CaptureError | None]:
    path = directory / "made.capture"
    path.write_bytes(file)
    heard, error = read_to_the_end(path)
    assert error is None or 0 <= error.offset <= len(file)
    return heard, error


@pytest.mark.parametrize("name", FILES)
def test_a_file_truncated_anywhere_gives_all_whole_records_before(
    tmp_path: Path, name: str
) -> None:
    file = FILES[name]
    complete, error = read_bytes(tmp_path, file)
    assert error is None
    assert complete
    before = 0
    for length in range(len(file)):
        heard, error = read_bytes(tmp_path, file[:length])
        assert heard == complete[: len(heard)]
        assert len(heard) >= before
        before = len(heard)
        if error is not None:
            assert re.search(r"made\.capture, byte \d+: .+; .+", str(error))


def test_the_offset_is_where_the_broken_record_begins(tmp_path: Path) -> None:
    whole = btsnoop([Entry(b"\x04" + EVENTS[0])])
    heard, error = read_bytes(tmp_path, whole + whole[16:-1])

    assert len(heard) == 2
    assert error is not None
    assert error.offset == len(whole)
    assert str(error) == (
        f"made.capture, byte {len(whole)}: a record is longer than the rest of the file; "
        "copy the file again, or keep to what was read: everything before this byte is sound"
    )


@pytest.mark.parametrize("included", [0xFFFFFFFF, 0x7FFFFFFF, 262_145])
def test_an_absurd_length_is_an_error_at_its_record(tmp_path: Path, included: int) -> None:
    sound = btsnoop([Entry(b"\x04" + EVENTS[0])])
    _, btsnoop_error = read_bytes(
        tmp_path, sound + struct.pack(">IIIIq", 0xFFFFFFFF, included, 0, 0, 0)
    )
    sound_pcap = FILES["pcap_h4"]
    _, pcap_error = read_bytes(
        tmp_path, sound_pcap + struct.pack("<IIII", 0, 0, included, 0xFFFFFFFF)
    )
    sound_pcapng = FILES["pcapng_h4"]
    _, pcapng_error = read_bytes(tmp_path, sound_pcapng + struct.pack("<III", 6, included & ~3, 0))

    for error, file in (
        (btsnoop_error, sound),
        (pcap_error, sound_pcap),
        (pcapng_error, sound_pcapng),
    ):
        assert error is not None
        assert error.offset == len(file)


def test_a_record_cannot_hold_more_than_there_was(tmp_path: Path) -> None:
    _, error = read_bytes(tmp_path, btsnoop([]) + struct.pack(">IIIIq", 4, 5, 0, 0, 0) + bytes(5))

    assert error is not None
    assert "length is impossible" in str(error)


@pytest.mark.parametrize("year", [-62_135_596_800.0, -1.0, 253_402_300_800.0])
def test_a_date_that_no_calendar_holds_is_damage(tmp_path: Path, year: float) -> None:
    heard, error = read_bytes(
        tmp_path, btsnoop([Entry(b"\x04" + EVENTS[1]), Entry(b"\x04" + EVENTS[1], utc_s=year)])
    )

    assert len(heard) == 1
    assert error is not None
    assert "impossible date" in str(error)


def interface_without_end() -> bytes:
    writer = PcapngWriter()
    writer.interface(187, struct.pack("<HH", 9, 400))
    return writer.file


def packet_of_nobody() -> bytes:
    writer = PcapngWriter()
    writer.interface(187)
    writer.enhanced(b"\x04" + EVENTS[0], interface=1)
    return writer.file


def packet_longer_than_its_block() -> bytes:
    writer = PcapngWriter()
    writer.interface(187)
    writer.block(6, struct.pack("<IIIII", 0, 0, 0, 40, 40))
    return writer.file


def block_of(kind: int) -> bytes:
    writer = PcapngWriter()
    writer.block(kind, b"")
    return writer.file


def block_with_two_lengths() -> bytes:
    writer = PcapngWriter()
    writer.block(0x0BAD, b"four")
    return writer.file[:-4] + struct.pack("<I", 20)


def ethernet_only() -> bytes:
    writer = PcapngWriter()
    writer.interface(1)
    writer.enhanced(bytes(60))
    return writer.file


@pytest.mark.parametrize(
    ("file", "finding"),
    [
        (b"", "expected btsnoop, pcap or pcapng"),
        (b"PK\x03\x04 a zip file", "expected btsnoop, pcap or pcapng"),
        (b"btsnoop\0\0\0", "header of 16 bytes is cut short"),
        (btsnoop([], version=2), "expected btsnoop version 1"),
        (btsnoop([], data_link=1003), "data link 1003, expected one of 1001 "),
        (btsnoop([], data_link=187), "data link 187, expected one of 1001 "),
        (btsnoop([], data_link=0x12345678), "an impossible data link, expected one of 1001 "),
        (pcap([], link_type=1), "link type 1, expected one of 187 "),
        (pcap([], link_type=0x12345678), "an impossible link type, expected one of 187 "),
        (pcap([], link_type=187)[:23], "header of 24 bytes is cut short"),
        (PcapngWriter().file[:10], "section header is cut short"),
        (PcapngWriter().file[:8] + bytes(20), "without its byte-order mark"),
        (block_of(1), "interface description is too short"),
        (block_of(6), "packet block is too short"),
        (interface_without_end(), "options do not add up"),
        (packet_of_nobody(), "never described"),
        (packet_longer_than_its_block(), "longer than its block"),
        (block_with_two_lengths(), "two lengths differ"),
        (ethernet_only(), "no interface with one of the link types 187 "),
    ],
)
def test_a_file_that_is_not_ours_to_read_is_refused_with_the_reason(
    tmp_path: Path, file: bytes, finding: str
) -> None:
    heard, error = read_bytes(tmp_path, file)

    assert heard == []
    assert error is not None
    assert finding in str(error)
    assert "; " in str(error)


def test_a_file_that_cannot_be_opened_is_refused_with_the_reason(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.btsnoop", tmp_path):
        _, error = read_to_the_end(path)
        assert error is not None
        assert str(error).startswith(path.name)


def test_a_file_too_large_to_be_read_in_one_go_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "week.btsnoop"
    with path.open("wb") as sparse:
        sparse.truncate((1 << 30) + 1)

    _, error = read_to_the_end(path)

    assert error is not None
    assert "1024 MiB" in str(error)


@pytest.mark.requirement("R-03")
@pytest.mark.parametrize("name", FILES)
def test_no_message_quotes_an_address_or_a_payload(tmp_path: Path, name: str) -> None:
    file = FILES[name]
    everything = (CUSTOMER, STRANGER, EDDYSTONE[8:])
    secrets = {bytes_[at : at + 3] for bytes_ in everything for at in range(len(bytes_) - 2)}
    spellings = {spelling for secret in secrets for spelling in spellings_of(secret)}
    for length in range(0, len(file), 3):
        # A record header is made of what follows: the worst a slipped length can do.
        _, error = read_bytes(tmp_path, file[:length] + CUSTOMER + EDDYSTONE[8:] + STRANGER)
        message = re.sub(r"byte \d+", "", str(error))
        assert not [spelling for spelling in spellings if spelling in message]


def spellings_of(secret: bytes) -> Iterable[str]:
    yield from (secret.hex(), secret.hex(":"), secret[::-1].hex(":"), repr(secret)[2:-1])
    yield from (str(int.from_bytes(secret, "big")), str(int.from_bytes(secret, "little")))


# --- whatever the bytes: nothing but CaptureError ---

anything_goes = examples(
    150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
magics = st.sampled_from([file[:n] for file in FILES.values() for n in (8, 16, 24, 28, 48)])


@anything_goes
@given(start=st.one_of(st.just(b""), magics), rest=st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_but_capture_errors(
    tmp_path: Path, start: bytes, rest: bytes
) -> None:
    read_bytes(tmp_path, start + rest)


@anything_goes
@given(
    name=st.sampled_from(sorted(FILES)),
    flips=st.lists(
        st.tuples(st.integers(min_value=0), st.integers(0, 255)), min_size=1, max_size=12
    ),
    length=st.integers(min_value=0),
)
def test_a_mutated_capture_raises_nothing_but_capture_errors(
    tmp_path: Path, name: str, flips: list[tuple[int, int]], length: int
) -> None:
    file = bytearray(FILES[name])
    for position, value in flips:
        file[position % len(file)] = value
    read_bytes(tmp_path, bytes(file[: length % (2 * len(file))]))


@anything_goes
@given(
    records=st.lists(st.binary(max_size=60), max_size=12),
    link=st.sampled_from([187, 201, 251, 254, 256, 272]),
)
def test_arbitrary_records_raise_nothing_at_all(
    tmp_path: Path, records: list[bytes], link: int
) -> None:
    _, error = read_bytes(tmp_path, pcap(map(Entry, records), link_type=link))

    assert error is None


@anything_goes
@given(
    subevent=st.sampled_from([0x02, 0x0B, 0x0D]),
    reports=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=80)), max_size=8),
)
def test_arbitrary_reports_are_each_accounted_for(
    tmp_path: Path, subevent: int, reports: list[tuple[int, bytes]]
) -> None:
    events = [bytes([4, 0x3E, len(body) + 2, subevent, count]) + body for count, body in reports]
    path = tmp_path / "made.capture"
    path.write_bytes(btsnoop(map(Entry, events)))
    reader = CaptureReader(path)
    heard = list(reader.advertisements())

    counts = reader.counts
    assert counts.reports == len(heard) + counts.malformed_payloads + counts.fragments

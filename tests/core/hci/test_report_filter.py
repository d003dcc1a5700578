"""The kernel lets our formats pass and drops bystanders: shown with the kernel of this machine, and
with a machine of Python where packets are many.
"""

import random
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from presence.core.hci import report_filter
from presence.core.hci.report_filter import (
    FEW_REPORTS,
    HEARTBEAT_BYTES,
    HEARTBEAT_OF,
    KEEP,
    MAX_REPORTS,
    MAX_STRUCTURES,
    CannotFilter,
    monitor_filter,
    user_filter,
)
from presence.core.recognition.advertisement import (
    MalformedPayload,
    advertisement_from_payload,
)
from presence.core.recognition.beacons import Pattern, eddystone, ibeacon
from tests.support.builders import moment
from tests.support.classic_bpf import SO_LOCK_FILTER, KernelFilter, attach, keeps
from tests.support.hci_reports import (
    event,
    extended_report,
    in_monitor,
    in_user_channel,
    legacy_report,
    structure,
)

PREFIX = bytes.fromhex("5072657365636531")
EID = bytes.fromhex("0102030405060708")
FORMATS = (eddystone.FORMAT, ibeacon.format_for(PREFIX))
PATTERNS = tuple(pattern for each in FORMATS for pattern in each.scan_filter.patterns)
E1 = eddystone.payload(EID, tx_power_dbm=-18)
E2 = ibeacon.payload(PREFIX, EID, tx_power_dbm=-59)
MONITOR = monitor_filter(PATTERNS, index=3)
USER = user_filter(PATTERNS)
STRANGERS = (
    b"",
    bytes.fromhex("0201061aff4c000215") + bytes(21),
    bytes.fromhex("0201060303aafe0e16aafe10") + bytes(10),
    bytes.fromhex("02011a0303f0ff0416f0ff30"),
    eddystone.payload(EID, tx_power_dbm=-18)[:-1],
    ibeacon.payload(bytes(8), EID, tx_power_dbm=-59),
)


def is_ours(payload: bytes) -> bool:
    """As the engine would see it."""
    try:
        advertisement = advertisement_from_payload(moment(0), bytes(6), -60, payload)
    except MalformedPayload:
        return False
    return any(each.identify(advertisement) is not None for each in FORMATS)


@dataclass(frozen=True)
class Report:
    payload: bytes
    status: int = 0


def event_of(reports: Sequence[Report], *, extended: bool) -> bytes:
    if extended:
        made = [extended_report(each.payload, status=each.status) for each in reports]
    else:
        made = [legacy_report(each.payload) for each in reports]
    return event(*made, extended=extended)


OUR_STRUCTURES = st.one_of(
    st.binary(min_size=17, max_size=17).map(lambda tail: structure(0x16, b"\xaa\xfe\x30" + tail)),
    st.binary(min_size=9, max_size=9).map(lambda tail: structure(0x16, b"\xaa\xfe\x30" + tail)),
    st.binary(max_size=12).map(lambda tail: structure(0x16, b"\xaa\xfe" + tail)),
    st.binary(max_size=24).map(lambda tail: structure(0xFF, b"\x4c\x00\x02\x15" + tail)),
    st.tuples(
        st.sampled_from([PREFIX, bytes(8)]),
        st.sampled_from([bytes(4), b"\x00\x00\x01\x00"]),
    ).map(lambda parts: structure(0xFF, b"\x4c\x00\x02\x15" + parts[0] + EID + parts[1] + b"\xc5")),
)
OTHER_STRUCTURES = st.one_of(
    st.just(b"\x02\x01\x06"),
    st.just(b"\x03\x03\xaa\xfe"),
    st.just(b"\x01\x0a"),
    st.tuples(st.sampled_from([0x01, 0x09, 0x16, 0x20, 0x21, 0xFF]), st.binary(max_size=20)).map(
        lambda parts: structure(*parts)
    ),
)
SPOILT = st.sampled_from([b"", b"", b"", b"\x00", b"\x00\xff\xff", b"\x1f", b"\x05\x16"])


def payloads(limit: int) -> st.SearchStrategy[bytes]:
    """Some that are ours, most nearly so; some cut off, padded or spoilt at the end."""
    structures = st.lists(st.one_of(OUR_STRUCTURES, OTHER_STRUCTURES), max_size=6)
    return st.tuples(structures, SPOILT).map(lambda parts: (b"".join(parts[0]) + parts[1])[:limit])


@given(st.lists(payloads(31), min_size=1, max_size=MAX_REPORTS))
@example([E1])
@example([E2])
@example([b"", E1])
@example([STRANGERS[1], STRANGERS[2], E2])
def test_a_legacy_event_passes_if_and_only_if_a_report_of_it_would_be_recognised(
    heard: list[bytes],
) -> None:
    happened = event_of([Report(payload) for payload in heard], extended=False)
    passes = keeps(MONITOR, in_monitor(happened, index=3)) == KEEP
    assert passes is any(map(is_ours, heard))
    assert (keeps(USER, in_user_channel(happened)) == KEEP) is passes


@given(
    st.lists(
        st.builds(Report, payloads(100), st.sampled_from([0, 0, 0, 1, 2])), min_size=1, max_size=2
    )
)
@example([Report(E1)])
@example([Report(E1, status=1)])
def test_an_extended_event_passes_if_and_only_if_a_complete_report_of_it_would_be_recognised(
    heard: list[Report],
) -> None:
    happened = event_of(heard, extended=True)
    passes = keeps(MONITOR, in_monitor(happened, index=3)) == KEEP
    assert passes is any(not each.status and is_ours(each.payload) for each in heard)
    assert (keeps(USER, in_user_channel(happened)) == KEEP) is passes


@given(st.lists(payloads(31), min_size=1, max_size=3), st.data())
def test_the_kernel_decides_as_the_machine_of_python_does_on_damaged_events_too(
    heard: list[bytes], data: st.DataObject
) -> None:
    """Cut off at any byte, and any byte changed."""
    packet = bytearray(in_monitor(event_of(list(map(Report, heard)), extended=False), index=3))
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(packet) - 1))
        packet[at] = data.draw(st.integers(0, 255))
    damaged = bytes(packet[: data.draw(st.integers(1, len(packet)))])
    with KernelFilter(MONITOR) as kernel:
        kept = kernel.keeps(damaged)
    assert kept in (0, len(damaged))
    assert bool(kept) is bool(keeps(MONITOR, damaged))


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_pass_only_where_our_bytes_are_in_them(noise: bytes) -> None:
    for packet in (noise, in_monitor(noise, index=3), in_monitor(b"\x3e" + noise, index=3)):
        if packet and keeps(MONITOR, packet):
            assert b"\x16\xaa\xfe\x30" in packet or b"\xff\x4c\x00\x02\x15" + PREFIX in packet


@pytest.mark.requirement("R-04")
def test_each_format_of_ours_passes_the_kernel_and_its_neighbours_do_not() -> None:
    sealed = eddystone.payload(EID, tx_power_dbm=-18, seal=bytes(range(10)))
    with KernelFilter(MONITOR) as kernel:
        for payload in (E1, E2, sealed):
            for reports in ([payload], [STRANGERS[1], payload], [payload, STRANGERS[1]]):
                packet = in_monitor(event_of([*map(Report, reports)], extended=False), index=3)
                assert kernel.keeps(packet) == len(packet)
            packet = in_monitor(event_of([Report(payload)], extended=True), index=3)
            assert kernel.keeps(packet) == len(packet)
        for payload in STRANGERS:
            assert not kernel.keeps(in_monitor(event(legacy_report(payload)), index=3))


def test_another_adapter_another_packet_and_another_event_do_not_pass() -> None:
    ours = event(legacy_report(E1))
    assert keeps(MONITOR, in_monitor(ours, index=3))
    assert not keeps(MONITOR, in_monitor(ours, index=2))
    assert not keeps(MONITOR, b"\x02\x00" + in_monitor(ours, index=3)[2:])  # a command
    assert not keeps(MONITOR, in_monitor(b"\x3d" + ours[1:], index=3))
    assert not keeps(MONITOR, in_monitor(ours[:2] + b"\x0b" + ours[3:], index=3))
    assert not keeps(USER, b"\x02" + ours)


def test_the_user_channel_hears_what_answers_commands_and_no_other_event() -> None:
    passing = {
        code for code in range(256) if keeps(USER, in_user_channel(bytes([code, 4]) + bytes(4)))
    }
    assert passing == {0x0E, 0x0F, 0x10}  # Core 5.4, Vol 4 Part E §7.7.14 to 16


@given(st.lists(payloads(31), min_size=1, max_size=MAX_REPORTS), st.integers(0, 2**32 - 1))
def test_of_bystanders_a_user_channel_is_given_a_sign_of_life_now_and_then_and_a_monitor_none(
    heard: list[bytes], chance: int
) -> None:
    happened = event_of([Report(payload) for payload in heard], extended=False)
    ours = any(map(is_ours, heard))
    sign = HEARTBEAT_BYTES if chance % HEARTBEAT_OF == 0 else 0

    kept = keeps(USER, in_user_channel(happened), chance=chance)
    # A payload that runs over its event is nobody's sign of life.
    assert kept == KEEP if ours else kept in (sign, 0)
    assert keeps(MONITOR, in_monitor(happened, index=3), chance=chance) == (KEEP if ours else 0)


def test_no_sign_of_life_comes_of_what_is_no_report() -> None:
    for packet in (
        b"\x04\x3e",
        b"\x04\x13\x05\x01\x01\x00\x01\x00",
        b"\x04\x3e\x02\x02\x00",
        in_user_channel(event(legacy_report(E1)))[:-1],
        in_user_channel(b"\x3e\x13\x01" + bytes(18)),
    ):
        assert not keeps(USER, packet, chance=0)


@pytest.mark.requirement("R-01", "R-02")
def test_the_sign_of_life_is_the_same_for_everybody_and_the_kernel_gives_it_by_chance() -> None:
    strangers = [
        in_user_channel(event(legacy_report(payload, address=number.to_bytes(6, "big"))))
        for number, payload in enumerate(STRANGERS)
    ]
    signs = []
    with KernelFilter(USER) as kernel:
        for _ in range(50_000 // len(strangers)):
            for packet in strangers:
                kernel.sending.send(packet)
                with suppress(BlockingIOError):
                    signs.append(kernel.receiving.recv(100))
    assert set(signs) == {b"\x04\x3e"}
    # 49,998 times 1 in 64 is 781, and one in a billion such runs is 170 beside it.
    assert abs(len(signs) - 781) < 170


def test_of_a_uuid_that_stands_twice_the_last_one_counts() -> None:
    frame = structure(0x16, b"\xaa\xfe\x30" + bytes(9))
    other = structure(0x16, b"\xaa\xfe\x20" + bytes(3))
    assert not keeps(MONITOR, in_monitor(event(legacy_report(frame + other)), index=3))
    assert keeps(MONITOR, in_monitor(event(legacy_report(other + frame)), index=3))


def test_what_stands_behind_the_structures_and_reports_that_are_looked_at_is_dropped() -> None:
    """Doubt is refusal; no legacy advertisement has so many structures."""
    frame = structure(0x16, b"\xaa\xfe\x30" + bytes(9))
    for before, passes in ((MAX_STRUCTURES - 1, True), (MAX_STRUCTURES, False)):
        happened = event(extended_report(b"\x01\x0a" * before + frame), extended=True)
        assert bool(keeps(MONITOR, in_monitor(happened, index=3))) is passes
    for before, passes in ((MAX_REPORTS - 1, True), (MAX_REPORTS, False)):
        happened = event(*[legacy_report(b"")] * before, legacy_report(E1))
        assert bool(keeps(MONITOR, in_monitor(happened, index=3))) is passes


def test_service_data_of_our_uuid_spelt_with_128_bits_is_not_heard() -> None:
    """The one thing that the engine would read, and no phone of ours sends."""
    long_uuid = bytes.fromhex("fb349b5f80000080001000" + "00aafe0000")
    payload = structure(0x21, long_uuid + b"\x30" + bytes(9))
    assert is_ours(payload)
    assert not keeps(MONITOR, in_monitor(event(legacy_report(payload)), index=3))


def test_a_few_reports_fit_into_the_memory_that_older_kernels_give() -> None:
    """net.core.optmem_max is 20 KiB before Linux 6.8. The kernel says what it took."""
    with KernelFilter(monitor_filter(PATTERNS, index=0, reports=FEW_REPORTS)) as kernel:
        assert 0 < kernel.memory()[6] < 20 * 1024


def test_a_locked_filter_is_neither_changed_nor_taken_away() -> None:
    with KernelFilter(MONITOR) as kernel:
        with pytest.raises(PermissionError):
            attach(kernel.receiving, USER)
        with pytest.raises(PermissionError):
            kernel.receiving.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER
        with pytest.raises(PermissionError):
            kernel.receiving.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 0)


@pytest.mark.parametrize(
    "pattern", [Pattern(0x09, b"coin"), Pattern(0x16, b"\xfe\x30", 1), Pattern(0x16, b"\xaa")]
)
def test_a_pattern_that_does_not_name_its_uuid_is_refused(pattern: Pattern) -> None:
    with pytest.raises(CannotFilter):
        monitor_filter([pattern], index=0)


def test_more_uuids_than_the_machine_has_memory_for_are_refused() -> None:
    patterns = [Pattern(0x16, number.to_bytes(2, "big")) for number in range(11)]
    with pytest.raises(CannotFilter, match="too many"):
        monitor_filter(patterns, index=0)


def strangers_reports(seed: int, count: int) -> list[bytes]:
    """Phones, watches, beacons: payloads as shops have them, and noise, from many addresses."""
    chance = random.Random(seed)
    packets = []
    for _ in range(count):
        kind = chance.randrange(6)
        noise = chance.randbytes(chance.randrange(4, 24))
        payload = (
            b"\x02\x01\x1a" + structure(0xFF, b"\x4c\x00\x10" + noise[:20]),
            structure(0xFF, b"\x4c\x00\x02\x15" + chance.randbytes(21)),
            structure(0x16, b"\xaa\xfe\x10" + noise[:15]),
            structure(0x16, b"\xaa\xfe\x30" + chance.randbytes(chance.choice([8, 10, 16, 18]))),
            b"\x02\x01\x06" + structure(0x09, noise),
            noise,
        )[kind][:31]
        report = legacy_report(payload, address=chance.randbytes(6), rssi_dbm=-70)
        packets.append(in_monitor(event(report), index=3))
    return packets


@pytest.mark.slow
@pytest.mark.requirement("R-01", "R-02", "R-03", "R-04")
def test_of_a_million_reports_of_strangers_the_kernel_queues_not_one_byte() -> None:
    """So no process of ours can hold, write or tell anything of them. The socket's own counters:
    nothing waits, nothing was dropped for want of room, and nothing can be read; and a customer
    among them is heard.
    """
    strangers = strangers_reports(18, 50_000)
    customer = in_monitor(event(legacy_report(E1)), index=3)
    with KernelFilter(MONITOR) as kernel:
        before = kernel.memory()
        for _ in range(20):
            for packet in strangers:
                kernel.sending.send(packet)
        assert kernel.memory() == before
        assert before[0] == before[8] == 0
        with pytest.raises(BlockingIOError):
            kernel.receiving.recv(1)
        assert kernel.keeps(customer) == len(customer)


def test_the_layout_that_is_read_is_the_one_of_the_constants() -> None:
    """One event, byte by byte, so that builders and program cannot be wrong alike."""
    heard = bytes.fromhex(
        "0300 0300 2300"  # monitor: event, hci3, 35 bytes
        "3e 21 02 01"  # LE Meta, 33 bytes, legacy reports, one
        "00 01 0100000000c0 15"  # undirected, random address, 21 bytes
        "020106 0303aafe 0d16aafe30ee0102030405060708"
        "c4"  # −60 dBm
    )
    assert heard == in_monitor(
        event(legacy_report(E1, address=bytes.fromhex("c00000000001"))), index=3
    )
    assert keeps(MONITOR, heard)
    assert report_filter.MONITOR_HEADER_BYTES == 6

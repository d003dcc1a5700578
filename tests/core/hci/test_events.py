"""What a controller says beside its reports: answers, and that it has failed."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.hci import packets
from presence.core.hci.events import (
    CommandAnswer,
    Event,
    HardwareError,
    MalformedEvent,
    ScanAbilities,
    decode_event,
    scan_abilities,
)

NEXUS_5X_COMMANDS = bytes.fromhex(
    "ffffff03ceffffffffffe7fff30fe8fe3ff783ff1c00040061f7ffff7f380000"
    "fefcffff01000007000800000000000000000000000000000000000000000000"
)
PIXEL_4_COMMANDS = bytes.fromhex(
    "ffffff03ccffeffffffffc1ff20fe8fe3ff78fff1c00040061f7ffff7ff8ffff"
    "ffffffffffff0700000000000000000000000000000000000000000000000000"
)
"""What two controllers returned in Android's HCI logs (DP-3T/bt-measurements at ba9f7396, exp25 10
and exp34 04): one without extended scanning, one with it and with LE Coded.
"""


def decoded(packet: str) -> Event | None:
    """Of a packet as the kernel gives it, its type in front."""
    data = bytes.fromhex(packet)
    assert data[0] == packets.EVENT_PACKET
    return decode_event(data, 1, len(data))


@pytest.mark.parametrize(
    ("packet", "event"),
    [
        # Recorded (exp25 10): Reset, Read Local Version, LE Read Local Supported Features.
        ("040e0401030c00", CommandAnswer(packets.RESET, 0, 1)),
        (
            "040e0c010110000900000975000000",
            CommandAnswer(packets.READ_LOCAL_VERSION, 0, 1, bytes.fromhex("0900000975000000")),
        ),
        (
            "040e0c01032000ff41000800000000",
            CommandAnswer(packets.LE_READ_LOCAL_FEATURES, 0, 1, bytes.fromhex("ff41000800000000")),
        ),
        # By hand from §7.7.14 (credits for no command), §7.7.15 and §7.7.16.
        ("040e03050000", CommandAnswer(0, 0, 5)),
        ("040f0401010c20", CommandAnswer(packets.LE_SET_SCAN_ENABLE, packets.UNKNOWN_COMMAND, 1)),
        ("04100142", HardwareError(0x42)),
    ],
)
def test_an_answer_is_read(packet: str, event: Event) -> None:
    assert decoded(packet) == event


@pytest.mark.parametrize("packet", ["043e020200", "04130501010001", "04ff0100", "040500"])
def test_other_events_are_nobodys_answer(packet: str) -> None:
    assert decoded(packet) is None


@pytest.mark.parametrize("packet", ["040e0401030c00", "040e03050000", "040f0401010c20", "04100142"])
def test_an_event_that_is_cut_off_anywhere_is_malformed_and_nothing_worse(packet: str) -> None:
    whole = bytes.fromhex(packet)
    for length in range(1, len(whole)):
        with pytest.raises(MalformedEvent):
            decode_event(whole[:length], 1, length)


@pytest.mark.parametrize("packet", ["040e0101", "040e0301030c", "040f020001", "041000"])
def test_an_event_whose_parameters_are_too_few_is_malformed(packet: str) -> None:
    with pytest.raises(MalformedEvent):
        decoded(packet)


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300))
def test_any_bytes_are_an_event_another_or_malformed(data: bytes, at: int, end: int) -> None:
    at, end = min(at, len(data)), min(end, len(data))
    with suppress(MalformedEvent):
        decode_event(data, at, end)


@given(
    opcode=st.integers(1, 0xFFFF),
    status=st.integers(0, 255),
    may_send=st.integers(0, 255),
    returned=st.binary(max_size=250),
    around=st.binary(max_size=5),
)
def test_what_a_controller_answers_comes_out(
    opcode: int, status: int, may_send: int, returned: bytes, around: bytes
) -> None:
    complete = struct.pack("<BHB", may_send, opcode, status) + returned
    event = bytes((packets.COMMAND_COMPLETE, len(complete))) + complete
    stated = bytes((packets.COMMAND_STATUS, 4)) + struct.pack("<BBH", status, may_send, opcode)

    for packet, answer in (
        (event, CommandAnswer(opcode, status, may_send, returned)),
        (stated, CommandAnswer(opcode, status, may_send, pending=not status)),
    ):
        data = around + packet + around
        assert decode_event(data, len(around), len(around) + len(packet)) == answer


def test_a_controller_can_what_it_says_that_it_can() -> None:
    coded, extended = bytes.fromhex("ef79010000000000"), bytes.fromhex("ef71010000000000")

    assert scan_abilities(PIXEL_4_COMMANDS, coded) == ScanAbilities(extended=True, coded=True)
    assert scan_abilities(PIXEL_4_COMMANDS, extended) == ScanAbilities(extended=True, coded=False)
    assert scan_abilities(NEXUS_5X_COMMANDS, bytes.fromhex("ff41000800000000")) == (False, False)
    # One that names the feature and not its commands cannot be asked.
    assert scan_abilities(NEXUS_5X_COMMANDS, coded) == (False, False)
    assert scan_abilities(b"", b"") == (False, False)


@given(st.binary(max_size=80), st.binary(max_size=20))
def test_whatever_it_returns_is_an_ability_or_none(commands: bytes, features: bytes) -> None:
    able = scan_abilities(commands, features)
    assert able.extended or not able.coded

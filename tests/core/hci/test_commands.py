"""Commands, byte for byte: as phones say them, and as a passive scan of ours must."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.hci import commands, packets
from presence.core.hci.commands import SLOTS


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (commands.reset(), "01030c00"),
        (commands.read_local_version(), "01011000"),
        (commands.read_local_commands(), "01021000"),
        (commands.le_read_local_features(), "01032000"),
        (commands.le_set_scan_enable(on=True), "010c20020100"),
        (commands.le_set_extended_scan_enable(on=True), "01422006010000000000"),
        (commands.le_set_extended_scan_enable(on=False), "01422006000000000000"),
    ],
)
def test_a_phone_says_the_same_bytes(command: bytes, said: str) -> None:
    # Android's HCI logs of DP-3T/bt-measurements at ba9f7396, exp28 23 and exp25 10: commands only.
    assert command.hex() == said


@pytest.mark.requirement("R-04")
def test_a_scan_is_passive_hears_anybody_and_names_an_address_that_is_nobodys() -> None:
    # §7.8.10: type, interval, window, own address type, filter policy.
    assert commands.le_set_scan_parameters(interval=16, window=16).hex() == (
        "010b2007" + "00" + "1000" + "1000" + "01" + "00"
    )
    # §7.8.64: own address type, filter policy, PHYs, then type, interval and window of each.
    assert commands.le_set_extended_scan_parameters(interval=16, window=16).hex() == (
        "01412008" + "01" + "00" + "01" + "00" + "1000" + "1000"
    )
    assert commands.le_set_extended_scan_parameters(
        interval=160, window=120, coded_window=40
    ).hex() == ("0141200d" + "01" + "00" + "05" + "00a0007800" + "00a0002800")
    assert commands.le_set_random_address().hex() == "01052006" + "0000000000c0"


@pytest.mark.requirement("R-04")
def test_no_command_of_ours_advertises_connects_or_scans_actively() -> None:
    said = [
        commands.reset(),
        commands.set_event_mask(),
        commands.le_set_event_mask(),
        commands.read_local_version(),
        commands.read_local_commands(),
        commands.le_read_local_features(),
        commands.le_set_random_address(),
        commands.le_set_scan_parameters(interval=16, window=16),
        commands.le_set_scan_enable(on=True),
        commands.le_set_extended_scan_parameters(interval=16, window=16),
        commands.le_set_extended_scan_enable(on=True),
    ]

    makers = [name for name in vars(commands) if name.startswith(("le_", "set_", "read_", "reset"))]
    assert len(said) == len(makers)
    opcodes = {struct.unpack_from("<H", each, 1)[0] for each in said}
    # 0x2005 to 0x200A advertise, 0x200D connects, and so on: none of them is here.
    assert opcodes == {
        0x0C01, 0x0C03, 0x1001, 0x1002, 0x2001, 0x2003, 0x2005, 0x200B, 0x200C, 0x2041, 0x2042,
    }  # fmt: skip


def test_the_masks_let_reports_and_hardware_errors_through_and_nothing_else() -> None:
    mask = int.from_bytes(commands.set_event_mask()[4:], "little")
    le_mask = int.from_bytes(commands.le_set_event_mask()[4:], "little")

    # §7.3.1: 0x0000000000008000 Hardware Error, 0x2000000000000000 LE Meta.
    assert mask == 0x2000_0000_0000_8000
    # §7.8.1: bit 1 LE Advertising Report, bit 12 LE Extended Advertising Report.
    assert le_mask == 0x1002


@given(slots=st.sampled_from(SLOTS), coded=st.integers(0, 0x4000))
def test_each_command_says_its_own_length(slots: int, coded: int) -> None:
    for command in (
        commands.le_set_scan_parameters(interval=slots, window=slots),
        commands.le_set_extended_scan_parameters(interval=slots, window=slots, coded_window=coded),
    ):
        assert command[0] == packets.COMMAND_PACKET
        assert command[3] == len(command) - 4

"""The commands that a scan takes, each as the packet to be written (Core 5.4, Vol 4 Part E).

Only a passive scan can be said in this vocabulary: nothing here sends on air, connects or pairs
(R-04).
"""

import struct
from typing import Final

from presence.core.hci import packets
from presence.core.hci.packets import COMMAND_PACKET

SLOTS: Final = range(0x0004, 0x4001)
"""Intervals and windows are counted in slots of 0.625 ms: 2.5 ms to 10.24 s (§7.8.10, §7.8.64)."""

_EVENT_MASK: Final = 1 << packets.HARDWARE_ERROR - 1 | 1 << packets.LE_META - 1
"""§7.3.1: bit n − 1 is event n. Command Complete and Command Status cannot be masked."""
_LE_EVENT_MASK: Final = (
    1 << packets.ADVERTISING_REPORT - 1 | 1 << packets.EXTENDED_ADVERTISING_REPORT - 1
)
"""§7.8.1: bit n − 1 is subevent n. No report is directed at us, who have no address on air."""

_PASSIVE: Final = 0x00
_OWN_ADDRESS_RANDOM: Final = 0x01
_NOBODYS_ADDRESS: Final = bytes.fromhex("0000000000c0")
"""C0:00:00:00:00:00, static. A scan has to name an address, and a passive one sends none; a public
one is refused where the controller has none (§7.8.11).
"""
_FROM_ANYBODY: Final = 0x00
"""Scanning_Filter_Policy: no filter accept list."""
_REPEATS_TOO: Final = 0x00
"""Filter_Duplicates off: evidence for an entry needs the repeats."""
_UNTIL_STOPPED: Final = 0
"""Duration and Period."""
_PHY_1M: Final = 1 << 0
_PHY_CODED: Final = 1 << 2


def packet(opcode: int, parameters: bytes = b"") -> bytes:
    """§5.4.1; at most 255 bytes of parameters."""
    return struct.pack("<BHB", COMMAND_PACKET, opcode, len(parameters)) + parameters


def reset() -> bytes:
    """§7.3.2: everything as after power on; a scan ends."""
    return packet(packets.RESET)


def set_event_mask() -> bytes:
    """§7.3.1: the events that a scan brings, and no other."""
    return packet(packets.SET_EVENT_MASK, _EVENT_MASK.to_bytes(8, "little"))


def le_set_event_mask() -> bytes:
    """§7.8.1: advertising reports, legacy and extended."""
    return packet(packets.LE_SET_EVENT_MASK, _LE_EVENT_MASK.to_bytes(8, "little"))


def read_local_version() -> bytes:
    """§7.4.1: changes nothing, so it asks a controller whether it is there."""
    return packet(packets.READ_LOCAL_VERSION)


def read_local_commands() -> bytes:
    """§7.4.2."""
    return packet(packets.READ_LOCAL_COMMANDS)


def le_read_local_features() -> bytes:
    """§7.8.3."""
    return packet(packets.LE_READ_LOCAL_FEATURES)


def le_set_random_address() -> bytes:
    """§7.8.4, before a scan whose own address is random."""
    return packet(packets.LE_SET_RANDOM_ADDRESS, _NOBODYS_ADDRESS)


def le_set_scan_parameters(*, interval: int, window: int) -> bytes:
    """§7.8.10, passive; both in slots, the window at most the interval."""
    return packet(
        packets.LE_SET_SCAN_PARAMETERS,
        struct.pack("<BHHBB", _PASSIVE, interval, window, _OWN_ADDRESS_RANDOM, _FROM_ANYBODY),
    )


def le_set_scan_enable(*, on: bool) -> bytes:
    """§7.8.11, with duplicates."""
    return packet(packets.LE_SET_SCAN_ENABLE, bytes((on, _REPEATS_TOO)))


def le_set_extended_scan_parameters(*, interval: int, window: int, coded_window: int = 0) -> bytes:
    """§7.8.64, passive, on LE 1M and, where `coded_window` is not 0, on LE Coded; all in slots,
    both windows together at most the interval.
    """
    windows = (window, coded_window) if coded_window else (window,)
    phys = _PHY_1M | _PHY_CODED if coded_window else _PHY_1M
    return packet(
        packets.LE_SET_EXTENDED_SCAN_PARAMETERS,
        bytes((_OWN_ADDRESS_RANDOM, _FROM_ANYBODY, phys))
        + b"".join(struct.pack("<BHH", _PASSIVE, interval, each) for each in windows),
    )


def le_set_extended_scan_enable(*, on: bool) -> bytes:
    """§7.8.65, with duplicates, until it is stopped."""
    return packet(
        packets.LE_SET_EXTENDED_SCAN_ENABLE,
        struct.pack("<BBHH", on, _REPEATS_TOO, _UNTIL_STOPPED, _UNTIL_STOPPED),
    )

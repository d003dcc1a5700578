"""What a controller says beside its reports: answers to commands, and that its hardware failed.

Core 5.4, Vol 4 Part E §5.4.4 (event packet), §7.7.14 (Command Complete), §7.7.15 (Command Status),
§7.7.16 (Hardware Error).
"""

import struct
from typing import Final, NamedTuple

from presence.core.hci.packets import COMMAND_COMPLETE, COMMAND_STATUS, HARDWARE_ERROR

EVENT_HEAD_BYTES: Final = 2
"""Event code, parameter length."""
_COMPLETE: Final = struct.Struct("<BH")
_STATUS: Final = struct.Struct("<BBH")


class MalformedEvent(ValueError):
    """An event that ends before its own lengths say. Holds no byte of it."""


class CommandAnswer(NamedTuple):
    """To a command: Command Complete, or Command Status."""

    opcode: int
    """0: to none; the controller tells only that it takes commands again."""
    status: int
    """0: success; else why not (Vol 1 Part F §2)."""
    may_send: int
    """Num_HCI_Command_Packets: so many commands may be sent now."""
    returned: bytes = b""
    """The return parameters behind the status."""
    pending: bool = False
    """A Command Status without a fault: the controller has begun, and completes it later."""


class HardwareError(NamedTuple):
    """The controller has failed, and says so; what it was told is gone."""

    code: int


Event = CommandAnswer | HardwareError


def decode_event(data: bytes, at: int, end: int) -> Event | None:
    """The event in data[at:end], which begins with its event code; None where it is another.

    Raises MalformedEvent.
    """
    if end - at < EVENT_HEAD_BYTES:
        raise MalformedEvent("an event without a length")
    code, size = data[at], data[at + 1]
    if code not in (COMMAND_COMPLETE, COMMAND_STATUS, HARDWARE_ERROR):
        return None
    at += EVENT_HEAD_BYTES
    if at + size > end:
        raise MalformedEvent("an event that is shorter than its length says")
    if code == HARDWARE_ERROR:
        if size < 1:
            raise MalformedEvent("a hardware error without its code")
        return HardwareError(data[at])
    if code == COMMAND_STATUS:
        if size < _STATUS.size:
            raise MalformedEvent("a command status that is too short")
        status, may_send, opcode = _STATUS.unpack_from(data, at)
        return CommandAnswer(opcode, status, may_send, pending=not status)
    if size < _COMPLETE.size:
        raise MalformedEvent("a command complete that is too short")
    may_send, opcode = _COMPLETE.unpack_from(data, at)
    if not opcode:
        return CommandAnswer(opcode, 0, may_send)
    if size == _COMPLETE.size:
        raise MalformedEvent("a command complete without a status")
    return CommandAnswer(
        opcode, data[at + _COMPLETE.size], may_send, data[at + _COMPLETE.size + 1 : at + size]
    )


class ScanAbilities(NamedTuple):
    """Of a controller: what its scans can be."""

    extended: bool
    """Extended scanning: both kinds of advertisements, where a legacy scan hears one."""
    coded: bool
    """LE Coded PHY beside it."""


def scan_abilities(commands: bytes, features: bytes) -> ScanAbilities:
    """From what READ_LOCAL_COMMANDS and LE_READ_LOCAL_FEATURES returned; what is missing is a no.

    Vol 4 Part E §6.27: octet 37 bits 5 and 6 are LE Set Extended Scan Parameters and Enable. Vol 6
    Part B §4.6: bit 11 is LE Coded PHY, bit 12 LE Extended Advertising.
    """
    bits = int.from_bytes(features[:8], "little")
    extended = len(commands) > 37 and commands[37] >> 5 & 0b11 == 0b11 and bool(bits >> 12 & 1)
    return ScanAbilities(extended, extended and bool(bits >> 11 & 1))

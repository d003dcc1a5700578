"""What is common to all packets: their types, and the numbers of commands and events.

    command  0x01 | opcode 2 | parameter length 1 | parameters
    event    0x04 | event code 1 | parameter length 1 | parameters

As the kernel's sockets give and take them: one packet a read or write, its type (Core 5.4, Vol 4
Part A §2) in front. All numbers are little-endian (Vol 4 Part E §5.2). An opcode is OGF << 10 | OCF
(§5.4.1).
"""

from typing import Final

COMMAND_PACKET: Final = 0x01
EVENT_PACKET: Final = 0x04

COMMAND_COMPLETE: Final = 0x0E
COMMAND_STATUS: Final = 0x0F
HARDWARE_ERROR: Final = 0x10
LE_META: Final = 0x3E
"""Event codes (§7.7); LE_META's first parameter is its subevent."""

ADVERTISING_REPORT: Final = 0x02
DIRECTED_ADVERTISING_REPORT: Final = 0x0B
EXTENDED_ADVERTISING_REPORT: Final = 0x0D
"""Subevents (§7.7.65)."""

SET_EVENT_MASK: Final = 0x0C01
RESET: Final = 0x0C03
READ_LOCAL_VERSION: Final = 0x1001
READ_LOCAL_COMMANDS: Final = 0x1002
LE_SET_EVENT_MASK: Final = 0x2001
LE_READ_LOCAL_FEATURES: Final = 0x2003
LE_SET_RANDOM_ADDRESS: Final = 0x2005
LE_SET_SCAN_PARAMETERS: Final = 0x200B
LE_SET_SCAN_ENABLE: Final = 0x200C
LE_SET_EXTENDED_SCAN_PARAMETERS: Final = 0x2041
LE_SET_EXTENDED_SCAN_ENABLE: Final = 0x2042
"""Opcodes (§7.3, §7.4, §7.8)."""

SUCCESS: Final = 0x00
UNKNOWN_COMMAND: Final = 0x01
"""Status (Vol 1 Part F §2)."""

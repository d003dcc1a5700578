"""A Bluetooth LE controller that exists only here: Linux talks to it through /dev/vhci as to any
USB stick.

It answers the HCI commands that bring an LE-only 4.2 controller up (Core Specification 5.4, Vol 4,
Part E; numbers of its sections beside each), and reports whatever `advertise` is told while the
host scans, in legacy reports (7.7.65.2) or, where it is made `extended` and the host scans so, in
extended ones (7.7.65.13). Needs root and hci_vhci. Without duplicate filtering, as a controller
that reports everything.
"""

import os
import select
import struct
import threading
from typing import Final

COMMAND, EVENT, VENDOR = 0x01, 0x04, 0xFF
"""Packet types of the UART transport (Vol 4, Part A, 2); VENDOR is hci_vhci's own."""
COMMAND_COMPLETE: Final = 0x0E
LE_META: Final = 0x3E
ADVERTISING_REPORT: Final = 0x02
EXTENDED_REPORT: Final = 0x0D
HARDWARE_ERROR: Final = 0x10
NONCONNECTABLE: Final = 0x03
OK: Final = b"\x00"
UNKNOWN_COMMAND: Final = b"\x01"

SET_SCAN_PARAMETERS, SET_SCAN_ENABLE, RESET = 0x200B, 0x200C, 0x0C03
EXTENDED_PARAMETERS, EXTENDED_ENABLE = 0x2041, 0x2042
EXTENDED_ANSWERS: Final = {
    0x2003: (1 << 12).to_bytes(8, "little"),  # 7.8.3 LE features: extended advertising
    0x203A: struct.pack("<H", 31),  # 7.8.57 longest advertising data
    0x203B: b"\x01",  # 7.8.58 advertising sets
}

ANSWERS: Final = {
    0x1001: struct.pack(
        "<BHBHH", 0x08, 0, 0x08, 0x05F1, 0
    ),  # 7.4.1 version: 4.2, the Linux Foundation
    0x1003: bytes((0, 0, 0, 0, 0x60, 0, 0, 0)),  # 7.4.3 features: LE, no BR/EDR
    0x1005: struct.pack("<HBHH", 251, 0, 8, 0),  # 7.4.5 buffer size
    0x2002: struct.pack("<HB", 251, 8),  # 7.8.2 LE buffer size
    0x2003: bytes(8),  # 7.8.3 LE features: none
    0x2007: b"\x00",  # 7.8.6 advertising power
    0x200F: b"\x10",  # 7.8.14 filter accept list size
    0x201C: bytes.fromhex("ffffffffff030000"),  # 7.8.27 supported states
}
SILENT: Final = frozenset(
    (
        # 7.3: masks, name, flow control, LE support
        0x0C01, 0x0C13, 0x0C24, 0x0C31, 0x0C33, 0x0C52, 0x0C63, 0x0C6D,
        # 7.8: masks, address, lists
        0x2001, 0x2005, 0x2006, 0x2008, 0x2009, 0x200A, 0x2010, 0x2011, 0x2012,
    )
)  # fmt: skip
SUPPORTED: Final = (
    (0, (5,)), (2, (7,)), (5, (6, 7)), (14, (3, 5, 7)), (15, (1,)), (25, (0, 1, 2, 4, 5, 6, 7)),
    (26, (0, 1, 2, 3, 6, 7)), (27, (0, 1, 7)), (28, (3,)),
)  # fmt: skip
"""6.27: octets and bits of the commands that are answered."""


class Controller:
    """An adapter from its making to `unplug`."""

    def __init__(self, address: str = "00:AA:01:00:00:23", *, extended: bool = False) -> None:
        self._extended = extended
        self.scan: dict[str, object] = {}
        """As the host asked for it last."""
        self._deaf_to_resets = 0
        """While it hangs: so many resets are still to be ignored."""
        self._address = bytes.fromhex(address.replace(":", ""))[::-1]
        self._lock = threading.Lock()
        self._scanning = threading.Event()
        self.reported = 0
        self.unheard = 0
        """Advertisements while nobody scanned."""
        self._file = os.open("/dev/vhci", os.O_RDWR | os.O_CLOEXEC)
        os.write(self._file, bytes((VENDOR, 0)))
        answer = os.read(self._file, 260)
        self.name = f"hci{struct.unpack_from('<H', answer, 2)[0]}"
        self._unplugged = threading.Event()
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def unplug(self) -> None:
        """The adapter is gone when this returns. (The kernel lets go of it only when nobody reads
        any more.)
        """
        self._scanning.clear()
        self._unplugged.set()
        self._server.join()
        with self._lock:
            os.close(self._file)

    def hang(self, *, resets: int) -> None:
        """It answers nothing and reports nothing, until so many resets were ignored."""
        self._scanning.clear()
        self._deaf_to_resets = resets + 1

    def fail(self) -> None:
        """It loses all that it was told, and says that its hardware failed (7.7.16)."""
        self._scanning.clear()
        self._event(HARDWARE_ERROR, b"\x42")

    def scans(self, within_s: float) -> bool:
        """Does the host scan, at the latest after so long?"""
        return self._scanning.wait(within_s)

    def advertise(self, address: bytes, payload: bytes, rssi_dbm: int) -> bool:
        """One advertisement of a random address on air; False where nobody scanned. 6 bytes, at
        most 31, dBm.
        """
        if not self._scanning.is_set():
            self.unheard += 1
            return False
        strength = struct.pack("b", rssi_dbm)
        if self.scan.get("extended"):
            report = bytes((EXTENDED_REPORT, 1, 0x10, 0, 1)) + address[::-1]
            report += b"\x01\x00\xff\x7f" + strength + bytes(9) + bytes((len(payload),)) + payload
        else:
            report = bytes((ADVERTISING_REPORT, 1, NONCONNECTABLE, 1)) + address[::-1]
            report += bytes((len(payload),)) + payload + strength
        self._event(LE_META, report)
        self.reported += 1
        return True

    def _serve(self) -> None:
        while not self._unplugged.is_set():
            if not select.select([self._file], [], [], 0.1)[0]:
                continue
            packet = os.read(self._file, 1100)
            if packet[:1] == bytes((COMMAND,)):
                (opcode,) = struct.unpack_from("<H", packet, 1)
                self._command(opcode, packet[4:])

    def _command(self, opcode: int, parameters: bytes) -> None:
        if self._deaf_to_resets:
            self._deaf_to_resets -= opcode == RESET
            if self._deaf_to_resets:
                return
        answer = self._answer(opcode, parameters)
        self._event(COMMAND_COMPLETE, struct.pack("<BH", 1, opcode) + answer)
        self._note(opcode, parameters)
        if opcode in {SET_SCAN_ENABLE, EXTENDED_ENABLE} and parameters[0]:
            self._scanning.set()
        elif opcode in {SET_SCAN_ENABLE, EXTENDED_ENABLE, RESET}:
            self._scanning.clear()

    def _note(self, opcode: int, parameters: bytes) -> None:
        if opcode == SET_SCAN_PARAMETERS:
            active, interval, window = struct.unpack_from("<BHH", parameters)
            self.scan = {"extended": False, "active": active, "of": interval, "listens": window}
        elif opcode == EXTENDED_PARAMETERS:
            active, interval, window = struct.unpack_from("<BHH", parameters, 3)
            self.scan = {"extended": True, "active": active, "of": interval, "listens": window}
        elif opcode in {SET_SCAN_ENABLE, EXTENDED_ENABLE} and parameters[0]:
            self.scan["hides_repeats"] = parameters[1]

    def _answer(self, opcode: int, parameters: bytes) -> bytes:
        if self._extended and opcode in EXTENDED_ANSWERS:
            return OK + EXTENDED_ANSWERS[opcode]
        if opcode in ANSWERS:
            return OK + ANSWERS[opcode]
        if opcode == 0x1002:  # 7.4.2 supported commands
            octets = bytearray(64)
            for octet, bits in SUPPORTED:
                octets[octet] = sum(1 << bit for bit in bits)
            if self._extended:
                octets[37] = 1 << 5 | 1 << 6
            return OK + octets
        if opcode == 0x1004:  # 7.4.4 features, by page
            return (
                OK
                + bytes((parameters[0], 0))
                + (ANSWERS[0x1003] if parameters[0] == 0 else bytes(8))
            )
        if opcode == 0x1009:  # 7.4.6 our address
            return OK + self._address
        if opcode == 0x2018:  # 7.8.23 random number
            return OK + os.urandom(8)
        known = opcode in SILENT or opcode in {SET_SCAN_PARAMETERS, SET_SCAN_ENABLE, RESET}
        extended = self._extended and opcode in {EXTENDED_PARAMETERS, EXTENDED_ENABLE}
        return OK if known or extended else UNKNOWN_COMMAND

    def _event(self, code: int, parameters: bytes) -> None:
        with self._lock:
            if not self._unplugged.is_set():
                os.write(self._file, bytes((EVENT, code, len(parameters))) + parameters)

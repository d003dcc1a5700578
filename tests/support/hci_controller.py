"""A controller as a value: HCI commands go in, its events come out, and what it does shows.

From Core 5.4, Vol 4 Part E, not from our code: §3.1.1 (legacy and extended commands do not mix
until a reset), §7.3.1 and §7.8.1 (masks as after power on), §7.8.10, §7.8.11, §7.8.64 and §7.8.65
(what is refused, and why).
"""

import struct
from collections.abc import Collection
from dataclasses import dataclass, field

OK, UNKNOWN, DISALLOWED, INVALID = 0x00, 0x01, 0x0C, 0x12
RESET, VERSION, COMMANDS, FEATURES = 0x0C03, 0x1001, 0x1002, 0x2003
MASK, LE_MASK, RANDOM_ADDRESS = 0x0C01, 0x2001, 0x2005
LEGACY_PARAMETERS, LEGACY_ENABLE = 0x200B, 0x200C
EXTENDED_PARAMETERS, EXTENDED_ENABLE = 0x2041, 0x2042
LE_META_BIT = 1 << 61


@dataclass
class _State:
    """What a reset forgets."""

    mask: int = 0x00001FFFFFFFFFFF
    le_mask: int = 0x1F
    random_address: bytes | None = None
    family: str = ""
    active: bool = False
    own_random: bool = False
    windows: tuple[tuple[int, int], ...] = ((0x10, 0x10),)
    phys: int = 1
    scanning: str = ""
    repeats: bool = True


@dataclass
class FakeController:
    """Never wrong by itself: whoever plays with it loses, delays or garbles what it says."""

    extended: bool = True
    coded: bool = True
    refuses: Collection[int] = ()
    """Opcodes that it answers with Unknown HCI Command, whatever it says that it can."""
    state: _State = field(default_factory=_State)

    @property
    def hears(self) -> bool:
        """Would its host be told of each advertisement?"""
        state = self.state
        subevent = {"legacy": 1 << 1, "extended": 1 << 12}.get(state.scanning, 0)
        return bool(state.mask & LE_META_BIT and state.le_mask & subevent and state.repeats)

    @property
    def duty(self) -> float:
        """Of LE 1M: the share of the time that it listens."""
        window, interval = self.state.windows[0]
        return window / interval

    def power_cycle(self) -> None:
        """Off and on; or it has reset itself, and says nothing of it."""
        self.state = _State()

    def command(self, packet: bytes) -> bytes:
        """The event packet that answers it."""
        kind, opcode, length = struct.unpack_from("<BHB", packet)
        parameters = packet[4:]
        assert kind == 0x01
        assert length == len(parameters)
        status, returned = self._done(opcode, parameters)
        complete = struct.pack("<BHB", 1, opcode, status) + returned
        return bytes((0x04, 0x0E, len(complete))) + complete

    def _done(self, opcode: int, parameters: bytes) -> tuple[int, bytes]:
        state = self.state
        if opcode in self.refuses:
            return UNKNOWN, b""
        if opcode == RESET:
            self.power_cycle()
        elif opcode == VERSION:
            return OK, struct.pack("<BHBHH", 0x0D, 0, 0x0D, 0x05F1, 0)
        elif opcode == COMMANDS:
            octets = bytearray(64)
            octets[37] = 0b0110_0000 if self.extended else 0
            return OK, bytes(octets)
        elif opcode == FEATURES:
            return OK, (self.extended << 12 | self.coded << 11).to_bytes(8, "little")
        elif opcode == MASK:
            state.mask = int.from_bytes(parameters, "little")
        elif opcode == LE_MASK:
            state.le_mask = int.from_bytes(parameters, "little")
        elif opcode == RANDOM_ADDRESS:
            if state.scanning:
                return DISALLOWED, b""
            state.random_address = parameters
        elif opcode in (LEGACY_PARAMETERS, LEGACY_ENABLE):
            return self._legacy(opcode, parameters), b""
        elif opcode in (EXTENDED_PARAMETERS, EXTENDED_ENABLE) and self.extended:
            return self._extended(opcode, parameters), b""
        else:
            return UNKNOWN, b""
        return OK, b""

    def _legacy(self, opcode: int, parameters: bytes) -> int:
        if self._mixes("legacy"):
            return DISALLOWED
        if opcode == LEGACY_ENABLE:
            on, filters = parameters
            return self._enable("legacy" if on else "", filters)
        kind, interval, window, own, policy = struct.unpack("<BHHBB", parameters)
        return self._set(((kind, interval, window),), 1, own, policy)

    def _extended(self, opcode: int, parameters: bytes) -> int:
        if self._mixes("extended"):
            return DISALLOWED
        if opcode == EXTENDED_ENABLE:
            on, filters, duration, period = struct.unpack("<BBHH", parameters)
            return (
                INVALID if duration or period else self._enable("extended" if on else "", filters)
            )
        own, policy, phys = parameters[:3]
        scans = tuple(struct.iter_unpack("<BHH", parameters[3:]))
        if (phys & 0b100 and not self.coded) or len(scans) != phys.bit_count():
            return INVALID
        return self._set(scans, phys, own, policy)

    def _mixes(self, family: str) -> bool:
        if not self.state.family:
            self.state.family = family
        return self.state.family != family

    def _set(
        self, scans: tuple[tuple[int, int, int], ...], phys: int, own: int, policy: int
    ) -> int:
        state = self.state
        if state.scanning:
            return DISALLOWED
        fits = all(4 <= window <= interval <= 0x4000 for _, interval, window in scans)
        if not fits or policy or sum(window / interval for _, interval, window in scans) > 1:
            return INVALID
        state.active = any(kind for kind, _, _ in scans)
        state.windows = tuple((window, interval) for _, interval, window in scans)
        state.phys, state.own_random = phys, own == 1
        return OK

    def _enable(self, scanning: str, filters: int) -> int:
        state = self.state
        if scanning and state.own_random and state.random_address is None:
            return INVALID
        state.scanning, state.repeats = scanning, not filters
        return OK

"""The checksum at the end of every packet on the air.

Core 5.4, Vol 6 Part B §3.1.1: polynomial x²⁴ + x¹⁰ + x⁹ + x⁶ + x⁴ + x³ + x + 1, preset to 0x555555
on the advertising channels, data least significant bit first. The register is kept bit-reversed
here, so that each byte is one table look-up and the result compares with the three bytes as
captured.
"""

from typing import Final

POLYNOMIAL_REVERSED: Final = 0xDA6000
ADVERTISING_PRESET_REVERSED: Final = 0xAAAAAA
CRC_BYTES: Final = 3


def _table() -> tuple[int, ...]:
    """The register after each of the 256 byte values, from zero."""
    entries = []
    for value in range(256):
        register = value
        for _ in range(8):
            register = register >> 1 ^ (POLYNOMIAL_REVERSED if register & 1 else 0)
        entries.append(register)
    return tuple(entries)


_TABLE: Final = _table()


def advertising_crc(pdu: bytes) -> bytes:
    """The three bytes that follow `pdu` (header and payload, without the access address)."""
    register = ADVERTISING_PRESET_REVERSED
    for byte in pdu:
        register = register >> 8 ^ _TABLE[(register ^ byte) & 0xFF]
    return register.to_bytes(CRC_BYTES, "little")

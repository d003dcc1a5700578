"""R1: resolvable private addresses, for the phones of staff and of technicians. Off unless keys are
configured.

Core 5.4, Vol 6 Part B §1.3.2.2 and Vol 3 Part H §2.2.2. Every byte string here is *most significant
byte first*, the address as it is printed, the IRK as in the vectors of the specification (Vol 3
Part H App. D.7). On HCI and in BlueZ's management interface both travel least significant byte
first: turn them round before they come here.

    address   prand 3 | hash 3        the top two bits of prand are 01
    hash      ah(IRK, prand) = AES-128(IRK, 00×13 ‖ prand), its last 3 bytes

Three reasons why this is not the way for customers, and ends at 1,000 keys:

* Every address that is not ours costs one AES for each key.
* 24 bits are few: a stranger's address resolves by chance with a probability of N / 2²⁴, 1 in
  16,777 at 1,000 keys.
* An IRK opens every address that the phone ever used, and does not end with a window.

Strangers leave no trace, so nothing remembers which addresses did *not* resolve, in whatever
encoding. In its place there is a budget: so many AES a second (some 5 % of a core), and an address
beyond it goes unrecognised, counted. A test phone sends again within the second. What does resolve
is remembered for the life of an address, at most.
"""

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from presence.core.recognition.advertisement import Advertisement, address_bytes
from presence.core.recognition.beacons.format import ScanFilter

NAME: Final = "R1, private address"
SCAN_FILTER: Final = ScanFilter(what="addresses", setting="identity.irk_file")
"""An address comes with any payload: there is nothing to filter by."""
MAX_KEYS: Final = 1000
IRK_BYTES: Final = 16
BUDGET_PER_S: Final = 100_000
"""AES operations a second: 100 unknown addresses at 1,000 keys, more than a radio hears of them at
40 keys.
"""
REMEMBERED: Final = 1024
REMEMBERED_S: Final = 900
"""The recommended life of an address (T_GAP(private_addr_int), Vol 3 Part C App. A: 15 minutes)."""
_PADDING: Final = bytes(13)


class TooManyKeys(ValueError):
    """More IRKs than this way of recognising bears."""


def ah(irk: bytes, prand: bytes) -> bytes:
    """The random address hash (3 bytes) of Vol 3 Part H §2.2.2."""
    return _cipher(irk).encryptor().update(_PADDING + prand)[13:]


def is_resolvable(address: bytes) -> bool:
    """Whether the top two bits say so; that an address is random at all, BlueZ does not tell. None
    (b"": a satellite's) is not.
    """
    return address[:1] != b"" and address[0] >> 6 == 0b01


class Resolver:
    """From an address to the ref whose IRK resolves it. Holds nothing of an address that none
    does.
    """

    def __init__(self, irks: Mapping[bytes, bytes], *, budget_per_s: int = BUDGET_PER_S) -> None:
        """`irks`: ref → IRK. Raises TooManyKeys, or ValueError where a key has not 16 bytes."""
        if len(irks) > MAX_KEYS:
            raise TooManyKeys(
                f"{len(irks)} IRKs, at most {MAX_KEYS}: each costs an AES for every stranger's "
                "address, and 24 bits of "
                "hash name a stranger by chance; recognise customers by E1 or E2 and keep IRKs "
                "for test phones"
            )
        if any(len(irk) != IRK_BYTES for irk in irks.values()):
            raise ValueError(f"an IRK has {IRK_BYTES} bytes")
        self._encrypt = [(ref, _cipher(irk).encryptor().update) for ref, irk in irks.items()]
        self._budget_per_s = budget_per_s
        self._left = budget_per_s
        self._second = 0
        self._resolved: dict[bytes, tuple[bytes, float]] = {}
        self.unexamined = 0
        """Addresses that the budget left unrecognised."""

    def resolve(self, advertisement: Advertisement) -> bytes | None:
        """The ref, or None: no RPA, nobody's, the RPA of two, or beyond the budget of this
        second.
        """
        address, now_s = address_bytes(advertisement.address), advertisement.at.monotonic_s
        if not self._encrypt or not is_resolvable(address):
            return None
        known = self._resolved.get(address)
        if known is not None and now_s < known[1]:
            return known[0]
        if not self._afford(now_s):
            return None
        block, wanted = _PADDING + address[:3], address[3:]
        refs = [ref for ref, encrypt in self._encrypt if encrypt(block)[13:] == wanted]
        if len(refs) != 1:
            return None
        self._remember(address, refs[0], now_s)
        return refs[0]

    def _afford(self, now_s: float) -> bool:
        if int(now_s) != self._second:
            self._second = int(now_s)
            self._left = self._budget_per_s
        if self._left < len(self._encrypt):
            self.unexamined += 1
            return False
        self._left -= len(self._encrypt)
        return True

    def _remember(self, address: bytes, ref: bytes, now_s: float) -> None:
        if len(self._resolved) >= REMEMBERED:
            self._resolved = {
                known: (of, until_s)
                for known, (of, until_s) in self._resolved.items()
                if until_s > now_s
            }
        if len(self._resolved) < REMEMBERED:
            self._resolved[address] = (ref, now_s + REMEMBERED_S)


def _cipher(irk: bytes) -> Cipher[ECB]:
    return Cipher(AES(irk), ECB())  # noqa: S305 - one block: the construction of the specification

"""Advertisements that arrive in several reports are put together again.

A controller hands long advertising data over in pieces (Core 5.4, Vol 4 Part E §7.7.65.13): data
status 0b01 says that more follows, 0b00 that this is the end, 0b10 that the rest was lost. Pieces
of other advertisers may come in between. What is kept is bounded: a chain that never ends is
forgotten when newer ones need its place.
"""

from typing import Final

MAX_CHAINS: Final = 64
"""A controller follows a handful of chains at a time; more unfinished ones means that ends were
lost.
"""
MAX_ADVERTISING_DATA_BYTES: Final = 1650
"""Core 5.4, Vol 4 Part E §7.8.57: Max_Advertising_Data_Length is at most 0x0672."""

ChainKey = tuple[int, int, int, bool]
"""Address type, address, advertising SID, scan response or not."""


class FragmentChains:
    """Unfinished advertisements. At most MAX_CHAINS, and none grows far beyond
    MAX_ADVERTISING_DATA_BYTES.
    """

    def __init__(self) -> None:
        self._chains: dict[ChainKey, bytes] = {}

    def __len__(self) -> int:
        return len(self._chains)

    def extend(self, key: ChainKey, part: bytes) -> None:
        """Keep a part that has more to come."""
        chain = self._chains.pop(key, b"")
        if not chain and len(self._chains) >= MAX_CHAINS:
            del self._chains[next(iter(self._chains))]
        # Once too long it stays too long: `finish` must see that, but it need not grow for it.
        self._chains[key] = chain if len(chain) > MAX_ADVERTISING_DATA_BYTES else chain + part

    def finish(self, key: ChainKey, part: bytes) -> bytes | None:
        """The whole advertising data with its last part, or None where it is longer than the radio
        allows.
        """
        whole = self._chains.pop(key, b"") + part
        return whole if len(whole) <= MAX_ADVERTISING_DATA_BYTES else None


def whole_structures(payload: bytes) -> bytes:
    """The payload up to its last complete AD structure: what can be used of data that was cut
    off.
    """
    at, size = 0, len(payload)
    while at < size and payload[at] and at + 1 + payload[at] <= size:
        at += 1 + payload[at]
    return payload[:at]

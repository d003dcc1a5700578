"""Where a performance goes: a capture file, JSON lines, or the air."""

import asyncio
import json
import math
import struct
import time
from collections.abc import Iterable, Sequence
from typing import BinaryIO, Final, TextIO

from presence.edges.bluez.advertiser import Advertiser
from scripts.app_emulator.phones import Heard, Phone

BTSNOOP_EPOCH_US: Final = 0x00DCDDB30F2F8000
"""Microseconds from the year 0 to 1970 (BlueZ, src/shared/btsnoop.c)."""
H4: Final = 1002
RECEIVED_EVENT: Final = 3
ADV_NONCONN_IND: Final = 3
RANDOM_ADDRESS: Final = 1


def write_capture(heard: Iterable[Heard], file: BinaryIO) -> int:
    """btsnoop with HCI events (data link 1002), which `presence replay`, Wireshark and btmon read;
    how many.
    """
    file.write(struct.pack(">8sII", b"btsnoop\0", 1, H4))
    count = 0
    for one in heard:
        event = _advertising_report(one)
        time_us = round(one.t * 1e6) + BTSNOOP_EPOCH_US
        file.write(
            struct.pack(">IIIIq", len(event), len(event), RECEIVED_EVENT, 0, time_us) + event
        )
        count += 1
    return count


def _advertising_report(heard: Heard) -> bytes:
    """H4 indicator, LE Meta event, LE Advertising Report (Core Vol 4 Part E §7.7.65.2)."""
    report = (
        bytes((ADV_NONCONN_IND, RANDOM_ADDRESS))
        + heard.address[::-1]
        + bytes((len(heard.payload),))
    )
    report += heard.payload + struct.pack("b", heard.rssi_dbm)
    parameters = b"\x02\x01" + report
    return b"\x04\x3e" + bytes((len(parameters),)) + parameters


def write_lines(heard: Iterable[Heard], file: TextIO) -> int:
    """One JSON object a line; how many."""
    count = 0
    for one in heard:
        line = {"t": round(one.t, 6), "address": one.address.hex(":"), "rssi_dbm": one.rssi_dbm}
        file.write(json.dumps({**line, "payload": one.payload.hex()}) + "\n")
        count += 1
    return count


async def go_on_air(
    phones: Sequence[Phone], advertiser: Advertiser, seconds: float, *, until_s: float = math.inf
) -> None:
    """Send now, in real time, a new payload with every slot or tick, nothing once `until_s` (the
    consent's end) has come.

    Cancelled, all is off air at once: for that no network is needed. Raises RadioError.
    """
    end_s = min(time.time() + seconds, until_s)
    async with advertiser:
        while (now_s := time.time()) < end_s:
            for number, phone in enumerate(phones):
                payload = phone.payload_at(now_s)
                if payload is None:
                    await advertiser.take_back(number)
                else:
                    await advertiser.put(number, payload)
            next_s = min((phone.next_payload_s(now_s) for phone in phones), default=end_s)
            await asyncio.sleep(min(next_s, end_s) - now_s)

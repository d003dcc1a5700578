"""A shop on disk: configuration, key and consent list, as an operator would lay them out, and the
program run on it.
"""

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import WINDOW_S, window_at
from scripts.stores.shop import ShopFolder
from tests.support.builders import (
    ANNA,
    DAY_S,
    START_S,
    base64url,
    entry_json,
    header_json,
    identifier_of,
    window_keys,
)
from tests.support.paths import ROOT


class Shop(ShopFolder):
    """With a list of the afternoon of tests.support.builders, unless a test says otherwise."""

    def open(self, entries: Iterable[Mapping[str, Any]], **header: Any) -> "Shop":
        """Write everything that `presence` reads."""
        self.lay_out()
        return self.publish_list(entries, **header)

    def publish_list(self, entries: Iterable[Mapping[str, Any]], **header: Any) -> "Shop":
        rows = list(entries)
        self.write_list(header_json(count=len(rows), **header), rows)
        return self

    async def start(self, *arguments: str | Path) -> asyncio.subprocess.Process:
        """`presence` with these arguments, as a process of its own."""
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "presence", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip

    async def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        process = await self.start(*arguments)
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


def walking_in(
    ref: bytes = ANNA,
    *,
    at_s: float = START_S,
    seconds: float = 20,
    address: bytes = b"\x4a\x01\x02\x03\x04\x05",
) -> list[tuple[float, bytes, int, bytes]]:
    """What is heard of somebody who comes in: (utc_s, address, rssi_dbm, payload), four a
    second.
    """
    return [
        (t, address, -55, eddystone.payload(identifier_of(ref, t), tx_power_dbm=-18))
        for t in (at_s + n / 4 for n in range(int(seconds * 4)))
    ]


def entry(ref: bytes = ANNA, *, around_s: float = START_S, **changes: Any) -> dict[str, Any]:
    """An entry that is in force, with keys, at that time."""
    keys = [base64url(key.key) for key in window_keys(ref, around_s)]
    values = {
        "win": {"start": window_at(around_s) * WINDOW_S, "len": WINDOW_S, "keys": keys},
        "nb": int(around_s - DAY_S),
        "na": int(around_s + 100 * DAY_S),
        "grants": [["ap2:1551", 0]],
    }
    return entry_json(of=ref, **{**values, **changes})

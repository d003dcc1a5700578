"""The technician with a test phone: answers what `presence scan-test` asks, by walking as it
says.
"""

import re
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

from gateway import SETTINGS, Air, Customer

COMMAND = [
    "presence",
    "scan-test",
    "--config",
    str(SETTINGS),
    "--steps",
    "phone,walk,broker",
    "--apply",
    "--ready",
    "0",
]
FADING_DB = 3.0
"""How much a phone in a pocket varies from one advertisement to the next (docs/entry.md)."""
MAX_RUN_S = 900
LINE = 130
"""Of what was said the end: what is asked for now, and not what was found before."""


def _between(*points: tuple[float, float]) -> Callable[[float], float]:
    """Strength over the seconds of an act: straight lines between (second, dBm)."""

    def strength(passed_s: float) -> float:
        for (from_s, from_dbm), (to_s, to_dbm) in pairwise(points):
            if passed_s <= to_s:
                share = (passed_s - from_s) / (to_s - from_s)
                return from_dbm + (to_dbm - from_dbm) * max(0.0, share)
        return points[-1][1]

    return strength


WALKS = {
    "told apart": _between((0, -45)),
    "at the window": _between((0, -84), (15, -84)),
    "past the shop": _between((0, -95), (5, -81), (10, -95)),
    "do not cross": _between((0, -84), (5, -79), (10, -82)),
    "far corner": _between((0, -85), (3, -72), (6, -58), (12, -54), (18, -62), (25, -56)),
    "Go out": _between((0, -58), (4, -75), (10, -95)),
    "and stay": _between((0, -85), (3, -72), (6, -58), (12, -54)),
}
"""What the tool asks for (its own words) → how strong the phone is then, 8 m from a gateway that
hangs high.
"""


def walks(air: Air, phone: Customer, rounds: int = 2) -> dict[str, Any]:
    """The whole visit; what the tool said, its exit code, how long it took."""
    began = time.monotonic()
    process = subprocess.Popen(
        [*COMMAND, "--rounds", str(rounds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    said, asked, chance, acts = b"", b"", Random(1), 0
    while chunk := process.stdout.read1(4096):
        said, asked = said + chunk, asked + chunk
        if time.monotonic() - began > MAX_RUN_S:
            process.kill()
        if asked.endswith(b"Enter when you are ready "):
            acts += 1
            _walk(air, phone, " ".join(asked.decode("utf-8", "replace").split())[-LINE:], chance)
            process.stdin.write(b"\n")
        elif asked.endswith(b"[y/N] "):
            process.stdin.write(b"y\n")
        else:
            continue
        process.stdin.flush()
        asked = b""
    air.silence()
    text = re.sub(r"\n{3,}", "\n\n", said.decode("utf-8", "replace"))
    return {
        "code": process.wait(),
        "acts": acts,
        "said": text[-6000:],
        "seconds": round(time.monotonic() - began),
    }


def _walk(air: Air, phone: Customer, ask: str, chance: Random) -> None:
    (strength,) = (walk for words, walk in WALKS.items() if words in ask)
    began = time.monotonic()
    air.hear_varying(
        phone.address,
        phone.payload,
        lambda: round(chance.gauss(strength(time.monotonic() - began), FADING_DB)),
    )

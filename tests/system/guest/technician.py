"""The technician with a test phone: answers what `presence scan-test` asks, by walking as it
says.
"""

import re
import subprocess
import time
from random import Random
from typing import Any

from door import FADING_DB, strength_asked
from gateway import Air, Customer

COMMAND = [
    "presence",
    "scan-test",
    "--steps",
    "phone,walk,broker",
    "--apply",
    "--ready",
    "0",
]
MAX_RUN_S = 900


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
            _walk(air, phone, asked.decode("utf-8", "replace"), chance)
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


def _walk(air: Air, phone: Customer, asked: str, chance: Random) -> None:
    strength, began = strength_asked(asked), time.monotonic()
    air.hear_varying(
        phone.address,
        phone.payload,
        lambda: round(chance.gauss(strength(time.monotonic() - began), FADING_DB)),
    )

"""The technician with a test phone: walks as `presence scan-test` asks."""

import time
from random import Random
from typing import Any

from asking import answered
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


def walks(air: Air, phone: Customer, rounds: int = 2) -> dict[str, Any]:
    """The whole visit; what the tool said, its exit code, how long it took."""
    chance = Random(1)
    told = answered(
        [*COMMAND, "--rounds", str(rounds)], lambda asked: _walk(air, phone, asked, chance)
    )
    air.silence()
    return told


def _walk(air: Air, phone: Customer, asked: str, chance: Random) -> None:
    strength, began = strength_asked(asked), time.monotonic()
    air.hear_varying(
        phone.address,
        phone.payload,
        lambda: round(chance.gauss(strength(time.monotonic() - began), FADING_DB)),
    )

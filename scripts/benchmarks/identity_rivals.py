"""The same stream through Theengs' decoder, and through Home Assistant's way of resolving
addresses.

Both are given an advantage: Theengs' decoder gets its JSON ready-made, and Home Assistant's helper
its ciphers. Home Assistant remembers every address that it looked at, so its cost here is that of
an address heard for the first time, as passers-by are; we remember none and pay the same each time.
"""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from presence.core.recognition.advertisement import Advertisement, address_bytes
from presence.core.recognition.slot_table import build_table
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure, in_slices, interleaved_ns
from scripts.benchmarks.identity import SLOT, a_shop, customers, recogniser

SIZES: Final = (1_000, 10_000)
GOAL_THEENGS: Final = 100
GOAL_HOME_ASSISTANT: Final = 1_000
MISSING: Final = (
    "not installed: `uv sync --group bench` brings what we are measured beside; skipped"
)


def figures() -> Iterator[Figure]:
    try:
        from bluetooth_data_tools.privacy import get_cipher_for_irk, resolve_private_address  # noqa: PLC0415
        from TheengsDecoder import decodeBLE  # noqa: PLC0415
    except ImportError as error:
        print(f"identity_rivals: {error.name} is {MISSING}", file=sys.stderr)
        return
    for size in SIZES:
        shop = a_shop(size)
        heard = _stream(customers(shop, 10))
        ciphers = [
            get_cipher_for_irk(key.tobytes()) for key in shop.ring.window(shop.ring.windows[0]).keys
        ]

        def resolve(address: str, ciphers: list[Any] = ciphers) -> bool:
            return any(resolve_private_address(cipher, address) for cipher in ciphers)

        nanoseconds = interleaved_ns(
            {
                "ours": in_slices(
                    recogniser(build_table(SLOT, shop.ring), shop.consents), heard * 100
                ),
                "theengs": _each(
                    decodeBLE, [_as_json(advertisement) for advertisement in heard] * 5
                ),
                "home_assistant": _each(resolve, _addresses(200_000 // size)),
            },
            rounds=5,
        )
        ours = nanoseconds["ours"]
        for name, value in nanoseconds.items():
            yield Figure(f"identity_rivals.{name}.{size}", round(value), "ns/advertisement")
        for name, goal in (("theengs", GOAL_THEENGS), ("home_assistant", GOAL_HOME_ASSISTANT)):
            reached = goal if name == "theengs" or size == SIZES[-1] else None
            ratio = round(nanoseconds[name] / ours, 1)
            yield Figure(
                f"identity_rivals.{name}.{size}.ratio", ratio, "x ours", reached, at_least=True
            )


def _stream(ours: list[Advertisement]) -> list[Advertisement]:
    """A hundred advertisements: 80 of other formats, 10 of our format and another chain, 10 of
    customers.
    """
    others = [subjects.stranger_of_another_format(n) for n in range(80)]
    return [*others, *(subjects.stranger_of_ours(n) for n in range(10)), *ours]


def _as_json(advertisement: Advertisement) -> str:
    """As Theengs Gateway hands it to the decoder."""
    fields: dict[str, object] = {
        "id": address_bytes(advertisement.address).hex(":").upper(),
        "rssi": advertisement.rssi_dbm,
    }
    for uuid, data in advertisement.service_data.items():
        fields |= {"servicedatauuid": uuid[4:8], "servicedata": data.hex()}
    for company, data in advertisement.manufacturer_data.items():
        fields["manufacturerdata"] = (company.to_bytes(2, "little") + data).hex()
    return json.dumps(fields)


def _addresses(count: int) -> list[str]:
    """Resolvable ones that nobody's key resolves, but for one in 16 million."""
    chance = np.random.default_rng(7)
    return [(b"\x5a" + chance.bytes(5)).hex(":").upper() for _ in range(count)]


def _each(examine: Callable[[str], object], texts: list[str]) -> Callable[[], int]:
    def run() -> int:
        for text in texts:
            examine(text)
        return len(texts)

    return run

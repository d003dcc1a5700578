"""The same advertisements through habluetooth, which is what Home Assistant listens with: its
scanner and manager, compiled by Cython, behind the same bleak.

A fair rival that does less and more: it looks for nobody, and keeps everybody by address. What it
hands on to is an empty body: payloads that are the same as before it does not even hand on.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from scripts.benchmarks.figure import Figure, interleaved_ns
from scripts.benchmarks.floor import PHONES, WALK_IN_TURNS, Way, door_of, empty, kinds

MISSING: Final = (
    "not installed: `uv sync --group bench` brings what we are measured beside; skipped"
)


def figures() -> Iterator[Figure]:
    try:
        import habluetooth  # noqa: F401, PLC0415
    except ImportError as error:
        print(f"floor_rival: {error.name} is {MISSING}", file=sys.stderr)
        return
    for kind, properties in kinds().items():
        with tempfile.TemporaryDirectory() as directory:
            nanoseconds = asyncio.run(_measure(Path(directory), properties))
        for name, value in nanoseconds.items():
            yield Figure(f"floor_rival.{name}.{kind}", round(value), "ns/advertisement")
        beside = {name: value - nanoseconds["empty"] for name, value in nanoseconds.items()}
        yield Figure(
            f"floor_rival.ratio.{kind}",
            round(nanoseconds["ours"] / nanoseconds["habluetooth"], 2),
            "x habluetooth",
            note=f"without bleak {beside['ours']:,.0f} ns : {beside['habluetooth']:,.0f} ns",
        )


async def _measure(
    directory: Path, properties: list[tuple[str, dict[str, Any]]]
) -> dict[str, float]:
    """Inside a running loop, which habluetooth asks for."""
    through = Way(directory).case(properties)
    for _ in range(WALK_IN_TURNS):
        through()
    return interleaved_ns(
        {"empty": empty(properties), "ours": through, "habluetooth": await _theirs(properties)}
    )


async def _theirs(properties: list[tuple[str, dict[str, Any]]]) -> Callable[[], int]:
    from habluetooth import BluetoothManager, BluetoothScanningMode, HaScanner, set_manager  # noqa: PLC0415

    manager = BluetoothManager()
    set_manager(manager)
    scanner = HaScanner(BluetoothScanningMode.ACTIVE, "hci0", "AA:BB:CC:DD:EE:FF")
    scanner.async_setup()
    manager.async_register_scanner(scanner)
    heard = []
    manager.async_register_bleak_callback(lambda *_: heard.append(1), {})
    take = door_of(scanner._async_detection_callback)

    def run() -> int:
        for path, says in properties:
            take(path, says)
        return PHONES

    run()
    if not heard and not any("4c" in str(says) for _, says in properties):
        print("floor_rival: habluetooth has handed nothing on", file=sys.stderr)
    return run

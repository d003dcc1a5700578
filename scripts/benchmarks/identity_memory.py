"""What a gateway of so many consents weighs, and how long it takes from nothing to recognising.

Each measured in a fresh process, which loads the lists' local binary copy (consents, keys of two
windows) from files and makes the tables of three slots, one after another as a gateway does.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts.benchmarks.figure import Figure

SIZES: Final = (100_000, 1_000_000, 5_000_000)
GOAL_MB: Final = {1_000_000: 250, 5_000_000: 1000}
GOAL_START_S: Final = {1_000_000: 5}


def figures() -> Iterator[Figure]:
    from scripts.benchmarks.identity import sizes  # noqa: PLC0415 - numpy's weight belongs to the processes measured

    for size in SIZES:
        if size > sizes()[-1]:
            continue
        with tempfile.TemporaryDirectory() as directory:
            _run("write", directory, str(size))
            started = time.perf_counter()
            answer = json.loads(_run("start", directory, str(size)))
            start_s = time.perf_counter() - started
        yield Figure(
            f"identity_memory.start.{size}",
            round(start_s, 2),
            "s",
            GOAL_START_S.get(size),
            note="with Python",
        )
        yield Figure(
            f"identity_memory.resident.{size}",
            round(answer["resident_mb"]),
            "MB",
            GOAL_MB.get(size),
        )
        yield Figure(
            f"identity_memory.highest.{size}", round(answer["highest_mb"]), "MB", GOAL_MB.get(size)
        )
        for part in ("bare", "keys", "consents", "tables"):
            yield Figure(f"identity_memory.{part}.{size}", round(answer[part], 1), "MB")


def _run(*arguments: str) -> str:
    command = [sys.executable, "-m", "scripts.benchmarks.identity_memory", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _write(directory: Path, size: int) -> None:
    import numpy as np  # noqa: PLC0415

    from scripts.benchmarks.identity import a_shop, records  # noqa: PLC0415

    shop = a_shop(size, windows=2)
    starts, data, words = records(len(shop.refs), np.random.default_rng(1))
    np.save(directory / "starts.npy", starts)
    (directory / "records").write_bytes(data)
    (directory / "words").write_text("\n".join(words))
    (directory / "refs").write_bytes(shop.refs.astype(">u8").tobytes())
    for number in shop.ring.windows:
        (directory / f"keys-{number}").write_bytes(shop.ring.window(number).keys.tobytes())


def _start(directory: Path, size: int) -> dict[str, float]:
    import numpy as np  # noqa: PLC0415

    from presence.core.consent.index import ConsentIndex  # noqa: PLC0415
    from presence.core.recognition.key_ring import KeyRing  # noqa: PLC0415
    from presence.core.recognition.slot_table import build_table  # noqa: PLC0415
    from scripts.benchmarks.identity import SLOT, Shop, customers, recogniser, require  # noqa: PLC0415
    from scripts.benchmarks.identity_rollover import resident_mb  # noqa: PLC0415

    bare_mb = resident_mb("VmRSS")
    refs = (directory / "refs").read_bytes()
    consents = ConsentIndex(
        np.frombuffer(refs, ">u8").astype(np.uint64),
        np.load(directory / "starts.npy"),
        (directory / "records").read_bytes(),
        (directory / "words").read_text().split("\n"),
    )
    columns = {
        int(path.name[5:]): (refs, bytearray(path.read_bytes()))
        for path in directory.glob("keys-*")
    }
    ring = KeyRing.from_bytes(columns)
    del refs, columns
    tables = [build_table(slot, ring) for slot in (SLOT, SLOT + 1, SLOT - 1)]
    recognise = recogniser(tables[0], consents)
    everybody = customers(Shop(consents.refs, ring, consents), 100)
    require(
        len(consents) == size and all(map(recognise, everybody)), "every customer is recognised"
    )
    return {
        "resident_mb": resident_mb("VmRSS"),
        "highest_mb": resident_mb("VmHWM"),
        "bare": bare_mb,
        "keys": ring.nbytes / 1e6,
        "consents": consents.nbytes / 1e6,
        "tables": sum(table.nbytes for table in tables) / 1e6,
    }


def main() -> None:
    """`write DIRECTORY SIZE` makes the files, `start DIRECTORY SIZE` loads them and prints what
    that took.
    """
    what, directory, size = sys.argv[1:]
    if what == "write":
        _write(Path(directory), int(size))
    else:
        print(json.dumps(_start(Path(directory), int(size))))


if __name__ == "__main__":
    main()

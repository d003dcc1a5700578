"""The reference publisher at size: an export taken in, a base published, a delta of 1,000, a
publication without a change, a withdrawal.

PRESENCE_BENCH_SIZES says how many customers (10000 100000; the goals speak of 1000000, and of
5000000 in 500 MB). Two lines of CSV a customer, each with a time of its own, through the code of
`consents import`; the file is written by another process. In a process of its own, so that the
highest memory is the publisher's. PRESENCE_BENCH_FOLDER: where there is room.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from presence.consent_service.import_lines import rows_of_csv
from presence.consent_service.importing import import_rows
from presence.consent_service.service import ConsentService
from presence.core.consent.model import Purpose
from scripts.benchmarks.figure import Figure
from scripts.benchmarks.identity_rollover import resident_mb

SIZES: Final = "10000 100000"
CHANGES: Final = 1000
MILLION: Final = 1_000_000
GOALS_CPU_S: Final = {"import": 30.0, "base": 5.0, "delta": 0.5}
"""At a million."""
GOAL_MEMORY_MB: Final = 500.0
HEADER: Final = "subject,purpose,value,timestamp,notice,expiry,identity_key"
DAY_S: Final = 86_400


def figures() -> Iterator[Figure]:
    for size in map(int, os.environ.get("PRESENCE_BENCH_SIZES", SIZES).split()):
        with tempfile.TemporaryDirectory(dir=os.environ.get("PRESENCE_BENCH_FOLDER")) as folder:
            _in_another_process("write", folder, size)
            yield from _of_size(size, _in_another_process("measure", folder, size))


def _of_size(size: int, found: dict[str, Any]) -> Iterator[Figure]:
    for step in ("import", "base", "delta", "again", "withdraw"):
        goal = GOALS_CPU_S.get(step) if size == MILLION else None
        note = f"of processor; {found[f'{step}_wall']:g} s by the clock"
        yield Figure(f"list_size.publish.{step}.{size}", found[step], "s", goal, note=note)
    yield Figure(
        f"list_size.publish.memory.{size}",
        found["highest_mb"],
        "MB",
        GOAL_MEMORY_MB,
        note="highest resident of all steps",
    )
    for name, unit in (
        ("first_size", "MB"),
        ("first_files", "files"),
        ("later_files", "files"),
        ("delta_size", "kB"),
        ("register_size", "MB"),
    ):
        goal = 20.0 if unit == "files" else None
        yield Figure(f"list_size.publish.{name}.{size}", found[name], unit, goal)


def _in_another_process(step: str, folder: str, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "scripts.benchmarks.list_size_publisher"]
    answer = subprocess.run(
        [*command, step, folder, str(size)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def write_exports(folder: Path, size: int, changes: int = CHANGES) -> dict[str, Any]:
    """So many customers in `export.csv`, and each time more in `later.csv` and `last.csv`."""
    ends = size, size + changes, size + 2 * changes
    for name, first, last in zip(
        ("export.csv", "later.csv", "last.csv"), (0, *ends), ends, strict=False
    ):
        chance, now_s = random.Random(first), int(time.time())
        with (folder / name).open("w", encoding="utf-8") as file:
            file.write(f"{HEADER}\n")
            for number in range(first, last):
                said_s = now_s - 60 - chance.randrange(30 * DAY_S)
                until_s = now_s // DAY_S * DAY_S + chance.randrange(60, 300) * DAY_S
                about, key = f"given,{said_s},n,{until_s}", chance.randbytes(16).hex()
                file.write(f"customer-{number},presence,{about},{key}\n")
                file.write(f"customer-{number},ap2:1551,{about},\n")
    return {}


class _Measured:
    """Processor and clock of steps."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    def __call__(self, name: str, work: Callable[[], object]) -> None:
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        work()
        self.found[name] = round(time.process_time() - cpu_s, 3)
        self.found[f"{name}_wall"] = round(time.perf_counter() - wall_s, 2)
        told = f"{name}: {self.found[name]} s of processor, {resident_mb('VmHWM'):.0f} MB"
        print(told, file=sys.stderr, flush=True)


def _measure(folder: Path, size: int) -> dict[str, float]:
    service = ConsentService.create(
        folder / "list", folder / "repository", list_name="acme/fi", notice="n", clock=time.time
    )
    repository, measured = folder / "repository", _Measured()

    def take(name: str, customers: int) -> None:
        with (folder / name).open(encoding="utf-8", newline="") as text:
            done = import_rows(
                service,
                rows_of_csv(text),
                audiences={"offers-main": Purpose.PRESENCE},
                told=lambda _notice: None,
            )
        if done.bad or done.added != customers:
            raise RuntimeError(f"not all were taken up: {done.bad[:3]}")

    measured("import", lambda: take("export.csv", size))
    measured("base", service.publish)
    found = measured.found
    found["first_size"] = round(sum(_sizes(repository).values()) / 1e6, 2)
    found["first_files"] = _first_start(service)
    take("later.csv", CHANGES)
    before = _sizes(repository)
    measured("delta", service.publish)
    new = {path: size for path, size in _sizes(repository).items() if path not in before}
    found["delta_size"] = round(sum(new.values()) / 1e3, 1)
    service.withdraw("customer-2")
    service.publish()
    found["later_files"] = _first_start(service)
    measured("again", service.publish)
    measured("withdraw", lambda: service.sign(service.withdraw("customer-1")))
    found["register_size"] = round((folder / "list/register.sqlite").stat().st_size / 1e6, 1)
    service.close()
    return {**found, "highest_mb": round(resident_mb("VmHWM"), 1)}


def _first_start(service: ConsentService) -> int:
    """Files of the list that a gateway with nothing at hand fetches: all but the single deltas and
    their keys, where there is one step from the base.
    """
    paths = list(service.repository.targets())
    if any(path.startswith("changes/") for path in paths):
        single = [path for path in paths if path.startswith("delta/") or "/n" in path]
        return len(paths) - len([path for path in single if path != "notices.jwks"])
    return len(paths)


def _sizes(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in folder.rglob("*.seg") if path.is_file()}


if __name__ == "__main__":
    _step, _folder, _size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    print(json.dumps((write_exports if _step == "write" else _measure)(_folder, _size)))

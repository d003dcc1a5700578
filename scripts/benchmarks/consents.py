"""The reference publisher at size: import, first publication, a delta of 1,000, a publication
without a change.

PRESENCE_BENCH_CONSENTS says how many consents (20,000; the goals of docs/design.md#performance
speak of 1000000 and 5000000). In a process of its own, so that the highest memory is the
publisher's. Two lines of export a customer, through the same code as `consents import`.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from presence.consent_service.importing import import_rows
from presence.consent_service.service import ConsentService
from presence.core.consent.model import Purpose
from scripts.benchmarks.figure import Figure
from scripts.benchmarks.identity_rollover import resident_mb

SIZE: Final = 20_000
CHANGES: Final = 1000


def figures() -> Iterator[Figure]:
    size = int(os.environ.get("PRESENCE_BENCH_CONSENTS", SIZE))
    with tempfile.TemporaryDirectory(dir=os.environ.get("PRESENCE_BENCH_FOLDER")) as folder:
        command = [sys.executable, "-m", "scripts.benchmarks.consents", folder, str(size)]
        answer = json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True).stdout
        )
    note = f"{size:,} consents"
    for name, unit in (
        ("import", "s"),
        ("first", "s"),
        ("first_size", "MB"),
        ("delta", "s"),
        ("delta_size", "kB"),
        ("delta_keys", "MB"),
        ("again", "s"),
        ("withdraw", "ms"),
        ("register_size", "MB"),
        ("highest", "MB"),
    ):
        yield Figure(f"consents.{name}.{size}", round(answer[name], 3), unit, note=note)


def _rows(first: int, last: int, now_s: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
    keys = random.Random(first)
    given = {
        "value": "given",
        "timestamp": now_s - 60,
        "expiry": now_s + 200 * 86_400,
        "notice": "n",
    }
    for number in range(first, last):
        subject = f"customer-{number}"
        key = keys.randbytes(16).hex()
        yield (
            2 * number + 1,
            {"subject": subject, "purpose": "presence", "identity_key": key, **given},
        )
        yield 2 * number + 2, {"subject": subject, "purpose": "ap2:1551", **given}


def _measure(folder: Path, size: int) -> dict[str, float]:
    service = ConsentService.create(
        folder / "list", folder / "repository", list_name="acme/fi", notice="n", clock=time.time
    )
    now_s, audiences = int(time.time()), {"offers-main": Purpose.PRESENCE}
    times: dict[str, float] = {}

    def measured(name: str, began: float) -> None:
        times[name] = time.perf_counter() - began

    def take(first: int, last: int) -> None:
        done = import_rows(
            service, _rows(first, last, now_s), audiences=audiences, told=lambda _notice: None
        )
        if done.bad or done.added != last - first:
            raise RuntimeError(f"not all were taken up: {done.bad[:3]}")

    began = time.perf_counter()
    take(0, size)
    measured("import", began)
    began = time.perf_counter()
    service.publish()
    measured("first", began)
    times["first_size"] = _size(folder / "repository") / 1e6
    take(size, size + CHANGES)
    times |= _delta(service, folder / "repository")
    began = time.perf_counter()
    service.publish()
    measured("again", began)
    began = time.perf_counter()
    service.sign(service.withdraw("customer-1"))
    measured("withdraw", began)
    times["withdraw"] *= 1000
    times["register_size"] = (folder / "list" / "register.sqlite").stat().st_size / 1e6
    service.close()
    return {**times, "highest": resident_mb("VmHWM")}


def _delta(service: ConsentService, repository: Path) -> dict[str, float]:
    """The publication of what has changed: how long it takes, and how much is new."""
    before = {path.name for path in repository.rglob("*.seg")}
    began = time.perf_counter()
    seq = service.publish().seq
    took_s = time.perf_counter() - began
    new = [path for path in repository.rglob("*.seg") if path.name not in before]
    rows = [path for path in new if path.name.endswith(f".{seq}.seg")]
    keys = [path for path in new if path.parent.parent.name == "keys"]
    return {
        "delta": took_s,
        "delta_size": sum(path.stat().st_size for path in rows) / 1e3,
        "delta_keys": sum(path.stat().st_size for path in keys) / 1e6,
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), int(sys.argv[2]))))

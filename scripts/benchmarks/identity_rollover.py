"""Making the identifiers of the next slot: time, processor, memory, and what the advertisements
notice of it.
"""

import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from presence.core.recognition.slot_table import build_table, identifier_block
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure
from scripts.benchmarks.identity import SLOT, WINDOW, Shop, a_shop, customers, recogniser, sizes

GOAL_SPEED: Final = 5
GOAL_P99_MS: Final = 5
EVERY_S: Final = 376e-6
"""One radio at its ceiling: 2,660 advertisements a second."""
LISTEN_S: Final = 4.0


def figures() -> Iterator[Figure]:
    for size in [size for size in sizes() if size >= 100_000]:
        yield from _cost(size)
    shop = a_shop(min(1_000_000, sizes()[-1]))
    yield from _speed(shop)
    yield from _latency(shop)


def _cost(size: int) -> Iterator[Figure]:
    """In a process of its own, whose highest memory is known."""
    command = [sys.executable, "-m", "scripts.benchmarks.identity_rollover", str(size)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall_s, cpu_s, extra_mb, entry_bytes = map(float, answer.split())
    yield Figure(f"identity_rollover.time.{size}", round(wall_s, 3), "s")
    yield Figure(
        f"identity_rollover.cpu.{size}", round(cpu_s, 3), "s of one core", note="every 1,024 s"
    )
    yield Figure(
        f"identity_rollover.memory.{size}",
        round(extra_mb),
        "MB",
        note="highest while it runs, the new table included",
    )
    yield Figure(f"identity_rollover.table.{size}", round(entry_bytes, 1), "bytes/entry", 20)


def _speed(shop: Shop) -> Iterator[Figure]:
    keys = [key.tobytes() for key in shop.ring.window(WINDOW).keys[:20_000]]
    block = identifier_block(SLOT)

    def plainly() -> None:
        for key in keys:
            Cipher(AES(key), ECB()).encryptor().update(block)  # noqa: S305 - what we are compared with

    plain, whole = [], []
    for _ in range(5):
        plain.append(_seconds(plainly) / len(keys))
        whole.append(_seconds(lambda: build_table(SLOT + 1, shop.ring)) / len(shop.refs))
    yield Figure(
        "identity_rollover.key",
        round(statistics.median(whole) * 1e9),
        "ns/key",
        note="encrypted and sorted",
    )
    yield Figure(
        "identity_rollover.key.cryptography", round(statistics.median(plain) * 1e9), "ns/key"
    )
    ratio = statistics.median(plain) / statistics.median(whole)
    yield Figure(
        "identity_rollover.speed",
        round(ratio, 1),
        "x one cipher per key",
        GOAL_SPEED,
        at_least=True,
    )


def _latency(shop: Shop) -> Iterator[Figure]:
    recognise = recogniser(build_table(SLOT, shop.ring), shop.consents)
    heard = [*customers(shop, 100), *(subjects.stranger_of_ours(n) for n in range(100))]

    def listen() -> list[float]:
        """How long after it was due each advertisement had been dealt with, in milliseconds."""
        late_ms: list[float] = []
        due_s = time.perf_counter()
        end_s = due_s + LISTEN_S
        while due_s < end_s:
            due_s += EVERY_S
            time.sleep(max(0.0, due_s - time.perf_counter()))
            recognise(heard[len(late_ms) % len(heard)])
            late_ms.append((time.perf_counter() - due_s) * 1000)
        return late_ms

    rounds = _roll_over_meanwhile(shop)
    quiet_ms, busy_ms = [], []
    for _ in range(3):
        quiet_ms += listen()
        stop, worker, built = rounds()
        busy_ms += listen()
        stop.set()
        worker.join()
    name = "identity_rollover"
    note = (
        f"a worker thread rolls {len(shop.refs):,} over without a pause; "
        "sys.getswitchinterval() as it comes"
    )
    p99_ms = round(_percentile(busy_ms, 99), 3)
    beside_s = round(LISTEN_S / max(1, len(built)), 2)
    yield Figure(f"{name}.p99.without", round(_percentile(quiet_ms, 99), 3), "ms")
    yield Figure(f"{name}.p99.during", p99_ms, "ms", GOAL_P99_MS, note=note)
    yield Figure(f"{name}.worst.without", round(max(quiet_ms), 3), "ms")
    yield Figure(f"{name}.worst.during", round(max(busy_ms), 3), "ms")
    yield Figure(f"{name}.beside", beside_s, "s", note="a roll-over beside it")


def _roll_over_meanwhile(
    shop: Shop,
) -> Callable[[], tuple[threading.Event, threading.Thread, list[int]]]:
    def start() -> tuple[threading.Event, threading.Thread, list[int]]:
        stop, built = threading.Event(), list[int]()

        def work() -> None:
            while not stop.is_set():
                built.append(len(build_table(SLOT + 1, shop.ring)))

        worker = threading.Thread(target=work)
        worker.start()
        return stop, worker, built

    return start


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def resident_mb(line: str) -> float:
    """`VmRSS` now, or `VmHWM` at its highest."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - a file of the kernel
        return next(int(row.split()[1]) for row in status if row.startswith(line)) / 1024


def main() -> None:
    """One roll-over of so many keys: seconds, seconds of processor, highest extra MB, bytes an
    entry.
    """
    shop = a_shop(int(sys.argv[1]))
    build_table(SLOT, a_shop(1000).ring)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    table = build_table(SLOT, shop.ring)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    tracemalloc.start()  # numpy tells it of every array
    build_table(SLOT + 1, shop.ring)
    _, highest = tracemalloc.get_traced_memory()
    print(wall_s, cpu_s, highest / 1e6, table.nbytes / len(table))


if __name__ == "__main__":
    main()

"""What each way to hear costs all parts of the machine, how much of it arrives, and when it is back
after a fault: one JSON line each in /out/results (scripts/bench radio_paths).

A way is a path and a mode of the settings. For each the daemon as installed is started anew, and
hears nobody, strangers, customers and a crowd of them, each for a while and at an even pace.
Processor time is what the scheduler counts (/proc/…/schedstat), of all threads: presence,
bluetoothd, dbus-daemon, and the kernel's own, where HCI's work is done. The controller's and this
script's is not in it.
"""

import sys
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from controller import Controller
from gateway import (
    SETTINGS,
    Customer,
    always_open,
    install,
    journal,
    publish_list,
    sh,
    state,
    unpack_wheels,
    until,
)
from telling import mark_clock, tell

HEARD = Path("/run/presence/heard")
"""As guest/heard.py writes it."""
DROP_IN = Path("/etc/systemd/system/presence.service.d/heard.conf")
SECONDS = 12.0
STRANGERS_PER_S, CUSTOMERS_PER_S = 400.0, 40.0
"""What an emulated machine bears on each way."""
CROWD_PER_S = 400.0
CUSTOMERS = 20
TOO_WEAK_TO_ENTER_DBM = range(-99, -84)
"""What is measured is the hearing."""
BACK_S = 180

Sends = Callable[[int], tuple[bytes, bytes]]
"""Address and payload of the n-th advertisement."""
Sent = list[tuple[float, str, int]]
"""Monotonic seconds, address, dBm."""


class Machine:
    """Processor seconds so far, by part."""

    def __init__(self) -> None:
        self._parts = {
            state("MainPID"): "presence",
            sh("pidof bluetoothd", check=False): "bluetoothd",
            sh("pidof -s dbus-daemon"): "dbus-daemon",
        }

    def seconds(self) -> dict[tuple[str, str], float]:
        """By part and process."""
        spent = {}
        for process in Path("/proc").glob("[0-9]*"):
            part = self._parts.get(process.name) or self._kernels(process)
            if part:
                spent[part, process.name] = _seconds_of(process)
        return spent

    def _kernels(self, process: Path) -> str:
        """Kernel threads are children of kthreadd, which is process 2."""
        with suppress(OSError):
            return "kernel" if (process / "stat").read_text().split()[3] == "2" else ""
        return ""


def _by_part(
    before: dict[tuple[str, str], float], after: dict[tuple[str, str], float]
) -> Counter[str]:
    """What was spent between, by those who were there all the time."""
    spent: Counter[str] = Counter()
    for part, process in sorted(before.keys() & after.keys()):
        spent[part] += after[part, process] - before[part, process]
    return spent


def _seconds_of(process: Path) -> float:
    total = 0
    for task in process.glob("task/*/schedstat"):
        with suppress(OSError):  # it has ended
            total += int(task.read_text().split()[0])
    return total / 1e9


class Way:
    def __init__(self, path: str, mode: str) -> None:
        self.controller = Controller(extended=path == "user-channel")
        self._path, self._mode = path, mode
        self._strengths = Random(2)

    def begin(self, shipped: str) -> None:
        settings = shipped.replace("\n  mode: auto\n", f"\n  mode: {self._mode}\n")
        SETTINGS.write_text(settings.replace("\n  path: bluez\n", f"\n  path: {self._path}\n"))
        alone = self._path == "user-channel"
        sh("systemctl stop presence")
        taken = "systemctl mask --now bluetooth"
        sh(taken if alone else "systemctl unmask bluetooth; systemctl start bluetooth")
        HEARD.unlink(missing_ok=True)
        deed = "systemctl start presence"
        for _ in range(3):
            before = len(_scans())
            sh(deed)
            until(lambda n=before: len(_scans()) > n, 180, f"a scan by {self._path}, {self._mode}")
            if _scans()[-1]["path"] == self._path:
                break
            deed = "systemctl reload presence"  # its helper was too slow for it
        assert (_scans()[-1]["path"], _scans()[-1]["mode"]) == (self._path, self._mode)
        assert self.controller.scans(60)
        time.sleep(5)

    def measured(self, per_s: float, sends: Sends) -> dict[str, Any]:
        machine, line = Machine(), len(_heard())
        before, began = machine.seconds(), time.monotonic()
        sent = self._sent(per_s, sends)
        after, took_s = machine.seconds(), time.monotonic() - began
        time.sleep(2)
        heard = _heard()[line:]
        return {
            "sent": len(sent),
            "heard": len(heard),
            "exact": _exact(sent, heard),
            "took_s": took_s,
            "seconds": _by_part(before, after),
        }

    def _sent(self, per_s: float, sends: Sends) -> Sent:
        sent: Sent = []
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            for _ in range(max(0, int((time.monotonic() - began) * per_s) - len(sent))):
                address, payload = sends(len(sent))
                rssi_dbm = self._strengths.choice(TOO_WEAK_TO_ENTER_DBM)
                sent.append((time.monotonic(), address.hex(), rssi_dbm))
                self.controller.advertise(address, payload, rssi_dbm)
            time.sleep(0.02)
        return sent

    def back_s(self, fault: Callable[[], None], customer: Customer) -> float:
        """From the end of the fault to the first advertisement of somebody who stands there on."""
        fault()
        ended = time.monotonic()
        while _last_heard_s() < ended:
            if time.monotonic() - ended > BACK_S:
                raise AssertionError("not heard again")
            with suppress(OSError):
                self.controller.advertise(customer.address, customer.payload(), -90)
            time.sleep(0.1)
        return min(at for at, _, _ in _heard() if at > ended) - ended

    def replugged(self) -> None:
        self.controller.unplug()
        time.sleep(3)
        self.controller = Controller(extended=self._path == "user-channel")


def _scans() -> list[dict[str, Any]]:
    return [line for line in journal() if line.get("event") == "radio.scanning"]


def _heard() -> Sent:
    if not HEARD.exists():
        return []
    lines = HEARD.read_text().split("\n")[:-1]
    return [(float(at), name, int(dbm)) for at, name, dbm in map(str.split, lines)]


def _last_heard_s() -> float:
    """Monotonic; 0 for nothing yet."""
    with HEARD.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 200))
        lines = file.read().decode().split("\n")[:-1]
    return float(lines[-1].split()[0]) if lines else 0.0


def _exact(sent: Sent, heard: Sent) -> int:
    """How many bear the strength of the last that their sender sent before."""
    by_sender: dict[str, Sent] = defaultdict(list)
    for each in sent:
        by_sender[each[1]].append(each)
    exact = 0
    for at, name, rssi_dbm in heard:
        theirs = by_sender[name]
        last = bisect_right(theirs, at, key=lambda each: each[0]) - 1
        exact += last >= 0 and theirs[last][2] == rssi_dbm
    return exact


def way(path: str, mode: str, shipped: str, customers: list[Customer]) -> dict[str, Any]:
    """The daemon started anew, each load in turn, then the faults."""
    measured = Way(path, mode)
    try:
        measured.begin(shipped)
        payloads, chance = [customer.payload() for customer in customers], Random(1)

        def customer(n: int) -> tuple[bytes, bytes]:
            return customers[n % CUSTOMERS].address, payloads[n % CUSTOMERS]

        def stranger(_n: int) -> tuple[bytes, bytes]:
            payload = b"\x02\x01\x06\x0b\xff\x4c\x00\x10\x05" + chance.randbytes(6)
            return b"\xc0\xff" + chance.randbytes(4), payload

        facts: dict[str, Any] = {
            "idle": measured.measured(0, customer),
            "strangers": measured.measured(STRANGERS_PER_S, stranger),
            "customers": measured.measured(CUSTOMERS_PER_S, customer),
            "crowd": measured.measured(CROWD_PER_S, customer),
            "scan": measured.controller.scan,
        }
        facts["replug_s"] = measured.back_s(measured.replugged, customers[0])
        if path != "user-channel":
            killed = "systemctl kill -s KILL bluetooth"
            facts["bluetoothd_s"] = measured.back_s(lambda: sh(killed) and None, customers[0])
        return facts
    finally:
        measured.controller.unplug()


def main() -> None:
    unpack_wheels()
    install()
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    program = "/opt/presence/bin/python -sPB /src/checkout/tests/system/guest/heard.py"
    DROP_IN.write_text(f"[Service]\nExecStart=\nExecStart={program} run --config {SETTINGS}\n")
    sh("systemctl daemon-reload")
    shipped = always_open(SETTINGS.read_text())
    sh("systemctl start mosquitto")
    customers = [Customer(number) for number in range(1, CUSTOMERS + 1)]
    with Path("/out/results").open("w") as results:
        for number, each in enumerate(sys.argv[1:], start=1):
            mark_clock(each, "begin")
            publish_list(customers, number)
            path, _, mode = each.partition(":")
            began = time.monotonic()
            try:
                told: dict[str, Any] = {"facts": way(path, mode, shipped, customers)}
            except Exception as error:  # noqa: BLE001 - told to the host, which says so
                told = {"error": repr(error), "journal": journal()[-6:]}
            mark_clock(each, "end")
            tell(results, each, time.monotonic() - began, told)


main()

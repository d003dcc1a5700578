"""A day without bluetoothd (`radio.path: user-channel`): every scenario in turn, one JSON line each
in /out/results. One that raises is told with its words, and the next begins all the same.
"""

import ctypes
import json
import os
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from controller import Controller
from gateway import (
    SETTINGS,
    Air,
    Customer,
    Engine,
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

ADDRESS = "00:AA:01:00:00:23"
STRANGERS = 50_000
FLOOD_PER_S, FLOOD_S, MAX_FLOOD_S = 2000, 15.0, 120.0
CUSTOMERS_PER_S = (200, 1000)
TICK = os.sysconf("SC_CLK_TCK")


class Day:
    def __init__(self) -> None:
        self.air, self.engine = Air(), Engine()
        self.seq = 1
        self.known: list[Customer] = []

    # ------------------------------------------------------------ means

    def newcomer(self) -> Customer:
        """Somebody who is on the list and was not here yet; the list is given out anew."""
        customer = Customer(len(self.known) + 1)
        self.known.append(customer)
        self.seq += 1
        publish_list(self.known, self.seq)
        return customer

    def enters(self, customer: Customer, within_s: float = 180.0) -> float:
        """How long until the engine hears of somebody who stands near from now on."""
        before = len(self.engine.ids())
        self.air.hear(customer.address, customer.payload)
        return until(lambda: len(self.engine.ids()) > before, within_s, "an entered event")

    def broken(self, breaks: Callable[[], None], mends: Callable[[], None] | None = None) -> dict:
        """What a fault costs: somebody new stands there when it begins, or when it is mended."""
        restarts, customer = state("NRestarts"), self.newcomer()
        time.sleep(3)  # the list is read, and nobody is on air
        self.air.silence()
        began_s = time.time()
        breaks()
        if mends is not None:
            time.sleep(5)
            mends()
        entered_s = self.enters(customer)
        self.air.silence()
        said = [line for line in journal() if str(line.get("event", "")).startswith("radio.")]
        return {
            "event_after_s": entered_s,
            "restarts": int(state("NRestarts")) - int(restarts),
            "steps": [
                [line.get("event"), line.get("what"), line.get("reason")] for line in said[-6:]
            ],
            "helpers_s": _helpers_s(began_s),
        }

    def circumstances(self) -> dict[str, Any]:
        controller = self.air.controller
        return {
            "controller": controller
            and [controller.scans(0), controller.reported, controller.unheard, controller.scan],
            "status": sh("presence status", check=False),
            "journal": journal()[-12:],
            "helper": sh(
                "journalctl -b --namespace=presence -o cat --no-pager -u 'presence-radio@*' "
                "| tail -8; systemctl status presence-radio.socket --no-pager | tail -4",
                check=False,
            ),
        }

    # ------------------------------------------------------------ scenarios

    def install(self) -> dict[str, Any]:
        unpack_wheels()
        said = install()
        settings = always_open(SETTINGS.read_text()).replace("poll_s: 10", "poll_s: 1")
        SETTINGS.write_text(settings.replace("path: bluez", "path: user-channel"))
        sh("systemctl disable --now bluetooth; systemctl mask bluetooth", check=False)
        return {"said": said[-300:], "bluetooth": sh("pidof bluetoothd", check=False)}

    def start(self) -> dict[str, Any]:
        """Start, hear, greet."""
        self.air.controller = Controller(ADDRESS, extended=True)
        sh("systemctl start mosquitto")
        self.engine.start()
        customer = self.newcomer()
        time.sleep(4)  # the kernel sets a new adapter up, and switches it off again
        began = time.monotonic()
        sh("systemctl start presence")
        ready_s = time.monotonic() - began
        scanning_s = ready_s + until(lambda: self.air.controller.scans(0), 300, "scanning")
        entered_s = self.enters(customer)
        self.air.silence()
        ((_, event),) = self.engine.events
        return {
            "ready_s": ready_s,
            "scanning_s": scanning_s,
            "entered_s": entered_s,
            "scan": self.air.controller.scan,
            "event": event["type"],
            "said": [line for line in journal() if line.get("event") == "radio.scanning"][-1:],
            "status": sh("presence status", check=False),
            "bluetooth": sh("pidof bluetoothd", check=False),
            "security": sh(
                "systemd-analyze security --no-pager presence.service | tail -1", check=False
            ),
        }

    def hardware_error(self) -> dict[str, Any]:
        return self.broken(self.air.controller.fail)

    def hang(self) -> dict[str, Any]:
        """The firmware answers nothing, not even the first reset; off and on helps."""
        return self.broken(lambda: self.air.controller.hang(resets=1))

    def replug(self) -> dict[str, Any]:
        def out() -> None:
            controller, self.air.controller = self.air.controller, None
            controller.unplug()

        def back() -> None:
            self.air.controller = Controller(ADDRESS, extended=True)

        return self.broken(out, back)

    def legacy(self) -> dict[str, Any]:
        """Another stick in its place, an old one."""

        def out() -> None:
            controller, self.air.controller = self.air.controller, None
            controller.unplug()

        def back() -> None:
            self.air.controller = Controller(ADDRESS)

        told = self.broken(out, back)
        return {**told, "scan": self.air.controller.scan}

    def crowd(self) -> dict[str, Any]:
        """What it costs: nobody, strangers, customers; and who is found among them."""
        controller, chance = self.air.controller, Random(18)
        addresses = [b"\xc0" + chance.randbytes(5) for _ in range(STRANGERS)]
        payloads = [
            b"\x02\x01\x1a" + bytes((9, 0xFF, 0x4C, 0x00, 0x10)) + chance.randbytes(5)
            for _ in range(500)
        ]
        customers = [self.newcomer() for _ in range(20)]
        time.sleep(4)
        costs = {"nobody": self._cost(0, lambda _number: None)}

        def stranger(number: int) -> None:
            controller.advertise(
                addresses[number * 7919 % STRANGERS], payloads[number % len(payloads)], -70
            )

        costs["strangers"] = self._cost(FLOOD_PER_S, stranger)
        before = len(self.engine.ids())
        said = [customer.payload() for customer in customers]

        def one_of_twenty(number: int) -> None:
            who = number % len(customers)
            controller.advertise(customers[who].address, said[who], -50)

        for per_s in CUSTOMERS_PER_S:
            costs[f"customers {per_s}/s"] = self._cost(per_s, one_of_twenty)
        newcomer = self.newcomer()
        time.sleep(3)
        found = threading.Event()
        flood = threading.Thread(
            target=self._cost, args=(FLOOD_PER_S, stranger, MAX_FLOOD_S, found.is_set), daemon=True
        )
        flood.start()
        found_s = self.enters(newcomer)
        found_within = flood.is_alive()
        found.set()
        self.air.silence()
        flood.join()
        return {
            "costs": costs,
            "entered": len(self.engine.ids()) - before - 1,
            "found_s": found_s,
            "found_within": found_within,
            "status": json.loads(sh("presence status --json", check=False) or "{}").get("radios"),
        }

    def _cost(
        self,
        per_s: int,
        one: Callable[[int], None],
        seconds: float = FLOOD_S,
        enough: Callable[[], bool] = lambda: False,
    ) -> dict[str, float]:
        pid = state("MainPID")
        used, began, sent = self._used_s(pid), time.monotonic(), 0
        while time.monotonic() - began < seconds and not enough():
            due = int((time.monotonic() - began) * per_s)
            while sent < due:
                one(sent)
                sent += 1
            time.sleep(0.005 if per_s else 0.5)
        took_s = time.monotonic() - began
        used_s = self._used_s(pid) - used
        return {
            "asked_per_s": per_s,
            "on_air_per_s": round(sent / took_s, 1),
            "presence_percent": round(100 * used_s / took_s, 2),
            "us_each": round(1e6 * used_s / sent, 1) if sent else 0.0,
        }

    def _used_s(self, pid: str) -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def taken(self) -> dict[str, Any]:
        """Another program has the adapter when the gateway starts: words, and healing."""
        sh("systemctl stop presence")
        ended_s = until(lambda: not self.air.controller.scans(0), 30, "the scan's end")
        held = socket.socket(socket.AF_BLUETOOTH, socket.SOCK_RAW, socket.BTPROTO_HCI)
        name = struct.pack("=HHH", socket.AF_BLUETOOTH, int(self.air.controller.name[3:]), 1)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.bind(held.fileno(), name, len(name)):
            raise OSError(ctypes.get_errno(), "bind")
        sh("systemctl start presence")
        until(self._failed, 300, "words")
        failed, began_s = self._failed(), time.time()
        held.close()
        scanning_s = until(lambda: self.air.controller.scans(0), 180, "scanning")
        return {
            "scan_ended_s": ended_s,
            "failed": failed,
            "scanning_after_s": scanning_s,
            "helpers_s": _helpers_s(began_s),
        }

    def _failed(self) -> list[Any]:
        return [
            [line.get("reason"), line.get("next_step")]
            for line in journal()
            if line.get("event") == "radio.failed" and "EUSERS" in str(line.get("reason"))
        ][-1:]

    def beside_bluetoothd(self) -> dict[str, Any]:
        """bluetoothd has the adapter powered: the helper takes it, and a customer enters."""
        sh("systemctl stop presence; systemctl unmask bluetooth; systemctl start bluetooth")
        powered = (
            f"busctl get-property org.bluez /org/bluez/{self.air.controller.name} "
            "org.bluez.Adapter1 Powered"
        )
        until(lambda: "true" in sh(powered, check=False), 180, "bluetoothd powers the adapter")
        customer = self.newcomer()
        began = time.monotonic()
        sh("systemctl start presence")
        until(lambda: self.air.controller.scans(0), 300, "scanning")
        scanning_s = time.monotonic() - began
        entered_s = self.enters(customer)
        self.air.silence()
        left = sh("busctl tree org.bluez", check=False)
        return {"scanning_s": scanning_s, "entered_s": entered_s, "adapters_of_bluetoothd": left}


def _helpers_s(since_s: float) -> float:
    """What helpers took since then, by systemd's word: the start of a Python, a fifth of a second
    on a small computer and up to half a minute in an emulator on a busy host.
    """
    said = sh("journalctl -b -o json --no-pager -u 'presence-radio@*'")
    times: dict[str, list[float]] = {}
    for line in map(json.loads, said.splitlines()):
        at_s = int(line["__REALTIME_TIMESTAMP"]) / 1e6
        times.setdefault(line.get("UNIT", ""), []).append(at_s)
    return sum(max(0.0, max(each) - max(since_s, min(each))) for each in times.values())


SCENARIOS = (
    "install", "start", "hang", "replug", "hardware_error", "crowd", "taken",
    "beside_bluetoothd", "legacy",
)  # fmt: skip


def main() -> None:
    day = Day()
    with Path("/out/results").open("w") as results:
        for name in sys.argv[1:] or SCENARIOS:
            mark_clock(name, "begin")
            began = time.monotonic()
            try:
                told: dict[str, Any] = {"facts": getattr(day, name)()}
            except Exception as error:  # noqa: BLE001 - told to the host, which judges
                told = {
                    "error": repr(error),
                    "where": traceback.format_exc()[-1500:],
                    **day.circumstances(),
                }
            mark_clock(name, "end")
            tell(results, name, time.monotonic() - began, told)


main()

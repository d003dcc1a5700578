"""Days that end with the power: `power_cut_day.py N` is what the machine does after its N-th cut.
It starts the gateway as installed, sees who is told of, and goes on to the next moment at which it
may be cut off. What is on the disk is looked at before, on the host (left_on_disk.py).

    N = 0  install, publish, greet ──────────────────► cut while a new base is taken over
        1  start, greet, deltas ───────────────► cut as a delta was applied
        2  start, greet, a withdrawal's notice ► cut as it was applied
        3  start, greet, the broker goes ──────► cut while an event waits
        4  start, greet, stop, new base, start ► cut in the middle of the start
        5  start, greet

The gateway alone is cut off. Chain and engine are other machines: what the chain has is on a disk
that keeps each write at once (`mount -o sync`), and what the engine heard is told to the host,
which is also told before each cut what must be there afterwards. The broker forgets all: it would
be better than what the gateway is promised.
"""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from controller import Controller
from gateway import (
    EXAMPLE,
    FIRST_FILE,
    SETTINGS,
    Air,
    Customer,
    sh,
    state,
    unpack_wheels,
    until,
)
from shop import CHAIN, ConsentService, Watcher, disciplined_clock, documented, settings
from telling import mark_clock, tell

STATE, VISITS = Path("/var/lib/presence"), Path("/run/presence/visits.sqlite")
CANARY = Path("/var/lib/canary")
PATIENT = Path("/etc/systemd/system/presence.service.d/emulator.conf")
OUT = Path("/out")
BERIT, CARL, DANA, ERIK = (Customer(number) for number in (8, 9, 7, 10))
"""Dana withdraws by a notice before the third cut, Erik with the list before the second."""
NAMED = {"berit": BERIT, "carl": CARL, "dana": DANA, "erik": ERIK}
CROWD = {f"crowd-{number}": Customer(number) for number in range(30, 230)}
READY_S = 600.0
KEPT_OLD = 3
"""After this cut the list is to name Dana as before: nothing is published."""
POLL_S = 0.01
BETWEEN_S = 5.0
"""From one who withdraws to the next."""
QUIET_S = 15.0
"""In which whoever is near would have been told of."""
UNFORGIVING = "commit=30,noauto_da_alloc"
"""The system writes by itself every 30 seconds instead of 5, and does not guess that a file which
takes the place of another one should be on the disk first: what is not asked for is lost.
"""
BAD = {
    "consent.memory_lost", "consent.rolled_back", "consent.refused", "storage.begun_anew",
    "storage.failed", "audit.failed", "gateway.failed", "restriction.refused",
}  # fmt: skip
"""What the gateway would say of a store that was not as it was left."""


class Engine(Watcher):
    """Tells the host of each event before anything else may happen."""

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        before = len(self.events)
        super()._on_message(client, data, message)
        if len(self.events) > before:
            with (OUT / "events").open("a") as file:
                file.write(json.dumps(self.events[-1][1]) + "\n")


class Said:
    """The daemon's journal as it is written."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        command = "journalctl --namespace=presence -b -o cat -f -n all"
        follower = subprocess.Popen(command.split(), stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, args=(follower.stdout,), daemon=True).start()

    def _read(self, lines: TextIO) -> None:
        for line in lines:
            if line.startswith("{"):
                self.lines.append(json.loads(line))

    def of(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("event") == name]

    def applied(self) -> int:
        """The number of the list in force, 0 before the first."""
        return max((int(line["seq"]) for line in self.of("consent.applied")), default=0)


class Day:
    def __init__(self, number: int) -> None:
        self.number = number
        self.air, self.service, self.engine = Air(), ConsentService(), Engine()
        self.said: Said

    # ------------------------------------------------------------ before the first cut

    def install(self) -> dict[str, Any]:
        unpack_wheels()
        # As shipped, but for the time that a start may take: this is for computers, and the
        # emulator on a busy host is none.
        PATIENT.parent.mkdir(parents=True)
        PATIENT.write_text("[Service]\nTimeoutStartSec=600\n")
        said = sh("/src/checkout/scripts/install --wheelhouse /tmp/wheels")
        documented("# authority: once", CHAIN)
        documented("# the broker, as root", CHAIN)
        self.service.begin(NAMED | CROWD)
        published = self.service.publish()
        for block in (
            "install -m 644 ca.pem /etc/presence/broker-ca.pem",
            "install -m 644 1.root.json",
        ):
            documented(block, CHAIN)
        sh(FIRST_FILE)
        SETTINGS.write_text(settings(EXAMPLE.read_text()))
        # The other machines are there before the gateway: they were never cut off.
        sh("systemctl disable presence 2>&1")
        CANARY.mkdir()
        sh("sync")  # a shop's power goes on another day than the technician's
        return {"said": said[-200:], "published": published}

    def around(self) -> None:
        """All that stands around the gateway."""
        if self.number:
            self.service.serve()
            sh("systemctl start mosquitto")
        if self.number not in {0, KEPT_OLD}:
            self.service.publish()  # a list of half an hour ago has run out
        self.engine.start()
        self.air.controller = Controller()
        disciplined_clock()
        self.said = Said()

    # ------------------------------------------------------------ after a cut

    def open(self, near: dict[str, Customer], told: int) -> dict[str, Any]:
        """Start; these stand near already, and of so many the engine is told, and of no more."""
        for customer in near.values():
            self.air.hear(customer.address, customer.payload)
        sh("systemctl start --no-block presence")
        ready_s = until(lambda: state("ActiveState") == "active", READY_S, "READY")
        until(lambda: self.said.of("consent.applied"), 180, "a list in force")
        until(lambda: len(self.engine.events) >= told, 90, f"{told} events")
        if self.number:
            time.sleep(QUIET_S)
        return {
            "ready_s": ready_s,
            "active": state("ActiveState"),
            "restarts": int(state("NRestarts")),
            "seq": self.said.applied(),
            "events": self.engine.told(),
            "subjects": len({event["subject"] for _, event in self.engine.events}),
            "bad": [line for line in self.said.lines if line.get("event") in BAD],
        }

    # ------------------------------------------------------------ up to the next cut

    def base(self) -> dict[str, Any]:
        """Cut as the file of the old base goes: the new one must be named by then. (It is of the
        same number, for nobody came or went.)
        """
        before = _bases()
        self.service.publish("--new-base")
        self.service.go_on_publishing(5)
        _at_once(lambda: not before & _bases(), 180, "the old base is gone")
        return {"seq": self.said.applied()}

    def deltas(self) -> dict[str, Any]:
        """Erik goes, and others one after another; cut as the second list since then is applied."""
        self.service.go_on_publishing(10)
        actions = self.service.applying()
        assert actions.stdin is not None
        assert actions.stdout is not None
        before = self.said.applied()
        for name in ("erik", *list(CROWD)[:100]):
            actions.stdin.write(json.dumps({"action": "withdraw", "id": name}) + "\n")
            actions.stdout.readline()
            began = time.monotonic()
            while time.monotonic() - began < BETWEEN_S:
                if self.said.applied() >= before + 2:
                    return {"seq": self.said.applied()}
                time.sleep(POLL_S)
        raise AssertionError(f"no two lists after {before}, but {self.said.applied()}")

    def withdrawal(self) -> dict[str, Any]:
        """The list still has her, and will."""
        self.service.withdraw("dana")
        _at_once(lambda: self.said.of("restriction.applied"), 60, "her restriction applied")
        return {"seq": self.said.applied(), "withdrawn": 1}

    def outbox(self) -> dict[str, Any]:
        """The broker is away as Carl comes in."""
        sh("systemctl stop mosquitto")
        self.air.hear(CARL.address, CARL.payload)
        until(_waiting, 90, "an event in the outbox")
        return {"seq": self.said.applied(), "withdrawn": 1, "waiting": _waiting()}

    def start(self) -> dict[str, Any]:
        """A new base came while the gateway was off: cut as it is written, in its start."""
        sh("systemctl stop presence")
        seq, before = self.said.applied(), _bases()
        self.service.publish("--new-base")
        sh("systemctl start --no-block presence")
        _at_once(lambda: _bases() - before, 180, "the new base begun")
        return {"seq": seq}

    # ------------------------------------------------------------ the order

    def play(self, results: TextIO) -> None:
        if self.number == 0:
            self.part(results, "install", self.install)
        self.around()
        near, told, leads_to = ORDER[self.number]
        name = f"open-{self.number}"
        self.part(results, name, lambda: self.open({each: NAMED[each] for each in near}, told))
        if leads_to is not None:
            self.part(results, leads_to.__name__, lambda: self.cut(leads_to))

    def cut(self, leads_to: Callable[["Day"], dict[str, Any]]) -> dict[str, Any]:
        """Says what must be there afterwards, and that the power may go; never returns, but where
        nobody cuts it.

        Nothing is synced here once the moment has come: that would bring to the disk whatever the
        gateway had not.
        """
        _write(CANARY / f"synced-{self.number}", sync=True)
        durable = leads_to(self)
        _write(CANARY / f"unsynced-{self.number}", sync=False)
        durable = {"number": self.number + 1, "bases": sorted(_bases()), **durable}
        with (OUT / "durable").open("a") as file:
            file.write(json.dumps(durable) + "\n")
        (OUT / "cut").write_text("now\n")
        time.sleep(60)
        raise AssertionError("nobody cut the power")

    def part(self, results: TextIO, name: str, plays: Callable[[], dict[str, Any]]) -> None:
        mark_clock(name, "begin")
        began = time.monotonic()
        try:
            told: dict[str, Any] = {"facts": plays()}
        except Exception as error:
            told = {
                "error": repr(error), "where": traceback.format_exc()[-1500:],
                "status": sh("presence status", check=False),
                "journal": getattr(self, "said", Said()).lines[-12:],
            }  # fmt: skip
            raise
        finally:
            mark_clock(name, "end")
            tell(results, name, time.monotonic() - began, told)


ORDER: dict[int, tuple[tuple[str, ...], int, Callable[[Day], dict[str, Any]] | None]] = {
    0: (("berit", "dana", "erik"), 3, Day.base),
    1: (("berit", "dana", "erik"), 3, Day.deltas),
    2: (("berit", "dana", "erik"), 2, Day.withdrawal),
    3: (("berit", "dana", "erik"), 1, Day.outbox),
    4: (("berit", "carl", "dana", "erik"), 2, Day.start),
    5: (("berit", "carl", "dana", "erik"), 2, None),
}
"""After each cut: who stands near, of how many of them the engine is told, what comes then."""


def _bases() -> set[str]:
    return {path.name for path in STATE.glob("*.base")}


def _at_once(condition: Callable[[], Any], seconds: float, what: str) -> None:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(POLL_S)


def _waiting() -> list[str]:
    with closing(sqlite3.connect(VISITS, timeout=5)) as database:
        return [row[0] for row in database.execute("SELECT id FROM outbox")]


def _write(path: Path, *, sync: bool) -> None:
    with path.open("w") as file:
        file.write(path.name * 1000)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def main() -> None:
    sh(f"mount -o remount,{UNFORGIVING} /")
    CHAIN.mkdir(parents=True, exist_ok=True)
    sh(f"mount -o sync /dev/vdb {CHAIN}")
    day = Day(int(sys.argv[1]))
    with (OUT / "results").open("a") as results:
        day.play(results)
    day.service.end()


main()

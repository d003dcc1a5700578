"""The whole pipeline behind bleak's callback, beside the same callback with an empty body
(docs/design.md#performance: ≤ 1.5×).

bleak is given what BlueZ would send (the properties of a device) at the door where D-Bus hands them
over; what is before that door, D-Bus and bluetoothd, is the same for both and left out. Each of 200
phones sends five times a second.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bleak import BleakScanner

from presence.config.settings import RadioMode
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import ephemeral_identifier, slot_at, window_at
from presence.core.timestamps import Moment
from presence.edges.bluez import BluezScanner, ScanPolicy
from presence.edges.bluez.scans import found_by
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Intake, Pipeline
from scripts.benchmarks import subjects
from scripts.benchmarks.cost import INSIDE_DBM, OUTSIDE_DBM
from scripts.benchmarks.figure import Figure, interleaved_ns

PHONES = 200
EVERY_S = 0.2
WALK_IN_TURNS = 80
GOAL_RATIO = 1.5
BATCH = 50
"""What the daemon finds waiting when its turn comes, at a thousand advertisements a second."""


class TurnClock:
    """Each turn, in which every phone speaks once, is EVERY_S later."""

    def __init__(self) -> None:
        self.turn = 0

    def now(self) -> Moment:
        return subjects.NOW.later(self.turn * EVERY_S)


class Way:
    """From the door at which D-Bus hands properties to bleak, to the engine's end."""

    def __init__(self, directory: Path) -> None:
        self.clock = TurnClock()
        self.pipeline = Pipeline(
            subjects.rules(), RuntimeStore(directory), emit=lambda _event: None
        )
        self.pipeline.apply(subjects.consent_list(1000), subjects.STANDING, subjects.NOW)
        self.pipeline.engine.matcher.complete(subjects.NOW.utc_s)
        self.intake = Intake(4096)
        scanner = BluezScanner(
            ScanPolicy(mode=RadioMode.ACTIVE),
            adapter="hci0",
            clock=self.clock,
            emit=lambda _event: None,
        )
        scanner._on_advertisement = self.intake.hear
        self.door = door_of(found_by(scanner._taker(())))

    def case(self, properties: list[tuple[str, dict[str, Any]]]) -> Callable[[], int]:
        batches = [properties[n : n + BATCH] for n in range(0, PHONES, BATCH)]

        def run() -> int:
            self.clock.turn += 1
            take, intake, receive = self.door, self.intake, self.pipeline.receive_all
            for batch in batches:
                for path, says in batch:
                    take(path, says)
                receive(intake.take(BATCH))
            return PHONES

        return run


def figures() -> Iterator[Figure]:
    for kind, properties in kinds().items():
        with tempfile.TemporaryDirectory() as directory:
            way = Way(Path(directory))
            through = way.case(properties)
            for _ in range(WALK_IN_TURNS):
                through()
            entered = PHONES if kind == "customer_inside" else 0
            counts = way.pipeline.counts
            if counts["entered"] != entered or counts["suspect"]:
                raise SystemExit("the benchmark is wrong: who should be in is not, or held back")
            nanoseconds = interleaved_ns({"empty": empty(properties), "through": through})
        ratio = nanoseconds["through"] / nanoseconds["empty"]
        note = (
            f"{nanoseconds['through']:,.0f} ns : {nanoseconds['empty']:,.0f} ns of bleak "
            "with an empty body"
        )
        yield Figure(f"floor.{kind}", round(ratio, 2), "x", GOAL_RATIO, note=note)


def empty(properties: list[tuple[str, dict[str, Any]]]) -> Callable[[], int]:
    take = door_of(lambda _device, _data: None)

    def run() -> int:
        for path, says in properties:
            take(path, says)
        return PHONES

    return run


def door_of(callback: Callable[[Any, Any], None]) -> Callable[[str, dict[str, Any]], None]:
    """Where bleak is given the properties of a device."""
    backend: Any = BleakScanner(callback, scanning_mode="active")._backend
    take: Callable[[str, dict[str, Any]], None] = backend._handle_advertising_data
    return take


def kinds() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    window, slot = window_at(subjects.NOW.utc_s), slot_at(subjects.NOW.utc_s)

    def ours(eid: bytes) -> dict[str, Any]:
        return {
            "UUIDs": [eddystone.SERVICE_UUID],
            "ServiceData": {eddystone.SERVICE_UUID: b"\x30\xec" + eid},
        }

    def eid(phone: int) -> bytes:
        return ephemeral_identifier(subjects.window_key_of(phone, window), slot)

    contents: dict[str, Callable[[int], dict[str, Any]]] = {
        "stranger_other_format": lambda phone: {
            "ManufacturerData": {0x004C: b"\x10\x05" + phone.to_bytes(5, "big")}
        },
        "stranger_of_ours": lambda phone: ours(b"\xee" + phone.to_bytes(7, "big")),
        "customer": lambda phone: ours(eid(phone)),
        "customer_inside": lambda phone: ours(eid(phone)),
    }
    return {
        kind: [
            _device(phone, make(phone), INSIDE_DBM if kind == "customer_inside" else OUTSIDE_DBM)
            for phone in range(PHONES)
        ]
        for kind, make in contents.items()
    }


def _device(phone: int, content: dict[str, Any], rssi_dbm: int) -> tuple[str, dict[str, Any]]:
    address = ":".join(f"{byte:02X}" for byte in phone.to_bytes(6, "big"))
    alias = address.replace(":", "-")
    says = {"Address": address, "Alias": alias, "RSSI": rssi_dbm, **content}
    return f"/org/bluez/hci0/dev_{phone}", says

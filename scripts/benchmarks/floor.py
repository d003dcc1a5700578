"""The whole pipeline behind bleak's callback, beside the same callback with an empty body
(docs/design.md#performance: ≤ 1.5×).

bleak is given what BlueZ would send (the properties of a device) at the door where D-Bus hands them
over; what is before that door, D-Bus and bluetoothd, is the same for both and left out. Each of 200
phones sends five times a second.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bleak import BleakScanner

from presence.config.settings import RadioMode
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import ephemeral_identifier, slot_at, window_at
from presence.edges.bluez import BluezScanner, ScanPolicy
from presence.edges.bluez.scans import found_by
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.pipeline import Intake, Pipeline
from scripts.benchmarks import subjects
from scripts.benchmarks.figure import Figure, interleaved_ns

COUNT = 20_000
PHONES = 200
GOAL_RATIO = 1.5
BATCH = 64
"""What the daemon finds waiting when its turn comes, at a thousand advertisements a second."""


class SteadyClock:
    """A thousand advertisements a second, from readings made before, as quick to ask as the
    machine's clock.
    """

    def __init__(self) -> None:
        self.now = itertools.cycle(
            [subjects.NOW.later(n / 1000) for n in range(8 * COUNT)]
        ).__next__


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as directory:
        through, empty = _scanners(Path(directory))
        for kind, properties in _kinds().items():
            nanoseconds = interleaved_ns(
                {"empty": _feed(empty, properties), "through": _feed(through, properties)}
            )
            ratio = nanoseconds["through"] / nanoseconds["empty"]
            note = (
                f"{nanoseconds['through']:,.0f} ns : {nanoseconds['empty']:,.0f} ns of bleak "
                "with an empty body"
            )
            yield Figure(f"floor.{kind}", round(ratio, 2), "x", GOAL_RATIO, note=note)


def _scanners(directory: Path) -> tuple[Any, Any]:
    pipeline = Pipeline(subjects.rules(), RuntimeStore(directory), emit=lambda _event: None)
    pipeline.apply(subjects.consent_list(1000), subjects.STANDING, subjects.NOW)
    pipeline.engine.matcher.complete(subjects.NOW.utc_s)
    intake = Intake(4096)

    def hear(advertisement: Any) -> None:
        intake.hear(advertisement)
        if len(intake) == BATCH:
            for heard in intake.take(BATCH):
                pipeline.receive(heard)

    scanner = BluezScanner(
        ScanPolicy(mode=RadioMode.ACTIVE),
        adapter="hci0",
        clock=SteadyClock(),
        emit=lambda _event: None,
    )
    scanner._on_advertisement = hear
    ours = BleakScanner(found_by(partial(scanner._take, ())), scanning_mode="active")._backend
    empty = BleakScanner(lambda _device, _data: None, scanning_mode="active")._backend
    return ours, empty


def _feed(backend: Any, properties: list[dict[str, Any]]) -> Callable[[], int]:
    def run() -> int:
        take = backend._handle_advertising_data
        for number in range(COUNT):
            phone = number % PHONES
            take(f"/org/bluez/hci0/dev_{phone}", properties[phone])
        return COUNT

    return run


def _kinds() -> dict[str, list[dict[str, Any]]]:
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
    }
    return {
        kind: [_device(phone, make(phone)) for phone in range(PHONES)]
        for kind, make in contents.items()
    }


def _device(phone: int, content: dict[str, Any]) -> dict[str, Any]:
    address = ":".join(f"{byte:02X}" for byte in phone.to_bytes(6, "big"))
    return {"Address": address, "Alias": address.replace(":", "-"), "RSSI": -90, **content}

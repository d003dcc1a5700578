"""The gateway under test, seen from its own machine: installed, fed with customers, asked,
broken.
"""

import json
import os
import subprocess
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from controller import Controller
from paho.mqtt.enums import CallbackAPIVersion

from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import WINDOW_S, ephemeral_identifier, slot_at, window_at
from presence.simulation.identity_keys import window_key

SETTINGS = Path("/etc/presence/presence.yaml")
EXAMPLE = Path("/usr/share/doc/presence/presence.yaml")
LIST = Path("/var/lib/presence/consent/consents.jsonl")
UNIT = "presence.service"

os.environ.pop("PYTHONPATH", None)
"""What a day starts is the program as installed, from its wheel and with its byte code; only the
day's own script is of the checkout.
"""


def sh(command: str, *, check: bool = True) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - our own words
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def until(condition: Callable[[], Any], seconds: float, what: str) -> float:
    """How long it took; raises AssertionError where it never came."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - began


def unpack_wheels() -> None:
    sh("mkdir -p /tmp/wheels && ln -s /wheels/*.whl /wheels/locked.txt /tmp/wheels/")
    sh("cp /src/wheels/*.whl /tmp/wheels/")


FIRST_FILE = (
    "presence config init --list acme/fi-0042 --controller 'Acme Oy' --dpo-contact "
    "privacy@acme.example --campaigns ap2:1551,ap2:1285 --hours always --gateway door-1 --notice "
    "fi-2026-03"
)


def install() -> str:
    """With a first file and its key; the days then change the commented example in its place."""
    said = sh("/src/checkout/scripts/install --wheelhouse /tmp/wheels")
    sh(f"{FIRST_FILE} && cat {EXAMPLE} >{SETTINGS}")
    return said


def always_open(settings: str) -> str:
    """The example's settings for a shop that never closes, with a notice in force."""
    settings = settings.replace("    sat: 09:00-18:00\n    sun: 12:00-18:00\n", "")
    days = "".join(
        f"    {day}: 00:00-24:00\n" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    )
    start, end = (
        settings.index("    mon: 09:00"),
        settings.index("    fri: 09:00-21:00\n") + len("    fri: 09:00-21:00\n"),
    )
    settings = settings[:start] + days + settings[end:]
    return settings.replace("review_by: 2027-03-01", "review_by: 2099-01-01")


@dataclass
class Customer:
    number: int

    @property
    def ref(self) -> bytes:
        return b"customer"[:7] + bytes((self.number,))

    @property
    def identity_key(self) -> bytes:
        return bytes((self.number,)) * 16

    @property
    def address(self) -> bytes:
        return b"\x4a\x5b\x6c\x7d\x8e" + bytes((self.number,))

    def payload(self, at_s: float | None = None) -> bytes:
        """By the phone's clock, which is the machine's where None."""
        now = time.time() if at_s is None else at_s
        eid = ephemeral_identifier(window_key(self.identity_key, now), slot_at(now))
        return eddystone.payload(eid, tx_power_dbm=-18)

    def entry(self, now: float) -> dict[str, Any]:
        keys = [window_key(self.identity_key, now + n * WINDOW_S) for n in (0, 1)]
        return {
            "ref": text(self.ref),
            "ver": 1,
            "purposes": ["presence", "offers"],
            "flags": [],
            "win": {
                "start": window_at(now) * WINDOW_S,
                "len": WINDOW_S,
                "keys": [text(key) for key in keys],
            },
            "pk": {"offers-main": text(bytes(16))},
            "nb": int(now) - 86_400,
            "na": int(now) + 86_400,
            "scope": {"type": "store", "id": "fi-0042"},
            "grants": [["ap2:1551", 0]],
        }


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Air:
    """Phones near the door, several times a second, on whatever controller there is."""

    def __init__(self) -> None:
        self.controller: Controller | None = None
        self._phones: dict[bytes, Callable[[], tuple[bytes, int]]] = {}
        self._every_s = 0.25
        threading.Thread(target=self._run, daemon=True).start()

    def hear(self, address: bytes, payload: Callable[[], bytes], rssi_dbm: int = -50) -> None:
        self._phones[address] = lambda: (payload(), rssi_dbm)

    def hear_varying(
        self, address: bytes, payload: Callable[[], bytes], rssi_dbm: Callable[[], int]
    ) -> None:
        self._phones[address] = lambda: (payload(), rssi_dbm())

    def silence(self) -> None:
        self._phones.clear()

    def _run(self) -> None:
        while True:
            controller = self.controller
            for address, phone in list(self._phones.items()):
                if controller is not None:
                    with suppress(
                        OSError
                    ):  # the adapter went away or down under it: not heard, as on any air
                        controller.advertise(address, *phone())
            time.sleep(self._every_s)


@dataclass
class Engine:
    """Whoever listens on the broker: every event, with the time at which it came."""

    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    everything: list[bytes] = field(default_factory=list)
    """Every topic and every payload."""
    client: paho.Client = field(
        default_factory=lambda: paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    )
    host, port = "127.0.0.1", 1883

    def start(self) -> None:
        client = self.client
        self.prepare(client)
        client.on_connect = lambda c, *_: c.subscribe("presence/#", qos=1)
        client.on_message = self._on_message
        client.reconnect_delay_set(1, 2)
        client.connect_async(self.host, self.port, keepalive=10)
        client.loop_start()

    def prepare(self, client: paho.Client) -> None:
        """Before it connects: certificates, where the broker wants some."""

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.everything += [message.topic.encode(), message.payload]
        if "/evt/" in message.topic and not message.topic.endswith(
            "/test"
        ):  # `presence check` writes there
            self.events.append((time.monotonic(), json.loads(message.payload)))

    def ids(self, kind: str = "presence.entered.v1") -> list[str]:
        return [event["id"] for _, event in self.events if event["type"] == kind]


def publish_list(customers: list[Customer], seq: int, *, at: Path = LIST) -> None:
    now = time.time()
    head = {
        "v": 1,
        "list": "acme/fi-0042",
        "seq": seq,
        "published_at": int(now),
        "suppression_checked_at": int(now),
        "count": len(customers),
    }
    new = at.with_suffix(".new")
    new.write_text(
        "".join(json.dumps(line) + "\n" for line in (head, *(c.entry(now) for c in customers)))
    )
    sh(f"chown presence {new}")
    new.replace(at)


def resident_kb(pid: str) -> int:
    return int(sh(f"grep VmRSS /proc/{pid}/status").split()[1])


def state(name: str) -> str:
    return sh(f"systemctl show -P {name} {UNIT}")


def journal() -> list[dict[str, Any]]:
    """What the daemon said."""
    lines = sh("journalctl --namespace=presence -o cat --no-pager", check=False).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def stamp() -> str:
    return sh("date +'%F %T'")


def since(began: str) -> list[str]:
    """What the daemon said since then, whatever its form."""
    return sh(
        f"journalctl --namespace=presence -o cat --no-pager --since '{began}'", check=False
    ).splitlines()[-12:]

"""The customer's side, end to end: the consent service with its signed list and notices, a real
broker, the running daemon in a process of its own, and what the reference offer engine makes of its
events.

One customer, Anna: her phone stands in the shop from some seconds after the start on, for as long
as the test takes.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt import publish
from paho.mqtt.enums import MQTTProtocolVersion

from presence.consent_service.service import ConsentService
from scripts.offer_engine import Engine
from scripts.stores.customers import identity_key
from scripts.stores.store import QUICK, Plan, Visitor
from tests.support.brokers import listener, mosquitto
from tests.support.builders import (
    ANNA,
    CARS,
    DAY_S,
    GARDEN,
)
from tests.support.paths import ROOT

LIST, NAME, AUDIENCE = "acme/fi-0042", "anna's car search", "offers-main"
EVENTS = "presence/v1/acme/fi-0042/evt/+"
WITHIN_S = 30.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
CONFIG = """
store: {{chain: acme, store: fi-0042, gateway: gw-1, key_file: store.key}}
notice:
  {{id: fi-2026-03, controller: Acme Oy, dpo_contact: dpo@acme.example, review_by: 2099-01-01}}
consent: {{repository: "{repository}", root_file: root.json, list: acme/fi-0042, refresh_s: 5,
          require_synchronised_clock: false, lease_s: {lease_s}}}
audiences: [{{name: offers-main, purpose: offers, campaigns: [{campaigns}]}}]
mqtt: {{host: 127.0.0.1, port: {port}}}
storage: {{state_dir: state, runtime_dir: run}}
log: {{format: json}}
{entry}
"""


@dataclass
class Journey:
    """`events` and `offers` as the engine had them, in order."""

    folder: Path
    port: int
    service: asyncio.subprocess.Process
    """tests.support.forked_consents."""
    lease_s: int = 900
    engine: Engine = field(default_factory=lambda: Engine({}, {}))
    events: list[dict[str, Any]] = field(default_factory=list)
    offers: list[dict[str, Any]] = field(default_factory=list)
    arrived_s: list[float] = field(default_factory=list)
    _looked_at: int = 0
    _process: asyncio.subprocess.Process | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def consents(self, action: str, *arguments: str) -> dict[str, Any]:
        """`presence consents …`, as the consent platform runs it; its answer."""
        words = ["consents", action, "--directory", str(self.folder), "--json", *arguments]
        service = self.service
        assert service.stdin is not None
        assert service.stdout is not None
        service.stdin.write(json.dumps(words).encode() + b"\n")
        code, out, err = json.loads(await service.stdout.readline())
        assert code == 0, err
        answer: dict[str, Any] = json.loads(out)
        return answer

    async def begin(self) -> None:
        await self.consents("init", "--list", LIST, "--audience", f"{AUDIENCE}=offers")
        (self.folder / "mirror").symlink_to(self.folder / "repository")

    def freeze(self) -> None:
        """Whoever stands between shows the gateway what is there now, for ever."""
        shutil.copytree(self.folder / "repository", self.folder / "frozen")
        (self.folder / "new").symlink_to(self.folder / "frozen")
        (self.folder / "new").replace(self.folder / "mirror")

    async def agree(
        self, *interests: str, until_s: float | None = None, name: str = NAME, ref: bytes = ANNA
    ) -> None:
        """She agrees, and the list with it is published; the engine has her pairwise key."""
        key = self.folder / f"{ref.hex()}.key"
        key.write_text(identity_key(ref).hex())
        categories = (
            word for interest in interests or (CARS, GARDEN) for word in ("--category", interest)
        )
        await self.consents(
            "add",
            name,
            "--purpose",
            "presence",
            "--purpose",
            "offers",
            *categories,
            "--identity-key",
            str(key),
            "--until",
            iso(until_s or time.time() + 100 * DAY_S),
        )
        await self.publish()
        self.engine = Engine(
            {name: self.pairwise_key(name)}, {CARS: "a wheel change", GARDEN: "bulbs"}
        )

    def pairwise_key(self, name: str) -> bytes:
        """What the consent service gives the audience's engine, by a way of their own."""
        service = ConsentService(self.folder, self.folder / "repository", clock=time.time)
        known = service.register.get(service.ref_of(name))
        service.close()
        assert known is not None
        assert known.consent is not None
        return known.consent.pairwise_keys[AUDIENCE]

    async def publish(self) -> None:
        await self.consents("publish", "--suppression-checked", "now")

    async def say(self, action: str, *arguments: str) -> None:
        """What takes away goes to the broker at once, signed."""
        await self.consents(action, NAME, *arguments, "--mqtt", f"127.0.0.1:{self.port}")

    async def say_head(self) -> None:
        await self.consents("head", "--mqtt", f"127.0.0.1:{self.port}")

    async def send(self, topic: str, message: bytes) -> None:
        """Somebody says something."""
        await asyncio.to_thread(
            publish.single, topic, message, qos=1, hostname="127.0.0.1", port=self.port,
            protocol=MQTTProtocolVersion.MQTTv5,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(
        self, *, seconds: float = 60.0, environment: Mapping[str, str] | None = None
    ) -> None:
        """The daemon, and Anna's phone once it hears."""
        folder = self.folder / "gateway"
        folder.mkdir(exist_ok=True)
        (folder / "store.key").write_text("ab" * 32)
        (folder / "store.key").chmod(0o600)
        (folder / "root.json").write_bytes(
            (self.folder / "repository/metadata/1.root.json").read_bytes()
        )
        (folder / "presence.yaml").write_text(
            CONFIG.format(
                repository=self.folder / "mirror",
                port=self.port,
                campaigns=f'"{CARS}", "{GARDEN}"',
                lease_s=self.lease_s,
                entry=QUICK,
            )
        )
        plan = Plan("gw-1", "", seconds, [Visitor(ANNA.hex(), 0.5, seconds)], lost_share=0.0)
        (folder / "plan.json").write_text(json.dumps(asdict(plan)))
        with (
            (self.folder / "out").open("ab") as out,
            (self.folder / "journal").open("ab") as journal,
        ):
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "scripts.stores.gateway",
                folder / "presence.yaml",
                folder / "plan.json",
                stdout=out,
                stderr=journal,
                env={**ENVIRONMENT, **(environment or {})},
            )

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def journal(self) -> list[dict[str, Any]]:
        lines = (self.folder / "journal").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    async def told(self, event: str, *, within_s: float = WITHIN_S) -> dict[str, Any]:
        """The first line of the journal of that name."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for line in self.journal():
                        if line["event"] == event:
                            return line
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never told: {event}; {self.journal()}") from None

    async def next(self, *, within_s: float = WITHIN_S) -> tuple[str, dict[str, Any]]:
        """The next event that the engine received or receives: its kind, and its data."""
        try:
            async with asyncio.timeout(within_s):
                while len(self.events) == self._looked_at:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no event; {self.journal()}") from None
        event = self.events[self._looked_at]
        self._looked_at += 1
        return event["type"].split(".")[1], event["data"]

    async def silence(self, seconds: float = 3.0) -> bool:
        """Whether nothing came beside what was looked at."""
        await asyncio.sleep(seconds)
        return len(self.events) == self._looked_at

    def take(self, payload: bytes) -> None:
        event: Mapping[str, Any] = json.loads(payload)
        self.events.append(dict(event))
        self.arrived_s.append(time.time())
        self.offers += self.engine.handle(event, time.time())
        self._changed.set()


@contextlib.asynccontextmanager
async def consent_service() -> AsyncIterator[asyncio.subprocess.Process]:
    service = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.forked_consents",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
    )
    try:
        yield service
    finally:
        await service.communicate(b"")  # closes its input, by which it ends
        assert service.returncode == 0


@contextlib.asynccontextmanager
async def journey(folder: Path, *, lease_s: int = 900) -> AsyncIterator[Journey]:
    """A consent service that has published nothing yet, and a broker with the engine on it."""
    (folder / "broker").mkdir()

    async def listen(heard: "asyncio.Queue[Any]") -> None:
        while True:
            walk.take((await heard.get()).payload)

    async with (
        consent_service() as service,
        mosquitto(folder / "broker") as broker,
        listener(broker.port, EVENTS) as heard,
    ):
        walk = Journey(folder, broker.port, service, lease_s)
        await walk.begin()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listen(heard))
            try:
                yield walk
            finally:
                await walk.kill()
                listening.cancel()


def iso(utc_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(utc_s))

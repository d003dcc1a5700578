"""The chain's side of the play: `presence consents`, the reference publisher, as an operator runs
it.

    init ─► import ─► pause, customers ─► publish      before the doors open
    add ─► publish            somebody asks for more
    withdraw ─► revocation ─► broker, publish          somebody withdraws

Each is a process of its own. The folder holds register and keys, identity keys too: gateways are
given its `repository`, and the first root by hand.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from paho.mqtt import publish
from paho.mqtt.enums import MQTTProtocolVersion

from presence.config.settings import MqttProtocol
from presence.core.consent.revocation import topic_of_revocations
from presence.demo.story import AUDIENCE, LIST, Person
from presence.errors import BrokerError, ConsentServiceError
from presence.simulation.local_broker import LocalBroker, stop


class ListPublisher:
    """Keeps and signs the list in `folder`. Every method raises ConsentServiceError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.repository = folder / "repository"
        self.root_file = self.repository / "metadata" / "1.root.json"

    async def open(self, people: tuple[Person, ...]) -> dict[str, bytes]:
        """A published list of these people; answers with id → the audience's pairwise key."""
        self._folder.mkdir()
        export = self._folder / "export.jsonl"
        now_s = time.time()
        lines = (json.dumps(line) for person in people for line in person.import_lines(now_s))
        export.write_text("\n".join(lines), encoding="utf-8")
        await self._do("init", "--list", LIST, "--audience", f"{AUDIENCE}=offers")
        await self._do("import", str(export))
        paused = [person.customer_id for person in people if person.paused]
        async with asyncio.TaskGroup() as tasks:
            for name in paused:
                tasks.create_task(self._do("pause", name, "--until", "+7d"))
            named = tasks.create_task(self._do("customers", AUDIENCE))
        await self.publish()
        customers = [json.loads(line) for line in named.result().splitlines()]
        return {each["customer"]: bytes.fromhex(each["pairwise_key"]) for each in customers}

    async def publish(self) -> int:
        """Sign what changed; answers with the number of the list."""
        said = await self._do("publish", "--suppression-checked", "now")
        return int(json.loads(said)["seq"])

    async def add_interest(self, person: Person) -> None:
        categories = [f"--category={category}" for category in (*person.wants, person.asks_for)]
        purposes = [f"--purpose={purpose}" for purpose in person.purposes]
        more = ["--store", person.store, "--until", f"+{person.days}d"]
        await self._do("add", person.customer_id, *purposes, *categories, *more)

    async def withdraw(self, person: Person, broker: LocalBroker) -> None:
        """Returns when the broker has the signed revocation. Raises BrokerError, too."""
        await self._do("withdraw", person.customer_id)
        for notice in sorted((self._folder / "outbox").glob("*.jws")):
            await asyncio.to_thread(_carry, notice.read_bytes(), broker)
            notice.unlink()

    async def _do(self, action: str, *arguments: str) -> str:
        """What one action says on standard output."""
        command = [sys.executable, "-m", "presence", "consents", action, *arguments]
        command += ["--directory", str(self._folder), "--json"]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = await process.communicate()
        finally:
            await stop(process)
        if process.returncode:
            raise ConsentServiceError(err.decode(errors="replace").strip())
        return out.decode()


def _carry(notice: bytes, broker: LocalBroker) -> None:
    """As a chain may with its own way to the shops' brokers; this one may speak 3.1.1 only, and
    `presence consents --mqtt` speaks 5.
    """
    v5 = broker.protocol is MqttProtocol.V5
    how: dict[str, Any] = {"hostname": broker.host, "port": broker.port, "qos": 1}
    try:
        publish.single(
            topic_of_revocations(LIST),
            notice,
            client_id="presence-demo-consents",
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            **how,
        )
    except OSError as error:
        raise BrokerError(f"the consent service cannot reach the broker: {error}") from error

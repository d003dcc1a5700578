"""From the broker to a stream: RabbitMQ's own, and an engine of two instances behind it (R-53)."""

import asyncio
import contextlib
import json
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.publish
import pytest

from scripts.offer_engine import subject
from scripts.stores.customers import AUDIENCE, pairwise_key
from scripts.stores.store import Counted, visitors
from tests.cluster.chain import play
from tests.cluster.machine import MACHINE, address, run, start, tell
from tests.cluster.rabbitmq import CHAIN, rabbitmq
from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.requirement("R-53", "R-55")]
VISITS, INSTANCES = 60, 2
REGULAR = "ff" * 8
"""A customer whose events this test makes by hand."""
RETENTION = """
import sys, time, pika
connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.confirm_delivery()
channel.basic_qos(prefetch_count=1000)
limits = {"x-max-age": "1s", "x-stream-max-segment-size-bytes": 500_000}
channel.queue_declare("short", durable=True, arguments={"x-queue-type": "stream", **limits})

def kept():
    bodies, first = [], {"x-stream-offset": "first"}
    for method, _, body in channel.consume("short", arguments=first, inactivity_timeout=2):
        if method is None:
            break
        channel.basic_ack(method.delivery_tag)
        bodies.append(body)
    channel.cancel()
    return bodies.count(b"event")

channel.basic_publish("", "short", b"event")
time.sleep(4)
print(kept())
for _ in range(2):
    for _ in range(30):
        channel.basic_publish("", "short", bytes(50_000))
    time.sleep(4)
    print(kept())
"""
TOPIC = f"presence/v1/acme/fi-0042/evt/{AUDIENCE}"


@contextlib.asynccontextmanager
async def instances(folder: Path) -> AsyncIterator[list[Path]]:
    """Of the engine, at work in the Debian; each with a file of what it offered."""
    inside = MACHINE / "tmp" / "engine"
    inside.mkdir(exist_ok=True)
    for name in ("offer_engine.py", "stream_engine.py"):
        shutil.copy(ROOT / "scripts" / name, inside)
    refs = [guest.ref for guest in visitors(VISITS)] + [REGULAR]
    keys = {ref: pairwise_key(bytes.fromhex(ref), AUDIENCE).hex() for ref in refs}
    lines = [json.dumps({"customer": ref, "pairwise_key": key}) for ref, key in keys.items()]
    (inside / "customers").write_text("\n".join(lines))
    logs = [folder / f"instance-{n}" for n in range(INSTANCES)]
    nodes = [f"--node=amqp://guest:guest@{address(n)}:5672" for n in (1, 2, 3)]
    common = ["--chain=acme", f"--audience={AUDIENCE}", "--customers=/tmp/engine/customers"]
    processes = [
        await start(
            "python3",
            "/tmp/engine/stream_engine.py",  # noqa: S108 - of the Debian, which nobody else has
            *nodes,
            *common,
            f"--instance={n}",
            f"--instances={INSTANCES}",
            log=log,
        )
        for n, log in enumerate(logs)
    ]
    try:
        yield logs
    finally:
        for process in processes:
            process.kill()
            await process.wait()


def offers(logs: list[Path]) -> Iterator[dict[str, Any]]:
    for log in logs:
        for line in log.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def event(name: str, kind: str, data: dict[str, Any]) -> str:
    """What a gateway would say of our regular, so far as an engine looks at it."""
    now = datetime.now(UTC)
    key = pairwise_key(bytes.fromhex(REGULAR), AUDIENCE)
    body = {
        "source": "urn:test",
        "id": name,
        "type": f"presence.{kind}.v1",
        "time": now.isoformat(),
        "subject": subject(key, now.date().isoformat().encode()),
        "data": data,
    }
    return json.dumps(body)


def entered(name: str, valid_s: float) -> str:
    until = datetime.fromtimestamp(time.time() + valid_s, UTC).isoformat()
    agreed = {"purposes": ["offers"], "allow": ["ap2:1551"], "consent": {"notice": "fi-2026-03"}}
    return event(name, "entered", {**agreed, "valid_until": until})


async def say(port: int, *payloads: str) -> None:
    messages: list[Any] = [(TOPIC, payload, 1, False) for payload in payloads]
    await asyncio.to_thread(paho.mqtt.publish.multiple, messages, hostname="127.0.0.1", port=port)


async def test_two_instances_behind_a_stream_act_once_on_each_visit_while_a_node_dies(
    tmp_path: Path,
) -> None:
    async with rabbitmq(tmp_path, CHAIN) as nodes, instances(tmp_path) as logs:

        async def faults(counted: Counted) -> None:
            await counted.offered(20, within_s=60)
            nodes[0].kill()

        verdict = await play(
            "stream, a node killed (-9)",
            tmp_path,
            nodes,
            faults,
            visits=VISITS,
            mqtt="will_delay_s: 0",
        )
        told = Counter(offer["in_answer_to"]["id"] for offer in offers(logs))
        tell(f"stream: {sum(told.values())} offers of two instances for {len(told)} visits")
        await nodes[1].ctl("delete_queue", f"presence.v1.acme.*.evt.{AUDIENCE}")
        await asyncio.sleep(5)  # the instances declare it anew
        late, once = entered("late", -1), entered("once", 100)
        back = event("back", "withdrawn", {"entered_id": "once", "reason": "withdrawn"})
        await say(nodes[1].port, late, once, once, once, back, once)
        await asyncio.sleep(3)
        by_hand = [offer for offer in offers(logs) if offer["in_answer_to"]["source"] == "urn:test"]
    assert verdict.wrong == {}
    assert set(told.values()) == {1}
    assert len(told) == VISITS
    assert [bool(offer.get("cancelled")) for offer in by_hand] == [False, True]
    assert {offer["in_answer_to"]["id"] for offer in by_hand} == {"once"}


async def test_an_event_outlives_the_age_of_a_stream_until_segments_after_its_own_are_full(
    tmp_path: Path,
) -> None:
    async with rabbitmq(tmp_path, CHAIN):
        said = tmp_path / "kept"
        url = f"amqp://guest:guest@{address(1)}:5672"
        await run("python3", "-c", RETENTION, url, log=said)
    assert said.read_text().split() == ["1", "1", "0"]

"""How soon a customer who withdraws is obeyed: from the revocation on the local broker to what the
offer engine receives.

Signed revocations go to a real mosquitto, one after the other; a gateway with pipeline, SQLite,
relay and paho takes each customer back. Measured from just before the publication to the arrival of
`withdrawn`. With the network cut there is no revocation: then the lease is the bound
(`consent.lease_s`), by the rule of presence.core.consent.freshness.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from presence.config.settings import MqttSettings, StoreSettings
from presence.core.consent.freshness import Freshness, Lease
from presence.core.consent.model import Consent
from presence.core.consent.revocation import Revocation, topic_of_revocations
from presence.core.timestamps import Moment
from presence.edges.host.clock import SystemClock
from presence.edges.mqtt.publisher import MqttPublisher
from presence.edges.sqlite.revocations import SqliteRevocationStore
from presence.edges.sqlite.store import RuntimeStore
from presence.gateway.list_sync import Renewal
from presence.gateway.pipeline import Pipeline
from presence.gateway.relay import Relay
from presence.gateway.revocation_listener import RevocationListener
from presence.simulation.local_broker import find_mosquitto
from scripts.benchmarks.figure import Figure
from tests.support.brokers import listener, mosquitto
from tests.support.builders import DAY_S, a_list, approach, consent, rules, window_keys
from tests.support.fakes import FakeConsentSource, FakeTell, MemoryAcceptedLists
from tests.support.revocations import KEYS, LIST, removal, signed

CUSTOMERS = 100
GOAL_MS = 1000.0
LEASE_S = 900.0


def figures() -> Iterator[Figure]:
    yield Figure(
        "withdrawal.cut_off.bound",
        _silent_after_s(),
        "s",
        LEASE_S + 1,
        note="network cut: by the lease",
    )
    if find_mosquitto() is None:
        return
    delays_ms = sorted(1000 * delay_s for delay_s in asyncio.run(_online()))
    note = (
        f"{len(delays_ms)} notices, one after the other; stored with fsync, `withdrawn` at a "
        "subscriber"
    )
    yield Figure("withdrawal.online.p50", round(median(delays_ms), 2), "ms", note=note)
    yield Figure(
        "withdrawal.online.p99", round(quantiles(delays_ms, n=100)[-1], 2), "ms", GOAL_MS, note=note
    )


def _silent_after_s() -> float:
    """The first second in which a list that is followed by none no longer lets anything out."""
    lease = Lease(replace(a_list().header, published_at_s=1e9), Moment(0.0, 1e9), LEASE_S)
    publishing = (Freshness.FRESH, Freshness.AGING)
    return float(
        next(s for s in range(100_000) if lease.freshness(Moment(s, 1e9 + s)) not in publishing)
    )


async def _online() -> list[float]:
    now = SystemClock().now()
    refs = [number.to_bytes(8, "big") for number in range(1, CUSTOMERS + 1)]
    start_s = now.utc_s - DAY_S
    customers: list[Consent] = [
        consent(ref=ref, not_before_s=start_s, not_after_s=start_s + 9 * DAY_S) for ref in refs
    ]
    keys = [key for ref in refs for key in window_keys(ref, now.utc_s)]
    consents = a_list(
        *customers,
        keys=keys,
        published_at_s=now.utc_s - 60,
        suppression_checked_at_s=now.utc_s - 60,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        async with (
            mosquitto(path) as broker,
            listener(broker.port, "presence/v1/+/+/evt/+") as heard,
        ):
            clock, tell = SystemClock(), FakeTell()
            store = StoreSettings(chain="acme", store="fi-0042", gateway="gw-1", key_file=path)
            publisher = MqttPublisher(MqttSettings(port=broker.port), store, tell=tell)
            visits, withdrawn = RuntimeStore(path / "run"), SqliteRevocationStore(path / "state")
            pipeline = Pipeline(rules(outbox_length=4 * CUSTOMERS), visits, tell=tell)
            renewal = Renewal(
                source=FakeConsentSource(consents),
                accepted=MemoryAcceptedLists(),
                clock=clock,
                tell=tell,
                lease_s=LEASE_S,
                complaints=[],
                synchronised=lambda: True,
            )
            proven = await renewal.renew()
            if proven is None or proven.prepared is None:
                raise RuntimeError("the list was not taken")
            pipeline.apply(proven.prepared, renewal.standing(now), now)
            pipeline.engine.matcher.complete(now.utc_s)
            plane_b = RevocationListener(
                LIST,
                KEYS,
                pipeline,
                store=withdrawn,
                renewal=renewal,
                clock=clock,
                refresh=lambda: None,
                tell=tell,
            )
            await plane_b.listen(publisher)
            relay = Relay(pipeline, publisher, clock, tell=tell)
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(publisher.run()), tasks.create_task(relay.run())]
                await publisher.connected()
                pipeline.advance(clock.now())
                for ref in refs:
                    for advertisement in approach(now.later(-20), ref=ref):
                        pipeline.receive(advertisement)
                while not await _all_told(heard, CUSTOMERS):
                    pass
                delays_s = await _withdraw_all(broker.port, refs, heard)
                for task in running:
                    task.cancel()
            visits.close()
            withdrawn.close()
            return delays_s


async def _all_told(heard: "asyncio.Queue[paho.MQTTMessage]", count: int) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            for _ in range(count):
                await heard.get()
        return True
    raise RuntimeError("not every customer was told of")


async def _withdraw_all(
    port: int, refs: list[bytes], heard: "asyncio.Queue[paho.MQTTMessage]"
) -> list[float]:
    service = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    service.connect("127.0.0.1", port)
    service.loop_start()
    delays_s = []
    for seq, ref in enumerate(refs, start=1):
        said = Revocation(LIST, seq, seq - 1, 8, int(time.time()), (removal(ref),))
        message = signed(said)
        began_s = time.perf_counter()
        service.publish(topic_of_revocations(LIST), message, qos=1)
        async with asyncio.timeout(10):
            await heard.get()
        delays_s.append(time.perf_counter() - began_s)
    service.disconnect()
    await asyncio.to_thread(service.loop_stop)
    return delays_s

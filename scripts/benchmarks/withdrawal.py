"""How soon a customer who withdraws is obeyed: from the revocation on the local broker to what the
offer engine receives.

Signed revocations go to a real mosquitto, one after the other; a whole gateway, as `presence run`
joins it but for the radio, takes each customer back. Measured from just before the publication to
the arrival of `withdrawn`. With the network cut there is no revocation: then the lease is the bound
(`consent.lease_s`), by the rule of presence.core.consent.freshness.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

import paho.mqtt.client as paho
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion

from presence.assembly import gateway_of
from presence.config import load_settings
from presence.core.consent.freshness import Freshness, Lease
from presence.core.consent.jws import encode_keys
from presence.core.consent.list_json import ListHeader
from presence.core.consent.revocation import (
    Revocation,
    RevokedRights,
    sign_revocation,
    topic_of_revocations,
)
from presence.core.recognition.advertisement import advertisement_from_payload
from presence.core.recognition.beacons import eddystone
from presence.core.recognition.identifiers import ephemeral_identifier, slot_at
from presence.core.timestamps import Moment
from presence.edges.host import logs
from presence.edges.host.clock import SystemClock
from presence.edges.host.systemd import SystemdNotifier
from presence.ports import OnAdvertisement
from presence.simulation.identity_keys import window_key
from presence.simulation.local_broker import LocalBroker, find_mosquitto
from presence.telemetry import Telemetry
from scripts.benchmarks.figure import Figure
from scripts.stores.customers import entry, identity_key
from scripts.stores.shop import ShopFolder
from scripts.stores.store import EVENTS, LIST
from scripts.stores.subscriber import subscribed

CUSTOMERS = 100
GOAL_MS = 1000.0
LEASE_S = 900.0
KID = "bench"
LIST_SEQ = 7
WITHIN_S = 60


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
        f"{len(delays_ms)} revocations, one after the other; stored with fsync, `withdrawn` at a "
        "subscriber"
    )
    yield Figure("withdrawal.online.p50", round(median(delays_ms), 2), "ms", note=note)
    yield Figure(
        "withdrawal.online.p99", round(quantiles(delays_ms, n=100)[-1], 2), "ms", GOAL_MS, note=note
    )


def _silent_after_s() -> float:
    """The first second in which a list that is followed by none no longer lets anything out."""
    lease = Lease(ListHeader(LIST, 1, 1e9, 1e9, 0), Moment(0.0, 1e9), LEASE_S)
    publishing = (Freshness.FRESH, Freshness.AGING)
    return float(
        next(s for s in range(100_000) if lease.freshness(Moment(s, 1e9 + s)) not in publishing)
    )


class Crowd:
    """All customers inside, each heard once a second."""

    def __init__(self, refs: list[bytes]) -> None:
        self._refs = refs

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        while True:
            now = SystemClock().now()
            for ref in self._refs:
                key = window_key(identity_key(ref), now.utc_s)
                eid = ephemeral_identifier(key, slot_at(now.utc_s))
                payload = eddystone.payload(eid, tx_power_dbm=-20)
                on_advertisement(advertisement_from_payload(now, ref[2:], -55, payload))
            await asyncio.sleep(1)


async def _online() -> list[float]:
    refs = [number.to_bytes(8, "big") for number in range(1, CUSTOMERS + 1)]
    key = Ed25519PrivateKey.generate()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        async with (
            LocalBroker.start("mosquitto") as broker,
            subscribed(broker.port, EVENTS) as heard,
        ):
            settings = load_settings(_lay_out(Path(name), broker.port, refs, key).config)
            logs.configure(level="error", style=settings.log.format, stream=sys.stderr)
            gateway = gateway_of(
                settings,
                SystemdNotifier(),
                stack,
                Telemetry(logs.write),
                sources=[Crowd(refs)],
            )
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(gateway.run())
                async with asyncio.timeout(WITHIN_S):
                    for _ in refs:
                        await heard.get()
                delays_s = await _withdraw_all(broker.port, refs, key, heard)
                running.cancel()
    return delays_s


def _lay_out(folder: Path, port: int, refs: list[bytes], key: Ed25519PrivateKey) -> ShopFolder:
    """A shop with all of them on its list, that believes this key and has no second gateway."""
    shop, now_s = ShopFolder(folder, port), int(time.time())
    shop.lay_out()
    (folder / "revocation.jwks").write_bytes(encode_keys({KID: key.public_key()}))
    config = shop.config.read_text().replace("poll_s: 1", "poll_s: 1, notice_keys: revocation.jwks")
    shop.config.write_text(config + "peers: {enabled: false}\n")
    header = {"v": 1, "list": LIST, "seq": LIST_SEQ, "count": len(refs)}
    shop.write_list(
        {**header, "published_at": now_s, "suppression_checked_at": now_s},
        [entry(ref, now_s) for ref in refs],
    )
    return shop


async def _withdraw_all(
    port: int,
    refs: list[bytes],
    key: Ed25519PrivateKey,
    heard: "asyncio.Queue[paho.MQTTMessage]",
) -> list[float]:
    service = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    service.connect("127.0.0.1", port)
    service.loop_start()
    delays_s = []
    for seq, ref in enumerate(refs, start=1):
        rights = RevokedRights(ref, 13, removed=True)
        said = Revocation(LIST, seq, seq - 1, LIST_SEQ + 1, int(time.time()), (rights,))
        message = sign_revocation(said, kid=KID, key=key)
        began_s = time.perf_counter()
        service.publish(topic_of_revocations(LIST), message, qos=1)
        async with asyncio.timeout(10):
            event = json.loads((await heard.get()).payload)
        delays_s.append(time.perf_counter() - began_s)
        if not event["type"].startswith("presence.withdrawn"):
            raise RuntimeError(f"instead of a withdrawal came {event['type']}")
    service.disconnect()
    await asyncio.to_thread(service.loop_stop)
    return delays_s

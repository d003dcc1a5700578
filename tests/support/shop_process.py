"""A whole gateway in a process of its own, with strangers by the thousand instead of a radio.

    python -m tests.support.shop_process CONFIG STRANGERS

Everything but the source is what `presence run` joins.
"""

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path

from presence.assembly import gateway_of
from presence.config import load_settings
from presence.core.recognition.advertisement import MalformedPayload, advertisement_from_payload
from presence.edges.host import logs
from presence.edges.host.clock import SystemClock
from presence.edges.host.systemd import SystemdNotifier
from presence.ports import OnAdvertisement
from presence.telemetry import Telemetry
from tests.support.canary import strangers
from tests.support.shops import walking_in


class Crowd:
    """So many strangers, and one customer who walks in among them."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        clock = SystemClock()
        start = clock.now()
        customer = walking_in(at_s=start.utc_s, seconds=10)
        crowd = list(strangers(self._count))
        share = len(crowd) // len(customer)
        for n, (at_s, address, rssi_dbm, payload) in enumerate(customer):
            at = start.later(at_s - start.utc_s)
            on_advertisement(advertisement_from_payload(at, address, rssi_dbm, payload))
            for stranger, said in crowd[n * share : (n + 1) * share]:
                try:
                    on_advertisement(advertisement_from_payload(at, stranger, -50, said))
                except MalformedPayload:
                    continue
            await asyncio.sleep(0.02)


def main() -> None:
    settings = load_settings(Path(sys.argv[1]))
    logs.configure(level="debug", style=settings.log.format, stream=sys.stdout)
    with ExitStack() as stack:
        telemetry, crowd = Telemetry(logs.write), Crowd(int(sys.argv[2]))
        gateway = gateway_of(settings, SystemdNotifier(), stack, telemetry, sources=[crowd])
        asyncio.run(gateway.run())
        sys.stdout.write(
            "entered {entered}, published {published}\n".format(**gateway.pipeline.counts)
        )


if __name__ == "__main__":
    main()

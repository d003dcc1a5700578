"""A day at the doorbell in its machine: every scenario in turn, one JSON line each in /out/results.

    doorbell_day.py [--legacy] [--repeats N] [--strangers N] [--rings N] [--beside N]
                    [--only NAME,NAME]

bluetoothd is real, the phones are bumble's on the same virtual air (doorbell_air). A scenario
returns facts, for the host's tests to judge.
"""

import argparse
import asyncio
import logging
import time
import traceback
from pathlib import Path
from typing import Any

import doorbell_trial
from doorbell_entry import beacon, bluetoothd_restarted, crowd, enters, looked_at, power_on, silent
from doorbell_load import beside_the_trial, besieged, rings, strangers, throughput
from doorbell_shop import Shop, run
from doorbell_wrong import refused
from gateway import journal
from telling import mark_clock, tell

SCENARIOS = (
    power_on,
    enters,
    refused,
    silent,
    crowd,
    bluetoothd_restarted,
    looked_at,
    beacon,
    besieged,
    strangers,
    rings,
    throughput,
    beside_the_trial,
)
MAX_RUN_S = 3000.0


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--legacy", action="store_true", help="an adapter without extended advertising"
    )
    parser.add_argument(
        "--repeats", type=int, default=10, help="customers who listen and answer as an app does"
    )
    parser.add_argument("--strangers", type=int, default=60)
    parser.add_argument("--rings", type=int, default=50)
    parser.add_argument(
        "--beside",
        type=int,
        default=50,
        help="rings of the trial, and of ours, in each of two turns",
    )
    parser.add_argument("--only", type=lambda words: words.split(","))
    options = parser.parse_args()
    logging.getLogger("bumble").setLevel(logging.CRITICAL)
    shop = Shop()
    giving = asyncio.create_task(shop.keep_giving_out())
    with Path("/out/results").open("w") as results:  # noqa: ASYNC230 - between scenarios nothing waits
        for scenario in SCENARIOS:
            name = scenario.__name__
            wanted = scenario is power_on or options.only is None or name in options.only
            if not wanted or (scenario is beside_the_trial and not doorbell_trial.AVAILABLE):
                continue
            mark_clock(name, "begin")
            began = time.monotonic()
            try:
                told: dict[str, Any] = {
                    "facts": await asyncio.wait_for(scenario(shop, options), MAX_RUN_S)
                }
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - told to the host, which judges
                where = traceback.format_exc()[-2500:]
                told = {"error": repr(error), "where": where, "journal": (await run(journal))[-12:]}
            mark_clock(name, "end")
            tell(results, name, time.monotonic() - began, told)
    giving.cancel()


asyncio.run(main())

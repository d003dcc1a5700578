"""`scripts/app-emulator doorbell`: its options, and what it says."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from presence.cli.command import Commands
from presence.cli.exit_codes import ExitCode
from presence.core.site import Site
from presence.edges.host.clock import SystemClock
from presence.errors import RadioError
from scripts.app_emulator.central import BleakCentral
from scripts.app_emulator.doorbell import Central, Customer, NoAnswer, answer_once

DESCRIPTION: Final = """\
Plays a phone in a pocket with a real adapter: listens for the chain's doorbell,
notes how strongly it hears the gateway, connects, reads the challenge, writes
the answer and disconnects (docs/doorbell.md)."""
EXAMPLES: Final = (
    """scripts/app-emulator doorbell --chain acme --store fi-0042 \\
      --service-uuid 5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10 \\
      --identity-key 0102030405060708090a111213141516 --every 10""",
)
EPILOG: Final = """\
The gateway says nothing about the answer's worth: look at its log for
`entered`, and at `presence status`. An entry takes some seconds of readings, so
a phone that has just arrived answers twice: `--every 10`.

Use another adapter than the gateway's, best on another machine. Nothing heard
at all? `bluetoothctl scan le` shows whether the adapter hears anything. The key
is a test key: the gateway's list must hold its window keys."""
EXITS: Final = {
    ExitCode.OK: "answered; with --every: stopped by Ctrl-C",
    ExitCode.WARN: "not answered, with the reason",
    ExitCode.USAGE: "the options are wrong",
}


def add_doorbell(commands: Commands) -> None:
    doorbell = commands.add(
        "doorbell",
        None,
        summary="hear a gateway's doorbell, connect and answer (BlueZ)",
        description=DESCRIPTION,
        examples=EXAMPLES,
        epilog=EPILOG,
        exits=EXITS,
    )
    doorbell.add_argument(
        "--identity-key",
        type=hex_digits(16),
        required=True,
        metavar="HEX",
        help="the test phone's key, 32 digits",
    )
    doorbell.add_argument(
        "--service-uuid",
        type=_uuid,
        required=True,
        metavar="UUID",
        help="doorbell.service_uuid of the gateway",
    )
    doorbell.add_argument(
        "--chain", required=True, metavar="NAME", help="store.chain of the gateway, e.g. acme"
    )
    doorbell.add_argument(
        "--store", required=True, metavar="NAME", help="store.store of the gateway, e.g. fi-0042"
    )
    _add_beacons(doorbell)
    _add_manners(doorbell)


def _add_beacons(doorbell: argparse.ArgumentParser) -> None:
    doorbell.add_argument(
        "--beacon-uuid",
        type=UUID,
        metavar="UUID",
        help="doorbell.beacon_uuid of the gateway: measure each bell of the store, by its beacon",
    )
    doorbell.add_argument(
        "--beacon-major",
        type=int,
        default=0,
        metavar="N",
        help="with it: doorbell.beacon_major, the store (default 0)",
    )


def _add_manners(doorbell: argparse.ArgumentParser) -> None:
    """With which adapter, how long and how often."""
    doorbell.add_argument("--adapter", metavar="NAME", help="e.g. hci1; default: the first one")
    doorbell.add_argument(
        "--listen",
        type=_seconds,
        default=5.0,
        metavar="S",
        help="gather readings for so long (default 5, 0.1 to 25)",
    )
    often = doorbell.add_mutually_exclusive_group()
    often.add_argument("--once", action="store_true", help="answer one time and end (the default)")
    often.add_argument(
        "--every",
        type=_seconds,
        metavar="S",
        help="answer again, S seconds after the last; until Ctrl-C",
    )
    doorbell.add_argument(
        "--json", action="store_true", help="one JSON object a line, for each answer or failure"
    )


def answer_doorbells(options: argparse.Namespace) -> int:
    site = Site(chain=options.chain, store=options.store)
    customer = Customer(options.identity_key, site, options.service_uuid)
    clock = SystemClock()
    try:
        beacons = (options.beacon_uuid, options.beacon_major) if options.beacon_uuid else None
        central = BleakCentral(options.adapter, clock, beacons=beacons)
        return asyncio.run(answer_all(central, customer, options))
    except KeyboardInterrupt:
        return ExitCode.OK


async def answer_all(central: Central, customer: Customer, options: argparse.Namespace) -> int:
    """Once, or until cancelled: then no failure ends it."""
    clock = SystemClock()
    while True:
        try:
            answered = await answer_once(central, customer, clock, listen_s=options.listen)
        except (NoAnswer, RadioError) as error:
            _say({"answered": False, "trouble": str(error)}, as_json=options.json)
            code = ExitCode.WARN
        else:
            _say({"answered": True, **answered.as_dict()}, as_json=options.json)
            code = ExitCode.OK
        if options.every is None:
            return code
        await asyncio.sleep(options.every)


def _say(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result), flush=True)
    elif result["answered"]:
        print(
            f"answered: {result['readings']} readings of {result['bells']} bell(s), the strongest "
            f"{result['strongest_dbm']} dBm; connected, read "
            f"and written in {result['link_s']:.2f} s (attempt {result['attempts']})",
            flush=True,
        )
    else:
        print(f"app-emulator: {result['trouble']}", file=sys.stderr, flush=True)


def hex_digits(length: int) -> Callable[[str], bytes]:
    def parse(text: str) -> bytes:
        try:
            value = bytes.fromhex(text)
        except ValueError:
            value = b""
        if len(value) != length:
            raise argparse.ArgumentTypeError(f"{2 * length} hex digits are wanted")
        return value

    return parse


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            "a UUID is wanted: the gateway's doorbell.service_uuid, e.g. "
            "5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10"
        ) from None


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("0.1 to 3600 seconds are wanted")
    return seconds

"""`scripts/app-emulator`: plays customers' phones, for technicians and for developers of the
app.
"""

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from presence.core.recognition.identifiers import SLOT_S, slot_at
from presence.core.recognition.loudness import LOSS_OF_1_M_DB
from presence.core.recognition.ticks import TICK_S
from presence.edges.bluez.advertiser import Advertiser
from presence.errors import RadioError
from presence.simulation.identity_keys import window_key
from scripts.app_emulator.answering import add_doorbell, answer_doorbells, hex_digits
from scripts.app_emulator.outputs import go_on_air, write_capture, write_lines
from scripts.app_emulator.phones import (
    NoPhones,
    Phone,
    encoder,
    performance,
    phone_of_identity_key,
    phones_of_list,
)

DESCRIPTION = """\
Plays the phones of test customers: the bytes that the chain's app sends, with a new identifier and
a new address every 1,024 seconds. No radio is needed but for `air` and `doorbell`."""

EXAMPLES = """\
examples:
  the bytes of this moment, to compare with what your app sends:
    scripts/app-emulator show --identity-key 0102030405060708090a111213141516
  somebody comes nearer for a minute, as a capture that `presence replay` plays:
    scripts/app-emulator capture walk.btsnoop --identity-key 0102…16 --seconds 60 --rssi=-95:-55
  ten minutes of all test customers of a list, as JSON lines:
    scripts/app-emulator lines - --consents /var/lib/presence/consents.jsonl --seconds 600
  a real advertisement, until the consent ends or Ctrl-C, the customer's one tap (needs BlueZ and
  an adapter):
    scripts/app-emulator air --identity-key 0102…16 --adapter hci0 --until 2027-06-01T00:00:00Z
  the same with a tick, so that a recording of it is worth nothing after half a minute:
    scripts/app-emulator show --identity-key 0102…16 --ticks
  the same identifier in an iBeacon:
    scripts/app-emulator show --identity-key 0102…16 --format E2 --prefix 0f1e2d3c4b5a6978
  a locked phone that hears the gateway's doorbell, connects and answers its challenge:
    scripts/app-emulator doorbell --identity-key 0102…16 --service-uuid 5f0c1e52-… \\
      --chain acme --store fi-0042

Identity keys here are for tests: a real customer's key never leaves their phone and the consent
service. Of a list only entries with the flag `test` are played. Byte formats:
docs/app-integration.md."""


REFERENCE_DBM: Final = {"E1": -18, "E2": -18 - LOSS_OF_1_M_DB}
"""Received at 0 m and at 1 m, as identity.reference_tx_dbm is delivered."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "doorbell":
        return answer_doorbells(options)
    if options.format == "E2" and not options.prefix:
        parser.error("--format E2 needs --prefix: the chain's 8 bytes, 16 hex digits")
    if options.format == "E2" and options.ticks:
        parser.error("--ticks needs --format E1: an iBeacon has no room for them")
    try:
        return _play(options)
    except (NoPhones, RadioError, OSError) as error:
        print(f"app-emulator: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/app-emulator",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = _common()
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="show | capture | lines | air | doorbell"
    )
    commands.add_parser(
        "show",
        parents=[common],
        help="print keys, identifiers and payloads of the slots in question",
    )
    for name, text in (
        ("capture", "write a btsnoop file"),
        ("lines", "write JSON lines; - is standard output"),
    ):
        commands.add_parser(name, parents=[common], help=text).add_argument("file", type=Path)
    air = commands.add_parser("air", parents=[common], help="send through a real adapter (BlueZ)")
    air.add_argument("--adapter", default="hci0")
    add_doorbell(commands)
    return parser


def _common() -> argparse.ArgumentParser:
    """Whose phone it is, in which format, when and how loud."""
    common = argparse.ArgumentParser(add_help=False)
    whose = common.add_mutually_exclusive_group(required=True)
    whose.add_argument(
        "--identity-key",
        type=hex_digits(16),
        action="append",
        metavar="HEX",
        help="a test phone's key, 32 digits; may repeat",
    )
    whose.add_argument(
        "--consents",
        type=Path,
        metavar="FILE",
        help="a consents.jsonl: its entries with the flag test",
    )
    common.add_argument(
        "--format", choices=("E1", "E2"), default="E1", help="Eddystone-EID (default) or iBeacon"
    )
    common.add_argument(
        "--prefix",
        type=hex_digits(8),
        default=b"",
        metavar="HEX",
        help="the chain's iBeacon prefix, for E2",
    )
    common.add_argument(
        "--tx-power",
        type=int,
        metavar="DBM",
        help="what it says of its power (default -18 for E1, -59 for E2: the same phone)",
    )
    common.add_argument(
        "--ticks", action="store_true", help="E1 with a tick and its MAC, new every 16 s"
    )
    _add_times(common)
    return common


def _add_times(common: argparse.ArgumentParser) -> None:
    common.add_argument(
        "--start",
        type=_time,
        metavar="TIME",
        help="UTC seconds or ISO 8601 with zone; default: now",
    )
    common.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="how long (default 60; show: one slot; air: until Ctrl-C)",
    )
    common.add_argument(
        "--until",
        type=_time,
        default=math.inf,
        metavar="TIME",
        help="when the consent ends: nothing is sent from then on",
    )
    common.add_argument(
        "--interval-ms", type=int, default=250, metavar="MS", help="between two of one phone (250)"
    )
    common.add_argument(
        "--rssi",
        type=_rssi,
        default=(-60, -60),
        metavar="DBM[:DBM]",
        help="--rssi=-60, or =-95:-55",
    )


def _play(options: argparse.Namespace) -> int:
    power_dbm = REFERENCE_DBM[options.format] if options.tx_power is None else options.tx_power
    encode = encoder(options.format, prefix=options.prefix, tx_power_dbm=power_dbm)
    keys: list[bytes] = options.identity_key or []
    phones = [
        phone_of_identity_key(key, encode, until_s=options.until, ticks=options.ticks)
        for key in keys
    ]
    if options.consents:
        phones = list(phones_of_list(options.consents, encode, ticks=options.ticks))
    start_s = time.time() if options.start is None else options.start
    if options.command == "show":
        _show(phones, keys, start_s, options.seconds or 0)
        return 0
    if options.command == "air":
        advertiser = Advertiser(options.adapter, interval_ms=options.interval_ms)
        asyncio.run(
            go_on_air(phones, advertiser, options.seconds or math.inf, until_s=options.until)
        )
        return 0
    heard = performance(
        phones,
        start_s=start_s,
        seconds=60 if options.seconds is None else options.seconds,
        interval_ms=options.interval_ms,
        rssi_dbm=options.rssi,
    )
    if options.command == "capture":
        with options.file.open("wb") as file:
            count = write_capture(heard, file)
    else:
        with _text(options.file) as lines:
            count = write_lines(heard, lines)
    print(f"app-emulator: {count} advertisements of {len(phones)} phones", file=sys.stderr)
    return 0


def _show(phones: Sequence[Phone], keys: Sequence[bytes], start_s: float, seconds: float) -> None:
    for number, phone in enumerate(phones):
        for slot in range(slot_at(start_s), slot_at(start_s + seconds) + 1):
            t = slot * SLOT_S
            if phone.ticks:  # of a slot that has begun, the present tick
                t = max(t, int(start_s) // TICK_S * TICK_S)
            payload = phone.payload_at(t)
            print(f"t         {t}–{int(phone.next_payload_s(t)) - 1}")
            if number < len(keys):
                print(f"TK        {window_key(keys[number], t).hex()}")
            print(
                f"address   {phone.address_at(t).hex(':')}  (an example: your system draws its own)"
            )
            print(f"payload   {payload.hex(' ') if payload else 'none: this consent is over'}\n")


def _text(path: Path) -> "nullcontext[TextIO] | TextIO":
    return nullcontext(sys.stdout) if str(path) == "-" else path.open("w", encoding="utf-8")


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise argparse.ArgumentTypeError("say the zone, e.g. 2026-11-23T14:05:00Z") from None
        return moment.timestamp()


def _rssi(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    return int(first), int(last or first)


if __name__ == "__main__":
    sys.exit(main())

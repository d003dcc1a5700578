"""`scripts/app-emulator`: plays customers' phones, for technicians and for developers of the
app.
"""

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from presence.cli.command import Commands, Parser, add_json
from presence.cli.exit_codes import ExitCode
from presence.core.recognition.identifiers import SLOT_S, ephemeral_identifier, slot_at
from presence.core.recognition.loudness import LOSS_OF_1_M_DB
from presence.core.recognition.ticks import TICK_S
from presence.counting import counted
from presence.edges.bluez.advertiser import Advertiser
from presence.errors import RadioError, reason_of
from presence.simulation.identity_keys import window_key
from scripts.app_emulator import answering
from scripts.app_emulator.answering import hex_digits
from scripts.app_emulator.outputs import go_on_air, write_capture, write_lines
from scripts.app_emulator.phones import (
    NoPhones,
    Phone,
    encoder,
    performance,
    phone_of_identity_key,
    phones_of_list,
)

DESCRIPTION: Final = """\
Plays the phones of test customers: the bytes that the chain's app sends, with a
new identifier and a new address every 1,024 seconds. No radio is needed but for
`air` and `doorbell`."""
EPILOG: Final = """\
Identity keys here are for tests: a real customer's key never leaves their phone
and the consent service. Of a list only entries with the flag `test` are played.
Byte formats: docs/app-integration.md."""
KEY: Final = "--identity-key 0102030405060708090a111213141516"
EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "show": (
        f"scripts/app-emulator show {KEY}",
        f"scripts/app-emulator show --ticks \\\n      {KEY}",
        f"""scripts/app-emulator show {KEY} \\
      --format E2 --prefix 0f1e2d3c4b5a6978    # in an iBeacon""",
    ),
    "capture": (
        f"""scripts/app-emulator capture walk.btsnoop \\
      {KEY} --rssi=-95:-55""",
    ),
    "lines": (
        """scripts/app-emulator lines - --seconds 600 \\
      --consents /var/lib/presence/consent/consents.jsonl""",
    ),
    "air": (
        f"""scripts/app-emulator air {KEY} \\
      --adapter hci0 --until 2027-06-01T00:00:00Z""",
    ),
}
EXITS: Final = {
    ExitCode.OK: "done, or stopped by Ctrl-C",
    ExitCode.USAGE: "the options are wrong",
    ExitCode.UNAVAILABLE: "there is no such phone, file or adapter",
}
SUMMARIES: Final = {
    "show": "print keys, identifiers and payloads of the slots in question",
    "capture": "write a btsnoop file, which `presence replay` plays",
    "lines": "write JSON lines; - is standard output",
    "air": "send through a real adapter (BlueZ)",
}


REFERENCE_DBM: Final = {"E1": -18, "E2": -18 - LOSS_OF_1_M_DB}
"""Received at 0 m and at 1 m, as identity.reference_tx_dbm is delivered."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command == "doorbell":
        return answering.answer_doorbells(options)
    if options.format == "E2" and not options.prefix:
        parser.error("--format E2 needs --prefix: the chain's 8 bytes, 16 hex digits")
    if options.format == "E2" and options.ticks:
        parser.error("--ticks needs --format E1: an iBeacon has no room for them")
    try:
        return _play(options)
    except (NoPhones, RadioError, OSError) as error:
        why = f"{error.filename}: {reason_of(error)}" if isinstance(error, OSError) else error
        print(f"app-emulator: {why}", file=sys.stderr)
        return ExitCode.UNAVAILABLE
    except KeyboardInterrupt:
        return ExitCode.OK


def make_parser() -> Parser:
    parser = Parser(
        prog="scripts/app-emulator",
        description=DESCRIPTION,
        examples=[line for lines in EXAMPLES.values() for line in lines] + [*answering.EXAMPLES],
        epilog=EPILOG,
    )
    common = _common()
    commands = Commands(parser, metavar="COMMAND")
    for name, summary in SUMMARIES.items():
        command = commands.add(
            name,
            None,
            summary=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            examples=EXAMPLES[name],
            exits=EXITS,
            parents=[common],
        )
        if name == "show":
            add_json(command, "one object a slot and line, as in tests/vectors")
        if name in ("capture", "lines"):
            command.add_argument("file", type=Path, metavar="FILE")
        if name == "air":
            command.add_argument("--adapter", default="hci0", metavar="NAME", help="(hci0)")
    answering.add_doorbell(commands)
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
        _show(phones, options, start_s)
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
    print(
        f"app-emulator: {counted(count, 'advertisement')} of {counted(len(phones), 'phone')}",
        file=sys.stderr,
    )
    return 0


def _show(phones: Sequence[Phone], options: argparse.Namespace, start_s: float) -> None:
    keys: Sequence[bytes] = options.identity_key or []
    for number, phone in enumerate(phones):
        key = keys[number] if keys else None
        for slot in range(slot_at(start_s), slot_at(start_s + (options.seconds or 0)) + 1):
            t = slot * SLOT_S
            if phone.ticks:  # of a slot that has begun, the present tick
                t = max(t, int(start_s) // TICK_S * TICK_S)
            shown = _shown(phone, key, t, options.format.lower())
            print(json.dumps(shown) if options.json else _in_words(shown, options.format.lower()))


def _shown(phone: Phone, key: bytes | None, t: int, name: str) -> dict[str, int | str | None]:
    """What it sends from `t` on, under the names of tests/vectors; what is not known is None."""
    tk, payload = phone.key_at(t), phone.payload_at(t)
    return {
        "from": t,
        "until": int(phone.next_payload_s(t)),
        "identity_key": key.hex() if key else None,
        "tk": window_key(key, t).hex() if key else None,
        "eid": ephemeral_identifier(tk, slot_at(t)).hex() if tk else None,
        name: payload.hex() if payload else None,
        "address": phone.address_at(t).hex(":"),
    }


def _in_words(shown: Mapping[str, int | str | None], name: str) -> str:
    payload = bytes.fromhex(str(shown[name])).hex(" ") if shown[name] else None
    lines = [f"t         {shown['from']}–{int(str(shown['until'])) - 1}"]
    if shown["tk"]:
        lines.append(f"TK        {shown['tk']}")
    lines.append(f"address   {shown['address']}  (an example: your system draws its own)")
    lines.append(f"payload   {payload or 'none: this consent is over'}\n")
    return "\n".join(lines)


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

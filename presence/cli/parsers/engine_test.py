"""What `presence engine-test` takes."""

import argparse
import re
from pathlib import Path
from typing import Final

from presence.cli.command import Commands, add_json, add_other_config
from presence.cli.exit_codes import ExitCode, verdict_exits

DESCRIPTION: Final = """\
Tests an offer engine, yours or anybody's, against the contract: rules
E-1 to E-12 of docs/offer-engine.md. It plays a shop on the broker that the
engine listens to, with real subjects and ids, and hears what is offered:

  copies, and copies over another connection; `withdrawn` after and before its
  `entered`; events late, expired, and of yesterday; foreign subjects; one visit
  under two ids; padding, unknown types, a newer minor; the engine cut off from
  its broker; quiet hours

Each case ends with PASS, WARN or FAIL, and a FAIL with the sentence of the
contract that was broken. Takes some twenty seconds where the engine answers at
once; how long at most is said before it begins. Use a broker for tests, or an
audience and customers that are nobody: the engine takes it all for real visits.
"""

EXAMPLES: Final = (
    "presence engine-test --make-customers customers.jsonl",
    """.venv/bin/python scripts/offer_engine.py --chain acme --store fi-0042 \\
      --audience offers-main --port 1884 \\
      --customers customers.jsonl     # it stands for your engine""",
    """presence engine-test --chain acme --store fi-0042 --audience offers-main \\
      --port 1883 --listen 1884 --customers customers.jsonl""",
    """presence engine-test -c /etc/presence/presence.yaml --audience offers-main \\
      --customers customers.jsonl --quiet 00:00-23:59   # in its quiet hours""",
)
EPILOG: Final = """\
With --listen 1884 the engine is connected to the kit's port in place of the
broker's, and the kit passes everything on, TLS too, until it cuts the wire.
Without it that one case is not played. Play --quiet with an engine started with
the same hours.

On a broker with an access list the kit needs a user that writes the events of
the audience and reads its offers; docs/offer-engine.md has the lines.
"""
EXITS: Final = {
    **verdict_exits("all that was played PASSes"),
    ExitCode.USAGE: "the options cannot be used",
    ExitCode.UNAVAILABLE: "it could not be tested: no broker, or the engine does not answer an "
    "ordinary event",
    ExitCode.CONFIG: "the configuration cannot be used",
    ExitCode.INTERRUPTED: "interrupted",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "engine-test",
        "presence.cli.engine_test:start",
        summary="does an offer engine keep the contract? A verdict for each rule",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=EXAMPLES,
        exits=EXITS,
    )
    files = command.add_mutually_exclusive_group(required=True)
    files.add_argument(
        "--make-customers",
        type=Path,
        metavar="FILE",
        help="write 2,000 test customers for kit and engine, and end",
    )
    files.add_argument(
        "--customers", type=Path, metavar="FILE", help="the test customers; the engine has them too"
    )
    _add_broker(command)
    _add_engine(command)
    command.add_argument("--cases", type=_words, default=(), metavar="LIST", help="these alone")
    command.add_argument(
        "--patience",
        type=_seconds,
        default=5.0,
        metavar="S",
        help="how long an answer may take (5)",
    )
    add_json(command, "one JSON object on stdout (docs/engine-test.schema.json)")


def _add_broker(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("the broker").add_argument
    add_other_config(command, "a gateway's settings: broker, chain and store, in place of:")
    add("--host", help="of the broker (127.0.0.1)")
    add("--port", type=int, help="of the broker (1883)")
    add("--protocol", choices=["5", "3.1.1"], help="MQTT version (5)")
    add("--username", metavar="NAME")
    add("--password-file", type=Path, metavar="FILE")
    add("--tls-ca", type=Path, metavar="FILE", help="switches TLS on")
    add("--tls-cert", type=Path, metavar="FILE", help="the kit's certificate")
    add("--tls-key", type=Path, metavar="FILE", help="its key")
    add("--chain", type=_name, metavar="NAME", help="of the topics")
    add("--store", type=_name, metavar="NAME", help="of the topics")


def _add_engine(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("the engine").add_argument
    add("--audience", type=_name, metavar="NAME", help="whose events it hears")
    add(
        "--purpose",
        choices=["offers", "service"],
        default="offers",
        help="of that audience (offers); --allow is for offers",
    )
    add(
        "--allow",
        type=_categories,
        default=("ap2:1551", "ap2:1285"),
        metavar="LIST",
        help="categories that it has an offer for (ap2:1551,ap2:1285)",
    )
    add(
        "--listen",
        type=_place,
        metavar="[HOST:]PORT",
        help="carry the engine's connection, and cut it",
    )
    add("--quiet", type=_hours, metavar="HOURS", help="the engine's quiet hours: 21:00-09:00")
    add("--time-zone", default="UTC", metavar="ZONE", help="of --quiet, e.g. Europe/Helsinki (UTC)")


def _name(text: str) -> str:
    if not re.fullmatch("[a-z0-9-]{1,32}", text):
        raise argparse.ArgumentTypeError("is not 1–32 of a–z, 0–9 and -")
    return text


def _words(text: str) -> tuple[str, ...]:
    from presence.conformance.cases import CASES  # noqa: PLC0415 - only where cases are picked

    words = tuple(word.strip() for word in text.split(",") if word.strip())
    names = [case.name for case in CASES]
    if not words or not set(words) <= set(names):
        raise argparse.ArgumentTypeError(f"choose from {','.join(names)}")
    return words


def _categories(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words or not all(
        re.fullmatch(r"[a-z0-9]{1,8}:[A-Za-z0-9._-]{1,32}", word) for word in words
    ):
        raise argparse.ArgumentTypeError("is not like ap2:1551,ap2:1285")
    return words


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError("is not like 1884 or 0.0.0.0:1884")
    return host or "127.0.0.1", int(port)


def _hours(text: str) -> tuple[int, int]:
    """Minutes of the day: from, and to."""
    found = re.fullmatch(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", text)
    first, last = [int(h) * 60 + int(m) for h, m in re.findall(r"(\d\d):(\d\d)", text)] or [0, 0]
    if not found or max(first, last) > 24 * 60:
        raise argparse.ArgumentTypeError("is not like 21:00-09:00")
    return first, last


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.2 <= seconds <= 120:
        raise argparse.ArgumentTypeError("is not between 0.2 and 120")
    return seconds

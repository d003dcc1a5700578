"""What `presence replay` takes."""

from pathlib import Path
from typing import Final

from presence.cli.command import Commands, add_config, add_json, add_quiet
from presence.cli.exit_codes import ExitCode

DESCRIPTION: Final = """\
Plays a capture of Bluetooth LE advertisements through decoding, matching, gate,
visits, outbox and relay, as fast as it can be read, with the time stamps of the
capture as its clock.

Captures: btsnoop (data links 1001, 1002, 2001: `btmon -w`, Android's HCI log),
pcap and pcapng (link types 187, 201, 251, 254, 256, 272). The consent list is
the configuration's, the signed one too, taken as proven at the time of the
capture: its lease is not judged. Whether suppression lists had been applied
within a day is, by the list's own word. A signed list brings window keys of
these hours alone, so with it only a capture of today recognises anybody.

Unless told to --publish it contacts no broker, and counts the events as
published.
"""

EXAMPLES: Final = (
    "presence replay walk.btsnoop --config shop.yaml --dry-run",
    "presence replay walk.btsnoop -c /etc/presence/presence.yaml --publish --json",
)
EXITS: Final = {
    ExitCode.OK: "played to its end",
    ExitCode.WARN: "the capture is damaged, or a broker did not take the events",
    ExitCode.UNAVAILABLE: "the list cannot be read",
    ExitCode.CONFIG: "the configuration cannot be used",
}

STATE: Final = """\
keep visits and outbox there, and go on from there after an interruption
(default: forgotten at the end)"""


def add(commands: Commands) -> None:
    command = commands.add(
        "replay",
        "presence.cli.replay:start",
        summary="a capture of advertisements through the same pipeline",
        description=DESCRIPTION,
        examples=EXAMPLES,
        exits=EXITS,
    )
    command.add_argument("capture", type=Path, metavar="CAPTURE")
    add_config(command)
    way = command.add_mutually_exclusive_group()
    way.add_argument(
        "--publish", action="store_true", help="publish to the broker of the configuration"
    )
    way.add_argument(
        "-n", "--dry-run", action="store_true", help="contact no broker: what is done anyway"
    )
    command.add_argument("--state", type=Path, metavar="DIR", help=STATE)
    add_quiet(command, "no log on stderr, but for errors")
    add_json(command, "one JSON object at the end, nothing else on stdout")

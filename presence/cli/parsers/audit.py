"""What `presence audit` takes."""

from pathlib import Path
from typing import Final

from presence.cli.command import CONFIG, Commands, add_json, add_other_config, add_quiet
from presence.cli.exit_codes import ExitCode

DESCRIPTION: Final = """\
Reads the audit log in the state directory. Changes nothing.

  show     one sentence for each record, in the shop's time; --json: its lines
  verify   follows the chain of hashes
"""

EPILOG: Final = """\
The log says which list was applied, when the gateway was armed or disarmed,
that the configuration changed, that the clock jumped, what a technician asked
for; never anything about a customer. Each line carries the hash of the one
before. Note the head elsewhere from time to time: it proves every line up to it
(`verify --head`).
"""

EXAMPLES: Final = (
    "presence audit verify",
    "presence audit show",
    "presence audit show --json --state-dir /var/lib/presence",
    "presence audit verify --head 12:9f2c… -q        # a head that was noted before",
)
EXITS: Final = {
    ExitCode.OK: "the chain is whole",
    ExitCode.WARN: "it is not (the first broken line is named), or there is no log",
    ExitCode.UNAVAILABLE: "the log cannot be read",
    ExitCode.CONFIG: "the configuration cannot be used",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "audit",
        "presence.cli.audit:start",
        summary="the record of lists, arming, configuration and alarms: show it, verify its chain",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=EXAMPLES,
        exits=EXITS,
    )
    command.add_argument("action", choices=("verify", "show"), help="follow its chain, or read it")
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="of a gateway (storage.state_dir)"
    )
    add_other_config(where, CONFIG)
    command.add_argument(
        "--head",
        metavar="N:HASH",
        help="a head that was noted earlier: is its line still the same?",
    )
    add_quiet(command, "nothing on stdout: the exit code says it")
    add_json(command, "verify: one JSON object; show: one for each record")

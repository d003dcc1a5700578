"""What `presence config` and its actions take."""

from pathlib import Path
from typing import Final

from presence.cli.command import Commands, add_config, add_json, add_output
from presence.cli.exit_codes import ExitCode
from presence.location import SETTINGS, VARIABLE

DESCRIPTION: Final = """\
Makes the first file of settings, shows what is in force and where each value is
from, and prints the schema by which editors check and explain the file.
"""

INIT: Final = """\
Writes the first file of a gateway: the few settings that nobody but you knows,
each with a word of explanation. Everything else has its default. Finds the
Bluetooth adapters, and makes the store's key where there is none. Asks six
questions at most, on a terminal only; each has an option that answers it.
A file that is there already is never replaced without --force.
"""

INIT_EPILOG: Final = f"""\
The file goes to {SETTINGS}, or where
{VARIABLE} or --output says.
"""
INIT_EXAMPLES: Final = (
    "sudo presence config init",
    """presence config init --output - --list acme/fi-0042 \\
      --controller "Acme Oy" --dpo-contact privacy@acme.example \\
      --campaigns ap2:1551,ap2:1285 \\
      --hours "mon-fri 09:00-21:00, sat 09:00-18:00\"""",
)
INIT_EXITS: Final = {
    ExitCode.OK: "written",
    ExitCode.USAGE: "an option is missing or cannot be used",
    ExitCode.UNAVAILABLE: "it is there already, or cannot be written",
    ExitCode.CONFIG: "the answers make no configuration",
    ExitCode.INTERRUPTED: "interrupted: nothing was written",
}

SHOW: Final = """\
Shows the settings in force with the origin of each: the line of the file, the
default, or what follows from the antennas (set-up). What may be a secret, or is
the way to one, is never shown: only whether it is given.
"""

SHOW_EXAMPLES: Final = (
    "presence config show --diff",
    """presence config show --json | jq '.settings[] | select(.origin == "file")'""",
)
SHOW_EXITS: Final = {
    ExitCode.OK: "shown",
    ExitCode.CONFIG: "the configuration cannot be used",
}

SCHEMA: Final = """\
Prints a JSON Schema (draft 2020-12) of the file: names, types, units, limits
and explanations. An editor with the YAML language server finds it by the first
line that `config init` writes. What it cannot say, such as that one setting
goes with another, `presence check` says.
"""

SCHEMA_EXAMPLES: Final = ("presence config schema > presence.schema.json",)
SCHEMA_EXITS: Final = {ExitCode.OK: "printed"}


def add(commands: Commands) -> None:
    command = commands.add(
        "config",
        None,
        summary="make the first file of settings; show what is in force; the schema",
        description=DESCRIPTION,
        examples=("sudo presence config init", "presence config show --diff"),
    )
    actions = Commands(command, metavar="ACTION")
    _add_init(actions)
    show = actions.add(
        "show",
        "presence.cli.config.show:start",
        summary="what is in force, and where each value is from",
        description=SHOW,
        examples=SHOW_EXAMPLES,
        exits=SHOW_EXITS,
    )
    add_config(show)
    which = show.add_mutually_exclusive_group()
    which.add_argument("--effective", action="store_true", help="every setting (the default)")
    which.add_argument("--diff", action="store_true", help="only what differs from the defaults")
    add_json(show, "one JSON object on stdout (docs/config-show.schema.json)")
    schema = actions.add(
        "schema",
        "presence.cli.config.schema:start",
        summary="the JSON Schema of the file, for editors",
        description=SCHEMA,
        examples=SCHEMA_EXAMPLES,
        exits=SCHEMA_EXITS,
    )
    schema.add_argument("--satellite", action="store_true", help="of a satellite's file")


def _add_init(actions: Commands) -> None:
    command = actions.add(
        "init",
        "presence.cli.config.init:start",
        summary="write the first file, from six questions at most",
        description=INIT,
        epilog=INIT_EPILOG,
        examples=INIT_EXAMPLES,
        exits=INIT_EXITS,
    )
    add = command.add_argument_group("answers").add_argument
    add("--list", metavar="CHAIN/STORE", help="the consent list that this gateway serves")
    add("--controller", metavar="COMPANY", help="who answers for the data")
    add("--dpo-contact", metavar="WHERE", help="how to reach the data-protection officer")
    add("--campaigns", metavar="LIST", help="categories of offers, e.g. ap2:1551,ap2:1285")
    add("--hours", metavar="HOURS", help="e.g. 'mon-sat 09:00-21:00', or always")
    add(
        "--antenna", action="append", default=[], metavar="ADAPTER=PLACE",
        help="one that listens: inside, door or outside; may be repeated",
    )  # fmt: skip
    add = command.add_argument_group("what is not asked").add_argument
    add("--gateway", metavar="NAME", help="of this gateway (the machine's name)")
    add("--audience", default="offers-main", metavar="NAME", help="of the events (offers-main)")
    add("--notice", metavar="ID", help="the sign's version (the store and this month)")
    add("--time-zone", metavar="ZONE", help="of the hours (the machine's)")
    add(
        "--key-file", type=Path, default=Path("store.key"), metavar="FILE",
        help="the store's key (store.key, beside the file); made where it is not there",
    )  # fmt: skip
    where = f"where the file goes (${VARIABLE}, else {SETTINGS}); - prints it"
    add_output(command, metavar="FILE", explanation=where)
    command.add_argument(
        "-f", "--force", action="store_true", help="replace a file that is there already"
    )

"""What `presence evidence` takes."""

from typing import Final

from presence.cli.command import Commands, add_config, add_json, add_output
from presence.cli.exit_codes import ExitCode, verdict_exits

DESCRIPTION: Final = """\
Writes one page for the data-protection officer of a running gateway: what was
promised and how it is shown, the list, arming, alarms, who looked, the head of
the audit log, the record of processing (GDPR art. 30) and what the settings say
for an impact assessment (art. 35). No customer stands on it.

It tries the first promise: made-up strangers pass a second gateway of the same
code and settings, in this process, and all that it leaves is searched for them.
Nothing is planted in the gateway that runs. This takes some ten seconds.
"""

EPILOG: Final = """\
Ask as presence's user or as root. Messages are searched where mosquitto or the
extra `demo` is installed; elsewhere the page says that they were not.
"""

EXAMPLES: Final = (
    "sudo presence evidence",
    "sudo presence evidence -o /srv/privacy/door-1.html",
    "presence evidence -c /etc/presence/presence.yaml --json --no-strangers",
)
EXITS: Final = {
    **verdict_exits("written, and all is PASS", "written, with a WARN", "written, with a FAIL"),
    ExitCode.UNAVAILABLE: "the page cannot be written, or the test cannot be done",
    ExitCode.CONFIG: "the configuration cannot be used",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "evidence",
        "presence.cli.evidence:start",
        summary="a page for the data-protection officer, with strangers to try the promise",
        description=DESCRIPTION,
        epilog=EPILOG,
        examples=EXAMPLES,
        exits=EXITS,
    )
    add_config(command)
    add_output(command, metavar="FILE", explanation="default: presence-evidence-DAY.html, here")
    command.add_argument("--no-strangers", action="store_true", help="leave the stranger test out")
    add_json(command, "one JSON object on stdout; a page only with --output")

"""`--help` and `--version` answer at once: parsers import none of the commands' work."""

import argparse
import json
import subprocess
import sys

import pytest

from presence.cli import parser
from presence.cli.command import work_of
from presence.cli.consents.parser import DELIMITERS, ROLES
from presence.cli.consents.values import PURPOSES
from presence.cli.parsers import incident_export
from presence.config.settings import StorageSettings
from presence.consent_service import import_lines, keys
from presence.core.consent.model import Purpose
from tests.support.command_line import commands_of

STANDARD = sys.stdlib_module_names
COMMANDS = dict(commands_of(parser()))
GROUPS = {("consents",), ("config",)}
"""Their actions have the work."""
PARSERS = (
    "presence.cli.command",
    "presence.cli.exit_codes",
    "presence.cli.parsers",
    "presence.cli.consents.parser",
    "presence.cli.consents.arguments",
    "presence.cli.consents.examples",
)
LIGHT = {"presence", "presence.cli", "presence.cli.consents", "presence.cli.consents.values"}
ASKS = """
import json, sys
before = set(sys.modules)
from presence.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        assert end.code == 0, arguments
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def imported_by(*command_lines: list[str]) -> set[str]:
    """The modules that one interpreter has after these, one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", ASKS, json.dumps(command_lines)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_of_every_command_and_the_version_import_parsers_and_no_library() -> None:
    helps = [[*words, "--help"] for words in COMMANDS]
    imported = imported_by(["--version"], ["--help"], *helps)
    ours = {name for name in imported if name.partition(".")[0] == "presence"}
    others = {name for name in imported - ours if name.partition(".")[0] not in STANDARD}
    assert others == set()
    assert {name for name in ours - LIGHT if not name.startswith(PARSERS)} == {
        "presence.errors",
        "presence.language",
        "presence.location",
    }
    assert not imported & {"asyncio", "ssl", "sqlite3", "http", "logging"}


def test_a_command_imports_its_own_work_and_not_that_of_the_others() -> None:
    imported = imported_by(["audit", "verify", "--state-dir", "/nowhere"])
    assert "presence.cli.audit" in imported
    assert not imported & {"presence.cli.run", "presence.edges.bluez", "bleak", "paho", "tuf"}


@pytest.mark.parametrize("words", [words for words in COMMANDS if words not in GROUPS])
def test_the_work_of_every_command_is_where_its_parser_says(words: tuple[str, ...]) -> None:
    assert callable(work_of(argparse.Namespace(work=COMMANDS[words].get_default("work"))))


def test_words_that_parsers_know_without_importing_them_are_those_of_the_work() -> None:
    assert tuple(Purpose) == PURPOSES
    assert {*keys.ONLINE, keys.NOTICES, keys.APPROVAL, "online", "root"} == set(ROLES)
    assert import_lines.DELIMITERS == DELIMITERS
    assert StorageSettings().state_dir == incident_export.STATE_DIR

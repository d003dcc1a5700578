"""`presence config init`: the first file of a gateway, from six questions at most."""

import argparse
import asyncio
import grp
import os
import pwd
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, TextIO

from presence.cli.command import print_lines
from presence.cli.config.asking import answered, line_of
from presence.cli.config.schema import schema_for_editors
from presence.config import Settings, parse_settings
from presence.config.first_file import Answers, first_file
from presence.config.rules import read_store_key
from presence.config.settings import AntennaSettings
from presence.config.walk import Misfit, parse_answer
from presence.edges.bluez.diagnosis import lasting_names, look_for_adapters
from presence.edges.host.files import Owner, new_file, new_key_file, replace_file
from presence.errors import RadioError, StorageError, UsageError
from presence.location import SETTINGS, as_option, settings_file

STDOUT: Final = Path("-")
DAEMON, TECHNICIANS = "presence", "presence-tech"
"""The user and the group of systemd/sysusers.conf."""
REVIEW_DAYS: Final = 365
FIRST: Final = "the first that is found, inside"


def start(options: argparse.Namespace) -> int:
    path = options.output or settings_file()
    out = sys.stderr if path == STDOUT else sys.stdout
    if path != STDOUT:
        may_be_written(path, force=options.force)
    given = {f"--{name.replace('_', '-')}": value for name, value in vars(options).items()}
    answers = answered(given, out)
    antennas = asyncio.run(_antennas(options.antenna, out))
    text = first_file(
        _answers(options, answers, antennas),
        schema=schema_for_editors(),
        about="Written by `presence config init`.",
    )
    settings = parse_settings(text, name=str(path))
    if path == STDOUT:
        print(text, end="")
        return 0
    write(path, text, settings, out, force=options.force)
    _say_what_next(path, settings, out)
    return 0


def may_be_written(path: Path, *, force: bool) -> None:
    """Raises StorageError before anything is asked."""
    folder = path.absolute().parent
    if not os.access(folder, os.F_OK, effective_ids=True):
        raise StorageError(
            f"{folder}: there is no such folder: install presence first (scripts/install), or name "
            "another place with --output"
        )
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise StorageError(
            f"{path}: this user may not write there: use sudo, or name another place with --output"
        )
    if path.exists() and not force:
        raise StorageError(
            f"{path}: is there already, and stays as it is: `presence config show"
            f"{as_option(path)}` shows it; --force replaces it, --output names another"
        )


def write(path: Path, text: str, settings: Settings, out: TextIO, *, force: bool) -> None:
    """The key first: settings without one are of no use. Raises StorageError and
    ConfigurationError.
    """
    key = settings.store.key_file
    try:
        if key.exists():
            read_store_key(key)
            print_lines(f"kept     {key}", out)
        else:
            new_key_file(key, owner=_owner(DAEMON))
            print_lines(f"made     {key}   (a secret, readable for the gateway alone)", out)
        make = replace_file if force else new_file
        make(path, text.encode(), mode=0o640, owner=_owner("root"))
    except OSError as error:
        raise StorageError(f"{error.filename or path}: {error.strerror}") from error
    print_lines(f"written  {path}", out)


def _owner(user: str) -> Owner | None:
    """Where the service is installed: `user`, and the technicians' group. Only root gives away."""
    try:
        if os.geteuid() == 0:
            return pwd.getpwnam(user).pw_uid, grp.getgrnam(TECHNICIANS).gr_gid
    except KeyError:
        pass
    return None


def _answers(
    options: argparse.Namespace, answers: Mapping[str, Any], antennas: Sequence[Mapping[str, str]]
) -> Answers:
    chain, _, store = answers["--list"].partition("/")
    today = date.today()  # noqa: DTZ011 - the shop's own calendar
    return Answers(
        chain=chain,
        store=store,
        gateway=options.gateway or _host_name(),
        key_file=str(options.key_file),
        controller=answers["--controller"],
        dpo_contact=answers["--dpo-contact"],
        notice=options.notice or f"{store}-{today:%Y-%m}",
        review_by=date.fromordinal(today.toordinal() + REVIEW_DAYS),
        audience=options.audience,
        campaigns=answers["--campaigns"],
        time_zone=options.time_zone or _time_zone(),
        opening_hours=answers["--hours"],
        antennas=antennas,
    )


def _host_name() -> str:
    return re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower())[:32] or "gateway"


def _time_zone() -> str:
    """Of this machine, as systemd sets it; UTC where nobody set one."""
    _, found, name = str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")
    return name if found else "UTC"


async def _antennas(named: Sequence[str], out: TextIO) -> list[dict[str, str]]:
    """As they are named; else asked for where there are several adapters. One needs no word."""
    if named:
        try:
            return [antenna(word, ()) for word in named]
        except Misfit as complaint:
            raise UsageError(f"--antenna: {complaint}") from None
    try:
        there = await look_for_adapters()
    except RadioError as error:
        print_lines(f"radio    no Bluetooth adapter is found: {error.fault.value}", out)
        return []
    for number, adapter in enumerate(there, start=1):
        print_lines(f"radio    {number}: {adapter}", out)
    if len(there) < 2 or not sys.stdin.isatty():
        return []
    names = [(lasting_names(each, there) or [each.name])[0] for each in there]
    print_lines(
        "Which adapters listen, and where does each hang: inside, door or outside?\n"
        f"  e.g. 1=outside, 2=door, 3=inside; Enter: {FIRST}   (--antenna)",
        out,
    )
    while True:
        words = [word.strip() for word in line_of("> ", out).split(",")]
        try:
            return [antenna(word, names) for word in words if word]
        except Misfit as complaint:
            print_lines(f"  {complaint}", out)


def antenna(word: str, names: Sequence[str]) -> dict[str, str]:
    """`usb:1-1.4=door`, or `2=door` by the number of one of `names`. Raises Misfit."""
    name, _, place = word.partition("=")
    if name.isdigit() and 1 <= int(name) <= len(names):
        name = names[int(name) - 1]
    return {
        "adapter": parse_answer(AntennaSettings, "adapter", name),
        "place": str(parse_answer(AntennaSettings, "place", place or "inside")),
    }


def _say_what_next(path: Path, settings: Settings, out: TextIO) -> None:
    notice, option = settings.notice, as_option(path)
    print_lines(
        f"""
The sign at the door must bear the version {notice.id}.
Review it by {notice.review_by}: after that day the gateway no longer listens.
This gateway is called {settings.store.gateway}. No other gateway of the store may have
that name, and each needs a copy of the key before its own `config init`.

Next:
  presence check{option}
  presence config show{option}""",
        out,
    )
    if path == SETTINGS:
        print_lines("  sudo systemctl start presence\n  presence status", out)
    else:
        print_lines(f"  presence run{option}", out)

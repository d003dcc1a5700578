"""`presence audit`: what was decided about this gateway, and whether nobody changed the record of
it.
"""

import argparse
import json
from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from presence.cli.exit_codes import ExitCode
from presence.cli.folders import storage_of, time_zone_of
from presence.core.operations.audit_chain import digest_of, record_of
from presence.core.operations.audit_words import in_words
from presence.counting import counted
from presence.edges.host.audit import lines_of, look_at
from presence.errors import StorageError


def start(options: argparse.Namespace) -> int:
    directory = options.state_dir or storage_of(options.config).state_dir
    try:
        if options.action == "verify":
            return _verify(directory, options)
        return _show_lines(directory) if options.json else _show(directory, options)
    except OSError as error:
        raise StorageError(
            f"{directory}: {error.strerror}: ask as presence's user or as root"
        ) from error


def _show_lines(directory: Path) -> int:
    """As they stand in the file, each one JSON object."""
    for _, line in lines_of(directory):
        print(line.decode("ascii", "backslashreplace"))
    return 0


def _show(directory: Path, options: argparse.Namespace) -> int:
    name = None if options.state_dir else time_zone_of(options.config)
    zone = ZoneInfo(name) if name else None
    shown = 0
    for place, line in lines_of(directory):
        record = record_of(line)
        if record is None:
            print(f"{place}: this line cannot be read: `presence audit verify`")
        else:
            print(f"{local_time(record['at'], zone)}  {in_words(record)}")
        shown += 1
    if not shown:
        print(f"{directory}: no audit log: has a gateway run here?")
    return 0


def local_time(text: str, zone: tzinfo | None) -> str:
    """`2026-11-23 16:05:07`, of the machine's time zone where None; as it stands where it is no
    time.
    """
    try:
        return datetime.fromisoformat(text).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return text


def _verify(directory: Path, options: argparse.Namespace) -> int:
    verdict = look_at(directory)
    problem = verdict.problem or _against_noted(directory, options.head)
    if options.quiet:
        return ExitCode.WARN if problem else ExitCode.OK
    head = f"{verdict.last.n}:{verdict.last.digest}"
    if options.json:
        print(
            json.dumps(
                {"whole": not problem, "lines": verdict.lines, "problem": problem, "head": head}
            )
        )
    elif problem:
        print(
            f"BROKEN  {problem}\n        → keep a copy of the folder, and ask who had access: "
            "docs/operations.md"
        )
    else:
        print(f"whole: {counted(verdict.lines, 'line')}; head {head}")
    return ExitCode.WARN if problem else ExitCode.OK


def _against_noted(directory: Path, noted: str | None) -> str:
    if not noted:
        return ""
    number, _, digest = noted.partition(":")
    following = None
    for place, line in lines_of(directory):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if str(record["n"]) == number:
            following = (place, line)
    if following is None:
        return f"number {number} of the noted head is not in the log any more"
    place, line = following
    return (
        ""
        if digest_of(line) == digest
        else f"{place}: not the line of the noted head: it was changed"
    )

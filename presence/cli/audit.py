"""`presence audit`: what was decided about this gateway, and whether nobody changed the record of
it.
"""

import argparse
import json
from pathlib import Path

from presence.cli.folders import storage_of
from presence.core.operations.audit_chain import digest_of
from presence.edges.host.audit import lines_of, look_at
from presence.errors import StorageError


def start(options: argparse.Namespace) -> int:
    directory = options.state_dir or storage_of(options.config).state_dir
    try:
        return _show(directory) if options.action == "show" else _verify(directory, options)
    except OSError as error:
        raise StorageError(
            f"{directory}: {error.strerror}: ask as presence's user or as root"
        ) from error


def _show(directory: Path) -> int:
    for _, line in lines_of(directory):
        print(line.decode("ascii", "backslashreplace"))
    return 0


def _verify(directory: Path, options: argparse.Namespace) -> int:
    verdict = look_at(directory)
    problem = verdict.problem or _against_noted(directory, options.head)
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
        print(f"whole: {verdict.lines} lines; head {head}")
    return 1 if problem else 0


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

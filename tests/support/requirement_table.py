"""The table of `scripts/requirements`: each number of the list, and the tests that show it.

Tests are collected for it, not run: the table says what is meant to be shown, a test run says
whether it is.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from presence.cli.command import Parser
from tests.support.paths import ROOT
from tests.support.requirement_page import PAGE, files_by_number, with_shown
from tests.support.requirements import load_titles


def main(arguments: list[str] | None = None) -> int:
    """Print the table that the command line asks for; 1 where the tests cannot be collected."""
    parser = Parser(
        prog="scripts/requirements",
        description=__doc__,
        examples=("scripts/requirements --missing",),
    )
    parser.add_argument(
        "--json", action="store_true", help="for programs: number, title and tests of each"
    )
    parser.add_argument(
        "--missing", action="store_true", help="only the numbers that no test shows yet"
    )
    parser.add_argument(
        "--summary", action="store_true", help="only how many there are, and which are missing"
    )
    parser.add_argument(
        "--write", action="store_true", help="write anew who shows what in docs/requirements.md"
    )
    options = parser.parse_args(arguments)
    if options.write:
        PAGE.write_text(
            with_shown(PAGE.read_text(encoding="utf-8"), files_by_number()), encoding="utf-8"
        )
        return 0
    shown = collect()
    if shown is None:
        return 1
    titles = load_titles()
    missing = [number for number in titles if not shown[number]]
    wanted = missing if options.missing else list(titles)
    if options.json:
        rows = [
            {"number": number, "title": titles[number], "tests": shown[number]} for number in wanted
        ]
        print(json.dumps(rows, indent=2))
        return 0
    if not options.summary:
        for number in wanted:
            print(f"{number}  {titles[number]}")
            for test in shown[number]:
                print(f"      {test}")
        print()
    print(f"{len(titles) - len(missing)} of {len(titles)} numbers are shown by at least one test.")
    if options.summary and missing:
        print(f"Without: {' '.join(missing)}")
    return 0


def collect() -> dict[str, list[str]] | None:
    """Ask pytest who shows what; None, and pytest's own words, where it cannot tell."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "shown.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--collect-only",
            "-q",
            f"--requirements-to={answer}",
        ]
        done = subprocess.run(
            [*command, "--continue-on-collection-errors"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in {0, 5}:  # 5: there is no test yet
            print(done.stdout[-4000:] + done.stderr[-4000:], file=sys.stderr)
        return json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else None


if __name__ == "__main__":
    sys.exit(main())

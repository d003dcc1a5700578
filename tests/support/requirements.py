"""The pytest plugin that ties tests to the numbers of ``requirements.toml``, and says what was
skipped.

A test names what it shows: ``@pytest.mark.requirement("R-05", "T-03")``. A number that is not in
the list stops the run before the first test: a typing error must not pass for a requirement shown.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST = Path(__file__).with_name("requirements.toml")


def load_titles() -> dict[str, str]:
    """Give every number with its title, in the order of the list."""
    parts = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return {number: title for part in parts.values() for number, title in part.items()}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the option through which `scripts/requirements` learns which test shows which number."""
    parser.addoption(
        "--requirements-to",
        metavar="FILE",
        type=Path,
        help="write as JSON which tests show each number",
    )


@pytest.hookimpl(
    tryfirst=True
)  # before -k, -m and --lf take tests away: every marker is checked in every run
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check every marker, and write down who shows what where that was asked for."""
    shown: dict[str, list[str]] = {number: [] for number in load_titles()}
    mistakes = []
    for item in items:
        test = item.nodeid.partition("[")[0]  # the cases of one parametrized test are one test
        for number in _numbers(item):
            if number not in shown:
                mistakes.append(f"{test}: {number!r} is no number of {LIST.name}")
            elif test not in shown[number]:
                shown[number].append(test)
    if mistakes:
        raise pytest.UsageError("\n".join(dict.fromkeys(mistakes)))
    target: Path | None = config.getoption("--requirements-to")
    if target is not None:
        target.write_text(json.dumps(shown, indent=1), encoding="utf-8")


def _numbers(item: pytest.Item) -> Iterator[object]:
    for marker in item.iter_markers("requirement"):
        yield from marker.args or ["(no number at all)"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly what was skipped and why, most frequent reason first."""
    reasons = Counter(_reason(report) for report in terminalreporter.getreports("skipped"))
    if not reasons:
        return
    terminalreporter.section("not run on this machine")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"Skipped: {count} because {reason}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    longrepr = report.longrepr  # of a skipped test: (file, line, "Skipped: reason")
    text = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
    return (
        text.removeprefix("Skipped: ").removeprefix("unconditional skip").strip()
        or "no reason was given"
    )

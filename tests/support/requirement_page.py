"""docs/requirements.md: its titles are those of ``requirements.toml``, its `Shown by` lines are
made from the tests.

The text of each number is written by hand and stays as it is. Who shows a number is read from the
markers in the sources, so that neither a test run nor a collection is needed.
"""

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "requirements.md"
NOBODY = "not yet"

_ENTRY = re.compile(
    r"^### (?P<number>[RT]-[0-9]{2})\n"
    r"\*\*(?P<title>[^\n]+)\*\*\n\n"
    r"(?P<text>.+?)\n\n"
    r"Shown by: (?P<shown>.+?)\n(?=\n|\Z)",
    re.MULTILINE | re.DOTALL,
)


def titles_of(page: str) -> dict[str, str]:
    """Give every number of the page with its title, in the order of the page."""
    return {entry["number"]: entry["title"] for entry in _ENTRY.finditer(page)}


def texts_of(page: str) -> dict[str, str]:
    """Give every number of the page with what it asks."""
    return {entry["number"]: entry["text"] for entry in _ENTRY.finditer(page)}


def shown_of(page: str) -> dict[str, str]:
    """Give every number of the page with its `Shown by`, as one line."""
    return {entry["number"]: " ".join(entry["shown"].split()) for entry in _ENTRY.finditer(page)}


def with_shown(page: str, files: Mapping[str, list[str]]) -> str:
    """Give the page with every `Shown by` made anew, and nothing else changed."""

    def made(entry: re.Match[str]) -> str:
        kept, _, _ = entry[0].rpartition("\n\nShown by: ")
        return f"{kept}\n\n{_shown(files.get(entry['number'], []))}\n"

    return _ENTRY.sub(made, page)


def files_by_number(folder: Path = ROOT / "tests") -> dict[str, list[str]]:
    """Give, for each number that a marker names, the test files with such a marker, in order of
    their names.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for number in sorted(set(_numbers(ast.parse(path.read_text(encoding="utf-8"))))):
            found.setdefault(number, []).append(path.relative_to(folder.parent).as_posix())
    return found


def _shown(files: list[str]) -> str:
    line = f"Shown by: {', '.join(f'`{file}`' for file in files) or NOBODY}"
    return textwrap.fill(line, 100, break_long_words=False, break_on_hyphens=False)


def _numbers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.requirement":
            yield from (ast.literal_eval(argument) for argument in node.args)

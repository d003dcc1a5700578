"""Each shell block of README and docs is run as it stands there, or says why it is not.

Above a block that is not run stands one of

    <!-- not run: it needs a radio -->
    <!-- run by tests/demo/test_demo.py -->

All others of a document are run one after the other, in a folder that looks like a checkout. A
block of another kind is laid down as a file before that: `<!-- file: export.csv -->`. Dates move
along: the documents were written on 2026-11-23, and what they call next year stays next year.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.paths import ROOT

WRITTEN = date(2026, 11, 23)
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "ARCHITECTURE.md")
SHELL = {"sh", "bash", "console"}
TYPED = re.compile(
    r"^(?:\$ |(?:sudo|scripts/[\w-]+|presence|\.venv/\S+|pip3?|openssl|apt|curl|mosquitto\w*|"
    r"systemctl|git|cd|install) )",
    re.MULTILINE,
)


class Block(NamedTuple):
    line: int
    language: str
    text: str
    marker: str
    """What the comment above it says: "" where there is none."""


def blocks(document: str) -> Iterator[Block]:
    text = (ROOT / document).read_text(encoding="utf-8")
    marked = r"(?:^<!-- (?P<marker>[^\n]*?) -->\n)?"
    for found in re.finditer(
        marked + r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", text, re.MULTILINE | re.DOTALL
    ):
        line = text.count("\n", 0, found.start("language")) + 1
        yield Block(line, found["language"], found["text"], found["marker"] or "")


def documents() -> list[str]:
    found = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    return [*DOCUMENTS, *sorted(found)]


def to_run(document: str) -> list[Block]:
    return [b for b in blocks(document) if b.language in SHELL and not b.marker]


def typed(block: Block) -> str:
    """What somebody would type: of a console's block the lines after `$`."""
    if block.language != "console":
        return block.text
    return "".join(line[2:] for line in block.text.splitlines(True) if line.startswith("$ "))


def today(text: str) -> str:
    """The text with its dates as far from today as they were from the day it was written."""
    later = datetime.now(UTC).date() - WRITTEN
    return re.sub(r"\b20\d\d-\d\d-\d\d\b", lambda d: str(date.fromisoformat(d[0]) + later), text)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Looks like a checkout, and takes what the blocks write."""
    for name in ("scripts", "config", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def surroundings() -> Mapping[str, str]:
    programs = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
@pytest.mark.parametrize("document", [each for each in documents() if to_run(each)])
def test_the_shell_blocks_of_a_document_run_as_they_stand_there(
    document: str, checkout: Path
) -> None:
    missing = [
        program
        for program in ("openssl",)
        if any(f"{program} " in block.text for block in to_run(document))
        and shutil.which(program) is None
    ]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    for block in blocks(document):
        if block.marker.startswith("file: "):
            (checkout / block.marker.removeprefix("file: ")).write_text(today(block.text))
    for block in to_run(document):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", today(typed(block))],
            cwd=checkout, env=surroundings(), stdin=subprocess.DEVNULL, timeout=120,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{document}:{block.line}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("document", documents())
def test_no_shell_block_escapes(document: str) -> None:
    for block in blocks(document):
        place = f"{document}:{block.line}"
        if block.language in ("", "text"):
            assert not TYPED.search(block.text), f"{place}: call it sh, so that it is run"
        if block.language not in SHELL or not block.marker:
            continue
        how, _, reason = block.marker.partition(": ")
        by = how.removeprefix("run by ")
        assert reason if how == "not run" else (ROOT / by).is_file(), f"{place}: {block.marker}"


@pytest.mark.parametrize("document", documents())
def test_a_python_script_of_ours_is_typed_with_the_python_that_has_its_libraries(
    document: str,
) -> None:
    """By its first line it would take the system's, which has no paho."""
    for block in blocks(document):
        if block.language in SHELL:
            typed_alone = re.search(r"^\s*scripts/\w+\.py", block.text, re.MULTILINE)
            assert not typed_alone, f"{document}:{block.line}: begin it with .venv/bin/python"


def test_there_are_blocks_that_run() -> None:
    """Else this page would hold nothing."""
    assert len([b for each in documents() for b in to_run(each)]) >= 5

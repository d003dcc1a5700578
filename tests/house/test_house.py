"""The rules of the house that a machine can check, and that the machine really checks them."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "presence"
TOOLS = Path(sys.executable).parent

# From 300 lines on look for a second subject; folding statements to fit is worse.
MAX_MODULE_LINES = 400
CATALOGUES = {"presence/telemetry.py"}  # a table, though it is written as classes
MAX_FUNCTION_LINES = 40
MAX_README_LINES = 120
EMPTY_NAMES = {
    "base",
    "common",
    "handler",
    "helper",
    "helpers",
    "manager",
    "misc",
    "types",
    "util",
    "utils",
}


def run(*command: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False
    )


def banned(module: str, code: str) -> str:
    """What ruff says of banned calls and imports, if this code stood in this module."""
    options = ["--select", "TID", "--output-format", "concise", "--no-cache"]
    return run(
        TOOLS / "ruff", "check", *options, "--stdin-filename", module, "-", stdin=code
    ).stdout


def test_imports_point_down() -> None:
    done = run(TOOLS / "lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("import time\ntime.time()\n", "take a Moment"),
        ("from time import monotonic\n", "take a Moment"),
        ("from datetime import datetime\ndatetime.now()\n", "take a Moment"),
        ("import datetime\ndatetime.date.today()\n", "take a Moment"),
        ("import random\n", "no chance"),
        ("import secrets\n", "no chance"),
        ("import os\nos.urandom(8)\n", "no chance"),
        ("import uuid\nuuid.uuid4()\n", "no chance"),
        ("import asyncio\n", "no tasks"),
        ("import threading\n", "no threads"),
        ("import socket\n", "presence.edges"),
        ("import sqlite3\n", "presence.edges"),
        ("import structlog\n", "does not log"),
        ("import logging\n", "does not log"),
        ("from pathlib import Path\n", "opens no files"),
    ],
)
@pytest.mark.parametrize("module", ["presence/core/x.py", "presence/core/recognition/beacons/x.py"])
def test_the_core_may_not_and_is_told_what_to_do_instead(
    module: str, code: str, remedy: str
) -> None:
    assert remedy in banned(module, code)


@pytest.mark.parametrize(
    "module",
    [
        "presence/edges/x.py",
        "presence/cli/x.py",
        "presence/gateway/gateway.py",
        "presence/gateway/relay.py",
    ],
)
def test_clocks_and_sockets_are_free_outside_the_core(module: str) -> None:
    assert "TID251" not in banned(
        module, "import time, asyncio, socket\ntime.time()\nasyncio.sleep(1)\n"
    )


@pytest.mark.parametrize("call", ["create_task", "ensure_future"])
@pytest.mark.parametrize(
    "module",
    [
        "presence/edges/x.py",
        "presence/cli/x.py",
        "presence/gateway/gateway.py",
        "presence/gateway/relay.py",
    ],
)
def test_tasks_are_started_in_a_task_group_only(module: str, call: str) -> None:
    assert "TaskGroup" in banned(module, f"import asyncio\nasyncio.{call}(work())\n")
    in_a_group = (
        "import asyncio\nasync def f():\n    async with asyncio.TaskGroup() as t:\n     "
        "   t.create_task(work())\n"
    )
    assert "TID251" not in banned(module, in_a_group)


@pytest.mark.parametrize("module", ["presence/core/x.py", "presence/edges/x.py"])
def test_imports_are_absolute(module: str) -> None:
    assert "TID252" in banned(module, "from .errors import PresenceError\n")


def test_no_module_grows_past_one_subject() -> None:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")
    }
    long = {str(path.relative_to(ROOT)) for path, n in lengths.items() if n > MAX_MODULE_LINES}
    assert long <= CATALOGUES


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in PACKAGE.rglob("*") if EMPTY_NAMES & set(path.stem.split("_"))] == []


def test_every_module_opens_with_a_sentence() -> None:
    silent = [
        path
        for path in PACKAGE.rglob("*.py")
        if not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert silent == []


def test_every_package_says_what_it_may_import() -> None:
    packages = [path for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE]
    silent = [path for path in packages if "\nImports: " not in path.read_text(encoding="utf-8")]
    assert silent == []


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


@pytest.mark.requirement("T-23")
def test_every_dependency_is_locked_with_the_hashes_of_its_files() -> None:
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    foreign = [package for package in locked if package["name"] != "presence"]
    files = [
        (package["name"], file)
        for package in foreign
        for file in [*package.get("wheels", []), package.get("sdist")]
    ]
    assert [package["name"] for package in foreign if "registry" not in package["source"]] == []
    assert [
        name for name, file in files if file is not None and not file["hash"].startswith("sha256:")
    ] == []


def test_the_lock_file_answers_to_the_project_file() -> None:
    done = run(TOOLS / "uv", "lock", "--check", "--offline", "--python", sys.executable)
    assert done.returncode == 0, done.stderr


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT)}: {node.name}"
        for folder in (PACKAGE, ROOT / "scripts")
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    }
    assert long == set()

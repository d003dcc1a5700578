"""These tests need the machine that `scripts/test-system` makes; elsewhere they are not collected.

A test whose scenario failed is asked once more, of a fresh machine (days.py).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.days import PLAYED, Day, judge

if "PRESENCE_MACHINE" not in os.environ:
    collect_ignore_glob = ["*"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """New folders; below PRESENCE_OUT what the machine left is kept."""
    kept = os.environ.get("PRESENCE_OUT")

    def new(name: str) -> Path:
        if kept is None or name == "src":
            return tmp_path_factory.mktemp(name)
        number = next(n for n in range(1000) if not (Path(kept) / f"{name}-{n}").exists())
        path = Path(kept) / f"{name}-{number}"
        path.mkdir(parents=True)
        return path

    return new


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """As pytest's own does; but a test of a day is judged by `judge`."""
    days = [value for value in pyfuncitem.funcargs.values() if isinstance(value, Day)]
    if not days:
        return None
    names = pyfuncitem._fixtureinfo.argnames
    judge(lambda: pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}), days)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist, which plays its day beside another's, hands over what it played."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["played"] = PLAYED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    PLAYED.extend(getattr(node, "workeroutput", {}).get("played", ()))  # none, where it crashed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long each machine ran, and each scenario in it; `!` where the guest failed."""
    for line in PLAYED:
        terminalreporter.write_line(f"presence: {line}")

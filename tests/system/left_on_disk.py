"""What a machine's disk holds after its power went: looked at on the host and in a copy, before the
machine starts again, for to open a file system or a database mends it.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from presence.edges.consent_list.store import ListStore
from presence.errors import PresenceError
from tests.support.paths import ROOT

STATE, CANARY = "/var/lib/presence", "/var/lib/canary"
MENDED: Final = 1
"""e2fsck: what it did is what the kernel does at a mount."""


def look(image: Path, folder: Path) -> dict[str, Any]:
    """`folder` takes the files of the gateway's state directory."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "copy.img"
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, copy], check=True)
    checked = subprocess.run(["e2fsck", "-fp", copy], capture_output=True, text=True, check=False)
    for path in (STATE, CANARY):
        subprocess.run(
            ["debugfs", "-R", f"rdump {path} {folder}", copy], check=True, capture_output=True
        )
    copy.unlink()
    state = folder / "presence"
    return {
        "file_system": (checked.returncode <= MENDED, checked.stdout),
        "files": sorted(str(path.relative_to(state)) for path in state.rglob("*")),
        "audit": _audited(state),
        "integrity": {path.name: _integrity(path) for path in state.glob("*.sqlite")},
        "withdrawn": len(_rows(state / "withdrawn.sqlite", "SELECT ref FROM withdrawn")),
        "list": _list(state),
        "canaries": {
            path.name: path.read_text() == path.name * 1000
            for path in (folder / "canary").iterdir()
        },
    }


def _rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path, timeout=5)) as database:
        return database.execute(query).fetchall()


def _integrity(path: Path) -> str:
    try:
        found = [line for (line,) in _rows(path, "PRAGMA integrity_check")]
    except sqlite3.Error as error:
        return repr(error)
    if sqlite3.sqlite_version_info < (3, 41):
        # It takes the columns of a table WITHOUT ROWID whose key is not its beginning for NULL.
        found = [line for line in found if not line.startswith("NULL value in")] or ["ok"]
    return "; ".join(found)


def _list(state: Path) -> dict[str, Any]:
    """As the gateway opens it, but never begun anew."""
    try:
        with closing(ListStore(state)) as store:
            kept = store.kept()
            return {
                "seq": kept.seq if kept else 0,
                "base": "" if store.base is None else store.base.path.name,
                "count": store.count(),
                "entries": len(dict(store.index(kept.words if kept else ()))),
                "damage": "no base" if store.base is None else store.base.verify(),
            }
    except PresenceError as error:
        return {"seq": 0, "base": "", "count": 0, "entries": 0, "damage": str(error)}


def _audited(state: Path) -> tuple[int, str]:
    """Of all lines; a break that an earlier start found stays on record."""
    done = subprocess.run(
        [sys.executable, "-m", "presence", "audit", "verify", "--state-dir", state],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr

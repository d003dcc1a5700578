"""A commit is on the disk when it returns, also where the power goes the moment after.

SQLite's journal of the old rows is what would take the commit back: it is gone for good only once
the folder that it was removed from is on the disk as well (sqlite.org/pragma.html, synchronous:
EXTRA). That the disk then has it is shown by tests/system/test_power_cut_system.py.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

COMMITS = {
    "withdrawn.sqlite": """
from presence.core.consent.revocation import RevokedRights
from presence.core.consent.revocations import HeldRevocation
from presence.edges.sqlite.revocations import SqliteRevocationStore
store = SqliteRevocationStore(folder)
taken = RevokedRights(b"customer", 1, removed=True)
store.keep("acme/fi-0042", (HeldRevocation(taken, 1, "key"),), 1)
""",
    "signed-list.sqlite": """
from presence.edges.consent_list.store import ListStore
with ListStore(folder).changing() as changing:
    pass
""",
    "register.sqlite": """
from presence.consent_service.register import Register
register = Register(folder / "register.sqlite", create=True)
with register.transaction():
    register.set_fact("seq", 1)
""",
}
SYNCS = ("fsync(", "fdatasync(")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.requirement("R-40", "R-44")
@pytest.mark.parametrize("file", COMMITS)
def test_after_a_commit_the_folder_is_synced_without_the_journal(tmp_path: Path, file: str) -> None:
    code = f"from pathlib import Path\nfolder = Path({str(tmp_path)!r})\n{COMMITS[file]}"
    calls = tmp_path / "calls"
    subprocess.run(
        [
            *("strace", "-f", "-y", "-o", calls, "-e", "trace=unlink,fsync,fdatasync"),
            *(sys.executable, "-c", code + "\nimport os; os._exit(0)"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )

    lines = calls.read_text().splitlines()
    removed = max(
        n for n, line in enumerate(lines) if f"{file}-journal" in line and "unlink" in line
    )
    assert any(
        line.split(maxsplit=1)[1].startswith(SYNCS) and f"<{tmp_path}>" in line
        for line in lines[removed:]
    )

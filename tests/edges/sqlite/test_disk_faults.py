"""A disk that is full or gone at any write: the old state stays or the new one is whole, and the
file is named.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(
    shutil.which("fiu-run") is None, reason="libfiu is not installed: apt install fiu-utils"
)


def lines(store: str, number: int, folder: Path) -> list[dict[str, Any]]:
    command = [
        "fiu-run",
        "-x",
        sys.executable,
        "-m",
        "tests.support.disk_faults",
        store,
        str(number),
        str(folder),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["TMPDIR"] = str(folder)  # where fiu-run leaves its pipes
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.requirement("R-40", "T-20")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "gone"])
@pytest.mark.parametrize(
    ("store", "file"),
    [
        ("runtime", "visits.sqlite"),
        ("consents", "consents.sqlite"),
        ("withdrawn", "withdrawn.sqlite"),
        ("signed", "signed-"),  # whichever file of it
        ("audit", "audit"),
    ],
)
def test_a_write_that_fails_is_told_and_loses_nothing(
    tmp_path: Path, store: str, file: str, number: int
) -> None:
    tried = lines(store, number, tmp_path)
    new = tried[-1]["then"]
    assert tried[-1]["how"] == "done"
    assert len(tried) > 3
    for each in tried:
        assert each["how"] != "uncaught", each
        assert each["after"] in (each["before"], new), each
        assert each["then"] == new, each
        if each["how"] == "told":
            assert file in each["words"], each

"""`scripts/test-bare` where a bare Debian cannot be had: it says so, and CI takes no silence for a
success.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT

SCRIPT = ROOT / "scripts" / "test-bare"


@pytest.mark.parametrize("ci", ["true", "false"])
def test_what_cannot_be_run_is_skipped_aloud_and_an_error_in_ci_for_root(
    tmp_path: Path, ci: str
) -> None:
    for name in ("dirname", "readlink", "id", "uname"):  # and neither unshare nor apt-get
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    environment = {"PATH": str(tmp_path), "CI": ci, "HOME": str(tmp_path)}
    done = subprocess.run(
        [SCRIPT, "trixie"], env=environment, capture_output=True, text=True, check=False
    )
    assert "presence: tests on a bare Debian trixie SKIPPED: " in done.stderr
    assert done.returncode == (69 if ci == "true" and os.geteuid() == 0 else 0)
    assert not (tmp_path / ".cache").exists()


def test_it_explains_itself() -> None:
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True)
    for option in ("--servers", "--install", "--build", "--again", "trixie", "bookworm"):
        assert option in done.stdout

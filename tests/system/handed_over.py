"""What a machine is given to work on: this checkout as git knows it, and its two wheels."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

GUEST: Final = "/src/checkout/tests/system/guest"


def hand_over(source: Path) -> None:
    """Fill `source`, which is /src in the machine."""
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.split(b"\0")[:-1]
    for name in map(os.fsdecode, files):
        if (ROOT / name).is_file():
            target = source / "checkout" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    _build(ROOT, source / "wheels")
    _build(ROOT / "scripts" / "consents_wheel", source / "chain")


def _build(project: Path, folder: Path) -> None:
    wheel = ["-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(
        [ROOT / ".venv" / "bin" / "python", *wheel], cwd=project, capture_output=True, check=True
    )

"""What a machine is given to work on: this checkout as git knows it, and a wheel of it."""

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
    wheel = ["-m", "hatchling", "build", "-t", "wheel", "-d", str(source / "wheels")]
    subprocess.run(
        [ROOT / ".venv" / "bin" / "python", *wheel], cwd=ROOT, capture_output=True, check=True
    )

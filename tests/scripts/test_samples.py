"""The capture that ships is the one that the emulator makes, and a gateway finds its customer."""

import asyncio
import json
import sys

import pytest

from scripts.samples import FOLDER, samples
from tests.support.paths import ROOT


def test_the_samples_are_current() -> None:
    present = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert present == samples(), "run `python -m scripts.samples`"


@pytest.mark.requirement("R-01")
async def test_the_sample_tells_of_the_customer_and_of_nobody_else() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "presence", "replay", FOLDER / "walk.btsnoop",
        "--config", FOLDER / "presence.yaml", "--json",
        stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    out, _ = await process.communicate()
    told = json.loads(out)
    assert process.returncode == 0
    assert (told["unknown"], told["recognised"], told["entered"]) == (96, 128, 1)

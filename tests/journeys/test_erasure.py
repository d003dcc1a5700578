"""Whoever withdrew is erased: from the files, from the runtime directory, and from the daemon's
memory (R-12).

As the service runs: its unit has freed memory overwritten at once (systemd/presence.service).
"""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from presence.core.encoding import decode_base64url
from presence.core.recognition.identifiers import WINDOW_S
from presence.simulation.identity_keys import window_key
from scripts.stores.customers import identity_key
from tests.support.brokers import needs_mosquitto
from tests.support.builders import (
    BERIT,
    CARS,
)
from tests.support.customers import journey
from tests.support.paths import ROOT
from tests.support.process_memory import found_in_memory

pytestmark = [needs_mosquitto, pytest.mark.slow]

UNIT = ROOT / "systemd" / "presence.service"
WITHIN_S = 30.0


def environment_of_the_unit() -> dict[str, str]:
    lines = UNIT.read_text().splitlines()
    return dict(
        line.removeprefix("Environment=").split("=", 1)
        for line in lines
        if line.startswith("Environment=")
    )


@pytest.mark.requirement("R-12", "T-13", "T-15")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
async def test_after_a_withdrawal_and_the_next_base_nothing_of_her_is_in_memory_or_on_disk(
    tmp_path: Path,
) -> None:
    overwritten = environment_of_the_unit()
    assert overwritten.keys() >= {"PYTHONMALLOC", "GLIBC_TUNABLES"}
    assert "python -sPB -m presence" in UNIT.read_text(), (
        "with -I or -E Python ignores PYTHONMALLOC"
    )
    async with journey(tmp_path) as walk:
        await walk.agree()
        await walk.agree(CARS, name="berit", ref=BERIT)
        await walk.start(environment=overwritten)
        assert (await walk.next())[0] == "entered"  # Anna; the list is applied
        now_s = time.time()
        shown = await walk.consents("show", "berit")
        sought = {
            "ref": decode_base64url(shown["ref"].encode()),
            "pairwise key": walk.pairwise_key("berit"),
            "this window's key": window_key(identity_key(BERIT), now_s),
            "the next window's key": window_key(identity_key(BERIT), now_s + WINDOW_S),
        }
        before = found_in_memory(walk.pid, sought)
        assert all(before.values()), "the search finds what is there"

        await walk.consents("withdraw", "berit", "--mqtt", f"127.0.0.1:{walk.port}")
        await walk.consents("publish", "--new-base", "--suppression-checked", "now")
        await walk.say_head()
        left = before
        until_s = time.monotonic() + WITHIN_S
        while any(left.values()) and time.monotonic() < until_s:
            await asyncio.sleep(1)
            left = found_in_memory(walk.pid, sought)

        files = [path for path in walk.folder.glob("gateway/*/**/*") if path.is_file()]
        assert left == dict.fromkeys(sought, 0)
        assert [
            path.name
            for path in files
            if any(
                value in path.read_bytes() or value[::-1] in path.read_bytes()
                for value in sought.values()
            )
        ] == []

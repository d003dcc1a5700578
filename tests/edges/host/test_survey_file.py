"""How long the file of a technician's walk may lie: the daemon's look at it."""

import asyncio
import os
from pathlib import Path

import pytest

from presence.core.timestamps import Moment
from presence.edges.host.survey_file import FILE_NAME, KEPT_FOR_S, SurveyFileExpiry, expire
from tests.support.fakes import FakeClock

NOW_S = 1_700_000_000.0


def walked(path: Path, ago_s: float) -> Path:
    path.write_bytes(b"a walk")
    os.utime(path, (NOW_S - ago_s, NOW_S - ago_s))
    return path


async def gone(path: Path) -> None:
    while path.exists():  # noqa: ASYNC110, ASYNC240 - a file says nothing as it goes
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("name", ["visit.json", ".visit.json.new"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("ago_s", "stays"), [(KEPT_FOR_S, True), (KEPT_FOR_S + 1, False)])
def test_a_walk_stays_for_twelve_hours_also_by_a_clock_that_was_set_back(
    tmp_path: Path, name: str, sign: int, ago_s: float, *, stays: bool
) -> None:
    """Also the half of one that a kill in the middle of writing has left."""
    path = walked(tmp_path / name, sign * ago_s)
    expire(tmp_path / "visit.json", NOW_S)
    assert path.exists() is stays


async def test_the_daemon_erases_it_in_time_and_goes_on_where_it_may_not(tmp_path: Path) -> None:
    clock = FakeClock(Moment(0.0, NOW_S))
    path, other = walked(tmp_path / FILE_NAME, 60), walked(tmp_path / "calibration.json", 1e8)
    daemon = asyncio.create_task(SurveyFileExpiry(tmp_path, clock, look_s=0.001).run())
    await asyncio.sleep(0.02)
    assert path.exists()
    clock.pass_s(KEPT_FOR_S)
    await gone(path)
    path.mkdir()  # what cannot be erased
    os.utime(path, (NOW_S - 1e6, NOW_S - 1e6))
    await asyncio.sleep(0.02)
    assert not daemon.done()
    path.rmdir()
    walked(path, 1e6)
    await gone(path)
    daemon.cancel()
    assert other.exists()

"""Ten thousand gateways whose server was away do not come back all at once (R-46)."""

import pytest

from scripts.benchmarks.herd import AFTER_S, looks


@pytest.mark.requirement("R-46")
@pytest.mark.parametrize("outage_s", [300.0, 3600.0])
def test_the_rate_after_an_outage_stays_below_twice_that_of_every_day(outage_s: float) -> None:
    gateways, every_s = 2000, 60.0
    steady = gateways / every_s
    seconds = looks(gateways=gateways, every_s=every_s, outage_s=outage_s, seed=7)
    minutes = [
        sum(seconds[s + n] for n in range(60)) / 60
        for s in range(int(outage_s), int(outage_s + AFTER_S), 60)
    ]
    assert max(minutes) < 1.5 * steady
    assert max(seconds[s] for s in range(int(outage_s), int(outage_s + AFTER_S))) < 2.5 * steady
    assert seconds[int(outage_s)] < steady

"""10,000 gateways after an outage of the list's server: how many requests a second reach it when it
is back (R-46).

A simulation of `presence.core.consent.polling` alone: each look is one request, answered at once or
not at all. `spike` is what gateways would do that look at fixed times from the moment of the
outage's end.
"""

import random
from collections import Counter
from collections.abc import Iterator

from presence.core.consent.polling import pause_s
from scripts.benchmarks.figure import Figure

GATEWAYS = 10_000
EVERY_S = 60.0
OUTAGES_S = (300.0, 3600.0, 6 * 3600.0)
BEFORE_S, AFTER_S = 600.0, 1800.0


def looks(*, gateways: int, every_s: float, outage_s: float, seed: int) -> Counter[int]:
    """Looks in each second; the server is away from second 0 to `outage_s`."""
    chance = random.Random(seed)
    seconds: Counter[int] = Counter()
    for _ in range(gateways):
        now_s, errors = -BEFORE_S + chance.random() * 2 * every_s, 0
        while now_s < outage_s + AFTER_S:
            seconds[int(now_s // 1)] += 1
            errors = errors + 1 if 0 <= now_s < outage_s else 0
            now_s += pause_s(every_s, errors, chance.random())
    return seconds


def figures() -> Iterator[Figure]:
    steady = GATEWAYS / EVERY_S
    yield Figure(
        "herd.steady",
        round(steady),
        "requests/s",
        note=f"{GATEWAYS:,} gateways, one look in {EVERY_S:.0f} s",
    )
    for outage_s in OUTAGES_S:
        seconds = looks(gateways=GATEWAYS, every_s=EVERY_S, outage_s=outage_s, seed=1)
        during = [seconds[s] for s in range(int(outage_s / 2), int(outage_s))]
        after = [seconds[s] for s in range(int(outage_s), int(outage_s + AFTER_S))]
        name = f"herd.{outage_s / 60:.0f}min"
        yield Figure(
            f"{name}.during",
            round(sum(during) / len(during)),
            "requests/s",
            note="in its second half, mean",
        )
        yield Figure(
            f"{name}.first_second",
            after[0],
            "requests/s",
            note=f"fixed times would give {GATEWAYS:,}",
        )
        yield Figure(
            f"{name}.peak",
            max(after),
            "requests/s",
            2 * steady,
            note="in any second of half an hour after",
        )

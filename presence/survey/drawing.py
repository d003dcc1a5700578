"""What the walk showed, as text of 80 columns: both distributions, the error rates, the
settings.
"""

from collections.abc import Iterator
from typing import Final

from presence.core.visit.calibration import Assessment
from presence.survey.guide import OUTSIDE, WITHIN
from presence.survey.screen import Screen, columns
from presence.survey.walking import BIN_DB, WORDS, Tuning, expected, histogram, share

HALF: Final = 24
TABLE: Final = (28, 19, 20, 10)


def walk_lines(tuned: Tuning, screen: Screen) -> Iterator[str]:
    yield ""
    yield from _distributions(tuned, screen)
    yield ""
    yield from _rates("with the suggested settings", tuned.assessed_new)
    if tuned.changes():
        yield ""
        yield from _rates("with the present settings", tuned.assessed_now)
    yield ""
    yield "  counted: wrong walks of all. (≤ …): 95 % sure that no more, for so few walks."
    yield "  any phone: phones differ by some 4.5 dB, and a customer's is not yours."


def settings_lines(tuned: Tuning) -> Iterator[str]:
    """What `--apply` would write."""
    if not tuned.changes():
        yield "  The present settings are the suggested ones."
        return
    yield "  entry:"
    for key, (old, new) in tuned.changes().items():
        yield f"    {key}: {new:g}".ljust(34) + f"(now {old:g})"


def _distributions(tuned: Tuning, screen: Screen) -> Iterator[str]:
    outside, inside = histogram(tuned.walks, *OUTSIDE), histogram(tuned.walks, *WITHIN)
    bins = range(
        min((*outside, *inside), default=0), max((*outside, *inside), default=0) + 1, BIN_DB
    )
    left_title, right_title = (f"{sum(side.values())} readings" for side in (outside, inside))
    yield f"  {'dBm':11}{f'outside, {left_title}':{HALF + 2}}inside, {right_title}"
    marks = {}
    for name in ("exit", "enter"):
        threshold = getattr(tuned.new, f"{name}_rssi_dbm")
        marks[threshold // BIN_DB * BIN_DB] = f"< {name} {threshold:.0f}"
    for low in reversed(bins):
        left, right = (
            screen.full * _length(side.get(low, 0), max(side.values(), default=1))
            for side in (outside, inside)
        )
        row = f"  {f'{low}..{low + BIN_DB - 1}':11}{left:{HALF + 2}}{right:{HALF}}"
        yield f"{row}  {marks.get(low, '')}".rstrip()


def _length(count: int, most: int) -> int:
    return max(1, round(HALF * count / most)) if count else 0


def _rates(title: str, assessed: Assessment) -> list[str]:
    rows = [(title, "counted", "this phone", "any phone")]
    for kind, rate in assessed.rates.items():
        counted = f"{rate.wrong} of {rate.walks} (≤ {100 * rate.counted_at_most:.0f} %)"
        rows.append((WORDS[kind], counted, expected(rate), share(rate.any_phone)))
    times = ", ".join(f"{seconds:.0f}" for seconds in assessed.found_after_s)
    rows.append(("found after", f"{times} s" if times else "never", "", ""))
    return columns(rows, TABLE)

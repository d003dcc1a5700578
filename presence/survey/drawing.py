"""What the walk showed, as text of 80 columns: the side, both distributions, the error rates, the
settings.
"""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from presence.core.visit.calibration import Assessment
from presence.core.visit.side import Side
from presence.survey.guide import OUTSIDE, WITHIN, Doing, Recorded, Walks
from presence.survey.screen import Screen, columns
from presence.survey.sides import act_leads, act_peak_dbm, shown
from presence.survey.walking import (
    BIN_DB,
    WORDS,
    Tuning,
    expected,
    histogram,
    share,
    value_words,
)

HALF: Final = 24
TABLE: Final = (28, 19, 20, 10)
NAME: Final = 14
CELLS: Final = 30
SIDE_DB: Final = 20.0
TERMINAL_COLOURS: Final = {
    Doing.WINDOW: 136,
    Doing.PAST: 178,
    Doing.LOOKIN: 161,
    Doing.IN: 39,
    Doing.INSIDE: 33,
    Doing.LEAVE: 245,
}
"""One for each kind of walk, as in the report's pictures."""


def walk_lines(tuned: Tuning, screen: Screen) -> Iterator[str]:
    if tuned.side is not None:
        yield ""
        yield from _side(tuned.side, tuned.walks, screen)
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
        yield f"    {key}: {new:g}".ljust(34) + f"(now {value_words(old)})"


def _side(side: Side, walks: Walks, screen: Screen) -> Iterator[str]:
    """The lead over the time of each kind of walk, all rounds and phones in one line; the door's
    peak as a bar.
    """
    pair = side.pairing
    title = f"{pair.inner} less {pair.outer}, ±{SIDE_DB:.0f} dB"
    yield f"  {'':{NAME}}{title:{CELLS + 2}}middle  peak at the door"
    for doing, recorded in shown(walks).items():
        leads_db = [
            ((lead.at_s - one.began_s) / one.act.seconds, lead.lead_db)
            for one in recorded
            for _, found in act_leads(one, pair)
            for lead in found
        ]
        name = f"  {recorded[0].act.title:{NAME}}"
        if not leads_db:
            yield f"{name}not heard"
            continue
        middle = f"{median(lead_db for _, lead_db in leads_db):+3.0f} dB"
        line = screen.coloured(_line_of(leads_db, screen), TERMINAL_COLOURS[doing])
        yield f"{name}{line}  {middle}  {_peak(recorded, screen)}".rstrip()
    yield (
        f"  Neither in nor out: {side.offset_db:+.1f} dB. Typical peak at the door: "
        f"{side.near_dbm:.0f} dBm."
    )


def _line_of(leads_db: Sequence[tuple[float, float]], screen: Screen) -> str:
    """`leads_db`: (share of the act's time, dB)."""
    cells: list[list[float]] = [[] for _ in range(CELLS)]
    for share_of_time, lead_db in leads_db:
        cells[min(CELLS - 1, max(0, int(share_of_time * CELLS)))].append(lead_db)
    steps = len(screen.heights)

    def height(lead_db: float) -> str:
        step = int((lead_db + SIDE_DB) / (2 * SIDE_DB) * steps)
        return screen.heights[min(steps - 1, max(0, step))]

    return "".join(height(median(cell)) if cell else " " for cell in cells)


def _peak(recorded: Sequence[Recorded], screen: Screen) -> str:
    peaks = [peak for one in recorded if (peak := act_peak_dbm(one)) is not None]
    return screen.strength(round(median(peaks))) if peaks else ""


def _distributions(tuned: Tuning, screen: Screen) -> Iterator[str]:
    outside, inside = histogram(tuned.walks, *OUTSIDE), histogram(tuned.walks, *WITHIN)
    bins = range(
        min((*outside, *inside), default=0), max((*outside, *inside), default=0) + 1, BIN_DB
    )
    left_title, right_title = (f"{sum(side.values())} readings" for side in (outside, inside))
    yield f"  {'dBm':11}{f'outside, {left_title}':{HALF + 2}}inside, {right_title}"
    marks = {}
    for name in ("exit", "enter") if tuned.numbers is None else ("exit",):
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
    rows.append(("found after the bell", f"{times} s" if times else "never", "", ""))
    return columns(rows, TABLE)

"""What the walk showed, as text: the side, both distributions, the error rates, the settings.

Pictures and tables take 80 columns. On a terminal that is narrower the pictures are left out, and
the table becomes lines.
"""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from presence.core.visit.calibration import Assessment
from presence.core.visit.side import Side
from presence.language import Sentence
from presence.survey.guide import OUTSIDE, WITHIN, Doing, Recorded, Walks
from presence.survey.screen import WIDTH, Screen, columns, wrapped
from presence.survey.shares import counted, expected, found_after, share
from presence.survey.sides import act_leads, act_peak_dbm, shown
from presence.survey.walking import (
    BIN_DB,
    WORDS,
    Tuning,
    histogram,
    value_words,
)

RATE_NOTES: Final = (
    Sentence("counted: wrong walks of all. (≤ …): 95 % sure that no more, for so few walks."),
    Sentence("any phone: phones differ by some 4.5 dB, and a customer's is not yours."),
)
HALF: Final = 24
TABLE: Final = (28, 19, 20, 10)
NAME: Final = 14
MIDDLE: Final = len("+12 dB")
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


NARROW: Final = Sentence(
    "The pictures need {columns} columns. Turn the tablet, or look at them in the page of "
    "`--report`.",
    columns=WIDTH + 2,
)


def walk_lines(tuned: Tuning, screen: Screen) -> Iterator[str]:
    has_room = screen.width >= WIDTH
    yield ""
    if not has_room:
        yield from _noted(NARROW, screen)
    if tuned.side is not None:
        if has_room:
            yield from _side(tuned.side, tuned.walks, screen)
        yield from _noted(_side_note(tuned.side), screen)
        yield ""
    if has_room:
        yield from _distributions(tuned, screen)
        yield ""
    yield from _rates(Sentence("with the suggested settings"), tuned.assessed_new, screen)
    if tuned.changes():
        yield ""
        yield from _rates(Sentence("with the present settings"), tuned.assessed_now, screen)
    yield ""
    for note in RATE_NOTES:
        yield from _noted(note, screen)


def _noted(words: Sentence, screen: Screen) -> Iterator[str]:
    yield from (f"  {line}" for line in wrapped(screen.language.say(words), screen.width - 2))


def settings_lines(tuned: Tuning, screen: Screen) -> Iterator[str]:
    """What `--apply` would write."""
    say = screen.language.say
    if not tuned.changes():
        yield "  " + say(Sentence("The present settings are the suggested ones."))
        return
    yield "  entry:"
    for key, (old, new) in tuned.changes().items():
        now = say(Sentence("(now {value})", value=value_words(old)))
        yield f"    {key}: {new:g}".ljust(34) + now


def _side(side: Side, walks: Walks, screen: Screen) -> Iterator[str]:
    """The lead over the time of each kind of walk, all rounds and phones in one line; the door's
    peak as a bar.
    """
    pair, say = side.pairing, screen.language.say
    title = say(
        Sentence(
            "{inner} less {outer}, ±{side_db:.0f} dB",
            inner=pair.inner.value,
            outer=pair.outer.value,
            side_db=SIDE_DB,
        )
    )
    middle_title, peak_title = say(Sentence("median")), say(Sentence("peak at the door"))
    wide = max(MIDDLE, len(middle_title))
    yield f"  {'':{NAME}}{title:{CELLS + 2}}{middle_title:{wide}}  {peak_title}"
    for doing, recorded in shown(walks).items():
        leads_db = [
            ((lead.at_s - one.began_s) / one.act.seconds, lead.lead_db)
            for one in recorded
            for _, found in act_leads(one, pair)
            for lead in found
        ]
        name = f"  {say(recorded[0].act.title):{NAME}}"
        if not leads_db:
            yield name + say(Sentence("not heard"))
            continue
        middle = f"{median(lead_db for _, lead_db in leads_db):+3.0f} dB"
        line = screen.coloured(_line_of(leads_db, screen), TERMINAL_COLOURS[doing])
        yield f"{name}{line}  {middle:{wide}}  {_peak(recorded, screen)}".rstrip()


def _side_note(side: Side) -> Sentence:
    return Sentence(
        "Neither in nor out: {offset_db:+.1f} dB. Typical peak at the door: {near_dbm:.0f} dBm.",
        offset_db=side.offset_db,
        near_dbm=side.near_dbm,
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
    say = screen.language.say
    left, right = sum(outside.values()), sum(inside.values())
    left_title = say(
        Sentence.plural("outside, {number} reading", "outside, {number} readings", left)
    )
    right_title = say(
        Sentence.plural("inside, {number} reading", "inside, {number} readings", right)
    )
    yield f"  {'dBm':11}{left_title:{HALF + 2}}{right_title}"
    exit_dbm, enter_dbm = tuned.new.exit_rssi_dbm, tuned.new.enter_rssi_dbm
    marks = {exit_dbm // BIN_DB * BIN_DB: say(Sentence("< exit {dbm:.0f}", dbm=exit_dbm))}
    if tuned.numbers is None:
        mark = say(Sentence("< enter {dbm:.0f}", dbm=enter_dbm))
        marks[enter_dbm // BIN_DB * BIN_DB] = mark
    for low in reversed(bins):
        left_bar, right_bar = (
            screen.full * _length(side.get(low, 0), max(side.values(), default=1))
            for side in (outside, inside)
        )
        row = f"  {f'{low}..{low + BIN_DB - 1}':11}{left_bar:{HALF + 2}}{right_bar:{HALF}}"
        yield f"{row}  {marks.get(low, '')}".rstrip()


def _length(count: int, most: int) -> int:
    return max(1, round(HALF * count / most)) if count else 0


def _rates(title: Sentence, assessed: Assessment, screen: Screen) -> list[str]:
    rows: list[tuple[str, ...]] = [
        (title, Sentence("counted"), Sentence("this phone"), Sentence("any phone"))
    ]
    for kind, rate in assessed.rates.items():
        rows.append((WORDS[kind], counted(rate), expected(rate), share(rate.any_phone)))
    rows.append((Sentence("found after the bell"), found_after(assessed), "", ""))
    said = [tuple(map(screen.language.say, row)) for row in rows]
    return columns(said, TABLE) if screen.width >= WIDTH else _lines_of(said, screen.width)


def _lines_of(table: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """Its first row are the heads: a name, and below it what stands under each head."""
    (title, *heads), *rows = table
    lines = [f"  {title}"]
    for name, *cells in rows:
        under = [f"{head} {cell}" for head, cell in zip(heads, cells, strict=True) if cell]
        said = [name, *cells[:1]] if len(under) == 1 else [name, ", ".join(under)]
        lines += [f"    {line}" for line in wrapped(": ".join(said), width - 4)]
    return lines

"""The pictures of the report as inline SVG: the side over time, both distributions, and all that
was heard.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from presence.core.place import Place
from presence.core.visit.calibration import smoothed_over
from presence.core.visit.side import Side
from presence.language import Language, Sentence
from presence.survey.guide import DOING_WORDS, OUTSIDE, WITHIN, Doing, Recorded, Walks
from presence.survey.screen import STRONGEST_DBM, WEAKEST_DBM
from presence.survey.sides import act_leads, act_peak_dbm
from presence.survey.walking import BIN_DB, Tuning, histogram

KINDS: Final = (
    Doing.WINDOW,
    Doing.PAST,
    Doing.LOOKIN,
    Doing.IN,
    Doing.INSIDE,
    Doing.LEAVE,
)
Scale = Callable[[float], float]
"""From dBm to a coordinate."""
WIDTH: Final = 760
LEFT: Final = 46
RIGHT: Final = 12
COLOURS: Final = {doing: f"var(--{doing})" for doing in KINDS}
"""Of the page (presence.survey.report_style), which has others for the dark and for paper."""
OUT_COLOUR: Final = COLOURS[Doing.PAST]
IN_COLOUR: Final = COLOURS[Doing.INSIDE]
ENTER_COLOUR: Final = "var(--enter)"
EXIT_COLOUR: Final = "var(--exit)"
THRESHOLDS: Final = {"exit": Sentence("exit"), "enter": Sentence("enter")}
GLYPH: Final = 6.2
"""Width of a letter; names that would run into each other are left out."""
STRIP_TOP: Final = 8
STRIP_HEIGHT: Final = 160
PEAK_HEIGHT: Final = 70
SIDE_DB: Final = 20


def distributions(tuned: Tuning, language: Language) -> str:
    """Outside above the axis, inside below, strength from left to right, the thresholds across
    both.
    """
    outside, inside = histogram(tuned.walks, *OUTSIDE), histogram(tuned.walks, *WITHIN)
    bins = [*outside, *inside, *(int(dbm) for _, dbm, _ in _thresholds(tuned))]
    low, high = (min(bins) // BIN_DB - 1) * BIN_DB, (max(bins) // BIN_DB + 2) * BIN_DB
    scale = (WIDTH - LEFT - RIGHT) / (high - low)
    axis, half, bottom = 92.0, 64.0, 182.0

    def x(dbm: float) -> float:
        return LEFT + (dbm - low) * scale

    parts = []
    for side, colour, up in ((outside, OUT_COLOUR, True), (inside, IN_COLOUR, False)):
        most = max(side.values(), default=1)
        for bin_dbm, count in side.items():
            height = half * count / most
            y = axis - height if up else axis
            parts.append(_rect(x(bin_dbm) + 1, y, BIN_DB * scale - 2, height, colour))
    parts.append(_line(LEFT, axis, WIDTH - RIGHT, axis, "var(--soft)"))
    for name, dbm, colour in _thresholds(tuned):
        parts.append(_line(x(dbm), 20, x(dbm), bottom - 20, colour, dash=name == "exit"))
        anchor, shift = ("end", -4) if name == "exit" else ("start", 4)
        word = language.say(THRESHOLDS[name])
        parts.append(
            _text(x(dbm) + shift, 16, f"{word} {dbm:.0f} dBm", colour, anchor=anchor, bold=True)
        )
    parts += [
        _text(x(level), bottom - 4, f"{level}", "var(--soft)", anchor="middle")
        for level in range(low, high + 1, 2 * BIN_DB)
    ]
    parts.append(_text(LEFT - 40, 50, language.say(Sentence("outside")), OUT_COLOUR, bold=True))
    parts.append(_text(LEFT - 40, 138, language.say(Sentence("inside")), IN_COLOUR, bold=True))
    return _svg(bottom, language.say(Sentence("Strength outside and inside")), parts)


def _thresholds(tuned: Tuning) -> Iterator[tuple[str, float, str]]:
    """Where the sides decide, no strength by itself makes an entry."""
    yield "exit", tuned.new.exit_rssi_dbm, EXIT_COLOUR
    if tuned.numbers is None:
        yield "enter", tuned.new.enter_rssi_dbm, ENTER_COLOUR


def strip(walks: Walks, tuned: Tuning | None, window_s: float, language: Language) -> str:
    """Every reading of the walk, act after act, and the smoothed strength as the rule sees it."""
    shown = [one for one in walks.recorded if one.act.seconds]
    total_s = sum(one.act.seconds for one in shown) or 1.0
    levels = [r.rssi_dbm for one in shown for said in one.phones.values() for r in said] or [-70]
    low, high = min(levels) // 10 * 10, -(-max(levels) // 10) * 10 + 5
    scale = (WIDTH - LEFT - RIGHT) / total_s

    def y(dbm: float) -> float:
        return STRIP_TOP + STRIP_HEIGHT * (high - dbm) / (high - low)

    parts = list(_levels(low, high, y))
    from_s = 0.0
    for number, one in enumerate(shown):
        x0 = LEFT + from_s * scale
        parts += _act(
            one, x0, scale, y, window_s=window_s, within=walks.within, shaded=number % 2 == 1
        )
        name = language.say(DOING_WORDS[one.act.doing])
        parts += _name(name, COLOURS[one.act.doing], x0, one.act.seconds * scale)
        from_s += one.act.seconds
    if tuned is not None:
        for name, dbm, colour in _thresholds(tuned):
            parts.append(_line(LEFT, y(dbm), WIDTH - RIGHT, y(dbm), colour, dash=name == "exit"))
    title = language.say(Sentence("What was heard of the test phone"))
    return _svg(STRIP_TOP + STRIP_HEIGHT + 22, title, parts)


def side_strip(walks: Walks, side: Side, language: Language) -> str:
    """The lead over time, act after act; below it the door's peak of each act as a bar."""
    shown = [one for one in walks.recorded if one.act.seconds]
    scale = (WIDTH - LEFT - RIGHT) / (sum(one.act.seconds for one in shown) or 1.0)

    def y(lead_db: float) -> float:
        held = min(SIDE_DB, max(-SIDE_DB, lead_db))
        return STRIP_TOP + STRIP_HEIGHT * (SIDE_DB - held) / (2 * SIDE_DB)

    parts = list(_levels(-SIDE_DB, SIDE_DB, y))
    x0 = float(LEFT)
    for number, one in enumerate(shown):
        width = one.act.seconds * scale
        if number % 2:
            parts.append(_rect(x0, STRIP_TOP, width, STRIP_HEIGHT + PEAK_HEIGHT, "var(--shade)"))
        parts += _lead_lines(one, side, x0, scale, y)
        parts += _peak_bar(one, x0, width)
        x0 += width
    middle = y(side.offset_db)
    parts.append(_line(LEFT, middle, WIDTH - RIGHT, middle, ENTER_COLOUR, dash=True))
    near = _peak_y(side.near_dbm)
    parts.append(_line(LEFT, near, WIDTH - RIGHT, near, EXIT_COLOUR, dash=True))
    parts.append(_text(LEFT - 6, near + 4, f"{side.near_dbm:.0f}", EXIT_COLOUR, anchor="end"))
    height = STRIP_TOP + STRIP_HEIGHT + PEAK_HEIGHT + 6
    title = Sentence("The side of the door over time, and the peak at the door")
    return _svg(height, language.say(title), parts)


def _lead_lines(one: Recorded, side: Side, x0: float, scale: float, y: Scale) -> Iterator[str]:
    colour = COLOURS.get(one.act.doing, "var(--soft)")
    for phone, found in act_leads(one, side.pairing):
        points = " ".join(
            f"{x0 + (lead.at_s - one.began_s) * scale:.1f},{y(lead.lead_db):.1f}" for lead in found
        )
        dashes = ' stroke-dasharray="3 2"' if phone > 1 else ""
        look = f'fill="none" stroke="{colour}" stroke-width="1.6"{dashes}'
        yield f'<polyline points="{points}" {look}/>'


def _peak_bar(one: Recorded, x0: float, width: float) -> Iterator[str]:
    peak_dbm = act_peak_dbm(one)
    if peak_dbm is not None:
        top, bottom = _peak_y(peak_dbm), STRIP_TOP + STRIP_HEIGHT + PEAK_HEIGHT
        colour = COLOURS.get(one.act.doing, "var(--soft)")
        yield _rect(x0 + 2, top, max(1.0, width - 4), bottom - top, colour)


def _peak_y(dbm: float) -> float:
    share = (dbm - WEAKEST_DBM) / (STRONGEST_DBM - WEAKEST_DBM)
    return STRIP_TOP + STRIP_HEIGHT + PEAK_HEIGHT - (PEAK_HEIGHT - 10) * min(1.0, max(0.0, share))


def _levels(low: int, high: int, y: Scale) -> Iterator[str]:
    for dbm in range(low, high + 1, 10):
        yield _line(LEFT, y(dbm), WIDTH - RIGHT, y(dbm), "var(--line)")
        yield _text(LEFT - 6, y(dbm) + 4, f"{dbm}", "var(--soft)", anchor="end")


def _act(
    one: Recorded,
    x0: float,
    scale: float,
    y: Scale,
    *,
    window_s: float,
    within: Place,
    shaded: bool,
) -> Iterator[str]:
    width, colour = one.act.seconds * scale, COLOURS.get(one.act.doing, "var(--soft)")
    if shaded:
        yield _rect(x0, STRIP_TOP, width, STRIP_HEIGHT, "var(--shade)")
    for readings in one.phones.values():
        inside = [reading for reading in readings if reading.place is within]
        for at_s, dbm, *_ in inside:
            yield (
                f'<circle cx="{x0 + (at_s - one.began_s) * scale:.1f}" cy="{y(dbm):.1f}" r="1.7" '
                f'fill="{colour}"/>'
            )
        smoothed = smoothed_over(inside, window_s, within)
        points = [
            f"{x0 + (reading.at_s - one.began_s) * scale:.1f},{y(dbm):.1f}"
            for reading, dbm in zip(inside[len(inside) - len(smoothed) :], smoothed, strict=True)
        ]
        yield (
            f'<polyline points="{" ".join(points)}" fill="none" stroke="var(--ink)" '
            'stroke-width="1.3"/>'
        )


def _name(name: str, colour: str, x0: float, width: float) -> Iterator[str]:
    """Below its act."""
    if width > GLYPH * len(name):
        yield _text(
            x0 + width / 2, STRIP_TOP + STRIP_HEIGHT + 15, name, colour, anchor="middle", bold=True
        )


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<div class="chart" tabindex="0"><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{title}">\n{body}\n</svg></div>'
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dash: bool = False) -> str:
    dashes = ' stroke-dasharray="5 4"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="1.2"{dashes}/>'
    )


def _text(
    x: float, y: float, text: str, colour: str, *, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" '
        f'text-anchor="{anchor}"{weight}>{text}</text>'
    )

"""The picture of the play: the street as you see it, beside all that the gateway knows; below, what
happens. At least 80 × 24 characters.

    play ─► frame_of ─► Frame (values alone) ─► draw ─► Canvas
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from presence.counting import counted
from presence.demo.canvas import Canvas
from presence.demo.knowledge import Knowledge, knowledge_of
from presence.demo.lines import broker_text, clock_text, reasons
from presence.demo.plan import draw_plan
from presence.demo.scene import Happening, Role, words
from presence.demo.stage import Play
from presence.demo.story import CAMPAIGNS, SECONDS
from presence.simulation import Position, Spot

MIN_COLUMNS: Final = 80
MIN_ROWS: Final = 24
HAPPENING_ROWS: Final = 4
NAME: Final = 7
AGREED: Final = 17
BELL_S: Final = 1.0
"""So long after a phone heard the bell it is shown beside it."""
STYLES: Final = {
    "silent": "refused",
    "bell": "bell",
    "entered": "told",
    "offer": "told",
    "list": "list",
    "withdrawn": "taken",
    "cancelled": "taken",
    "left": "left",
}
"""What stands below the panes; who walks where is seen above."""
LEGEND: Final = (
    ("A-J", "bold", " customers  "),
    ("·", "dim", " strangers  "),
    ("▲", "antenna", " antenna  "),
    ("♪", "bell", " bell  "),
    ("green", "told", " told  "),
    ("yellow", "taken", " taken back"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One person in the street."""

    name: str
    agreed: str
    status: str
    style: str
    is_in_force: bool
    spot: Spot | None = None
    hears_bell: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All that one picture shows."""

    now_s: float
    speed: float
    broker: str
    people: tuple[Seen, ...]
    strangers: tuple[Spot, ...]
    knows: Knowledge
    feed: tuple[Happening, ...]


def frame_of(play: Play) -> Frame:
    now_s, clock = play.scene.now_s, play.clock
    walks = (phone.walk.at(now_s) for phone in play.shop.phones if not phone.customer)
    return Frame(
        now_s=now_s,
        speed=clock.speed,
        broker=broker_text(play.broker.kind, play.broker.protocol.value),
        people=tuple(_seen(play, role, now_s) for role in play.scene.roles.values()),
        strangers=tuple(spot for spot in walks if spot is not None),
        knows=knowledge_of(play.gateway, clock.now()),
        feed=tuple(each for each in play.scene.happenings if each.kind in STYLES),
    )


def _seen(play: Play, role: Role, now_s: float) -> Seen:
    person = role.person
    heard_s, _ = play.doorbell.last_heard.get(person.name, (-BELL_S, 0))
    return Seen(
        person.name,
        role.agreed,
        role.status,
        style_of(role),
        person.in_force,
        person.walk().at(now_s),
        hears_bell=person.rings and now_s - heard_s < BELL_S,
    )


def style_of(role: Role) -> str:
    """Green: somebody was told of them. Yellow: they were, and it was taken back."""
    if role.said["withdrawn"]:
        return "taken"
    if role.said["entered"]:
        return "told"
    return "dim" if role.place is Position.AWAY else "bold"


def draw(frame: Frame, *, width: int, height: int) -> Canvas:
    """At least MIN_COLUMNS × MIN_ROWS."""
    canvas = Canvas(width, height)
    left = width // 2
    rows_below = max(HAPPENING_ROWS, height // 6)
    below = height - 2 - rows_below
    _title(canvas, frame)
    _rule(canvas, 1, left, "┬", "the street, as you see it", "all that the gateway knows")
    for row in range(2, below):
        canvas.put(row, left, "│", "frame")
    _street(canvas, frame, width=left, end=below)
    _gateway(canvas, frame.knows, left=left + 2, end=below)
    _rule(canvas, below, left, "┴", f"what happens; campaigns: {words(CAMPAIGNS)}")
    _happenings(canvas, frame, top=below + 1, rows=rows_below)
    column = 1
    for sign, style, meaning in LEGEND:
        column = canvas.put(height - 1, canvas.put(height - 1, column, sign, style), meaning)
    return canvas


def _title(canvas: Canvas, frame: Frame) -> None:
    left = f" presence demo · {frame.broker}"
    right = f"speed {frame.speed:g} · {clock_text(frame.now_s)} of {clock_text(SECONDS)} "
    canvas.put(0, 0, left + right.rjust(canvas.width - len(left)), "title")


def _rule(canvas: Canvas, row: int, middle: int, joint: str, *titles: str) -> None:
    canvas.put(row, 0, "─" * canvas.width, "frame")
    canvas.put(row, middle, joint, "frame")
    for column, title in zip((1, middle + 1), titles, strict=False):
        canvas.put(row, column, f" {title} ", "bold")


def _street(canvas: Canvas, frame: Frame, *, width: int, end: int) -> None:
    first = end - len(frame.people)
    people = (
        (each.spot, each.name[0] + ("♪" if each.hears_bell else ""), _glyph_style(each))
        for each in frame.people
        if each.spot is not None
    )
    draw_plan(canvas, frame.strangers, people, top=2, width=width, height=first - 2)
    for row, each in enumerate(frame.people, first):
        canvas.put(row, 0, each.name, each.style)
        canvas.put(row, NAME, each.agreed, "" if each.is_in_force else "refused", until=width)
        style = "bell" if each.hears_bell else each.style
        canvas.put(row, NAME + AGREED, each.status, style, until=width)


def _glyph_style(each: Seen) -> str:
    return "bold" if each.style == "dim" else each.style


def _gateway(canvas: Canvas, knows: Knowledge, *, left: int, end: int) -> None:
    lines = list(_known(knows, canvas.width - left))
    for row, (text, style) in zip(range(2, end), lines, strict=False):
        canvas.put(row, left, text, style)
    canvas.cut += [text for text, _ in lines[end - 2 :]]


def _known(knows: Knowledge, width: int) -> Iterator[tuple[str, str]]:
    people = counted(knows.entries, "person", "people")
    yield f"signed list {knows.list_seq}: {people}, {knows.freshness}", "list"
    yield f"heard   {knows.heard:,} advertisements:", ""
    yield f"  {knows.strangers:,} of nobody it knows: dropped", "dim"
    yield f"  {knows.recognised:,} of customers: recognised", ""
    for line in textwrap.wrap(f"refused: {reasons(knows.refused)}", width - 2):
        yield f"  {line}", "refused"
    proven = counted(knows.answered, "answer")
    yield f"bell    {proven} proven, {knows.unanswered} nobody's", "bell"
    yield f"inside  {counted(len(knows.inside), 'number')}, and no name", ""
    for number, since_s in knows.inside:
        yield f"  {number}  for {since_s:.0f} s", "told"
    visits = ", ".join(f"{count} {kind}" for kind, count in knows.visits.items())
    yield f"visits  {visits}", ""
    yield f"told    {counted(knows.published, 'event')}, {knows.waiting} waiting", "told"
    yield f"kept back: {reasons(knows.withheld)}", "refused"


def _happenings(canvas: Canvas, frame: Frame, *, top: int, rows: int) -> None:
    """The latest that fit, oldest first."""
    lines: list[tuple[str, str]] = []
    for each in frame.feed[-rows:]:
        text = f"{clock_text(each.at_s)}  {each.text}"
        wrapped = textwrap.wrap(text, canvas.width - 2, subsequent_indent=" " * 7)
        lines += [(line, STYLES[each.kind]) for line in wrapped]
    for row, (line, style) in enumerate(lines[-rows:], top):
        canvas.put(row, 1, line, style)

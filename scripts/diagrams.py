"""Draws who tells whom what, and the states of a list and of a visit: docs/pictures/*.svg.

    python -m scripts.diagrams          writes them; tests/scripts/test_diagrams.py holds them to it

The colours follow the reader's, light or dark, for a page shows the picture as an image of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parents[1] / "docs" / "pictures"
WIDTH: Final = 640
ROW: Final = 34
HEAD: Final = 74
STYLE: Final = """
svg { font: 12px system-ui, "DejaVu Sans", sans-serif; }
.card { fill: #ffffff; } text { fill: #1a1a1a; } .small { font-size: 11px; fill: #55585e; }
.title, .name { font-weight: 600; } .lane { stroke: #c9ced6; stroke-width: 1; }
.arrow { stroke: #14507f; stroke-width: 1.5; fill: none; } .tip { fill: #14507f; }
.plain { fill: #eef2f6; stroke: #8a8f98; } .good { fill: #dff2e4; stroke: #15803d; }
.warn { fill: #fdf0d8; stroke: #b45309; } .bad { fill: #fbe3e3; stroke: #b42318; }
@media (prefers-color-scheme: dark) {
 .card { fill: #16181c; } text { fill: #e8e8e8; } .small { fill: #a6abb3; }
 .lane { stroke: #3a3f47; } .arrow { stroke: #6db3e8; } .tip { fill: #6db3e8; }
 .plain { fill: #242a31; stroke: #8a8f98; } .good { fill: #16301f; stroke: #4cc27a; }
 .warn { fill: #3a2b12; stroke: #f0a04b; } .bad { fill: #3b1c1c; stroke: #f2777a; }
}
"""

Parts = Iterator[str]


class Said(NamedTuple):
    """One step of a ladder; where both ends are one, it is a note to it."""

    by: str
    to: str
    words: str


class Ladder(NamedTuple):
    title: str
    lanes: Sequence[str]
    steps: Sequence[Said]


class Box(NamedTuple):
    x: int
    y: int
    kind: str
    name: str
    below: str = ""


class Arrow(NamedTuple):
    """Through these points; the words at `at`, in their middle."""

    points: Sequence[tuple[int, int]]
    words: str = ""
    at: tuple[int, int] = (0, 0)


class States(NamedTuple):
    title: str
    height: int
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    box_width: int = 110


BOX_HEIGHT: Final = 46


def text(x: float, y: float, words: str, *, kind: str = "small", anchor: str = "middle") -> str:
    return (
        f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def arrow(points: Sequence[tuple[float, float]]) -> Parts:
    """A line with a tip at its end; each part is level or upright."""
    way = " L".join(f"{x:.0f},{y:.0f}" for x, y in points)
    yield f'<path class="arrow" d="M{way}"/>'
    (x0, y0), (x, y) = points[-2:]
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
    left, right = (f"{x - 8 * dx + 4 * s * dy:.0f},{y - 8 * dy + 4 * s * dx:.0f}" for s in (1, -1))
    yield f'<path class="tip" d="M{x:.0f},{y:.0f} L{left} L{right} Z"/>'


def ladder(of: Ladder) -> tuple[int, Parts]:
    """Its height, and its parts."""
    height = HEAD + ROW * len(of.steps) + 16
    apart = (WIDTH - 60) / len(of.lanes)
    x_of = {name: 30 + apart * (number + 0.5) for number, name in enumerate(of.lanes)}

    def parts() -> Parts:
        for name, x in x_of.items():
            yield f'<rect class="plain" x="{x - 62:.0f}" y="34" width="124" height="24" rx="6"/>'
            yield text(x, 50, name, kind="name")
            lane = f'x1="{x:.0f}" y1="58" x2="{x:.0f}" y2="{height - 12}"'
            yield f'<line class="lane" {lane}/>'
        for number, step in enumerate(of.steps):
            y, begin, end = HEAD + ROW * number + 18, x_of[step.by], x_of[step.to]
            if begin == end:
                half = 3.3 * len(step.words) + 8
                middle = min(max(begin, half + 14), WIDTH - half - 14)
                box = f'x="{middle - half:.0f}" y="{y - 16}" width="{2 * half:.0f}" height="22"'
                yield f'<rect class="good" {box} rx="4"/>'
                yield text(middle, y - 1, step.words)
            else:
                side = 1 if end > begin else -1
                yield from arrow([(begin, y), (end - 2 * side, y)])
                yield text((begin + end) / 2, y - 6, step.words)

    return height, parts()


def states(of: States) -> tuple[int, Parts]:
    def parts() -> Parts:
        for box in of.boxes:
            frame = f'width="{of.box_width}" height="{BOX_HEIGHT}" rx="8"'
            yield f'<rect class="{box.kind}" x="{box.x}" y="{box.y}" {frame}/>'
            middle = box.x + of.box_width / 2
            yield text(middle, box.y + (20 if box.below else 27), box.name, kind="name")
            if box.below:
                yield text(middle, box.y + 36, box.below)
        for each in of.arrows:
            yield from arrow(each.points)
            if each.words:
                yield text(*each.at, each.words)

    return of.height, parts()


CUSTOMER: Final = Ladder(
    "A customer agrees, comes in, and takes it back",
    ("phone", "consent service", "gateway", "offer engine"),
    (
        Said("phone", "consent service", "agrees"),
        Said("consent service", "phone", "identity key"),
        Said("consent service", "gateway", "signed list"),
        Said("phone", "gateway", "identifier, new every 17 minutes"),
        Said("gateway", "gateway", "whose? may it be said? inside?"),
        Said("gateway", "offer engine", "entered"),
        Said("offer engine", "phone", "offer"),
        Said("phone", "consent service", "takes it back"),
        Said("consent service", "gateway", "signed revocation"),
        Said("gateway", "offer engine", "withdrawn"),
        Said("offer engine", "offer engine", "offer taken back"),
    ),
)

DOORBELL: Final = Ladder(
    "The doorbell: the phone decides to answer",
    ("gateway", "phone"),
    (
        Said("gateway", "phone", "advertises the doorbell of the chain"),
        Said("phone", "phone", "wakes, also when locked; notes the strength"),
        Said("phone", "gateway", "connects, reads the challenge"),
        Said("gateway", "phone", "16 random bytes, good for 2 s and one answer"),
        Said("phone", "gateway", "answer: identifier, strengths, MAC; disconnects"),
        Said("gateway", "gateway", "one of ours? then sightings. The phone is told nothing"),
    ),
)

EVENT: Final = States(
    "The way of an event, and where everybody else falls out",
    312,
    (
        Box(24, 40, "plain", "advertisement", "what was heard"),
        Box(178, 40, "plain", "sighting", "whose it is"),
        Box(332, 40, "plain", "visit", "entered, left"),
        Box(486, 40, "plain", "event", "waits in the outbox"),
        Box(24, 154, "bad", "stranger", "dropped at once"),
        Box(178, 154, "bad", "not in force", "counted, no more"),
        Box(332, 154, "bad", "only passed by", "nothing is said"),
        Box(486, 154, "plain", "relay", "asks the gate again"),
        Box(332, 252, "bad", "taken back", "never sent"),
        Box(486, 252, "good", "offer engine", "is told over MQTT"),
    ),
    (
        Arrow([(152, 63), (176, 63)]),
        Arrow([(306, 63), (330, 63)]),
        Arrow([(460, 63), (484, 63)]),
        Arrow([(88, 86), (88, 152)], "nobody's", (122, 124)),
        Arrow([(242, 86), (242, 152)], "refused", (272, 124)),
        Arrow([(396, 86), (396, 152)], "not inside", (432, 124)),
        Arrow([(550, 86), (550, 152)]),
        Arrow([(550, 200), (550, 250)], "allowed", (582, 230)),
        Arrow([(500, 200), (500, 222), (396, 222), (396, 250)], "refused", (446, 216)),
    ),
    box_width=128,
)

LIST: Final = States(
    "May the list be believed? In doubt nothing is published",
    268,
    (
        Box(20, 92, "bad", "boot", "silent"),
        Box(178, 92, "good", "fresh", "publishes"),
        Box(336, 92, "warn", "aging", "publishes, warns"),
        Box(494, 92, "bad", "stale", "silent"),
        Box(494, 206, "bad", "dead", "keys are wiped"),
        Box(178, 206, "bad", "clock bad", "silent"),
    ),
    (
        Arrow([(130, 115), (176, 115)], "proven", (153, 107)),
        Arrow([(288, 115), (334, 115)], "2 min", (311, 107)),
        Arrow([(446, 115), (492, 115)], "lease", (469, 107)),
        Arrow([(549, 138), (549, 204)], "two windows", (508, 176)),
        Arrow([(549, 92), (549, 56), (234, 56), (234, 90)], "a newer list is proven", (390, 50)),
        Arrow([(391, 92), (391, 70), (262, 70), (262, 90)]),
        Arrow([(218, 138), (218, 204)], "clock in doubt", (172, 176)),
        Arrow([(250, 206), (250, 140)], "right again", (286, 176)),
        Arrow([(604, 229), (622, 229), (622, 38), (206, 38), (206, 90)]),
    ),
)

VISIT: Final = States(
    "One visit, from the street and back",
    196,
    (
        Box(20, 70, "plain", "nobody", "nothing is kept"),
        Box(178, 70, "warn", "approaching", "nothing is said"),
        Box(336, 70, "good", "entered", "told once"),
        Box(494, 70, "plain", "left", "told if asked for"),
    ),
    (
        Arrow([(130, 93), (176, 93)], "heard", (153, 85)),
        Arrow([(288, 93), (334, 93)], "inside", (311, 85)),
        Arrow([(446, 93), (492, 93)], "silence", (469, 85)),
        Arrow([(233, 70), (233, 48), (75, 48), (75, 68)], "walks past", (154, 42)),
        Arrow([(391, 116), (391, 140), (98, 140), (98, 118)], "withdrawn", (244, 134)),
        Arrow([(549, 116), (549, 164), (58, 164), (58, 118)], "cooldown is over", (304, 178)),
    ),
)

PICTURES: Final[Mapping[str, Ladder | States]] = {
    "customer": CUSTOMER,
    "doorbell": DOORBELL,
    "event": EVENT,
    "list": LIST,
    "visit": VISIT,
}


def picture(name: str) -> str:
    """The SVG of one picture, as text."""
    of = PICTURES[name]
    height, parts = ladder(of) if isinstance(of, Ladder) else states(of)
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'role="img" aria-label="{escape(of.title)}">',
            f"<style>{STYLE}</style>",
            f'<rect class="card" width="{WIDTH}" height="{height}" rx="8"/>',
            text(20, 22, of.title, kind="title", anchor="start"),
            *parts,
            "</svg>\n",
        )
    )


def main() -> None:
    for name in PICTURES:
        (FOLDER / f"{name}.svg").write_text(picture(name), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Draws where antennas go, in five shop plans: docs/drawings/*.svg, for docs/technician.md; with
their words in Finnish and Swedish for the short pages: docs/drawings/fi/*.svg, sv/*.svg.

    python -m scripts.drawings          writes them; tests/scripts/test_drawings.py holds them to it

A plan is in metres around the middle of the door: x along the front, y into the shop. The colours
follow the reader's, light or dark, for a page shows the picture as an image of its own.
"""

from collections.abc import Callable, Iterator
from html import escape
from math import cos, radians, sin
from pathlib import Path
from textwrap import wrap
from typing import Final

from presence.language import LANGUAGES, SOURCE
from scripts.drawing_words import WORDS

FOLDER: Final = Path(__file__).parents[1] / "docs" / "drawings"
WIDTH: Final = 640
HEIGHT: Final = 372
PER_M: Final = 28
FRONT_PX: Final = 284
HALF_SHOP_M: Final = 5.0
DEPTH_M: Final = 9.0
LOOKS_IN: Final = 90.0
LOOKS_OUT: Final = -90.0
STYLE: Final = """
svg { font: 12px system-ui, "DejaVu Sans", sans-serif; }
.card { fill: #ffffff; } .street { fill: #eceae4; } .floor { fill: #f7f9fb; }
text { fill: #1a1a1a; } .small { font-size: 11px; fill: #55585e; } .title { font-weight: 600; }
.wall { stroke: #44474d; stroke-width: 5; } .glass { stroke: #7fb2d6; stroke-width: 5; }
.coated { stroke: #b08a2e; stroke-width: 5; } .plate { stroke: #1a1a1a; stroke-width: 4; }
.size { stroke: #8a8f98; stroke-width: 1; } .beam { opacity: .22; }
.inside { fill: #14507f; } .door { fill: #15803d; } .outside { fill: #b45309; }
@media (prefers-color-scheme: dark) {
 .card { fill: #16181c; } .street { fill: #24262b; } .floor { fill: #1b1f25; }
 text { fill: #e8e8e8; } .small { fill: #a6abb3; } .wall { stroke: #a6abb3; }
 .glass { stroke: #4f88b0; } .coated { stroke: #d6b35a; } .plate { stroke: #f2f2f2; }
 .inside { fill: #6db3e8; } .door { fill: #4cc27a; } .outside { fill: #f0a04b; }
}
"""

NOTE: Final = 30
"""Letters of a line beside the plan."""

Parts = Iterator[str]
Say = Callable[[str], str]
"""English, as it is in the picture's language."""


def x_px(x_m: float) -> float:
    return WIDTH / 2 - 90 + x_m * PER_M


def y_px(y_m: float) -> float:
    return FRONT_PX - y_m * PER_M


def line(kind: str, x0: float, y0: float, x1: float, y1: float) -> str:
    return (
        f'<line class="{kind}" x1="{x_px(x0):.1f}" y1="{y_px(y0):.1f}" '
        f'x2="{x_px(x1):.1f}" y2="{y_px(y1):.1f}"/>'
    )


def text(x: float, y: float, words: str, *, kind: str = "small", anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def antenna(place: str, x_m: float, y_m: float, *, looks: float | None = None) -> Parts:
    """A dot in the colour of its place; with a beam where metal is behind it."""
    x, y = x_px(x_m), y_px(y_m)
    if looks is not None:
        left, right = (
            (x + 52 * cos(radians(a)), y - 52 * sin(radians(a))) for a in (looks + 62, looks - 62)
        )
        sweep = f"M{x:.1f},{y:.1f} L{left[0]:.1f},{left[1]:.1f} "
        arc = f"A52,52 0 0 1 {right[0]:.1f},{right[1]:.1f} Z"
        yield f'<path class="{place} beam" d="{sweep}{arc}"/>'
    yield f'<circle class="{place}" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'


def label(place: str, x_m: float, y_m: float, words: str) -> str:
    return (
        f'<text class="{place}" x="{x_px(x_m):.1f}" y="{y_px(y_m):.1f}" '
        f'style="font-weight:600">{escape(words)}</text>'
    )


def depth(x_m: float, to_m: float, words: str, *, from_m: float = 0.0) -> Parts:
    """A distance into the shop, with its ends."""
    yield line("size", x_m, from_m, x_m, to_m)
    for end in (from_m, to_m):
        yield line("size", x_m - 0.15, end, x_m + 0.15, end)
    yield text(x_px(x_m) - 6, y_px((from_m + to_m) / 2) + 4, words, anchor="end")


def shop(say: Say, front: str = "glass", *, half_door_m: float = 0.7) -> Parts:
    """The floor, three walls, and a front with an open door in its middle."""
    left, top = x_px(-HALF_SHOP_M), y_px(DEPTH_M)
    yield (
        f'<rect class="floor" x="{left:.0f}" y="{top:.0f}" '
        f'width="{2 * HALF_SHOP_M * PER_M:.0f}" height="{DEPTH_M * PER_M:.0f}"/>'
    )
    yield f'<rect class="street" x="12" y="{FRONT_PX}" width="{WIDTH - 24}" height="62"/>'
    yield line("wall", -HALF_SHOP_M, 0, -HALF_SHOP_M, DEPTH_M)
    yield line("wall", HALF_SHOP_M, 0, HALF_SHOP_M, DEPTH_M)
    yield line("wall", -HALF_SHOP_M, DEPTH_M, HALF_SHOP_M, DEPTH_M)
    for side in (-1, 1):
        yield line(front, side * half_door_m, 0, side * HALF_SHOP_M, 0)
    yield text(24, FRONT_PX + 52, say("street"))


def pair(x_m: float = 1.05, half_plate_m: float = 0.45) -> Parts:
    """Two antennas back to back, metal between them."""
    yield from antenna("door", x_m, 0.32, looks=LOOKS_IN)
    yield from antenna("outside", x_m, -0.32, looks=LOOKS_OUT)
    yield line("plate", x_m - half_plate_m, 0, x_m + half_plate_m, 0)


def notes(say: Say, *paragraphs: str) -> Parts:
    lines = [line for words in paragraphs for line in ("", *wrap(say(words), NOTE))]
    for number, words in enumerate(lines[1:]):
        yield text(x_px(HALF_SHOP_M) + 22, 64 + 17 * number, words)


def one_adapter(say: Say) -> Parts:
    yield from shop(say)
    yield from antenna("inside", 1.0, 8.0)
    yield label("inside", 1.4, 7.85, "inside")
    yield from depth(-3.9, 8.0, "8 m")
    yield from notes(
        say,
        "The gateway by the till, 2.4 m high, away from metal and from the window.",
        "Finds fewest, and latest: it cannot tell the sides.",
    )


def two_adapters(say: Say) -> Parts:
    yield from shop(say)
    yield from antenna("inside", 1.0, 8.0)
    yield from antenna("door", 1.05, 0.45)
    yield label("inside", 1.4, 7.85, "inside")
    yield label("door", 1.45, 0.45, "door")
    yield from depth(-3.9, 8.0, "8 m")
    yield from notes(
        say,
        "The gateway as before.",
        "The second one beside the door, inside, 2.2 m high, on a USB cable or as a satellite.",
    )


def back_to_back(say: Say) -> Parts:
    yield from shop(say)
    yield from antenna("inside", 1.0, 8.0)
    yield from pair()
    yield label("inside", 1.4, 7.85, "inside")
    yield label("door", 1.75, 0.5, "door")
    yield label("outside", 1.75, -0.75, "outside")
    yield from depth(-3.9, 8.0, "8 m")
    yield from notes(
        say,
        "Recommended. A plate of metal in the plane of the front, beside or above the "
        "door, 2.2 m high, 30 × 30 cm or more.",
    )
    yield from pair_from_the_side(say)


def pair_from_the_side(say: Say) -> Parts:
    """The pair with its plate, larger, as somebody sees it who stands in the door."""
    middle, top = 548.0, 168.0
    yield f'<rect class="card" x="{middle - 72}" y="{top - 10}" width="150" height="120" rx="4"/>'
    yield f'<line class="plate" x1="{middle}" y1="{top}" x2="{middle}" y2="{top + 66}"/>'
    for side, place, words, anchor in (
        (-1, "outside", "street", "end"),
        (1, "door", "shop", "start"),
    ):
        x = middle + side * 17
        yield f'<circle class="{place}" cx="{x}" cy="{top + 33}" r="6"/>'
        yield f'<line class="size" x1="{middle}" y1="{top + 56}" x2="{x}" y2="{top + 56}"/>'
        yield text(middle + side * 22, top + 16, say(words), anchor=anchor)
        yield text(middle + side * 22, top + 60, "3 cm", anchor=anchor)
    below = wrap(say("from the side: 3 cm is a quarter of the wave"), 24)
    for number, words in enumerate(below):
        yield text(middle, top + 84 + 15 * number, words, anchor="middle")


def low_e_glass(say: Say) -> Parts:
    yield from shop(say, "coated")
    yield from antenna("inside", 1.0, 8.0)
    yield from antenna("door", 1.05, 0.32, looks=LOOKS_IN)
    yield from antenna("outside", 1.05, -0.32, looks=LOOKS_OUT)
    yield label("inside", 1.4, 7.85, "inside")
    yield label("door", 1.6, 0.45, "door")
    yield label("outside", 1.6, -0.75, "outside")
    yield from depth(-3.9, 8.0, "8 m")
    yield from notes(
        say,
        "Coated glass takes 20–30 dB: the pane is the plate.",
        "One antenna on each side of the pane, 3 cm off it. The outer one must hang "
        "outside, under the eaves.",
        "Who looks in at the open door is as loud as ever: walk that one with care.",
    )


def mall_front(say: Say) -> Parts:
    yield from shop(say, "wall", half_door_m=4.0)
    yield from antenna("inside", 0.0, 8.0)
    for side in (-1, 1):
        yield from pair(side * 2.0, 0.7)
    yield label("inside", 0.4, 7.85, "inside")
    yield label("door", -0.4, 0.55, "door")
    yield label("outside", -0.75, -0.85, "outside")
    yield from depth(-3.9, 8.0, "8 m")
    yield from notes(
        say,
        "No door and no glass: two pairs, hung from the lintel at a third of the opening "
        "each, 2.5 m high.",
        "Plates of 60 × 60 cm: here they alone make the side.",
        "Two at `door`, two at `outside`: a place may have several antennas.",
    )


BELOW: Final = "Plan, seen from above; heights are those of the antennas."
PLANS: Final[dict[str, tuple[str, Callable[[Say], Parts]]]] = {
    "one-adapter": ("One adapter", one_adapter),
    "two-adapters": ("Two adapters: inside and door", two_adapters),
    "back-to-back": ("The pair back to back, and the gateway inside", back_to_back),
    "low-e-glass": ("Low-E glass: the pane is the plate", low_e_glass),
    "mall-front": ("Mall front: open, no door", mall_front),
}


def drawing(name: str, language: str = SOURCE) -> str:
    """The SVG of one plan, as text."""

    def say(words: str) -> str:
        return words if language == SOURCE else WORDS[words][language]

    title, parts = PLANS[name]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'role="img" aria-label="{escape(say(title))}">',
            f"<style>{STYLE}</style>",
            f'<rect class="card" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
            text(24, 22, say(title), kind="title"),
            *parts(say),
            text(24, HEIGHT - 8, say(BELOW)),
            "</svg>\n",
        )
    )


def path_of(name: str, language: str) -> Path:
    folder = FOLDER if language == SOURCE else FOLDER / language
    return folder / f"{name}.svg"


def main() -> None:
    for language in LANGUAGES:
        for name in PLANS:
            path = path_of(name, language)
            path.parent.mkdir(exist_ok=True)
            path.write_text(drawing(name, language), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Draws the picture of the demo, docs/pictures/demo.svg, from a recording of it.

    scripts/demo --record build/demo.cast
    python -m scripts.demo_picture build/demo.cast [--at SECONDS]

The recording is played into a terminal (pyte) up to that second; what stands there is drawn.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

import pyte

PICTURE: Final = Path(__file__).parents[1] / "docs" / "pictures" / "demo.svg"
AT_S: Final = 53.0
COLUMN: Final = 8.4
ROW: Final = 18
MARGIN: Final = 12
COLOURS: Final = {
    "default": "#d6dae0", "black": "#16181c", "red": "#f2777a", "green": "#7ec98a",
    "brown": "#f0b35a", "blue": "#3b6ea5", "magenta": "#d49be0", "cyan": "#6cc3cf",
    "white": "#ffffff", "brightblack": "#8a8f98",
}  # fmt: skip
"""pyte's names; its brown is yellow."""


def screen_at(recording: Path, at_s: float) -> pyte.Screen:
    """What a terminal shows at that second of the recording."""
    header, *writes = map(json.loads, recording.read_text(encoding="utf-8").splitlines())
    screen = pyte.Screen(header["width"], header["height"])
    stream = pyte.Stream(screen)
    for seconds, _kind, text in writes:
        if seconds > at_s:
            break
        stream.feed(text)
    return screen


def picture(screen: pyte.Screen) -> str:
    width = round(screen.columns * COLUMN + 2 * MARGIN)
    height = screen.lines * ROW + 2 * MARGIN
    rows = "\n".join(line for row in range(screen.lines) for line in _row(screen, row))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">
<title>presence demo: the street as you see it, beside all that the gateway knows</title>
<rect width="{width}" height="{height}" rx="8" fill="{COLOURS["black"]}"/>
{rows}
</svg>
"""


def _row(screen: pyte.Screen, row: int) -> Iterator[str]:
    cells = [(column, screen.buffer[row][column]) for column in range(screen.columns)]
    for look, run in groupby(cells, key=lambda cell: (cell[1].fg, cell[1].bg, cell[1].bold)):
        foreground, background, bold = look
        several = list(run)
        text = "".join(cell.data for _, cell in several)
        x, y = MARGIN + several[0][0] * COLUMN, MARGIN + row * ROW
        if background != "default":
            yield (
                f'<rect x="{x:.1f}" y="{y}" width="{len(text) * COLUMN:.1f}" height="{ROW}" '
                f'fill="{COLOURS[background]}"/>'
            )
        lead = len(text) - len(text.lstrip())
        words = text.strip()
        if words:
            weight = ' font-weight="bold"' if bold else ""
            yield (
                f'<text x="{x + lead * COLUMN:.1f}" y="{y + 13}" fill="{COLOURS[foreground]}"'
                f'{weight} textLength="{len(words) * COLUMN:.1f}" xml:space="preserve">'
                f"{escape(words)}</text>"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("recording", type=Path, metavar="FILE", help="an asciicast, version 2")
    parser.add_argument("--at", type=float, default=AT_S, metavar="S", help=f"second ({AT_S:g})")
    options = parser.parse_args()
    PICTURE.write_text(picture(screen_at(options.recording, options.at)), encoding="utf-8")
    print(PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())

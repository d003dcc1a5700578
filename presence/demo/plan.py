"""The shop from above, in characters: the story's people by their letter, strangers as dots."""

from collections.abc import Iterable
from typing import Final

from presence.demo.canvas import Canvas
from presence.demo.story import ANTENNAS
from presence.simulation import Spot
from presence.simulation.walks import WINDOW_M

STREET_M: Final = 4.4
DEPTH_M: Final = 7.4
HALF_WIDTH_M: Final = 11.0
DOOR_M: Final = 0.9


def draw_plan(
    canvas: Canvas,
    strangers: Iterable[Spot],
    people: Iterable[tuple[Spot, str, str]],
    *,
    top: int,
    width: int,
    height: int,
) -> None:
    """The shop above, the front, the street below. Of people: where, glyph and style."""
    rows = _Rows(canvas, top, width, height)
    for column in range(width):
        canvas.put(rows.front, column, *_front(rows.x_m(column)))
    for spot in strangers:
        rows.put(spot, "·", "dim")
    for antenna, _ in ANTENNAS:
        rows.put(antenna.spot, "▲", "antenna")
    for spot, glyph, style in people:
        rows.put(spot, glyph, style)


class _Rows:
    """Metres to characters. The front takes one line; the street gets about a third."""

    def __init__(self, canvas: Canvas, top: int, width: int, height: int) -> None:
        self._canvas = canvas
        self._top = top
        self._width = width
        self._inside = height - 1 - max(1, round((height - 1) * STREET_M / (STREET_M + DEPTH_M)))
        self._street = height - 1 - self._inside
        self.front = top + self._inside

    def x_m(self, column: int) -> float:
        return (column + 0.5) / self._width * 2 * HALF_WIDTH_M - HALF_WIDTH_M

    def put(self, spot: Spot, glyph: str, style: str) -> None:
        """Nothing where the spot lies beyond the plan."""
        if abs(spot.x_m) >= HALF_WIDTH_M:
            return
        column = int((spot.x_m + HALF_WIDTH_M) / (2 * HALF_WIDTH_M) * self._width)
        if spot.y_m >= 0:
            row = self.front - 1 - min(self._inside - 1, int(spot.y_m / DEPTH_M * self._inside))
        else:
            row = self.front + 1 + min(self._street - 1, int(-spot.y_m / STREET_M * self._street))
        self._canvas.put(row, min(column, self._width - len(glyph)), glyph, style)


def _front(x_m: float) -> tuple[str, str]:
    if abs(x_m) <= DOOR_M:
        return " ", ""
    return ("─", "glass") if abs(x_m) <= WINDOW_M else ("█", "dim")

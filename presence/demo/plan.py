"""The shop from above, in characters: the story's people by their letter, strangers as dots."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from rich.text import Text

from presence.demo.scene import Role
from presence.simulation import Phone, Spot
from presence.simulation.air import GATEWAY
from presence.simulation.walks import WINDOW_M

STREET_M: Final = 4.4
DEPTH_M: Final = 7.4
HALF_WIDTH_M: Final = 11.0
DOOR_M: Final = 0.9


class Cell(NamedTuple):
    glyph: str
    style: str


def plan(
    roles: Iterable[Role], strangers: Iterable[Phone], now_s: float, *, width: int, height: int
) -> Text:
    """`height` lines of `width` characters: the shop above, the front, the street below."""
    rows = Rows(width, height)
    grid = [[Cell(" ", "")] * width for _ in range(height)]
    grid[rows.front] = [_front(rows.x_m(column)) for column in range(width)]
    for phone in strangers:
        rows.put(grid, phone.walk.at(now_s), Cell("·", "bright_black"))
    rows.put(grid, GATEWAY, Cell("▲", "bold cyan"))
    for role in roles:
        rows.put(grid, role.person.walk().at(now_s), Cell(role.person.letter, style_of(role)))
    text = Text(no_wrap=True, overflow="crop")
    for number, line in enumerate(grid):
        if number:
            text.append("\n")
        for cell in line:
            text.append(cell.glyph, cell.style)
    return text


def style_of(role: Role) -> str:
    """Green: somebody was told of them. Yellow: they were, and it was taken back. White: nobody was
    told.
    """
    if role.said["withdrawn"]:
        return "bold yellow"
    return "bold green" if role.said["entered"] else "bold white"


class Rows:
    """Metres to characters. The front takes one line; the street gets about a third."""

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._height = height
        self.front = height - 1 - max(1, round((height - 1) * STREET_M / (STREET_M + DEPTH_M)))

    def x_m(self, column: int) -> float:
        return (column + 0.5) / self._width * 2 * HALF_WIDTH_M - HALF_WIDTH_M

    def put(self, grid: list[list[Cell]], spot: Spot | None, cell: Cell) -> None:
        """Nothing where the spot lies beyond the plan."""
        if spot is None or abs(spot.x_m) >= HALF_WIDTH_M:
            return
        column = int((spot.x_m + HALF_WIDTH_M) / (2 * HALF_WIDTH_M) * self._width)
        inside, street = self.front, self._height - 1 - self.front
        if spot.y_m >= 0:
            row = self.front - 1 - min(inside - 1, int(spot.y_m / DEPTH_M * inside))
        else:
            row = self.front + 1 + min(street - 1, int(-spot.y_m / STREET_M * street))
        grid[row][column] = cell


def _front(x_m: float) -> Cell:
    if abs(x_m) <= DOOR_M:
        return Cell(" ", "")
    return Cell("─", "cyan") if abs(x_m) <= WINDOW_M else Cell("█", "bright_black")

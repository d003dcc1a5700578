"""A screen of characters with styles; and how a terminal is told of it.

Every glyph is one column wide, and has a stand-in in ASCII.
"""

from typing import Final

SGR: Final = {
    "": "",
    "bold": "1",
    "dim": "90",
    "title": "1;37;44",
    "frame": "34",
    "glass": "36",
    "antenna": "1;36",
    "bell": "1;35",
    "list": "35",
    "refused": "31",
    "told": "1;32",
    "taken": "1;33",
    "left": "36",
}
"""Style → parameters of ECMA-48 8.3.117."""
ASCII: Final = str.maketrans("─│┬┴·▲♪█→×…", "-|++.^!#>x~")


class Canvas:
    """Starts as blanks. What does not fit a row is cut off, and `cut` says so."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.cut: list[str] = []
        self._cells = [[(" ", "")] * width for _ in range(height)]

    def put(
        self, row: int, column: int, text: str, style: str = "", *, until: int | None = None
    ) -> int:
        """Answers with the column after it. `until`: a column before which it must end."""
        end = self.width if until is None else until
        if column + len(text) > end:
            self.cut.append(text)
            text = text[: max(0, end - column)]
        cells = self._cells[row]
        for offset, glyph in enumerate(text):
            cells[column + offset] = (glyph, style)
        return column + len(text)

    def rows(self) -> list[str]:
        """Without styles."""
        return ["".join(glyph for glyph, _ in cells).rstrip() for cells in self._cells]

    def styled(self) -> list[list[tuple[str, str]]]:
        """Each row as runs of one style."""
        return [_runs(cells) for cells in self._cells]

    def terminal_rows(self, *, colour: bool) -> list[str]:
        """Each row as it is written to a terminal."""
        if not colour:
            return self.rows()
        return ["".join(_sgr(*run) for run in runs).rstrip() for runs in self.styled()]


def _runs(cells: list[tuple[str, str]]) -> list[tuple[str, str]]:
    runs: list[tuple[str, str]] = []
    for glyph, style in cells:
        if runs and (runs[-1][1] == style or (glyph == " " and style == "" == runs[-1][1])):
            runs[-1] = (runs[-1][0] + glyph, runs[-1][1])
        else:
            runs.append((glyph, style))
    return runs


def _sgr(text: str, style: str) -> str:
    return f"\x1b[{SGR[style]}m{text}\x1b[0m" if SGR[style] else text

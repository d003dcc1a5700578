"""The table of operational events in docs/operations.md, made from presence.telemetry.

`python -m tests.support.operations_page` makes it anew; a test compares it.
"""

import re
from pathlib import Path
from typing import Final

from presence.telemetry import as_markdown
from tests.support.paths import ROOT

PAGE: Final = ROOT / "docs" / "operations.md"
TABLE: Final = re.compile(
    r"(?<=<!-- the table is made by `python -m tests.support.operations_page` -->\n).*?"
    r"(?=<!-- end of the table -->)",
    re.DOTALL,
)


def with_table(page: str) -> str:
    """The page with the table as the classes say. Raises ValueError where it has no place."""
    if len(TABLE.findall(page)) != 1:
        raise ValueError("docs/operations.md has no place for the table of operational events")
    return TABLE.sub(lambda _: as_markdown(), page)


def write(page: Path = PAGE) -> None:
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()

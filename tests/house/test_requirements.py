"""The list of requirements: one home for each title, a text for each number, and no number without
an answer.
"""

from pathlib import Path

import pytest

from tests.support.requirement_page import (
    PAGE,
    files_by_number,
    shown_of,
    texts_of,
    titles_of,
    with_shown,
)
from tests.support.requirements import load_titles

A_PAGE = """# Numbers

### R-01
**First**

What it asks,
on two lines.

Shown by: `tests/test_old.py`,
`tests/test_older.py`

### T-01
**Second**

What it asks.

Shown by: not yet
"""


@pytest.fixture
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_has_every_number_with_the_title_of_the_list(page: str) -> None:
    assert titles_of(page) == load_titles()
    assert list(titles_of(page)) == list(load_titles())


def test_the_page_says_what_each_number_asks(page: str) -> None:
    assert [
        number for number, text in texts_of(page).items() if len(text) < 20 and "See R-" not in text
    ] == []


def test_the_markers_in_the_sources_are_the_numbers_of_the_tests(tmp_path: Path) -> None:
    (tmp_path / "tests" / "core").mkdir(parents=True)
    (tmp_path / "tests" / "core" / "test_b.py").write_text(
        'import pytest\npytestmark = pytest.mark.requirement("R-02")\n'
        '@pytest.mark.requirement("R-01", "T-01")\ndef test_it(): ...\n'
    )
    (tmp_path / "tests" / "test_a.py").write_text(
        'import pytest\nTestIt = pytest.mark.requirement("R-01")(object)\n'
    )
    (tmp_path / "tests" / "helper.py").write_text(
        'import pytest\npytest.mark.requirement("R-03")\n'
    )
    assert files_by_number(tmp_path / "tests") == {
        "R-01": ["tests/core/test_b.py", "tests/test_a.py"],
        "R-02": ["tests/core/test_b.py"],
        "T-01": ["tests/core/test_b.py"],
    }


def test_who_shows_a_number_is_written_anew_and_nothing_else_changes() -> None:
    assert with_shown(A_PAGE, {"T-01": ["tests/test_new.py"]}) == A_PAGE.replace(
        "not yet", "`tests/test_new.py`"
    ).replace("`tests/test_old.py`,\n`tests/test_older.py`", "not yet")
    assert shown_of(A_PAGE) == {
        "R-01": "`tests/test_old.py`, `tests/test_older.py`",
        "T-01": "not yet",
    }


def test_a_page_written_twice_is_the_same(page: str) -> None:
    files = {number: [f"tests/test_{n}.py" for n in range(12)] for number in ("R-01", "T-26")}
    once = with_shown(page, files)
    assert once != page
    assert with_shown(once, files) == once

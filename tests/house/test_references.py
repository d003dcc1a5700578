"""Every reference in the repository leads into it: numbers, sections, files and modules."""

from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.references import anchors, broken, broken_in, texts
from tests.support.requirement_page import PAGE, files_by_number, with_shown

A_DOCUMENT = """# The design

## Data flow: one way
```
# no heading
```
### On air
## On air
"""
A_MODULE = '''"""The door."""

MAX = 3


class Engine:
    """Takes in."""
'''
FIRST_FILES = {
    "docs/design.md": A_DOCUMENT,
    "docs/entry.md": "# Entry\n",
    "scripts/bench": "",
    "scripts/benchmarks/entry.py": "",
    "presence/__init__.py": "",
    "presence/core/__init__.py": "",
    "presence/core/engine.py": A_MODULE,
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FIRST_FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def faults(tree: Path, name: str, text: str) -> list[str]:
    return [each.reference for each in broken_in(tree / name, text, tree)]


def test_every_reference_leads_somewhere() -> None:
    assert [" · ".join(each) for each in broken()] == []


def test_the_page_of_requirements_says_who_shows_each_number() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_shown(page, files_by_number()), "run scripts/requirements --write"


def test_code_scripts_tests_documents_and_settings_are_all_read() -> None:
    read = {path.relative_to(ROOT).as_posix() for path in texts(ROOT)}
    assert read >= {
        "README.md", "CONTRIBUTING.md", "pyproject.toml", "presence/__init__.py", "scripts/check",
        "tests/conftest.py", "docs/operations.md", "docs/asyncapi.yaml", "config/presence.yaml",
        "systemd/presence.service",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "R-05, T-26 and R-70",
        "docs/design.md, docs/design.md#on-air, docs/design.md#on-air-1",
        "docs/design.md#data-flow-one-way",
        "presence/core/engine.py, presence/core/, presence/core and core/engine.py",
        "presence.core, presence.core.engine, presence.core.engine.Engine",
        "presence.core.engine.MAX",
        "presence/v1/{chain}/x, presence.entered.v1, presence.yaml.bak and https://x.example/a.md",
        "`scripts/bench entry`, RFC 7515 §4, GT-05, R-5, bluez issue 2282",
    ],
)
def test_what_leads_somewhere_is_well(tree: Path, text: str) -> None:
    assert faults(tree, "docs/entry.md", text) == []
    assert faults(tree, "presence/core/engine.py", f"'''{text}'''\n") == []


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("see R-71", "R-71"),
        ("see T-00", "T-00"),
        ("see docs/nowhere.md", "docs/nowhere.md"),
        ("see docs/design.md#no-heading", "docs/design.md#no-heading"),
        ("see docs/design.md §9", "docs/design.md §"),
        ("see DESIGN.md", "DESIGN.md"),
        ("see presence/core/gone.py", "presence/core/gone.py"),
        ("see core/gone.py", "core/gone.py"),
        ("run `scripts/bench gone`", "scripts/bench gone"),
        ("see presence.core.gone", "presence.core.gone"),
        ("see presence.core.engine.Gone", "presence.core.engine.Gone"),
        ("see " + "../shared" + "/vm", "../shared"),
        ("goal of " + "issue" + " 8", "issue" + " 8"),
    ],
)
def test_what_leads_nowhere_is_found(tree: Path, text: str, reference: str) -> None:
    assert faults(tree, "docs/entry.md", text) == [reference]
    assert faults(tree, "config/presence.yaml", f"# {text}\n") == [reference]
    assert faults(tree, "presence/core/engine.py", f"'''{text}'''\n") == [reference]
    assert faults(tree, "presence/core/engine.py", f"MAX = 3  # {text}\n") == [reference]


def test_a_document_outside_is_not_there_though_its_file_is(tree: Path) -> None:
    (tree.parent / "beside.md").write_text("# Beside\n")
    assert faults(tree, "docs/entry.md", "see ../beside.md and [it](../../beside.md)") == [
        "../beside.md", "../../beside.md",
    ]  # fmt: skip


def test_a_document_names_its_neighbours_by_their_names(tree: Path) -> None:
    assert faults(tree, "docs/entry.md", "[design](design.md#on-air)") == []
    assert faults(tree, "presence/core/engine.py", "# see design.md\n") == ["design.md"]


def test_in_code_a_path_may_be_an_example_and_a_document_is_none(tree: Path) -> None:
    assert faults(tree, "presence/core/engine.py", 'run("presence/core/x.py", "a/b.md")\n') == []
    assert faults(tree, "presence/core/engine.py", 'next_step = "see docs/gone.md"\n') == [
        "docs/gone.md"
    ]
    assert faults(tree, "presence/core/engine.py", 'mark("R-99")\n') == ["R-99"]


def test_headings_are_spelt_as_github_spells_them(tree: Path) -> None:
    assert anchors(tree / "docs/design.md") == {
        "the-design",
        "data-flow-one-way",
        "on-air",
        "on-air-1",
    }

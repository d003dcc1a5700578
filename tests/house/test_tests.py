"""The tests mirror the rooms, and stand by themselves."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

TESTS = ROOT / "tests"
ROOMS = ROOT / "presence"
BESIDE = {
    "support": "what tests share",
    "vectors": "values that were computed elsewhere",
    "journeys": "from the register to the event, through several rooms",
    "system": "in a virtual machine",
    "house": "the rules of the house",
    "cluster": "on clusters of brokers",
    "kafka": "on a broker that speaks Kafka's protocol",
    "scripts": "the scripts",
    "checker": "the consent model checker, scripts/hunt",
    "entrybench": "scripts/entrybench",
}
"""Folders of tests that mirror no room of presence."""


def packages(below: Path) -> set[Path]:
    return {
        file.parent.relative_to(below)
        for file in below.rglob("*.py")
        if file.parent != below and file.parent.relative_to(below).parts[0] not in BESIDE
    }


def imports(file: Path) -> Iterator[str]:
    """Each module that a file may be naming in an import."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_every_room_has_its_folder_of_tests_and_no_folder_has_lost_its_room() -> None:
    assert packages(TESTS) == packages(ROOMS)


def test_what_tests_share_lies_in_no_test_module() -> None:
    borrowed = {
        f"{file.relative_to(ROOT)}: {module}"
        for file in TESTS.rglob("*.py")
        for module in imports(file)
        if module.startswith("tests.") and any(p.startswith("test_") for p in module.split("."))
    }
    assert borrowed == set()


def test_how_often_a_property_is_tried_is_left_to_the_profile() -> None:
    """tests.support.examples; but the hunt chooses for itself."""
    fixed = {
        str(file.relative_to(TESTS))
        for file in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "settings"
        and any(keyword.arg == "max_examples" for keyword in node.keywords)
    }
    assert fixed == {"support/examples.py", "checker/hunt.py"}

"""The words of the house: one class name for one thing, one owner for each term, and no words that
the glossary replaced; and the pages that are made from the code are those of today's code.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import pages
from tests.support.paths import ROOT

TERMS = pages.terms()


def test_a_public_class_name_stands_once() -> None:
    names = Counter(node.name for _, node in _definitions() if isinstance(node, ast.ClassDef))
    assert {name for name, times in names.items() if times > 1 and name[0] != "_"} == set()


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_found_in_the_module_that_owns_it(term: str) -> None:
    path = _path_of(TERMS[term]["owner"])
    text = " ".join(path.read_text(encoding="utf-8").split())
    assert re.search(rf"\b{re.escape(term)}", text, re.IGNORECASE), f"{path}: no {term}"


def test_no_name_has_a_word_that_the_glossary_replaces() -> None:
    replaced = {word: term for term, entry in TERMS.items() for word in entry.get("not", ())}
    modules = [(path, path.stem) for path in (ROOT / "presence").rglob("*.py")]
    names = [*modules, *((path, node.name) for path, node in _definitions())]
    assert [
        f"{path}: {name}: say {replaced[word]}"
        for path, name in names
        for word in _words(name)
        if word in replaced
    ] == []


def test_the_pages_that_are_made_from_the_code_are_up_to_date() -> None:
    old = pages.out_of_date(pages.pages())
    assert old == [], "scripts/pages writes them"


def test_the_map_of_the_architecture_names_every_module() -> None:
    drawn = pages.MAP.read_text(encoding="utf-8")
    modules = {path.stem for path in (ROOT / "presence").rglob("*.py")} - {"__init__", "__main__"}
    assert {name for name in modules if f"`{name}`" not in drawn} == set()


def _definitions() -> Iterator[tuple[Path, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sorted((ROOT / "presence").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield path.relative_to(ROOT), node


def _words(name: str) -> list[str]:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")


def _path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

"""References between the files of this repository, and whether each of them leads somewhere.

    R-05, T-03                      an entry of docs/requirements.md
    docs/design.md#radio            a document, and a heading in it as GitHub spells its anchor
    tests/house/test_house.py       a file or a folder of ours; edges/bluez, below presence
    presence.core                   a module of ours, or what stands in one
    scripts/bench entry             a benchmark

A path counts from the root; in a document, as in any link, also from the document's own folder.
In Python, comments and docstrings are read for all of these; in the code itself a path may be an
example, so there only numbers and documents count.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT
from tests.support.requirements import load_titles

FOLDERS = ("presence", "scripts", "tests", "docs", "config", "systemd")
TITLES = load_titles()
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".json", ".sh", ".conf", ".service", ".mount", ""}

FOREIGN = {
    "eddystone-eid/README.md",  # github.com/google/eddystone
    "eddystone-eid/eid-computation.md",
}
"""Documents of other projects, cited beside their address."""
NOT_OURS = re.compile(
    r"presence/v\d"  # a topic
    r"|presence/data/"  # in the wheel alone
    r"|presence\.(?:entered|left|withdrawn)\.v\d"  # a type of event
    r"|presence\.(?:yaml|service|conf|schema\.json)\b"
    r"|presence\..*mutmut"  # as mutmut spells a name
)

_NUMBER = re.compile(r"(?<![\w-])[RT]-\d{2,}(?![\w-])")
_DOCUMENT = re.compile(
    r"(?<![\w./:$}-])(?!/)(?P<name>[\w./-]*\w\.md)(?!\w)(?:#(?P<anchor>[\w-]*))?(?P<section> §)?"
)
_PATH = re.compile(rf"(?<![\w./:$}}-])(?:{'|'.join(FOLDERS)}|core|edges)/[\w./-]*[\w/]")
_NAME = re.compile(r"(?<![\w./@-])presence\.[a-z_]+(?:\.\w+)*")
_BENCHMARK = re.compile(r"scripts/bench (\w+)")
_OUTSIDE = re.compile(r"\.\./shared|/work/[s]|(?<![\w-])issue \d{1,2}(?!\d)")


class Broken(NamedTuple):
    place: str
    """file:line"""
    reference: str
    why: str


def broken(root: Path = ROOT) -> list[Broken]:
    """Give every reference that leads nowhere, or out of the repository."""
    return [each for path in texts(root) for each in broken_in(path, path.read_text("utf-8"), root)]


def texts(root: Path) -> Iterator[Path]:
    """Give what people read; vectors cite other people's, and our own test has faulty examples."""
    inside = (path for folder in FOLDERS for path in (root / folder).rglob("*"))
    for path in sorted([*root.glob("*.md"), root / "pyproject.toml", *inside]):
        left_out = path.name == "test_references.py" or (
            path.suffix == ".json" and "vectors" in path.parts
        )
        if path.suffix in SUFFIXES and path.is_file() and not left_out:
            yield path


def broken_in(path: Path, text: str, root: Path = ROOT) -> Iterator[Broken]:
    """Give what leads nowhere in one text."""
    place = path.relative_to(root).as_posix()
    prose: dict[int, str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        faults = [*_pages(line, path, root), *_places(line, path, root)]
        if faults and path.suffix == ".py":  # then only is it worth knowing what is code
            prose = _prose(text) if prose is None else prose
            faults = [*_pages(line, path, root), *_places(prose.get(number, ""), path, root)]
        for reference, why in dict.fromkeys(faults):  # prose is looked at twice
            yield Broken(f"{place}:{number}", reference, why)


def _prose(text: str) -> dict[int, str]:
    """Comments, docstrings and the strings that stand below a field, by line."""
    lines = text.splitlines()
    found: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            found[token.start[0]] = token.string
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            found |= {
                number: lines[number - 1]
                for number in range(node.lineno, (node.end_lineno or 0) + 1)
            }
    return found


def _pages(line: str, path: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Numbers and documents that are not there, and what lies outside."""
    for found in _NUMBER.finditer(line):
        if found[0] not in TITLES:
            yield found[0], "no such number in docs/requirements.md"
    for found in _DOCUMENT.finditer(line):
        ours = path.suffix != ".py" or found["name"].startswith("docs/")
        why = _document(found["name"], found["anchor"], path, root) if ours else ""
        if why or found["section"]:
            yield found[0], why or "name the heading: docs/….md#heading"
    for found in _OUTSIDE.finditer(line):
        yield found[0], "outside this repository"


def _places(prose: str, path: Path, root: Path) -> Iterator[tuple[str, str]]:
    """Documents, files, modules and names that are not there."""
    for found in _DOCUMENT.finditer(prose if path.suffix == ".py" else ""):
        why = _document(found["name"], found["anchor"], path, root)
        if why and not found["section"]:
            yield found[0], why
    for found in _PATH.finditer(prose):
        mine = not NOT_OURS.match(found[0]) and not found[0].endswith(".md")
        if mine and _there(found[0], path, root) is None:
            yield found[0], "no such file"
    for found in _BENCHMARK.finditer(prose):
        if not (root / "scripts" / "benchmarks" / f"{found[1]}.py").exists():
            yield found[0], "no such benchmark"
    for found in _NAME.finditer(prose):
        if not NOT_OURS.match(found[0]) and not _named(found[0], root):
            yield found[0], "no such module, and no such name in one"


def _document(name: str, anchor: str | None, path: Path, root: Path) -> str:
    if name in FOREIGN:
        return ""
    document = _there(name, path, root)
    if document is None:
        return "no such document"
    if anchor and anchor not in anchors(document):
        return f"no such heading in {name}"
    return ""


def _there(name: str, path: Path, root: Path) -> Path | None:
    for folder in (root, path.parent, root / "presence"):
        target = (folder / name).resolve()
        if target.is_relative_to(root) and target.exists():
            return target
    return None


@cache
def anchors(document: Path) -> frozenset[str]:
    """Give the anchors of a document's headings: small letters, `-` for a blank, signs left out."""
    found: dict[str, int] = {}
    prose = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return frozenset(found)


def _named(name: str, root: Path) -> bool:
    """Whether the name is a module, or stands in one."""
    path, parts = root / "presence", name.split(".")[1:]
    while parts and (path / parts[0]).is_dir():
        path /= parts.pop(0)
    module = path / "__init__.py"
    if parts and (path / f"{parts[0]}.py").exists():
        module = path / f"{parts.pop(0)}.py"
    return module.exists() and (not parts or parts[0] in _names(module))


@cache
def _names(module: Path) -> frozenset[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name):
            found.add(node.id)
    return frozenset(found)

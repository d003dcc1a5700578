"""The pages that are made from the code: the map of ARCHITECTURE.md, docs/glossary.md, the schemas
in docs/asyncapi.yaml, docs/contract.md that reads it out, docs/commands.md from the parsers, the
catalogs of translations, and what is made from the settings (tests.support.settings_pages).
"""

import ast
import sys
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from presence.cli.command import Parser
from tests.support import command_pages, settings_pages, shell_pages, translations
from tests.support.contract import SCHEMA_URN, schema, schema_names
from tests.support.contract_page import PAGE as CONTRACT
from tests.support.contract_page import contract_page
from tests.support.paths import ROOT

MAP: Final = ROOT / "ARCHITECTURE.md"
GLOSSARY: Final = ROOT / "docs" / "glossary.md"
TERMS: Final = ROOT / "docs" / "glossary.toml"
ASYNCAPI: Final = ROOT / "docs" / "asyncapi.yaml"
SCHEMAS: Final = "    # From here on made by scripts/pages from presence/schemas.\n"
BEGIN: Final = "<!-- The map: made by scripts/pages from the first lines of the modules. -->\n"
END: Final = "<!-- The map ends. -->\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or say which of them are out of date (1)."""
    options = Parser(prog="scripts/pages", description=__doc__, examples=("scripts/pages --check",))
    options.add_argument(
        "--check", action="store_true", help="write nothing; 1 where a page is old"
    )
    check = options.parse_args(arguments).check
    wanted = pages()
    old = out_of_date(wanted)
    for page in old:
        print(f"{page.relative_to(ROOT)}: {'out of date: scripts/pages' if check else 'written'}")
        if not check:
            page.write_bytes(wanted[page])
    return int(check and bool(old))


def out_of_date(wanted: Mapping[Path, bytes]) -> list[Path]:
    return [page for page, made in wanted.items() if not page.exists() or page.read_bytes() != made]


def pages() -> dict[Path, bytes]:
    """Every page that is made from the code, as it should be."""
    before, _, rest = MAP.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    drawn = "\n".join(map_of(ROOT / "presence"))
    topics, _, _ = ASYNCAPI.read_text(encoding="utf-8").partition(SCHEMAS)
    asyncapi = topics + SCHEMAS + textwrap.indent(bundled_schemas(), "    ")
    texts = {
        MAP: f"{before}{BEGIN}\n{drawn}\n\n{END}{after}",
        GLOSSARY: glossary_page(terms()),
        **settings_pages.pages(),
        **command_pages.pages(),
        **shell_pages.pages(),
        ASYNCAPI: asyncapi,
        CONTRACT: contract_page(asyncapi),
    }
    return {**{page: text.encode() for page, text in texts.items()}, **translations.pages()}


def bundled_schemas() -> str:
    """The schemas of the package in YAML, under their titles, and referring to one another there.

    `$id` would move what `#/components/…` leads to, and `$schema` names a dialect that AsyncAPI's
    own does not know; examples stand with the messages.
    """
    titles = {f"{SCHEMA_URN}{name}": schema(name)["title"] for name in schema_names()}

    def bundled(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: f"#/components/schemas/{titles[inner]}" if key == "$ref" else bundled(inner)
                for key, inner in value.items()
            }
        return value

    kept = {}
    for name in schema_names():
        value = {"x-schema-id": schema(name)["$id"], **schema(name)}
        dropped = ("$schema", "$id", "examples")
        kept[value["title"]] = bundled({k: v for k, v in value.items() if k not in dropped})
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=116)


def map_of(package: Path, depth: int = 3) -> Iterator[str]:
    """A heading and its first line for each package, and below it a line for each module."""
    about = _first_paragraph(package / "__init__.py")
    yield f"{'#' * min(depth, 5)} {package.relative_to(ROOT)}"
    yield about
    yield ""
    modules = sorted(path for path in package.glob("*.py") if not path.stem.startswith("__"))
    yield from (f"* `{path.stem}`: {_first_paragraph(path)}" for path in modules)
    for inner in sorted(path.parent for path in package.glob("*/__init__.py")):
        yield ""
        yield from map_of(inner, depth + 1)


def terms() -> dict[str, Mapping[str, Any]]:
    """The terms of docs/glossary.toml: `means`, `owner` (a module), `not` (words to avoid)."""
    return _glossary()["term"]  # type: ignore[no-any-return]


def technicians_words() -> dict[str, Mapping[str, str]]:
    """What technicians read, in English, with `fi` and `sv`."""
    translated = {term: entry for term, entry in terms().items() if "fi" in entry}
    return {**translated, **_glossary()["technician"]}


def _glossary() -> dict[str, Any]:
    return tomllib.loads(TERMS.read_text(encoding="utf-8"))


def glossary_page(all_terms: Mapping[str, Mapping[str, Any]]) -> str:
    """docs/glossary.md: the table of terms."""
    rows = []
    for term, entry in sorted(all_terms.items(), key=lambda item: item[0].lower()):
        avoided = ", ".join(entry.get("not", ()))
        rows.append(f"| **{term}** | {entry['means']} | `{entry['owner']}` | {avoided} |")
    words = sorted(technicians_words().items(), key=lambda item: item[0].lower())
    translated = (f"| {word} | {entry['fi']} | {entry['sv']} |" for word, entry in words)
    return "\n".join((GLOSSARY_HEAD + "\n".join(rows), LANGUAGES_HEAD, *translated, ""))


GLOSSARY_HEAD: Final = """\
# Glossary
One word for one thing. Made by `scripts/pages` from `docs/glossary.toml`; a test holds the program
to it: each term is found in the module that owns it, and no class, function or module has one of
the words in the last column.

| term | what it is | owned by | not |
|---|---|---|---|
"""

LANGUAGES_HEAD: Final = """
## In Finnish and Swedish
What technicians read of it, from `presence scan-test` and `presence check`. No technician
with Finnish or Swedish as a mother tongue has read these yet.

| English | Finnish | Swedish |
|---|---|---|"""


def _first_paragraph(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


if __name__ == "__main__":
    sys.exit(main())

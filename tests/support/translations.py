"""The catalogs in presence/locale: .po as the translators write them, brought up to the sentences
of the program; and .mo that gettext reads, compiled from those.

A new sentence comes in without a translation, and one that is gone goes: nothing is guessed from
another that is alike. Both files are in git, so that a checkout speaks without a build.
"""

from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from presence.language import DOMAIN, LOCALE, NAMES, TRANSLATED
from tests.support.paths import ROOT

KEYWORDS: Final = {"Sentence": None, "plural": (1, 2)}
"""The calls that a sentence stands in, as Babel wants them."""
HEAD: Final = """\
# What technicians read, in {name}. `msgid` is the program's; `scripts/pages` brings new ones in and
# compiles this file. What stands in braces or backticks stays as it is (CONTRIBUTING.md)."""


class OurCatalog(Catalog):
    """With the headers that gettext needs, and no dates: they change with each run."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale)),
            ("Plural-Forms", self.plural_forms),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit\n"),
        ]

    @mime_headers.setter
    def mime_headers(self, value: object) -> None:
        """Those that were read are written anew."""


def pages() -> dict[Path, bytes]:
    """Both files of each language, as they should be."""
    wanted = {}
    found = sentences()
    for code in TRANSLATED:
        catalog = merged(found, code)
        po, mo = BytesIO(), BytesIO()
        write_po(po, catalog, width=100, include_lineno=False)
        write_mo(mo, catalog)
        wanted[po_file(code)] = po.getvalue()
        wanted[po_file(code).with_suffix(".mo")] = mo.getvalue()
    return wanted


def po_file(code: str) -> Path:
    return LOCALE / code / "LC_MESSAGES" / f"{DOMAIN}.po"


def sentences() -> Catalog:
    """Those of the program, in the order of its files."""
    found = Catalog()
    for path in sorted((ROOT / "presence").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for line, message, _, _ in extract_from_file("python", path, keywords=KEYWORDS):
            found.add(message, locations=[(name, line)])
    return found


def merged(found: Catalog, code: str) -> Catalog:
    """The sentences with the translations that there are; others have none."""
    path = po_file(code)
    present = Catalog()
    if path.exists():
        with path.open("rb") as file:
            present = read_po(file)
    head = HEAD.format(name=NAMES[code])
    catalog = OurCatalog(code, header_comment=head, charset="utf-8", fuzzy=False)
    for message in found:
        if message.id:
            kept = present.get(message.id)
            string = kept.string if kept is not None else None
            catalog.add(message.id, string, locations=message.locations)
    return catalog

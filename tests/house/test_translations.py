"""What technicians read is in each language: every sentence, with the same values and the same code
in it. That the catalogs are those of today's program: tests/house/test_glossary.py.
"""

import ast
import gettext
import re
from collections.abc import Iterator
from string import Formatter

import pytest
from babel.core import Locale
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from presence.language import DOMAIN, LOCALE, TRANSLATED
from tests.support import translations
from tests.support.paths import ROOT


def messages(code: str) -> Iterator[Message]:
    with translations.po_file(code).open("rb") as file:
        yield from (message for message in read_po(file, abort_invalid=True) if message.id)


def forms(said: object) -> tuple[str, ...]:
    """One, or one for each plural."""
    return (said,) if isinstance(said, str) else tuple(said)  # type: ignore[arg-type]


def pairs(code: str) -> Iterator[tuple[str, str]]:
    """Of each sentence and form: English, and the translation."""
    for message in messages(code):
        yield from zip(forms(message.id), forms(message.string), strict=True)


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_sentence_is_translated_and_no_translation_is_a_guess(code: str) -> None:
    assert [one for one, said in pairs(code) if not said.strip()] == []
    assert [message.id for message in messages(code) if message.fuzzy] == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_has_the_same_values_and_the_same_code(code: str) -> None:
    def values(text: str) -> list[tuple[str, str]]:
        found = ((name, spec) for _, name, spec, _ in Formatter().parse(text) if name)
        return sorted((name, spec or "") for name, spec in found)

    def in_backticks(text: str) -> list[str]:
        return sorted(re.findall(r"`[^`]*`", text))

    for one, said in pairs(code):
        assert values(said) == values(one), said
        assert in_backticks(said) == in_backticks(one), said
        assert said.startswith(" ") == one.startswith(" "), said
        assert said.endswith((".", "?", ":")) == one.endswith((".", "?", ":")), said


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_number_has_the_forms_of_its_language(code: str) -> None:
    plurals = [message for message in messages(code) if message.pluralizable]
    assert plurals
    catalog, form_of = gettext.translation(DOMAIN, LOCALE, [code]), Locale(code).plural_form
    for message in plurals:
        one, many = message.string
        for number in (0, 1, 2, 5, 11, 21, 100, 101):
            said = catalog.ngettext(*message.id, number)
            assert said == (one if form_of(number) == "one" else many)


def test_the_sentences_of_the_page_can_stand_in_html() -> None:
    """presence.survey.report shows them as they are."""
    for code in TRANSLATED:
        for message in messages(code):
            if any(name == "presence/survey/report.py" for name, _ in message.locations):
                assert not set("<>&") & set("".join((*forms(message.id), *forms(message.string))))


def test_no_sentence_hides_where_the_extraction_does_not_look() -> None:
    """In an f-string, inside another sentence's brackets, or put together from pieces."""
    found = {forms(message.id) for message in translations.sentences() if message.id}
    for path in sorted((ROOT / "presence").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and (said := sentence_of(node)) is not None:
                assert said in found, f"{path}:{node.lineno}"


def sentence_of(call: ast.Call) -> tuple[str, ...] | None:
    """What a call makes a sentence of; () where that is not written out."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name not in translations.KEYWORDS:
        return None
    wanted = call.args[: 2 if name == "plural" else 1]
    texts = [each.value for each in wanted if isinstance(each, ast.Constant)]
    return tuple(texts) if len(texts) == len(wanted) else ()

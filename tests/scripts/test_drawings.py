"""The drawings of docs/technician.md are those that the script makes, and can be read anywhere."""

from xml.etree import ElementTree

import pytest

from presence.language import LANGUAGES, SOURCE, TRANSLATED
from scripts.drawing_words import WORDS
from scripts.drawings import FOLDER, HEIGHT, PLANS, STYLE, WIDTH, drawing, path_of

SVG = "{http://www.w3.org/2000/svg}"


def words(picture: str) -> set[str]:
    root = ElementTree.fromstring(picture)  # noqa: S314 - our own
    return {each.text or "" for each in root.iter(f"{SVG}text")}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PLANS)
def test_a_drawing_in_the_documents_is_the_one_that_the_script_makes(
    name: str, language: str
) -> None:
    assert path_of(name, language).read_text(encoding="utf-8") == drawing(name, language), (
        "write it with: python -m scripts.drawings"
    )


def test_no_drawing_is_left_of_a_plan_that_is_gone() -> None:
    wanted = {path_of(name, language) for name in PLANS for language in LANGUAGES}
    assert {*FOLDER.rglob("*.svg")} == wanted


def test_every_word_of_a_drawing_is_translated() -> None:
    for language in TRANSLATED:
        english, other = (
            set().union(*(words(drawing(name, code)) for name in PLANS))
            for code in (SOURCE, language)
        )
        names = {"inside", "door", "outside", "8 m", "3 cm", ""}
        assert english & other == names, "names of places and sizes are the same"
    assert all(set(each) == set(TRANSLATED) for each in WORDS.values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PLANS)
def test_all_words_and_antennas_of_a_plan_lie_on_its_card(name: str, language: str) -> None:
    root = ElementTree.fromstring(drawing(name, language))  # noqa: S314 - our own
    for each in root.iter(f"{SVG}text"):
        x, y, words = float(each.get("x", "")), float(each.get("y", "")), each.text or ""
        width = 6.6 * len(words)
        left = {"end": x - width, "middle": x - width / 2}.get(each.get("text-anchor", ""), x)
        assert left >= 0
        assert left + width <= WIDTH, words
        assert 10 <= y <= HEIGHT
    assert list(root.iter(f"{SVG}circle"))


def test_every_colour_of_the_light_page_has_one_for_the_dark_page() -> None:
    light, _, dark = STYLE.partition("@media (prefers-color-scheme: dark)")
    for kind in (".card", "text", ".small", ".wall", ".plate", ".inside", ".door", ".outside"):
        assert f"{kind} {{" in light
        assert f"{kind} {{" in dark

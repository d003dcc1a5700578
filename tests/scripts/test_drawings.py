"""The drawings of docs/technician.md are those that the script makes, and can be read anywhere."""

from xml.etree import ElementTree

import pytest

from scripts.drawings import FOLDER, HEIGHT, PLANS, STYLE, WIDTH, drawing

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", PLANS)
def test_a_drawing_in_the_documents_is_the_one_that_the_script_makes(name: str) -> None:
    assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == drawing(name), (
        "write it with: python -m scripts.drawings"
    )


def test_no_drawing_is_left_of_a_plan_that_is_gone() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(PLANS)


@pytest.mark.parametrize("name", PLANS)
def test_all_words_and_antennas_of_a_plan_lie_on_its_card(name: str) -> None:
    root = ElementTree.fromstring(drawing(name))  # noqa: S314 - our own
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

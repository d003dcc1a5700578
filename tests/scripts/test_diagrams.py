"""The diagrams of the documents are those that the script makes, and all words can be read."""

from itertools import combinations
from xml.etree import ElementTree

import pytest

from presence.core.consent.freshness import FRESH_S, PUBLISHING, Freshness
from scripts.diagrams import FOLDER, LIST, PICTURES, STYLE, WIDTH, States, picture

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_in_the_documents_is_the_one_that_the_script_makes(name: str) -> None:
    assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == picture(name), (
        "write it with: python -m scripts.diagrams"
    )


@pytest.mark.parametrize("name", PICTURES)
def test_no_words_lie_on_others_or_beside_the_card(name: str) -> None:
    root = ElementTree.fromstring(picture(name))  # noqa: S314 - our own
    height = float(root.get("viewBox", "").split()[3])
    places = []
    for each in root.iter(f"{SVG}text"):
        x, y, words = float(each.get("x", "")), float(each.get("y", "")), each.text or ""
        width = (7.2 if each.get("class") != "small" else 6.0) * len(words)
        left = x if each.get("text-anchor") == "start" else x - width / 2
        assert left >= 0
        assert left + width <= WIDTH, words
        assert 10 <= y <= height - 6, words
        places.append((left, left + width, y, words))
    for one, other in combinations(places, 2):
        apart = one[0] >= other[1] or other[0] >= one[1] or abs(one[2] - other[2]) >= 11
        assert apart, (one, other)


@pytest.mark.parametrize("name", [n for n, of in PICTURES.items() if isinstance(of, States)])
def test_every_arrow_of_a_diagram_is_level_or_upright(name: str) -> None:
    of = PICTURES[name]
    assert isinstance(of, States)
    for each in of.arrows:
        for (x0, y0), (x1, y1) in zip(each.points, each.points[1:], strict=False):
            assert (x0 == x1) != (y0 == y1)


def test_the_states_of_the_list_are_those_of_the_code() -> None:
    told = {box.name.replace(" ", "_"): box.below for box in LIST.boxes}
    assert told.keys() == set(Freshness)
    assert {name for name, below in told.items() if "publishes" in below} == PUBLISHING
    assert FRESH_S == 120


def test_every_colour_of_the_light_page_has_one_for_the_dark_page() -> None:
    light, _, dark = STYLE.partition("@media (prefers-color-scheme: dark)")
    for kind in (".card", "text", ".small", ".lane", ".arrow", ".tip", ".plain", ".good", ".bad"):
        assert f"{kind} {{" in light
        assert f"{kind} {{" in dark

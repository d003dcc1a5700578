"""What docs/design.md lists is what the code has."""

import re

from presence.core.consent.model import Flag, Purpose
from presence.core.consent.taxonomy import SENSITIVE_CATEGORIES
from presence.core.recognition.identifiers import NEIGHBOUR_TOLERANCE_S, SLOT_S, WINDOW_S
from tests.support.paths import ROOT


def section(heading: str) -> str:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    found = re.search(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def test_the_deny_list_is_that_of_the_gate() -> None:
    nodes = re.findall(r"\b1\d{3}\b", section("Taxonomy"))
    assert {f"ap2:{node}" for node in nodes} == SENSITIVE_CATEGORIES


def test_the_purposes_and_flags_are_those_of_an_entry() -> None:
    assert set(re.findall(r"`(\w+)` \(", section("Purposes"))) == {each.value for each in Purpose}
    assert {each.value for each in Flag} <= set(re.findall(r"`(\w+)`", section("Entry")))


def test_the_times_are_those_of_an_identifier() -> None:
    text = section("Identity")
    assert f"{WINDOW_S:,} s" in text
    assert f"{SLOT_S:,} s" in text
    assert f"within {NEIGHBOUR_TOLERANCE_S} s of a boundary" in text

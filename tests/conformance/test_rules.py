"""The rules that the kit quotes are those of the document, word for word."""

import re

from presence.conformance.cases import CASES
from presence.conformance.rules import RULES
from tests.support.paths import ROOT

GUIDE = (ROOT / "docs" / "offer-engine.md").read_text(encoding="utf-8")
NOT_SEEN_FROM_OUTSIDE = {"E-5", "E-8"}


def test_the_rules_of_the_kit_are_those_of_the_guide() -> None:
    written = re.findall(r"^\* \*\*(E-\d+ .*?)\*\*", GUIDE, re.MULTILINE | re.DOTALL)
    assert [" ".join(each.split()) for each in written] == [str(rule) for rule in RULES]
    assert [rule.name for rule in RULES] == [f"E-{n}" for n in range(1, len(RULES) + 1)]


def test_each_rule_that_can_be_seen_from_outside_has_a_case() -> None:
    by_the_form = {"E-6", "E-12"}
    shown = {case.rule.name for case in CASES} | by_the_form
    assert shown == {rule.name for rule in RULES} - NOT_SEEN_FROM_OUTSIDE
    assert "E-5 and E-8 cannot be seen from outside" in GUIDE.replace("\n", " ")


def test_each_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert "form" not in {case.name for case in CASES}

"""The record of processing is of the settings: what changes there changes here."""

import json
import re
import tomllib
from dataclasses import replace

import pytest

from presence.accountability.processing import (
    BY_A_PERSON,
    TOUCH_PRIVACY,
    RecordPart,
    impact_assessment,
    record_of_processing,
)
from presence.accountability.promises import promises
from presence.config import Settings
from presence.config.reading import load_with_lines
from tests.support.paths import ROOT

GOLDEN = ROOT / "tests" / "vectors" / "record-of-processing.json"
SETTINGS, LINES = load_with_lines(ROOT / "config" / "minimal.yaml", Settings)
IN_THE_RECORD = {
    "notice.id", "notice.review_by", "audiences[].purpose", "audiences[].campaigns", "mqtt.tls",
}  # fmt: skip
"""Touch privacy, and are told in the record itself."""


def text_of(sections: tuple[RecordPart, ...]) -> str:
    return "\n".join(text for section in sections for _, text in section.rows)


@pytest.mark.requirement("R-26")
def test_the_record_of_the_smallest_file_is_the_golden_one() -> None:
    made = {
        "record_of_processing": [each.as_dict() for each in record_of_processing(SETTINGS)],
        "impact_assessment": [each.as_dict() for each in impact_assessment(SETTINGS, LINES)],
    }
    assert made == json.loads(GOLDEN.read_text("utf-8"))


@pytest.mark.requirement("R-26")
@pytest.mark.parametrize(
    ("section", "changes", "said"),
    [
        ("entry", {"absence_s": 600}, "In memory until 10 minutes after"),
        ("entry", {"reentry_cooldown_s": 7200}, "and 2 hours more"),
        ("events", {"expiry_s": 30}, "30 seconds in memory"),
        ("events", {"valid_for_s": 3600}, "acted on for 1 hour."),
        ("consent", {"lease_s": 1800}, "or 30 minutes if none comes"),
        ("consent", {"max_span_days": 90}, "after 90 days at most"),
        ("store", {"sensitive": True}, "Explicit consent, art. 9(2)(a)."),
        ("notice", {"controller": "Beispiel GmbH"}, "Beispiel GmbH"),
    ],
)
def test_a_changed_retention_changes_the_record(
    section: str, changes: dict[str, object], said: str
) -> None:
    changed = replace(SETTINGS, **{section: replace(getattr(SETTINGS, section), **changes)})
    assert said not in text_of(record_of_processing(SETTINGS))
    assert said in text_of(record_of_processing(changed))


@pytest.mark.requirement("R-26")
def test_settings_that_bear_on_privacy_and_differ_are_named_and_no_others() -> None:
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    bearing = set(re.findall(r"^\* \[`([^`]+)`\]", text, re.MULTILINE))
    assert bearing == {*TOUCH_PRIVACY, *IN_THE_RECORD}
    store = replace(SETTINGS.store, sensitive=True)
    metrics = replace(SETTINGS.metrics, port=9999)
    changed = replace(SETTINGS, store=store, metrics=metrics)
    lines = {**LINES, "store.sensitive": 3, "metrics.port": 4}
    found = dict(impact_assessment(changed, lines)[1].rows)
    assert found["store.sensitive"] == "Is true; as delivered false."
    assert "metrics.port" not in found


def test_an_address_of_the_list_is_told_without_its_password() -> None:
    consent = replace(SETTINGS.consent, repository="https://anna:secret@lists.example/x")
    text = text_of(record_of_processing(replace(SETTINGS, consent=consent)))
    assert "https://lists.example/x" in text
    assert "secret" not in text


def test_what_only_a_person_can_write_is_the_last_section() -> None:
    assert impact_assessment(SETTINGS, LINES)[-1].rows == BY_A_PERSON


def test_each_promise_is_a_requirement_and_ends_as_a_sentence() -> None:
    table = tomllib.loads((ROOT / "tests/support/requirements.toml").read_text("utf-8"))
    for promise in promises(SETTINGS):
        assert promise.requirement in table["requirements"]
        assert re.fullmatch(r"[A-Z].*\.", promise.sentence)

"""The page: one file for phone, screen and paper, in which a failure is seen at once."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from presence.accountability.page import page
from presence.accountability.report import EvidenceReport
from presence.accountability.strangers import SearchedArea, StrangerTest
from presence.config import load_settings
from presence.core.operations.audit_chain import ChainVerdict
from presence.diagnosis.findings import Verdict
from tests.support.builders import START_S
from tests.support.paths import ROOT

SETTINGS = load_settings(ROOT / "config" / "minimal.yaml")
LEAK = SearchedArea("log", 3, "lines", 900, ("address (base64) in a line",))
CLEAN = SearchedArea("state directory", 4, "files", 4000)


def stranger_test(*areas: SearchedArea, **changes: Any) -> StrangerTest:
    values: dict[str, Any] = {
        "strangers": 240, "advertisements": 660, "marks": 700, "spellings": 24,
        "searched": areas or (CLEAN,), "seen": {"the visits": True}, "broker": "mosquitto, MQTT 5",
        **changes,
    }  # fmt: skip
    return StrangerTest(**values)


def report(**changes: Any) -> EvidenceReport:
    values: dict[str, Any] = {
        "settings": SETTINGS, "lines": {}, "at_s": START_S, "status": None,
        "status_trouble": "no gateway answers", "chain": ChainVerdict(),
        "strangers": stranger_test(), **changes,
    }  # fmt: skip
    return EvidenceReport(**values)


class Whole(HTMLParser):
    """Raises where a tag is not closed; keeps what leads out of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.leading_out: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.leading_out += [name for name, _ in attrs if name in ("href", "src", "srcset")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_fetches_nothing_and_is_made_for_phone_dark_and_paper() -> None:
    text = page(report())
    assert Whole(text).leading_out == []
    assert "url(" not in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "prefers-color-scheme: dark" in text
    assert "size: A4" in text
    assert "`" not in text  # what is typed is set as such


@pytest.mark.requirement("R-26")
def test_a_trace_of_a_stranger_is_the_pages_verdict_and_is_shown_where_it_was_found() -> None:
    failed = report(strangers=stranger_test(CLEAN, LEAK))
    assert failed.verdict is Verdict.FAIL
    text = page(failed)
    assert 'gateway door-1</h1><span class="FAIL">FAIL</span>' in text
    assert '<span class="FAIL">FAIL</span> address (base64) in a line' in text
    assert "On this page, strangers: FAIL" in text


def test_what_could_not_be_asked_is_not_said_to_be_shown_on_the_page() -> None:
    shown = {number: how for number, _, how in report(chain=None).promised()}
    assert shown["R-05"] == "By the tests of the release"
    assert shown["R-16"] == shown["R-26"]
    assert shown["R-26"].endswith("alone: this gateway could not be asked")


def test_a_command_of_a_next_step_is_set_as_one_and_a_log_that_is_not_there_is_not_whole() -> None:
    text = page(report(status_trouble="ask `systemctl status presence`"))
    assert "ask <code>systemctl status presence</code>" in text
    assert "There is none." in text
    assert "agreed to <code>profiling</code>" in text


def test_the_page_says_that_it_was_not_the_gateway_that_runs() -> None:
    text = page(report())
    assert "It was not the gateway that runs." in text
    for difference in stranger_test().differences:
        assert difference in text
    assert "It was left out." in page(report(strangers=None))


def test_names_of_the_settings_and_of_the_log_are_text_and_no_markup() -> None:
    notice = replace(SETTINGS.notice, controller="A<b>c & Co", dpo_contact="<script>")
    record = {"what": "<i>", "at": "<u>", "n": 1, "prev": ""}
    text = page(report(settings=replace(SETTINGS, notice=notice), records=[record]))
    Whole(text)
    assert "A&lt;b&gt;c &amp; Co" in text
    assert not any(tag in text for tag in ("<script>", "<i>", "<u>"))


def test_who_looked_is_told_by_user_and_with_the_last_time() -> None:
    asked = {"what": "technician.asked", "uid": 1000, "asked": "metrics", "n": 1, "prev": ""}
    records = [{**asked, "at": f"2026-11-23T14:0{n}:00Z"} for n in range(3)]
    [look] = report(records=records).looks()
    assert (look["uid"], look["times"], look["last"]) == ("1000", 3, "2026-11-23T14:02:00Z")
    assert '<td>1000</td><td>metrics</td><td class="n">3</td>' in page(report(records=records))

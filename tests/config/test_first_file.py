"""The first file: what `config init` writes is what the reader takes, whatever was answered."""

from dataclasses import replace
from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from presence.config import load_settings, parse_settings
from presence.config.effective import REQUIRED, effective
from presence.config.first_file import Answers, first_file
from presence.config.settings import NoticeSettings, StoreSettings
from presence.config.walk import Misfit, parse_answer
from tests.support.paths import ROOT

MINIMAL = ROOT / "config" / "minimal.yaml"
ANSWERS = Answers(
    chain="acme",
    store="fi-0042",
    gateway="door-1",
    key_file="store.key",
    controller="Acme Oy",
    dpo_contact="privacy@acme.example",
    notice="fi-2026-03",
    review_by=date(2027, 3, 1),
    audience="offers-main",
    campaigns=["ap2:1551"],
)
one_line = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=3, max_size=200)
names = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)


def written(answers: Answers) -> str:
    return first_file(answers, schema="presence.schema.json", about="A test.")


def test_the_smallest_file_loads_and_says_nothing_but_what_has_no_default() -> None:
    settings = load_settings(MINIMAL)
    differing = [each for each in effective(settings, {}) if each.default != each.value]
    required = [each.path for each in differing if each.default == REQUIRED]
    assert len(required) == 10
    others = {each.path for each in differing} - set(required)
    assert others == {"audiences[0].campaigns", "radio.antennas"}, "an offer needs a category"


@pytest.mark.parametrize("line", yaml.safe_load(MINIMAL.read_text("utf-8")))
def test_no_section_of_the_smallest_file_can_be_left_out(line: str) -> None:
    sections = yaml.safe_load(MINIMAL.read_text("utf-8"))
    del sections[line]
    with pytest.raises(Exception, match=f"{line}: is missing"):
        parse_settings(yaml.safe_dump(sections), name="presence.yaml")


def test_the_smallest_file_has_at_most_six_lines_of_settings_and_fits_a_terminal() -> None:
    lines = MINIMAL.read_text("utf-8").splitlines()
    assert len([line for line in lines if line and not line.startswith("#")]) <= 6
    assert max(map(len, lines)) <= 80


@given(one_line, one_line, names)
def test_whatever_is_answered_is_read_as_it_was_typed(
    controller: str, contact: str, store: str
) -> None:
    answers = replace(ANSWERS, controller=controller, dpo_contact=contact, store=store)
    settings = parse_settings(written(answers), name="presence.yaml")
    assert settings.notice.controller == controller
    assert settings.notice.dpo_contact == contact
    assert settings.store.store == store
    assert settings.consent.list == f"acme/{store}"


@pytest.mark.parametrize("address", ["00:11:22:33:44:55", "00:1A:7D:DA:71:13", "usb:1-1.4"])
def test_an_address_stays_a_text_though_yaml_takes_some_for_numbers(address: str) -> None:
    antennas = [{"adapter": address, "place": "inside"}]
    text = written(replace(ANSWERS, antennas=antennas))
    assert parse_settings(text, name="p").radio.antennas[0].adapter == address


def test_hours_go_with_the_zone_that_they_are_in_and_no_line_is_too_wide() -> None:
    hours = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "09:00-21:00")
    text = written(replace(ANSWERS, opening_hours=hours, time_zone="Europe/Helsinki"))
    assert parse_settings(text, name="p").store.opening_hours == hours
    assert parse_settings(text, name="p").store.time_zone == "Europe/Helsinki"
    assert max(map(len, text.splitlines())) <= 80


def test_an_answer_is_held_to_the_rules_of_its_setting() -> None:
    assert parse_answer(StoreSettings, "chain", "0042") == "0042"
    assert parse_answer(StoreSettings, "opening_hours", "09:00-21:00") == "09:00-21:00"
    for section, key, text in (
        (StoreSettings, "chain", "Acme Oy"),
        (StoreSettings, "opening_hours", "9-21"),
        (NoticeSettings, "dpo_contact", "x"),
        (NoticeSettings, "controller", "a\x07b"),
        (StoreSettings, "key_file", "ab" * 32),
    ):
        with pytest.raises(Misfit) as complaint:
            parse_answer(section, key, text)
        assert "ab" * 32 not in str(complaint.value)

"""What the technician is told of the door's side, on the screen, in JSON and in the report."""

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from presence.config import parse_settings
from presence.config.settings import EntrySettings
from presence.core.place import Place
from presence.core.visit.calibration import CHEAPER_BY
from presence.core.visit.door_tables import PAIR as PAIR_TABLES
from presence.core.visit.door_tables import PAIR_AND_INSIDE
from presence.core.visit.fitting import OFFSET_ROOM_DB, of_walks
from presence.core.visit.side import Pairing
from presence.core.visit.walks import Walked
from presence.diagnosis.findings import Verdict
from presence.language import ENGLISH
from presence.survey import applying
from presence.survey.charts import distributions, side_strip, strip
from presence.survey.drawing import settings_lines, walk_lines
from presence.survey.guide import Doing, Walks, walk_acts
from presence.survey.outcome import SurveyOutcome
from presence.survey.plans import REMEDIES, ShopPlan, plan_of
from presence.survey.report import page
from presence.survey.screen import Screen
from presence.survey.sides import expected_s, judge_side
from presence.survey.walking import NEAR_ROOM_DB, Tuning, judge_walk, tune
from tests.support.settings_texts import MINIMAL
from tests.support.surveys import PLACES, a_side, a_tuning, simulated, tuned_by, walked


def test_below_six_decibels_the_walk_fails_with_the_remedy_in_the_headline() -> None:
    finding = judge_walk(a_tuning(side_db=4)).finding
    assert finding.verdict is Verdict.FAIL
    assert re.match(r"the door's side is [34]\.\d dB \(± \d\.\d\), too thin", finding.found)
    assert "turn the antennas away from each other, metal between them" in finding.next_step


@pytest.mark.parametrize(
    ("side_db", "uncertain_db", "verdict", "after_s"),
    [
        (6.0, 0.0, Verdict.WARN, 23),
        (8.6, 1.0, Verdict.WARN, 15),
        (10.0, 2.0, Verdict.PASS, 10.5),
        (10.0, 4.1, Verdict.WARN, 10.5),
        (12.85, 2.0, Verdict.PASS, 7.5),
        (25.0, 2.0, Verdict.PASS, 6),
    ],
)
def test_a_thin_side_warns_and_says_how_soon_people_will_be_found(
    side_db: float, uncertain_db: float, verdict: Verdict, after_s: float
) -> None:
    side = a_side(side_db, uncertain_db)
    part = judge_side(side, ShopPlan.PAIR)
    assert part.verdict is verdict
    assert expected_s(side) == pytest.approx(after_s, abs=0.1)
    assert f"about {expected_s(side):.0f} s" in part.words
    assert (part.step == "") is (verdict is Verdict.PASS)


def test_where_a_pair_hangs_already_nobody_is_told_to_hang_one() -> None:
    tuned = a_tuning()
    rates = {
        kind: replace(rate, any_phone=0.15, expected=0.001, at_most=0.01)
        for kind, rate in tuned.assessed_new.rates.items()
    }
    doubtful = replace(tuned, assessed_new=replace(tuned.assessed_new, rates=rates))
    finding = judge_walk(doubtful).finding
    assert finding.verdict is Verdict.WARN
    assert "larger plate" in finding.next_step
    alone = replace(doubtful, walks=Walks(), side=None)
    assert "hang a pair" in judge_walk(alone).finding.next_step


def test_two_antennas_that_have_each_others_place_are_told_to_be_swapped() -> None:
    finding = judge_walk(a_tuning(side_db=-9)).finding
    assert finding.verdict is Verdict.FAIL
    assert "each other's place" in finding.found
    assert "swap their places in the settings" in finding.next_step


@pytest.mark.parametrize("plan", ShopPlan)
def test_each_shop_plan_has_a_remedy_of_its_own(plan: ShopPlan) -> None:
    assert judge_side(a_side(3), plan).step == REMEDIES[plan]
    assert len(set(REMEDIES.values())) == len(ShopPlan)


def test_the_plan_is_read_off_the_antennas_until_the_technician_says_another() -> None:
    assert plan_of({Place.INSIDE}) is ShopPlan.ONE
    assert plan_of({Place.INSIDE, Place.DOOR}) is ShopPlan.TWO
    assert plan_of(set(Place)) is ShopPlan.PAIR
    tuned = a_tuning(side_db=3)
    assert judge_walk(tuned, ShopPlan.LOW_E).finding.next_step == REMEDIES[ShopPlan.LOW_E]


def test_without_an_antenna_outside_more_decibels_bring_nobody_in_sooner() -> None:
    side = a_side(20, 1, Pairing(Place.INSIDE, Place.DOOR))
    part = judge_side(side, ShopPlan.TWO)
    assert part.verdict is Verdict.WARN
    assert "about 26 s" in part.words
    assert "outside" in part.step


def test_an_antenna_that_heard_nothing_of_any_walk_fails_it_by_name() -> None:
    walks = walked()
    walks.places = {**PLACES, "satellite-2": Place.OUTSIDE}
    finding = judge_walk(tuned_by(walks)).finding
    assert finding.verdict is Verdict.FAIL
    assert "satellite-2 (outside) heard nothing of any walk" in finding.found


def test_the_figures_for_json_have_the_side_of_each_phone_and_what_the_rule_is_set_to() -> None:
    figures = judge_walk(a_tuning()).figures["side"]
    assert isinstance(figures, dict)
    assert figures["side_db"] == pytest.approx(12, abs=1)
    assert set(figures["by_phone_db"]) == {"Pixel 7", "iPhone 13"}
    assert set(figures["lead_db"]) == {"past", "window", "lookin", "in"}
    assert figures["side_offset_db"] == pytest.approx(
        (figures["lead_db"]["in"] + figures["lead_db"]["lookin"]) / 2, abs=0.1
    )
    json.dumps(figures)


def test_the_screen_draws_the_side_over_time_in_one_line_for_each_kind_of_walk() -> None:
    lines = list(walk_lines(a_tuning(), Screen(StringIO(), yes=True)))
    titles = {act.title for act in walk_acts(1)}
    drawn = [line for line in lines if line.strip().startswith(tuple(titles))]
    assert len(drawn) == len(titles)
    assert all("dBm" in line for line in drawn), "with the door's peak"
    assert max(map(len, lines)) <= 80
    assert any("Neither in nor out" in line for line in lines)


def test_the_report_draws_each_phone_and_a_bar_for_each_walk() -> None:
    walks = walked(rounds=2)
    side = tuned_by(walks).side
    assert side is not None
    svg = side_strip(walks, side, ENGLISH)
    assert svg.count("<polyline") == 2 * len(walks.recorded)
    assert svg.count('stroke-dasharray="3 2"') == len(walks.recorded)
    colours = set(re.findall(r'<polyline [^>]*stroke="(var[(]--\w+[)])"', svg))
    assert len(colours) == len({act.doing for act in walk_acts(1)})


def test_the_shop_to_practise_in_has_a_good_door_and_a_worse_one(tmp_path: Path) -> None:
    page = tmp_path / "door.html"
    pair = json.loads(simulated("--json", "--steps", "walk", "--report", page).stdout)
    two = json.loads(simulated("--json", "--steps", "walk", "--plan", "two").stdout)
    one = json.loads(simulated("--json", "--steps", "walk", "--plan", "one").stdout)
    walks = [each["steps"]["walk"] for each in (pair, two, one)]
    assert walks[0]["side"]["side_db"] > 10
    assert (walks[0]["side"]["inner"], walks[0]["side"]["outer"]) == ("door", "outside")
    assert walks[1]["side"]["outer"] == "door"
    assert walks[2]["side"] is None
    assert "The side of the door: " in page.read_text()


def test_the_suggestion_is_never_worse_on_these_walks_than_what_is_there() -> None:
    walks = walked(rounds=1, phones=1)
    for enter_dbm, evidence_db_s in ((-95, 5), (-81, 15), (-81, 120), (-60, 30)):
        now = EntrySettings(
            enter_rssi_dbm=enter_dbm, exit_rssi_dbm=enter_dbm - 10, evidence_db_s=evidence_db_s
        )
        tuned = tune(walks, now)
        assert isinstance(tuned, Tuning)
        assert tuned.assessed_new.cost <= tuned.assessed_now.cost + CHEAPER_BY
        again = tune(walks, tuned.new)
        assert isinstance(again, Tuning)
        assert again.changes() == {}, "what was suggested stays"


def test_where_the_sides_decide_their_three_numbers_are_fitted_and_one_places_stay() -> None:
    now = EntrySettings()
    tuned = a_tuning()
    assert tuned.changes().keys() <= {"side_offset_db", "near_dbm", "exit_rssi_dbm", "score"}
    assert (tuned.new.enter_rssi_dbm, tuned.new.evidence_db_s) == (
        now.enter_rssi_dbm,
        now.evidence_db_s,
    )
    assert tuned.side is not None
    assert tuned.new.side_offset_db is not None
    offset_db, near_dbm, _ = of_walks(tuned.side, PAIR_AND_INSIDE, 0)
    assert tuned.new.side_offset_db >= offset_db - OFFSET_ROOM_DB
    assert abs(tuned.new.near_dbm - near_dbm) <= NEAR_ROOM_DB
    assert all(
        rate.wrong == 0 for kind, rate in tuned.assessed_new.rates.items() if kind is not Walked.IN
    )
    finding = judge_walk(tuned).finding
    assert f"near {tuned.new.near_dbm:.0f} dBm" in finding.found
    assert "points" in finding.found


def test_present_settings_that_ask_for_less_than_the_tables_are_not_kept_however_quick() -> None:
    lax = EntrySettings(side_offset_db=-30, near_dbm=-95, score=5)
    tuned = tune(walked(), lax)
    assert isinstance(tuned, Tuning)
    assert tuned.assessed_now.median_s < tuned.assessed_new.median_s, "it is the quicker one"
    assert tuned.new.score is not None
    assert tuned.new.score >= PAIR_AND_INSIDE.threshold
    assert tuned.side is not None
    assert tuned.new.side_offset_db is not None
    offset_db, near_dbm, _ = of_walks(tuned.side, PAIR_AND_INSIDE, 0)
    assert tuned.new.side_offset_db >= offset_db - OFFSET_ROOM_DB
    assert tuned.new.near_dbm == near_dbm
    strict = EntrySettings(score=PAIR_AND_INSIDE.threshold * 3)
    fitted = tune(walked(), strict)
    assert isinstance(fitted, Tuning)
    assert fitted.new.score in (pytest.approx(PAIR_AND_INSIDE.threshold * n) for n in (1, 1.1, 1.2))


def test_a_pair_alone_is_fitted_and_its_inner_antenna_says_when_a_visit_is_over() -> None:
    walks = walked()
    walks.places = {name: place for name, place in PLACES.items() if place is not Place.INSIDE}
    walks.recorded = [
        replace(
            one,
            phones={
                phone: tuple(said for said in readings if said.place is not Place.INSIDE)
                for phone, readings in one.phones.items()
            },
        )
        for one in walks.recorded
    ]
    assert walks.within is Place.DOOR
    assert all(said.place is Place.DOOR for each in walks.said(Doing.INSIDE) for said in each)
    tuned = tuned_by(walks)
    assert tuned.numbers is not None
    assert tuned.numbers.threshold >= PAIR_TABLES.threshold
    assert tuned.new.exit_rssi_dbm == -72, "heard at -68 there: as near to the entry as may be"
    assert strip(walks, tuned, 15.0, ENGLISH).count("<circle") > 100


def test_what_the_sides_need_is_shown_and_written_where_it_was_not_set() -> None:
    tuned = tune(walked(), EntrySettings(near_dbm=-40))
    assert isinstance(tuned, Tuning)
    lines = "\n".join(settings_lines(tuned, Screen(StringIO(), yes=True)))
    assert "side_offset_db" in lines
    assert "(now not set)" in lines
    assert "enter " not in distributions(tuned, ENGLISH), "no strength by itself makes an entry"
    html = page(SurveyOutcome("radio", "acme/fi-0042 door-1", walks=tuned.walks, tuned=tuned))
    assert "<code>near_dbm: " in html
    assert "(was not set)" in html
    text = MINIMAL + "entry:\n  # of this door\n  near_dbm: -40  # measured\n"
    values = {key: new for key, (_, new) in tuned.changes().items()}
    written = applying.edited(text, values, name="presence.yaml")
    assert parse_settings(written, name="presence.yaml").entry == tuned.new
    assert "  # of this door\n" in written
    assert "  # measured\n" in written
    assert applying.same_but_entry(text, written, name="presence.yaml")


def test_without_a_look_in_nothing_is_suggested_and_the_technician_walks_again() -> None:
    walks = walked()
    walks.recorded = [one for one in walks.recorded if one.act.doing is not Doing.LOOKIN]
    tuned = tuned_by(walks)
    assert tuned.changes() == {}
    finding = judge_walk(tuned).finding
    assert finding.verdict is Verdict.WARN
    assert "the side was not measured" in finding.found

"""`presence scan-test` as the technician uses it: in the simulated shop, with captures, and on
files of their own.
"""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from presence.cli import parser
from presence.cli.scan_test import apply
from presence.config import load_settings
from presence.config.rules import read_store_key
from presence.config.settings import EntrySettings
from presence.core.consent.model import Flag
from presence.core.operations.snapshot import DoorStanding
from presence.core.place import Place
from presence.core.visit.calibration import Assessment, Rate
from presence.core.visit.door_tables import PAIR_AND_INSIDE
from presence.core.visit.walks import Walked, WalkReading
from presence.diagnosis import marks
from presence.diagnosis.findings import Verdict
from presence.edges.bluez.hci_count import ReportCounter, reports_in
from presence.edges.host import calibration
from presence.errors import ConfigurationError, StorageError, UsageError
from presence.ports import OnAdvertisement
from presence.simulation import Said
from presence.simulation.local_broker import free_port
from presence.survey import applying, report
from presence.survey.arriving import Once
from presence.survey.carried import Carried, models
from presence.survey.ears import RadioEar, SimulatedEar
from presence.survey.guide import (
    Act,
    Doing,
    Recorded,
    SurveyStep,
    Walks,
    broker_act,
    phone_act,
    planned_s,
    pockets_now,
    radio_act,
    walk_acts,
)
from presence.survey.hearing import Heard, TestPhones, only_test_phones
from presence.survey.judging import judge_phone, judge_radio
from presence.survey.outcome import SurveyOutcome
from presence.survey.practice import practice
from presence.survey.screen import WIDTH, Screen
from presence.survey.session import Session
from presence.survey.shares import share
from presence.survey.sources import marked
from presence.survey.visit_plan import Plan
from presence.survey.walking import Tuning, judge_walk
from tests.support.brokers import needs_mosquitto
from tests.support.builders import (
    ANNA,
    BERIT,
    START_S,
    a_list,
    advertisement,
    consent,
    moment,
    rules,
    stranger,
    with_flags,
)
from tests.support.canary import strangers, traces
from tests.support.captures import Heard as Report
from tests.support.captures import capture, extended_event, legacy_event
from tests.support.json_answers import judged
from tests.support.paths import ROOT
from tests.support.shops import Shop, entry, walking_in
from tests.support.signed_lists import agreed_now, with_signed_list
from tests.support.surveys import Terminal, scan_test, simulated

EXAMPLE = ROOT / "config" / "presence.yaml"


# --- in the simulated shop ---


@needs_mosquitto
@pytest.mark.requirement("R-19", "R-20", "T-25")
def test_a_whole_visit_in_the_simulated_shop_passes_and_suggests_a_threshold(
    tmp_path: Path,
) -> None:
    page = tmp_path / "door.html"
    done = simulated("--json", "--report", page)
    assert done.returncode in (0, 1), done.stderr
    result = judged("scan-test", done.stdout)
    assert result["verdict"] == result["steps"]["walk"]["verdict"], (
        "the door may be a difficult one, the rest is not"
    )
    assert list(result["steps"]) == ["radio", "phone", "walk", "broker"]
    radio, phone, walk, broker = result["steps"].values()
    assert radio["strangers"] > 100
    assert phone["formats"] == ["E1, Eddystone-EID"]
    assert [each["name"] for each in phone["phones"]] == ["phone 1", "phone 2"]
    assert all(each["per_second"] > 1 for each in phone["phones"])
    assert -80 < walk["suggested"]["entry"]["near_dbm"] < -65
    assert -6 < walk["suggested"]["entry"]["side_offset_db"] < 6
    assert walk["suggested"]["entry"]["score"] == PAIR_AND_INSIDE.threshold
    walks = {kind: rate["walks"] for kind, rate in walk["suggested"]["rates"].items()}
    assert walks.pop("past") in (4, 8, 12), "two phones, both ways, one to three rounds"
    assert walks.keys() == {"window", "lookin", "in"}
    assert set(walks.values()) <= {2, 4, 6}
    wrong = {kind: rate["wrong"] for kind, rate in walk["suggested"]["rates"].items()}
    missed = wrong.pop("in")
    assert set(wrong.values()) == {0}, "nobody enters who stayed out"
    assert missed <= 3, "a walk ends 20 s after the line, and these phones are 10 dB below HIGH"
    assert walk["suggested"]["entry"]["absence_s"] == walk["present"]["entry"]["absence_s"]
    assert broker["round_trip_s"] < 2
    html = page.read_text()
    assert html.count("<svg") == 3
    assert "http" not in html.replace("http-equiv", "")
    assert page.stat().st_mode & 0o077 == 0


def test_every_line_of_the_screen_fits_eighty_columns() -> None:
    done = simulated("--steps", "radio,phone,walk", "--rounds", "2")
    assert done.returncode in (0, 1), done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout
    assert "outside, " in done.stdout
    assert "█" in done.stdout
    helped = scan_test("--help")
    assert max(map(len, helped.stdout.splitlines())) <= 80
    assert "--simulated" in helped.stdout


def test_two_visits_with_one_seed_suggest_the_same() -> None:
    first, second = (
        json.loads(simulated("--json", "--steps", "walk", "--rounds", "2").stdout) for _ in range(2)
    )
    assert first["steps"]["walk"]["suggested"] == second["steps"]["walk"]["suggested"]


def test_steps_are_picked_in_their_own_order() -> None:
    options = parser().parse_args(["scan-test", "--simulated", "--steps", "phone,radio"])
    assert options.steps == (SurveyStep.RADIO, SurveyStep.PHONE)
    assert scan_test("--simulated", "--steps", "dance").returncode == 64


def test_without_a_terminal_and_without_yes_it_says_so() -> None:
    done = scan_test("--simulated", "--steps", "phone", "--speed", "100")
    assert done.returncode == 69
    assert "--yes" in done.stderr


class Eavesdropped(SimulatedEar):
    """Remembers what was on air, for the search afterwards."""

    said: set[Said]

    async def listen(self, act: Act, on_advertisement: OnAdvertisement) -> None:
        await super().listen(act, on_advertisement)
        self.said = getattr(self, "said", set()) | self.shop.said


@pytest.mark.requirement("R-01", "R-02", "R-03", "R-65")
async def test_strangers_in_the_simulated_shop_are_a_count_and_nothing_else(tmp_path: Path) -> None:
    out = StringIO()
    with practice(3, None) as shop:
        ear = Eavesdropped(shop.identity_keys, speed=1000, seed=3)
        settings = shop.settings
        given = shop.rules
        phones = TestPhones(shop.consents(ear.now().utc_s), given, ear.now())
        plan = Plan(
            steps=(SurveyStep.RADIO, SurveyStep.PHONE, SurveyStep.WALK),
            radio_s=30,
            walk=tuple(walk_acts(1)),
        )
        screen = Screen(out, yes=True)
        session = Session(plan, settings, given, ear=ear, phones=phones, screen=screen)
        outcome = await session.run()
    heard = marks.collect((said.address, said.payload) for said in ear.said)
    places = {
        "screen": out.getvalue().encode(),
        "json": json.dumps(outcome.as_dict()).encode(),
        "report": report.page(outcome).encode(),
        "memory": repr(outcome).encode(),
    }
    assert len(heard) > 150
    assert marks.search(heard, places) == []
    assert outcome.results[SurveyStep.RADIO].figures["strangers"] > 300  # type: ignore[operator]


# --- with a capture ---


def recorded(folder: Path, *, crowd: int = 0) -> Path:
    """Past the door from 5 to 17 s, in from 30 s; beside it marked strangers."""
    past = [(t, a, -88, p) for t, a, _, p in walking_in(at_s=START_S + 5, seconds=12)]
    within = [
        (t, a, -66 - n % 3, p)
        for n, (t, a, _, p) in enumerate(walking_in(at_s=START_S + 30, seconds=40))
    ]
    others = [
        (START_S + n * 0.01, a, -60, p)
        for n, (a, p) in enumerate(strangers(crowd))
        if p[0] < len(p)
    ]
    return capture(
        folder / "walk.btsnoop",
        [(START_S, b"\x4a\x01\x02\x03\x04\x05", -99, b""), *past, *within, *others],
    )


def a_shop(folder: Path) -> Shop:
    return Shop(folder / "shop", free_port()).open([entry(flags=["test"]), entry(BERIT)])


@pytest.mark.requirement("R-01", "R-03", "R-19")
def test_marked_strangers_in_a_capture_leave_no_trace_in_output_json_and_report(
    tmp_path: Path,
) -> None:
    count = 4000
    shop, file = a_shop(tmp_path), recorded(tmp_path, crowd=count)
    page, written = tmp_path / "door.html", shop.config.read_text()
    marks_given = "past:5-17,in:30-42,inside:42-60"
    done = scan_test(
        "--config",
        shop.config,
        "--replay",
        file,
        "--marks",
        marks_given,
        "--json",
        "--report",
        page,
    )
    assert done.returncode in (0, 1), done.stderr
    steps = json.loads(done.stdout)["steps"]
    assert steps["radio"]["strangers"] > 0.8 * count
    assert steps["walk"]["suggested"]["rates"]["past"]["wrong"] == 0
    assert steps["walk"]["suggested"]["rates"]["in"]["wrong"] == 0
    assert -88 < steps["walk"]["suggested"]["entry"]["enter_rssi_dbm"] < -65
    places = {
        "stdout": done.stdout.encode(),
        "stderr": done.stderr.encode(),
        "report": page.read_bytes(),
    }
    places |= {path.name: path.read_bytes() for path in shop.folder.rglob("*") if path.is_file()}
    assert traces(places, count) == []
    assert shop.config.read_text() == written
    assert sorted(path.name for path in shop.folder.iterdir()) == [
        "consents.jsonl",
        "presence.yaml",
        "store.key",
    ]


def walk_of_now(folder: Path, ref: bytes = ANNA) -> Path:
    return capture(folder / "now.btsnoop", walking_in(ref, at_s=time.time(), seconds=40))


def test_a_shop_with_the_signed_list_can_be_calibrated_and_nothing_of_the_look_stays(
    tmp_path: Path,
) -> None:
    shop = a_shop(tmp_path)
    with_signed_list(
        shop, tmp_path, agreed_now(ANNA, flags=frozenset({Flag.TEST})), agreed_now(BERIT)
    )
    command = ("--config", shop.config, "--replay", walk_of_now(tmp_path), "--json")
    done = scan_test(*command, "--marks", "in:0-12,inside:12-40", "--steps", "phone")
    assert done.returncode == 0, done.stderr
    phone = json.loads(done.stdout)["steps"]["phone"]
    assert (phone["test_phones_in_list"], phone["test_phones_heard"]) == (1, 1)
    of_berit = scan_test(
        "--config", shop.config, "--replay", walk_of_now(tmp_path, BERIT), "--json"
    )
    assert json.loads(of_berit.stdout)["steps"]["phone"]["test_phones_heard"] == 0
    assert list((shop.folder / "run").iterdir()) == []
    assert not (shop.folder / "state").exists()


def test_a_list_that_cannot_be_read_is_no_warning_of_the_door(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    repository = with_signed_list(shop, tmp_path, agreed_now(ANNA))
    repository.folder.rename(tmp_path / "gone")
    done = scan_test("--config", shop.config, "--replay", walk_of_now(tmp_path), "--json")
    assert done.returncode == 69
    assert "is consent.repository right" in done.stderr
    assert done.stdout == ""


def test_a_capture_without_marks_tells_of_radio_and_phone_alone(tmp_path: Path) -> None:
    shop, file = a_shop(tmp_path), recorded(tmp_path)
    done = scan_test("--config", shop.config, "--replay", file, "--json")
    assert list(json.loads(done.stdout)["steps"]) == ["radio", "phone"]
    assert scan_test("--config", shop.config, "--replay", file, "--steps", "walk").returncode == 64
    assert (
        scan_test("--config", shop.config, "--replay", file, "--steps", "broker").returncode == 64
    )


def test_a_damaged_capture_is_a_warning_and_what_is_readable_counts(tmp_path: Path) -> None:
    shop, file = a_shop(tmp_path), recorded(tmp_path)
    file.write_bytes(file.read_bytes()[:-7])
    done = scan_test("--config", shop.config, "--replay", file, "--steps", "radio", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["steps"]["radio"]["advertisements"] > 150


@pytest.mark.parametrize("text", ["window:5", "window:9-5", "dance:1-2", "in:1-2;past:3-4"])
def test_marks_that_cannot_be_read_are_refused_in_words(text: str) -> None:
    with pytest.raises(UsageError, match="window:5-25"):
        list(marked(text))


# --- what is walked ---


def test_a_whole_visit_with_its_ways_and_questions_takes_ten_minutes_at_most() -> None:
    options = parser().parse_args(["scan-test"])
    plan = Plan(steps=tuple(SurveyStep), walk=tuple(walk_acts(options.rounds)))
    acts = [
        radio_act(plan.radio_s), phone_act(plan.phone_s), *plan.walk, broker_act(plan.broker_s),
    ]  # fmt: skip
    assert 300 < planned_s(acts, options.ready) <= 600


def test_a_round_has_six_kinds_of_walk_and_four_questions() -> None:
    acts = list(walk_acts(2))
    assert {act.doing for act in acts} == {
        Doing.WINDOW, Doing.PAST, Doing.LOOKIN, Doing.IN, Doing.INSIDE, Doing.LEAVE,
    }  # fmt: skip
    assert [act.round for act in acts] == [0] * 7 + [1] * 7
    unasked = [act.doing for act in acts if not act.ask]
    assert unasked == [Doing.PAST, Doing.INSIDE, Doing.LEAVE] * 2


def test_the_pockets_change_with_each_round_and_the_screen_says_which_now() -> None:
    assert pockets_now(("Pixel 7", "iPhone 13"), 0) == "Pockets now: Pixel 7 left, iPhone 13 right."
    assert pockets_now(("Pixel 7", "iPhone 13"), 1) == "Pockets now: Pixel 7 right, iPhone 13 left."
    door = ("--door", "middling")  # of which one round is not enough
    done = simulated("--steps", "walk", "--rounds", "2", "--phones", "Pixel 7, iPhone 13", *door)
    said = [line for line in done.stdout.splitlines() if "Pockets now" in line]
    assert said == [
        "  Pockets now: Pixel 7 left, iPhone 13 right.",
        "  Pockets now: Pixel 7 right, iPhone 13 left.",
    ]


def readings(rssi_dbm: int, number: int, antenna: str = "hci0") -> list[WalkReading]:
    return [WalkReading(n / 4, rssi_dbm, Place.INSIDE, antenna) for n in range(number)]


def test_the_phone_near_the_gateway_is_the_first_whatever_far_antennas_hear() -> None:
    carried = Carried(("Pixel 7", "iPhone 13"))
    far = readings(-85, 30, "door")
    carried.find_nearest({ANNA: far + readings(-62, 8), BERIT: far + readings(-50, 8)})
    assert carried.names == ("Pixel 7", "iPhone 13")
    assert carried.readings({BERIT: readings(-50, 1)}) == {1: tuple(readings(-50, 1)), 2: ()}


def test_a_test_phone_that_lies_in_the_shop_is_none_that_is_carried() -> None:
    carried = Carried(("Pixel 7",))
    carried.find_nearest({ANNA: readings(-80, 40), BERIT: readings(-55, 30)})
    assert list(carried.readings({ANNA: readings(-80, 40), BERIT: []})) == [1]
    assert carried.readings({ANNA: readings(-80, 40)})[1] == ()


def test_a_phone_that_is_much_weaker_at_the_gateway_is_not_in_the_other_hand() -> None:
    carried = Carried()
    carried.find_nearest({ANNA: readings(-80, 40), BERIT: readings(-55, 30)})
    assert carried.names == ("phone 1",)
    carried = Carried()
    carried.find_nearest({ANNA: readings(-70, 40), BERIT: readings(-55, 30)})
    assert carried.names == ("phone 1", "phone 2")


def test_without_the_step_phone_those_that_were_heard_most_are_carried() -> None:
    carried = Carried()
    carried.find_most_heard([{ANNA: readings(-80, 4), BERIT: readings(-80, 9)}, {ANNA: []}])
    assert carried.names == ("phone 1", "phone 2")
    carried.find_most_heard([{ANNA: readings(-80, 99)}])
    assert carried.readings({BERIT: readings(-70, 1)})[1], "the first finding stays"


@pytest.mark.parametrize(
    "text", ["A, B, C", "Pixel 7,", "00:1A:7D:DA:71:13", "35 209900 176148", "a1b2c3d4", "Anna's"]
)
def test_a_phone_is_named_by_its_model_and_by_nothing_that_tells_whose_it_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"no model|at most"):
        models(text)
    assert scan_test("--simulated", "--phones", text).returncode == 64
    assert models("Pixel 7 ,  iPhone 13 (2021)") == ("Pixel 7", "iPhone 13 (2021)")


def test_one_round_of_walking_gives_a_walk_for_each_phone() -> None:
    walks = Walks(
        [
            Recorded(act, 100.0 * n, {1: tuple(readings(-70, 9)), 2: ()})
            for n, act in enumerate(walk_acts(1))
        ]
    )
    assert [(trial.phone, trial.kind) for trial in walks.trials()] == [
        (1, Walked.WINDOW), (1, Walked.PAST), (1, Walked.PAST), (1, Walked.LOOKIN), (1, Walked.IN),
    ]  # fmt: skip
    walks.recorded[0].phones[2] = tuple(readings(-70, 9))  # type: ignore[index]
    trials = walks.trials()
    assert len(trials) == 10
    assert not trials[-1].readings, "a walk on which a phone was not heard is a walk, too"


# --- hearing and judging ---


@pytest.mark.requirement("R-01", "R-02")
def test_customers_are_strangers_to_the_technician() -> None:
    phones = TestPhones(a_list(with_flags(Flag.TEST), consent(ref=BERIT)), rules(), moment())
    heard = Heard(0.0)
    for heard_one in (
        advertisement(),
        advertisement(ref=BERIT),
        stranger(),
        advertisement(rssi_dbm=None),
    ):
        phones.hear(heard_one, heard)
    assert (heard.strangers, list(heard.phones), heard.unknown_strength, heard.number) == (
        2,
        [ANNA],
        1,
        4,
    )
    assert "a1a2a3" not in repr(heard)


def test_a_test_phone_is_as_loud_to_the_technician_as_to_the_gateway() -> None:
    """What the walks say becomes the gateway's settings, and it takes the loudness off."""
    for louder, reference_tx_dbm, heard_dbm in ((0, -18, -60), (8, -18, -68), (0, -20, -62)):
        consents = a_list(with_flags(Flag.TEST, loudness_db=louder))
        heard = Heard(0.0)
        phones = TestPhones(consents, rules(reference_tx_dbm=reference_tx_dbm), moment())
        phones.hear(advertisement(rssi_dbm=-60), heard)
        assert [reading.rssi_dbm for reading in heard.readings] == [heard_dbm]


def test_the_list_for_the_gateway_of_the_last_step_holds_test_phones_only() -> None:
    kept = only_test_phones(a_list(with_flags(Flag.TEST), consent(ref=BERIT)))
    assert list(kept.entries) == [ANNA]
    source = Once(kept)
    verified = source.read()
    assert verified is not None
    assert (verified.header, verified.entries) == (kept.header, 1)
    assert verified.indexed is not None
    assert source.read() is None


def heard_phone(
    rssi_dbm: int = -60, *, every_s: float = 0.25, seconds: float = 10
) -> tuple[TestPhones, Heard]:
    phones, heard = (
        TestPhones(a_list(with_flags(Flag.TEST)), rules(), moment()),
        Heard(moment().monotonic_s),
    )
    for n in range(int(seconds / every_s)):
        phones.hear(advertisement(at=moment(n * every_s), rssi_dbm=rssi_dbm), heard)
    return phones, heard


def carrying(heard: Heard, *models: str) -> Carried:
    carried = Carried(models)
    carried.find_nearest(heard.phones)
    return carried


@pytest.mark.parametrize(
    ("rssi_dbm", "every_s", "verdict", "words"),
    [
        (-60, 0.25, Verdict.PASS, ""),
        (-90, 0.25, Verdict.WARN, "weak"),
        (-60, 1.9, Verdict.WARN, "seldom"),
        (-60, 4.9, Verdict.FAIL, "repeats do not arrive"),
    ],
)
def test_a_test_phone_is_judged_by_rate_repeats_and_strength(
    rssi_dbm: int, every_s: float, verdict: Verdict, words: str
) -> None:
    phones, heard = heard_phone(rssi_dbm, every_s=every_s)
    finding = judge_phone(phones, heard, carrying(heard), 10, START_S).finding
    assert finding.verdict is verdict
    assert words in finding.next_step


def test_the_second_phone_at_arms_length_may_be_weak() -> None:
    phones, heard = heard_phone(-70)
    weaker = [each._replace(rssi_dbm=-86) for each in next(iter(heard.phones.values()))]
    heard.phones[b"another!"] = weaker
    found = judge_phone(phones, heard, carrying(heard), 10, START_S)
    assert [each["median_rssi_dbm"] for each in found.figures["phones"]] == [-70, -86]
    assert found.finding.verdict is Verdict.PASS


def test_a_packet_that_three_antennas_heard_is_one_packet() -> None:
    phones, heard = heard_phone(-60, every_s=4.9)
    for readings_of_one in heard.phones.values():
        readings_of_one += [each._replace(antenna="hci1") for each in readings_of_one]
    assert heard.repeats == 0
    finding = judge_phone(phones, heard, carrying(heard), 10, START_S).finding
    assert "repeats do not arrive" in finding.next_step


def test_a_phone_that_was_named_and_is_not_heard_is_missed() -> None:
    phones, heard = heard_phone()
    carried = carrying(heard, "Pixel 7", "iPhone 13")
    finding = judge_phone(phones, heard, carried, 10, START_S).finding
    assert finding.verdict is Verdict.WARN
    assert "1 of the 2 phones heard" in finding.found
    assert "the other phone" in finding.next_step


def test_a_phone_that_is_not_heard_has_a_reason_for_each_cause() -> None:
    def said(phones: TestPhones, fault: str = "") -> str:
        finding = judge_phone(phones, Heard(0.0), Carried(), 10, START_S, fault=fault).finding
        assert finding.verdict is Verdict.FAIL
        return f"{finding.found}; {finding.next_step}"

    phones = TestPhones(a_list(with_flags(Flag.TEST)), rules(), moment())
    assert "flag `test`" in said(TestPhones(a_list(consent()), rules(), moment()))
    assert "window's keys" in said(
        TestPhones(a_list(with_flags(Flag.TEST), keys=()), rules(), moment())
    )
    assert "plug one in" in said(phones, fault="no Bluetooth adapter: plug one in")
    assert "app running" in said(phones)


def test_a_silent_radio_a_faulty_one_and_one_that_pauses_are_told_apart() -> None:
    with practice(1, None) as shop:
        ear = SimulatedEar(shop.identity_keys, speed=1, seed=1)
    heard = Heard(0.0, strangers=9, longest_gap_s=5.5)
    assert judge_radio(ear, Heard(0.0, strangers=9), 10, None).finding.verdict is Verdict.PASS
    assert judge_radio(ear, Heard(0.0), 10, None).finding.verdict is Verdict.WARN
    assert judge_radio(ear, Heard(0.0), 10, 0).finding.verdict is Verdict.FAIL
    assert judge_radio(ear, Heard(0.0), 10, 700).finding.verdict is Verdict.PASS
    assert "pauses" in judge_radio(ear, heard, 10, None).finding.next_step
    ear.fault = "the adapter is powered off"
    assert judge_radio(ear, Heard(0.0), 10, None).finding.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("packet", "reports"),
    [
        (b"\x04" + legacy_event(Report(), Report()), 2),
        (b"\x04" + extended_event(Report()), 1),
        (b"\x04\x0e\x04\x01\x0c\x20\x00", 0),
        (b"\x02" + legacy_event(Report()), 0),
        (b"\x04\x3e\x02\x02", 0),
        (b"", 0),
    ],
)
def test_of_a_report_the_counter_reads_how_many_and_no_more(packet: bytes, reports: int) -> None:
    assert reports_in(packet[:5]) == reports


def test_where_the_system_does_not_let_us_count_there_is_no_count() -> None:
    with ReportCounter.open(["hci99"]) as counter:
        assert counter is None


def test_the_count_on_air_empties_the_sockets_and_adds_up_their_reports() -> None:
    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, kernels:
        ours.setblocking(False)
        counter = ReportCounter([ours])
        for event in (legacy_event(Report(), Report()), extended_event(Report()), b"\x0e\x01\x00"):
            kernels.send(b"\x04" + event)
        assert counter.take() == 3
        assert counter.take() == 0


async def test_between_acts_the_radio_listens_on_and_nobody_hears_it(tmp_path: Path) -> None:
    ear = RadioEar(load_settings(Shop(tmp_path, 1883).open([]).config), None)
    heard: list[object] = []
    ear.hear(advertisement())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ear.listen(Act(Doing.PHONE, 0.05, ""), heard.append))
        await asyncio.sleep(0)
        ear.hear(advertisement())
    ear.hear(advertisement())
    assert len(heard) == 1
    assert "radio mode auto" in ear.what


@pytest.mark.skipif(Path("/sys/class/bluetooth").exists(), reason="this machine has a radio")
@pytest.mark.slow
def test_without_a_radio_each_step_fails_with_its_next_step_and_nothing_is_stored(
    tmp_path: Path,
) -> None:
    now_s = time.time()
    stamps = {"published_at": int(now_s), "suppression_checked_at": int(now_s)}
    shop = Shop(tmp_path / "shop", free_port()).open(
        [entry(around_s=now_s, flags=["test"])], **stamps
    )
    done = scan_test("--config", shop.config, "--yes", "--ready", "0", "--steps", "radio", "--json")
    assert done.returncode == 2, done.stderr
    steps = json.loads(done.stdout)["steps"].values()
    assert all(step["verdict"] == "FAIL" and step["next_step"] for step in steps)
    assert sorted(path.name for path in shop.folder.iterdir()) == [
        "consents.jsonl",
        "presence.yaml",
        "store.key",
    ]


def test_the_wait_between_coming_in_and_staying_is_no_part_of_the_walk() -> None:
    walks = Walks()
    for doing, began_s, seconds in (
        (Doing.PAST, 0.0, 12),
        (Doing.IN, 100.0, 12),
        (Doing.INSIDE, 500.0, 20),
    ):
        readings = [WalkReading(began_s + n, -70) for n in range(seconds)]
        walks.recorded.append(Recorded(Act(doing, seconds, ""), began_s, {1: tuple(readings)}))
    past, within = walks.trials()
    assert (past.kind, within.kind) == (Walked.PAST, Walked.IN)
    assert [reading.at_s for reading in within.readings] == [100.0 + n for n in range(32)]


# --- writing the settings ---


def applied(text: str, values: dict[str, float], folder: Path) -> str:
    new = applying.edited(text, values, name=str(folder / "presence.yaml"))
    assert applying.same_but_entry(text, new, name=str(folder / "presence.yaml"))
    return new


VALUES = {"enter_rssi_dbm": -79.0, "exit_rssi_dbm": -86.5, "window_s": 8.0}


def test_only_the_changed_values_of_the_example_file_change_and_all_comments_stay(
    tmp_path: Path,
) -> None:
    old = EXAMPLE.read_text()
    new = applied(old, VALUES, tmp_path)
    changed = [(a, b) for a, b in zip(old.splitlines(), new.splitlines(), strict=True) if a != b]
    assert changed == [
        ("  enter_rssi_dbm: -67", "  enter_rssi_dbm: -79"),
        ("  exit_rssi_dbm: -85", "  exit_rssi_dbm: -86.5"),
        ("  window_s: 15", "  window_s: 8"),
    ]
    assert list(applying.difference(old, new))[1:3] == [
        "-  enter_rssi_dbm: -67",
        "+  enter_rssi_dbm: -79",
    ]


@pytest.mark.parametrize(
    "section",
    [
        "",
        "entry:\n",
        "entry:   # tuned in May\n",
        "entry: {}\n",
        "entry: {enter_rssi_dbm: -70, min_duration_s: 3}  # short\n",
        "entry:\n    # why\n    min_duration_s: 3  # three\n",
        "entry:\n  enter_rssi_dbm: -70   # old\n  exit_rssi_dbm: -80\nlog: {level: info}\n",
        "entry: {\n  enter_rssi_dbm: -70,\n  min_duration_s: 3,\n}\n",
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_section_may_be_missing_empty_short_or_long(
    section: str, ends: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, 1883).open([entry()])
    base = shop.config.read_text()
    base = base.replace("log: {format: json}\n", "") if "log:" in section else base
    old = (base + section).replace("\n", ends)
    new = applied(old, VALUES, tmp_path)
    shop.config.write_bytes(new.encode())
    tuned = load_settings(shop.config).entry
    assert (tuned.enter_rssi_dbm, tuned.exit_rssi_dbm, tuned.window_s) == (-79, -86.5, 8)
    if "enter_rssi_dbm" not in section:
        assert new.index("enter_rssi_dbm") < new.index("exit_rssi_dbm") < new.index("window_s")
    assert [
        word
        for word in ("# tuned in May", "# short", "# why", "# three", "# old")
        if word in section
    ] == [
        word for word in ("# tuned in May", "# short", "# why", "# three", "# old") if word in new
    ]


def test_the_old_file_is_kept_and_a_file_that_would_not_load_is_never_put_in_place(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path, 1883).open([entry()])
    shop.config.chmod(0o640)
    old = applying.read(shop.config)
    backup = applying.write(shop.config, old, applied(old, VALUES, tmp_path))
    assert backup.read_text() == old
    assert load_settings(shop.config).entry.enter_rssi_dbm == -79
    assert shop.config.stat().st_mode & 0o777 == 0o640
    now = applying.read(shop.config)
    with pytest.raises(ConfigurationError):
        applying.write(shop.config, now, now + "\nentri: {}\n")
    with pytest.raises(StorageError, match="meanwhile"):
        applying.write(shop.config, old, old)
    assert applying.read(shop.config) == now
    assert {path.name for path in tmp_path.iterdir()} == {
        "presence.yaml", backup.name, "store.key", "consents.jsonl",
    }  # fmt: skip


MARKS = "past:5-17,in:30-42,inside:42-60"


def test_apply_shows_the_difference_and_writes_what_was_suggested(tmp_path: Path) -> None:
    shop, file = a_shop(tmp_path), recorded(tmp_path)
    old = shop.config.read_text()
    command = (
        "--config",
        shop.config,
        "--replay",
        file,
        "--marks",
        MARKS,
        "--steps",
        "walk",
        "--json",
        "--apply",
    )
    refused = scan_test(*command, stdin="\n")
    assert refused.returncode in (0, 1), refused.stderr
    assert "nothing was written" in refused.stderr
    assert shop.config.read_text() == old
    done = scan_test(*command, stdin="y\n")
    suggested = json.loads(done.stdout)["steps"]["walk"]["suggested"]["entry"]
    tuned = load_settings(shop.config).entry
    assert tuned.enter_rssi_dbm == suggested["enter_rssi_dbm"]
    assert tuned.evidence_db_s == suggested["evidence_db_s"]
    assert "+  enter_rssi_dbm:" in done.stderr
    (backup,) = shop.folder.glob("presence.yaml.bak-*")
    assert backup.read_text() == old


@pytest.mark.parametrize(("where", "recorded_as"), [("door", "WARN"), ("capture", None)])
async def test_a_walk_of_this_door_that_is_applied_is_recorded_and_one_of_a_capture_is_not(
    where: str, recorded_as: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, tuned = a_shop(tmp_path), walked(false=0.05)
    outcome = SurveyOutcome(
        "hci0", "acme/fi-0042", results={SurveyStep.WALK: judge_walk(tuned)}, tuned=tuned
    )
    options = parser().parse_args(["scan-test", "--config", str(shop.config), "--apply"])
    options.replay = tmp_path / "walk.btsnoop" if where == "capture" else None
    options.sign_off = "M. Meikäläinen"

    def standing() -> DoorStanding:
        settings = load_settings(shop.config)
        return calibration.standing(settings, read_store_key(settings.store.key_file), time.time())

    assert "never calibrated" in standing().doubt
    for change in ({}, {"enter_rssi_dbm": -83.0}):
        outcome.tuned = replace(tuned, new=replace(tuned.now, **change))
        answers = tmp_path / "answers"
        answers.write_text("y\n")
        with answers.open() as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            await apply(options, outcome, Screen(StringIO(), yes=False))
        assert (standing().doubt == "") is (recorded_as is not None)
        assert (standing().valid_until != "") is (recorded_as is not None)
    if recorded_as:
        settings = load_settings(shop.config)
        kept = calibration.read(settings, read_store_key(settings.store.key_file))
        assert (kept.verdict, kept.signed_off_by) == (recorded_as, "M. Meikäläinen")
        assert set(kept.measured) >= {"this_phone", "any_phone", "side"}
    assert load_settings(shop.config).entry.enter_rssi_dbm == -83


def test_yes_means_ready_and_never_that_a_file_may_be_written(tmp_path: Path) -> None:
    shop, file = a_shop(tmp_path), recorded(tmp_path)
    old = shop.config.read_text()
    done = scan_test(
        "--config",
        shop.config,
        "--replay",
        file,
        "--marks",
        MARKS,
        "--steps",
        "walk",
        "--apply",
        "--yes",
    )
    assert done.returncode == 69
    assert "nothing was written" in done.stderr
    assert shop.config.read_text() == old


@pytest.mark.parametrize("more", [(), ("--yes",)])
def test_practice_is_never_written_into_a_real_file(tmp_path: Path, more: tuple[str, ...]) -> None:
    shop = Shop(tmp_path, 1883).open([entry()])
    old = shop.config.read_text()
    done = scan_test(
        "--simulated", "--speed", "300", "--config", shop.config, "--apply", *more, stdin="y\n"
    )
    assert done.returncode == 64
    assert "--apply" in done.stderr
    assert (done.stdout, shop.config.read_text()) == ("", old)


# --- the verdict ---


def walked(
    *, false: float = 0.0, missed: float = 0.0, walks: int = 6, this_phone: float = 0.001
) -> Tuning:
    """A walk that went well with the technician's phone; the shares are those of any phone."""
    rates = {
        kind: Rate(0, walks, 0.39, this_phone, 0.02, any_phone)
        for kind, any_phone in (
            (Walked.PAST, false / 2),
            (Walked.WINDOW, false),
            (Walked.IN, missed),
        )
    }
    now = EntrySettings()
    return Tuning(now, Assessment(-75, rates, (4.0,)), now, Assessment(-75, rates, (4.0,)), Walks())


@pytest.mark.parametrize(
    ("tuned", "verdict"),
    [
        (walked(false=0.02, missed=0.10), Verdict.PASS),
        (walked(false=0.03), Verdict.WARN),
        (walked(missed=0.11), Verdict.WARN),
        (walked(false=0.083, missed=0.11), Verdict.WARN),
        (walked(false=0.21), Verdict.FAIL),
        (walked(missed=0.51), Verdict.FAIL),
        (walked(false=0.21, walks=1), Verdict.WARN),
        (walked(this_phone=0.03), Verdict.WARN),
        (walked(this_phone=0.2), Verdict.FAIL),
    ],
)
def test_the_verdict_judges_any_phone_and_the_headline_says_it(
    tuned: Tuning, verdict: Verdict
) -> None:
    finding = judge_walk(tuned).finding
    assert finding.verdict is verdict
    false, missed = (
        tuned.assessed_new.rates[kind].any_phone for kind in (Walked.WINDOW, Walked.IN)
    )
    assert f"any phone {share(false)} false, {share(missed)} missed" in finding.found
    assert (finding.next_step == "") is (verdict is Verdict.PASS)


# --- on a terminal ---


def test_on_a_terminal_it_asks_shows_a_bar_and_waits_for_enter(
    terminal: Callable[..., Terminal],
) -> None:
    technician = terminal("--simulated", "--steps", "phone", "--speed", "20")
    technician.read("Enter when you are ready")
    technician.type("\n")
    technician.read("dBm █")
    assert technician.end() == 0
    assert "PASS" in technician.screen


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_the_terminal_as_it_was(
    terminal: Callable[..., Terminal], number: int
) -> None:
    technician = terminal("--simulated", "--steps", "phone,walk", "--speed", "2")
    technician.read("Enter when you are ready")
    technician.type("\n")
    technician.read("░")
    technician.process.send_signal(number)
    assert technician.end() == 128 + number
    assert "Traceback" not in technician.screen
    for mode in (
        "\x1b[?25l",
        "\x1b[?1049h",
        "\x1b[?2004h",
    ):  # cursor, other screen, bracketed paste
        assert mode not in technician.screen


def test_a_terminal_of_ascii_gets_bars_of_ascii() -> None:
    class Plain(StringIO):
        encoding = "ascii"

    out = Plain()
    screen = Screen(out, yes=True)
    screen.heading("radio")
    screen.say(screen.strength(-60))
    assert out.getvalue().isascii()
    assert len(out.getvalue().splitlines()[1]) == WIDTH


# --- end to end, where it goes wrong ---


async def tried(configure: Callable[[Any], Any]) -> str:
    with practice(4, None) as shop:
        settings = configure(shop.settings)
        ear = SimulatedEar(shop.identity_keys, speed=1000, seed=4)
        given = shop.rules
        phones = TestPhones(shop.consents(ear.now().utc_s), given, ear.now())
        session = Session(
            Plan(steps=(SurveyStep.BROKER,)),
            settings,
            given,
            ear=ear,
            phones=phones,
            screen=Screen(StringIO(), yes=True),
        )
        finding = (await session.run()).results[SurveyStep.BROKER].finding
    assert finding.verdict is Verdict.FAIL
    return f"{finding.found}; {finding.next_step}"


@pytest.mark.slow
async def test_a_broker_that_is_not_there_fails_with_its_address_and_a_next_step() -> None:
    port = free_port()
    said = await tried(lambda settings: replace(settings, mqtt=replace(settings.mqtt, port=port)))
    assert f"127.0.0.1:{port} is not reached" in said
    assert said.split("; ")[1]


@needs_mosquitto
async def test_without_the_audience_the_daemon_would_not_tell_and_the_technician_learns_it(
    tmp_path: Path,
) -> None:
    from presence.survey.practice import with_broker

    with practice(4, None) as shop:
        settings = replace(
            shop.settings, audiences=[replace(shop.settings.audiences[0], name="pick-up")]
        )
        ear = SimulatedEar(
            shop.identity_keys, speed=10, seed=4, antennas=shop.antennas, air=shop.air
        )
        given = replace(shop, settings=settings).rules
        phones = TestPhones(shop.consents(ear.now().utc_s), given, ear.now())
        plan = Plan(steps=(SurveyStep.PHONE, SurveyStep.BROKER), broker=with_broker)
        settings = replace(settings, entry=replace(settings.entry, near_dbm=-74))
        session = Session(
            plan, settings, given, ear=ear, phones=phones, screen=Screen(StringIO(), yes=True)
        )
        outcome = await session.run()
    finding = outcome.results[SurveyStep.BROKER].finding
    assert finding.verdict is Verdict.WARN, finding
    assert "received back" in finding.found
    assert "{name: test, purpose: service}" in finding.next_step

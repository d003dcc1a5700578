"""The file of a visit: what it holds, when it is refused, and how a visit goes on after a lost
line.
"""

import json
import os
import signal
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.cli import parser
from presence.cli.exit_codes import ExitCode
from presence.cli.scan_test import start
from presence.core.consent.list_json import ConsentList
from presence.core.encoding import REF_BYTES
from presence.core.place import Place
from presence.core.visit.walks import WalkReading
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.host.calibration import settings_digest
from presence.edges.host.clock import SystemClock
from presence.edges.host.survey_file import FILE_NAME
from presence.errors import ConsentListError, StorageError, UsageError
from presence.language import Sentence, language_named
from presence.simulation.local_broker import free_port
from presence.survey import keeping
from presence.survey.asked import Asked, must_agree
from presence.survey.course import Part, parts_of
from presence.survey.guide import MOST_ROUNDS, SurveyStep, walk_acts
from presence.survey.hearing import TestPhones
from presence.survey.judging import Result
from presence.survey.keeping import (
    KEPT_STEPS,
    KeptVisit,
    VisitState,
    WalkedAct,
    gateway_of,
    read_visit,
)
from presence.survey.practice import Practice, practice
from presence.survey.screen import Screen
from presence.survey.session import Session
from presence.survey.visit_plan import Plan
from tests.support.shops import Shop
from tests.support.surveys import EmptyShop, Terminal, scan_test, simulated

finite = st.floats(allow_nan=False, allow_infinity=False)
refs = st.binary(min_size=REF_BYTES, max_size=REF_BYTES)
readings = st.builds(
    WalkReading, finite, st.integers(-127, 20), st.sampled_from(Place), st.text(max_size=8)
)
heard = st.builds(WalkedAct, finite, st.dictionaries(refs, st.lists(readings), max_size=2))
printed = st.text(st.characters(exclude_categories=("C", "Z")), max_size=20)
said = printed | st.builds(
    lambda phone, gap: Sentence(
        "{phone} {per_s:.1f}/s, median {strength} dBm, longest gap {gap_s:.1f} s",
        phone=phone,
        per_s=4.0,
        strength=-60,
        gap_s=gap,
    ),
    printed,
    st.floats(0, 1e6),
)
figures = st.dictionaries(st.text(), st.none() | st.booleans() | finite | st.text(), max_size=3)


def results_of(step: SurveyStep) -> st.SearchStrategy[Result]:
    finding = st.builds(Finding, st.just(step.value), st.sampled_from(Verdict), said, said)
    return st.builds(Result, finding, figures)


numbers = st.frozensets(st.integers(0, 100), max_size=4)
states = st.builds(
    VisitState,
    began=st.just(datetime.now(UTC)),
    acts=st.integers(0, 1000),
    results=st.fixed_dictionaries({}, optional={step: results_of(step) for step in KEPT_STEPS}),
    refs=st.lists(refs, max_size=2).map(tuple),
    walked=st.dictionaries(st.integers(0, 100), st.lists(heard, max_size=3).map(tuple), max_size=4),
    left_out=numbers,
    spared=numbers,
    looked=numbers,
    took_s=finite,
)
PARTS: tuple[Part, ...] = tuple(parts_of(tuple(walk_acts(1))))


@pytest.fixture(scope="module")
def shop() -> Iterator[Practice]:
    with practice(1, None) as one:
        yield one


PARSER = cache(parser)
"""Made once, and only if a test asks: hundreds of examples parse a line."""


def options_of(*words: str | Path) -> Namespace:
    return PARSER().parse_args(["scan-test", *map(str, words)])


def phones_of(shop: Practice, consents: ConsentList | None = None) -> TestPhones:
    now = SystemClock().now()
    return TestPhones(consents or shop.consents(now.utc_s), shop.rules, now)


def ours(shop: Practice) -> list[bytes]:
    return [key[:REF_BYTES] for key in shop.pairwise_keys]


def kept_at(path: Path, shop: Practice, state: VisitState, *words: str) -> KeptVisit:
    asked = Asked.of(options_of("--simulated", *words))
    visit = KeptVisit(path, gateway_of(shop.settings), settings_digest(shop.settings), asked)
    visit.keep(state)
    return replace(visit, state=state)


HEARD = Sentence("{heard} of the {carried} phones heard", heard=1, carried=2)


def a_walk(shop: Practice) -> VisitState:
    """Of the first two parts, of which the second has two acts."""
    place = Place.DOOR
    antenna = next(name for name, hung in shop.places.items() if hung is place)
    ref = ours(shop)[0]
    act = WalkedAct(7.0, {ref: [WalkReading(7.5, -60, place, antenna)]})
    phone = Result(Finding("phone", Verdict.PASS, HEARD), {"formats": ["ours"]})
    return VisitState(
        acts=4,
        results={SurveyStep.PHONE: phone},
        refs=(ref,),
        walked={0: (act,), 1: (act, act)},
    )


# --- the file ---


@given(states)
def test_what_is_kept_is_read_back(
    shop: Practice, tmp_path_factory: pytest.TempPathFactory, state: VisitState
) -> None:
    visit = kept_at(tmp_path_factory.getbasetemp() / "visit.json", shop, state)
    assert read_visit(visit.path) == visit


def test_what_was_asked_for_is_read_back_with_all_options(tmp_path: Path, shop: Practice) -> None:
    words = ("--steps", "phone,walk", "--rounds", str(MOST_ROUNDS), "--ready", "2.5",
             "--phones", "Pixel 7, iPhone 13", "--plan", "pair", "--heights", "hci0=2.4",
             "--seed", "-7", "--door", "bad", "--valid-months", "24",
             "--export-walks", "walks.jsonl", "--report", "door.html")  # fmt: skip
    visit = kept_at(tmp_path / "visit.json", shop, a_walk(shop), *words)
    asked = read_visit(visit.path).asked
    assert asked == visit.asked
    assert asked.report == Path("door.html").absolute(), "in whatever folder one goes on"
    later = options_of("--simulated", "--rounds", str(MOST_ROUNDS))
    asked.go_on(later)
    assert (later.seed, later.phones) == (-7, ("Pixel 7", "iPhone 13"))


@given(st.data())
def test_a_damaged_file_is_refused_with_what_to_do(
    shop: Practice, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    kept_at(path, shop, a_walk(shop))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    damaged = data.draw(
        st.sampled_from([content[:at], content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]])
    )
    path.write_bytes(damaged)
    with pytest.raises(StorageError, match=r"is damaged.*: walk anew, without --resume"):
        read_visit(path)


def forge(path: Path, body: bytes) -> None:
    """Its digest is right, whatever it holds."""
    path.write_bytes(sha256(body).hexdigest().encode() + b"\n" + body)


def content_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes().partition(b"\n")[2])
    return content


RESULT = "results", "phone"
READING = "state", "walked", "0", 0, "phones", "*", 0
FORGED: dict[str, tuple[tuple[str | int, ...], object]] = {
    "a list for the whole": ((), []),
    "nothing in it": ((), {}),
    "a number for the version": (("presence",), 1),
    "another version": (("presence",), "0.0.1"),
    "another gateway": (("gateway",), "acme/2 door-1"),
    "other settings": (("settings_sha256",), "0" * 64),
    "a list for the state": (("state",), []),
    "no time of day": (("state", "began"), "yesterday"),
    "a time of no zone": (("state", "began"), "2026-01-01T00:00:00"),
    "a text for the time that it took": (("state", "took_s"), "long"),
    "acts below zero": (("state", "acts"), -1),
    "a result of no step": (("results",), {"cook": {}}),
    "a result of the walk": (
        ("results",),
        {"walk": {"verdict": 0, "found": "", "next_step": "", "figures": {}}},
    ),
    "no verdict": ((*RESULT, "verdict"), 7),
    "a number for what was found": ((*RESULT, "found"), 7),
    "a sentence of somebody else": ((*RESULT, "found", "message"), "enter your password"),
    "a sentence without its values": ((*RESULT, "found", "values"), {}),
    "a step that paints the terminal": ((*RESULT, "next_step"), "\x1b[2J"),
    "a number for a ref": (("state", "refs"), [7]),
    "a part that is no number": (("state", "walked"), {"x": []}),
    "a part beyond the last": (("state", "walked"), {"99": []}),
    "a part left out beyond the last": (("state", "left_out"), [99]),
    "an act too few": (("state", "walked", "1"), []),
    "a place that is none": ((*READING, 2), "roof"),
    "the place of another antenna": ((*READING, 2), "inside"),
    "an antenna that hangs nowhere": ((*READING, 3), "hci7"),
    "a strength in words": ((*READING, 1), "loud"),
    "a strength that is none": ((*READING, 1), 1000),
    "a reading of another year": ((*READING, 0), 1e300),
    "a reading cut short": (READING, [7.5]),
    "steps of somebody else": (("asked", "steps"), ["cook"]),
    "too many rounds": (("asked", "rounds"), 1_000_000),
    "no round": (("asked", "rounds"), 0),
    "a way without an end": (("asked", "ready"), 1e300),
    "a door of no plan": (("asked", "door"), "worse"),
    "a door of another plan": (("asked",), {"door": "bad", "plan": "one"}),
    "practice that is written": (("asked", "apply"), True),
    "a name for nothing": (("asked", "sign_off"), "M. Meikäläinen"),
    "a number for a file": (("asked", "report"), 7),
}


def forged(content: Any, at: tuple[str | int, ...], value: object) -> Any:
    if not at:
        return {**content, **value} if value and isinstance(value, dict) else value
    step = next(iter(content)) if at[0] == "*" else at[0]
    content[step] = forged(content[step], at[1:], value)
    return content


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_file_is_refused_by_the_command_with_its_name_and_what_to_do(
    tmp_path: Path, shop: Practice, what: str
) -> None:
    path = tmp_path / "visit.json"
    kept_at(path, shop, a_walk(shop), "--rounds", "1", "--steps", "phone,walk")
    forge(path, json.dumps(forged(content_of(path), *FORGED[what])).encode())
    words = "--simulated", "--yes", "--speed", "1000", "--resume", "--kept", path
    with pytest.raises(StorageError, match=r"^--resume: .*: walk anew, without --resume$") as told:
        start(options_of(*words))
    assert str(path) in str(told.value)
    assert path.exists(), "it may be a file of somebody who mistyped --kept"


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b'"\\ud800"'])
def test_a_forged_file_that_is_no_json_is_refused(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "visit.json"
    forge(path, body)
    with pytest.raises(StorageError, match="walk anew, without --resume"):
        read_visit(path)


def places_in(content: Any) -> Iterator[tuple[Any, Any]]:
    """Where a value can be put in place of another."""
    keys = content if isinstance(content, dict) else range(len(content))
    for key in keys:
        yield content, key
        if isinstance(content[key], dict | list):
            yield from places_in(content[key])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@given(st.data())
def test_whatever_is_forged_it_is_taken_or_refused_in_words(
    shop: Practice, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "forged.json"
    kept_at(path, shop, a_walk(shop), "--rounds", "1")
    content = content_of(path)
    where, key = data.draw(st.sampled_from(list(places_in(content))))
    where[key] = data.draw(anything)
    forge(path, json.dumps(content).encode())
    options = options_of("--simulated", "--resume", "--kept", path)
    with suppress(StorageError, UsageError):
        visit = read_visit(path)
        visit.asked.go_on(options)
        must_agree(options)
        visit.must_fit(shop.settings, phones_of(shop), PARTS)


def test_a_file_of_another_user_is_refused_so_that_root_writes_nowhere_that_it_says(
    tmp_path: Path, shop: Practice
) -> None:
    path = tmp_path / "visit.json"
    kept_at(path, shop, a_walk(shop))
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    else:
        path = Path("/etc/passwd")  # root's
    with pytest.raises(StorageError, match="is another user's: go on as the user who began"):
        read_visit(path)


def test_what_is_no_plain_file_is_refused_and_not_waited_for(
    tmp_path: Path, shop: Practice
) -> None:
    kept_at(tmp_path / "visit.json", shop, a_walk(shop))
    (tmp_path / "link").symlink_to(tmp_path / "visit.json")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "link", tmp_path / "pipe", tmp_path):
        with pytest.raises(StorageError, match=r"no file of scan-test.*: walk anew"):
            read_visit(path)


def test_a_kill_in_the_middle_of_writing_leaves_the_file_before(
    tmp_path: Path, shop: Practice
) -> None:
    visit = kept_at(tmp_path / "visit.json", shop, a_walk(shop))
    half = tmp_path / ".visit.json.new"
    half.write_bytes(visit.path.read_bytes()[:100])
    assert read_visit(visit.path) == visit
    keeping.remove(visit.path)
    assert list(tmp_path.iterdir()) == [], "nothing of a walk stays, not the half of it"


def test_a_file_of_another_version_is_refused_whatever_else_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "visit.json"
    forge(path, b'{"presence": "0.0.1", "walk": []}')
    with pytest.raises(StorageError, match=r"of another version, 0\.0\.1: walk anew"):
        read_visit(path)


@pytest.mark.parametrize("age", [timedelta(hours=12, seconds=1), timedelta(hours=-1)])
def test_a_file_of_another_day_is_refused_and_removed(
    tmp_path: Path, shop: Practice, age: timedelta
) -> None:
    path = tmp_path / "visit.json"
    kept_at(path, shop, replace(a_walk(shop), began=datetime.now(UTC) - age))
    with pytest.raises(StorageError, match="not begin within the last 12 hours"):
        read_visit(path)
    assert not path.exists()


def test_a_new_visit_erases_a_file_that_nobody_went_on_with_and_none_that_was_named(
    tmp_path: Path,
) -> None:
    gateway = Shop(tmp_path / "shop", free_port()).open([])
    (gateway.folder / "consents.jsonl").unlink()  # it ends soon
    (gateway.folder / "state").mkdir()
    forgotten, named = gateway.folder / "state" / FILE_NAME, tmp_path / "notes.json"
    for path in (forgotten, named):
        path.touch()
        os.utime(path, (path.stat().st_mtime - 13 * 3600,) * 2)
    for words in ((), ("--kept", named)):
        with pytest.raises(ConsentListError):
            start(options_of("--config", gateway.config, "--yes", *words))
    assert not forgotten.exists()
    assert named.exists()


def test_where_nothing_is_kept_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="leave --resume out"):
        read_visit(tmp_path / "visit.json")


def test_a_walk_for_other_settings_is_refused(tmp_path: Path, shop: Practice) -> None:
    visit = kept_at(tmp_path / "visit.json", shop, a_walk(shop))
    visit.must_fit(shop.settings, phones_of(shop), PARTS)
    now = shop.settings
    for changed, words in (
        (replace(now, entry=replace(now.entry, absence_s=77)), "settings or the antennas"),
        (replace(now, store=replace(now.store, gateway="door-2")), "of another gateway, acme/prac"),
    ):
        with pytest.raises(StorageError, match=words):
            visit.must_fit(changed, phones_of(shop), PARTS)
    assert visit.path.exists()


@pytest.mark.requirement("R-12")
def test_of_a_phone_that_is_no_test_phone_any_more_nothing_stays(
    tmp_path: Path, shop: Practice
) -> None:
    visit = kept_at(tmp_path / "visit.json", shop, a_walk(shop))
    consents = shop.consents(SystemClock().now().utc_s)
    left = {ref: entry for ref, entry in consents.entries.items() if ref != ours(shop)[0]}
    with pytest.raises(StorageError, match="no test phone any more"):
        visit.must_fit(shop.settings, phones_of(shop, replace(consents, entries=left)), PARTS)
    assert not visit.path.exists()


# --- a visit that is cut off ---


class Cut(Exception):
    """The line is lost."""


class CutScreen(Screen):
    """Loses its line at a question."""

    def __init__(self, at_question: int) -> None:
        super().__init__(StringIO(), yes=True)
        self._left = at_question

    async def ready(self, *asked: object, **more: object) -> str:
        self._left -= 1
        if not self._left:
            raise Cut
        return ""


@pytest.mark.requirement("R-01", "R-12")
@pytest.mark.parametrize("models", [(), ("Pixel 7",)])
async def test_the_file_holds_the_technicians_own_phones_and_nothing_of_anybody_else(
    tmp_path: Path, shop: Practice, models: tuple[str, ...]
) -> None:
    """Two test phones come along; where one is announced, the other is somebody else's."""
    path = tmp_path / "visit.json"
    ear = EmptyShop(shop.identity_keys, speed=1000, seed=1, antennas=shop.antennas, air=shop.air)
    visit = KeptVisit(
        path,
        gateway_of(shop.settings),
        settings_digest(shop.settings),
        Asked.of(options_of("--simulated")),
    )
    session = Session(
        Plan(
            steps=(SurveyStep.RADIO, SurveyStep.PHONE, SurveyStep.WALK),
            walk=tuple(walk_acts(1)),
            models=models,
        ),
        shop.settings,
        shop.rules,
        ear=ear,
        phones=phones_of(shop),
        screen=CutScreen(at_question=4),
        kept=visit,
    )
    with pytest.raises(Cut):
        await session.run()
    assert path.stat().st_mode & 0o777 == 0o600
    assert content_of(path)["results"].keys() == {"phone"}, "the radio's counts strangers"
    state = read_visit(path).state
    assert state.phones() == set(state.refs) <= set(ours(shop))
    assert len(state.refs) == (len(models) or 2)
    assert state.walked.keys() == {0, 1}
    for acts in content_of(path)["state"]["walked"].values():
        assert all(act.keys() == {"began_s", "phones"} for act in acts)


def test_what_was_found_before_is_said_in_the_language_of_who_goes_on(
    tmp_path: Path, shop: Practice
) -> None:
    path = tmp_path / "visit.json"
    kept_at(path, shop, a_walk(shop))
    found = read_visit(path).state.results[SurveyStep.PHONE].finding.found
    assert found == "1 of the 2 phones heard"
    assert language_named("fi").say(found) == "puhelimista kuultiin 1/2"


WALK = ("--simulated", "--steps", "radio,phone,walk", "--rounds", "1", "--seed", "3")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, None])
def test_a_visit_that_was_cut_off_goes_on_at_its_walk_to_the_result_of_a_whole_one(
    tmp_path: Path, terminal: Callable[..., Terminal], number: int | None
) -> None:
    """None: the terminal is gone, and nobody says so."""
    path = tmp_path / "visit.json"
    technician = terminal(*WALK, "--speed", "20", "--kept", path)
    for question in ("Hold the test phone", "1 of 4", "2 of 4", "3 of 4"):
        technician.read(question)
        technician.type("\n")
    technician.read("looking in")
    if number is not None:
        technician.process.send_signal(number)
    ended = technician.hang_up()
    assert ended == (-signal.SIGKILL if number == signal.SIGKILL else ExitCode.HUNG_UP)
    assert path.stat().st_mode & 0o777 == 0o600
    walked = len(read_visit(path).state.walked)
    assert walked in (2, 3), "3 on a machine so slow that the walk was over before"

    again = terminal("--simulated", "--resume", "--kept", path, "--yes", "--speed", "300")
    code = again.end()
    screen = " ".join(again.screen.split())
    assert code in (0, 1, 2), screen
    assert f"{walked} parts walked" in screen
    assert "Hold the test phone" not in screen, "it was found before"
    assert not path.exists(), "it goes when the visit ends"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True])
def test_what_comes_of_a_visit_in_two_halves_is_what_comes_of_a_whole_one(
    tmp_path: Path, terminal: Callable[..., Terminal], *, again: bool
) -> None:
    """`again`: a walk was walked once more before the line was lost."""
    path = tmp_path / "visit.json"
    keys = ["\n", "\n", "a\n", "\n"] if again else ["\n"] * 3

    def walk(*arguments: str | Path, keys: list[str]) -> Terminal:
        technician = terminal(*arguments, "--speed", "100")
        for key in keys:
            technician.read("Enter when you are ready")
            technician.type(key)
        return technician

    first = walk(*WALK, "--kept", path, keys=keys)
    first.read("Enter when you are ready")
    first.process.kill()
    first.hang_up()
    second = scan_test(
        "--simulated", "--resume", "--kept", path, "--yes", "--speed", "100", "--json"
    )
    assert second.returncode in (0, 1, 2), second.stderr
    whole = walk(*WALK, "--json", keys=[*keys, "\n", "\n"])
    whole.read("Enter for the result")
    whole.type("\n")
    assert whole.end() == second.returncode
    result = json.loads(second.stdout)
    expected = json.loads(whole.screen[whole.screen.rindex('{"presence"') :])
    assert result.pop("at") <= expected.pop("at")
    radio_again_s = 10
    assert result.pop("took_s") == expected.pop("took_s") + radio_again_s
    assert result == expected


@pytest.mark.parametrize("number", [None, signal.SIGHUP])
def test_a_terminal_that_is_gone_ends_it_at_a_question_and_the_visit_is_kept(
    tmp_path: Path, terminal: Callable[..., Terminal], number: int | None
) -> None:
    path = tmp_path / "visit.json"
    technician = terminal(*WALK, "--speed", "100", "--kept", path)
    technician.read("Enter when you are ready")
    technician.type("\n")
    technician.read("1 of 4")
    if number is not None:
        technician.process.send_signal(number)
    assert technician.hang_up() == ExitCode.HUNG_UP
    assert read_visit(path).state.results.keys() == {SurveyStep.PHONE}
    other = scan_test("--simulated", "--resume", "--kept", path, "--rounds", "2")
    assert other.returncode == ExitCode.USAGE
    assert "--rounds: --resume goes on as the visit began" in other.stderr


def test_who_quits_ends_the_visit_and_its_file_goes(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    path = tmp_path / "visit.json"
    technician = terminal(*WALK, "--speed", "100", "--kept", path)
    technician.read("Enter when you are ready")
    technician.type("\n")
    technician.read("1 of 4")
    assert path.exists()
    technician.type("q\n")
    assert technician.end() == ExitCode.INTERRUPTED
    assert not path.exists()


def test_who_interrupts_is_told_where_the_visit_is_kept_also_by_the_next_visit(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    path = tmp_path / "visit.json"
    technician = terminal(*WALK, "--speed", "100", "--kept", path)
    technician.read("Enter when you are ready")
    technician.type("\n")
    technician.read("1 of 4")
    technician.process.send_signal(signal.SIGINT)
    assert technician.end() == ExitCode.INTERRUPTED
    assert "--resume goes on with this visit" in " ".join(technician.screen.split())
    another = terminal(*WALK, "--kept", path)
    another.read("A visit that was cut off is kept in")
    another.type("q\n")
    assert another.end() == ExitCode.INTERRUPTED
    assert path.exists(), "the older one may still be gone on with"


def test_a_folder_that_takes_no_file_is_told_and_the_visit_goes_on(tmp_path: Path) -> None:
    done = simulated("--steps", "phone", "--kept", tmp_path / "missing" / "visit.json")
    assert done.returncode == 0, done.stderr
    assert "Not kept, so a lost line would lose what is walked" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--replay", "walk.btsnoop", "--resume"),
        ("--replay", "walk.btsnoop", "--kept", "visit.json"),
        ("--simulated", "--resume"),
    ],
)
def test_options_that_contradict_resume_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="--resume"):
        start(parser().parse_args(["scan-test", *words]))

"""Screen and report in the technician's language; what programs read stays English."""

import gettext
import json
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from string import Formatter
from typing import Final

import pytest

from presence.language import LANGUAGES, TRANSLATED, Language, Sentence, language_named
from presence.survey.course import WALK_KEYS, WALKED_KEYS, WalkKey
from presence.survey.drawing import NAME, NARROW, TABLE, settings_lines, walk_lines
from presence.survey.guide import SurveyStep, broker_act, phone_act, radio_act, walk_acts
from presence.survey.hearing import TestPhones
from presence.survey.outcome import SurveyOutcome
from presence.survey.plans import ShopPlan
from presence.survey.practice import PracticeDoor, practice
from presence.survey.report import page
from presence.survey.screen import LEAVE, READY, Screen
from presence.survey.session import Session
from presence.survey.shares import counted, expected
from presence.survey.visit_plan import Plan
from presence.survey.walking import WORDS
from tests.support.surveys import EmptyShop, Technician, a_tuning, scan_test

COLUMNS: Final = 80


class Cyrillic(gettext.NullTranslations):
    """Each letter of a sentence is one and the same of another alphabet: what is still ours on the
    screen has not been said through a catalog.
    """

    def gettext(self, message: str) -> str:
        said, in_code = "", False
        for literal, name, spec, _ in Formatter().parse(message):
            for letter in literal:
                in_code ^= letter == "`"
                said += "ж" if letter.isascii() and letter.isalpha() and not in_code else letter
                said += letter if letter in "{}" else ""
            said += f"{{{name}{f':{spec}' if spec else ''}}}" if name else ""
        return said

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


async def visited(screen: Screen, *steps: SurveyStep) -> SurveyOutcome:
    with practice(4, None, ShopPlan.PAIR, PracticeDoor.MIDDLING) as shop:
        ear = EmptyShop(
            shop.identity_keys, speed=3000, seed=4, antennas=shop.antennas, air=shop.air
        )
        phones = TestPhones(shop.consents(ear.now().utc_s), shop.rules, ear.now())
        plan = Plan(steps=steps, walk=tuple(walk_acts(1)), way_s=8)
        session = Session(plan, shop.settings, shop.rules, ear=ear, phones=phones, screen=screen)
        return await session.run()


def ours(text: str) -> set[str]:
    """Words of our alphabet, without what is typed or set by these names in every language."""
    text = re.sub(r"`[^`]*`|<code>.*?</code>", "", text)
    words = set(re.findall(r"[A-Za-z_]{3,}", text))
    verdicts = {"PASS", "WARN", "FAIL"}
    names = {"radio", "phone", "walk", "broker", "gateway", "inner", "outer", "door", "outside"}
    terms = {"dBm", "Eddystone", "EID", "UTC", "SHA", "presence", "practice", "acme", "Acme"}
    keys = {word for word in words if "_" in word} | {"entry", "score", "inside"}
    return words - verdicts - names - terms - keys


async def test_every_word_of_the_visit_goes_through_the_catalog() -> None:
    language = Language("xx", Cyrillic())
    screen = Technician(["", "", "x", "b", "a", "s"], language)
    outcome = await visited(screen, SurveyStep.RADIO, SurveyStep.PHONE, SurveyStep.WALK)
    assert "ж" in screen.out.getvalue()
    assert ours(screen.out.getvalue().replace("'x'", "")) == set()
    body = page(outcome, language).partition("</style>")[2]
    attributes = re.findall(r'aria-label="([^"]*)"', body)
    shown = re.sub(r"<[^>]*>", " ", re.sub(r"<code>.*?</code>", " ", body))
    assert "ж" in shown
    assert ours(shown + " ".join(attributes)) == set()


@pytest.mark.parametrize("code", LANGUAGES)
async def test_nothing_is_cut_off_at_eighty_columns(code: str) -> None:
    screen = Technician([], language_named(code))
    await visited(screen, SurveyStep.RADIO, SurveyStep.PHONE)
    assert max(map(len, screen.out.getvalue().splitlines())) <= COLUMNS


@pytest.mark.parametrize("code", LANGUAGES)
def test_figures_and_tables_have_room_for_their_words(code: str) -> None:
    language = language_named(code)
    say = language.say
    acts = (radio_act(1), phone_act(1), broker_act(1), *walk_acts(1))
    titles = {say(act.title) for act in acts} | {say(Sentence("get ready"))}
    assert {title for title in titles if len(title) >= NAME} == set(), "a bar's title is cut off"
    heads = [say(Sentence("with the suggested settings")), say(Sentence("found after the bell"))]
    rows = [say(words) for words in WORDS.values()]
    assert max(map(len, heads + rows)) < TABLE[0]
    assert len(say(Sentence("this phone"))) < TABLE[2]
    screen = Screen(StringIO(), yes=True, language=language)
    tuned = a_tuning()
    drawn = [*walk_lines(tuned, screen), *settings_lines(tuned, screen)]
    assert max(map(len, drawn)) <= COLUMNS
    assert max(map(len, walk_lines(a_tuning(side_db=1), screen))) <= COLUMNS


@pytest.mark.parametrize("code", LANGUAGES)
def test_on_a_narrow_terminal_every_figure_is_there_and_no_line_is_broken_by_the_terminal(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Screen, "width", 58)
    screen = Screen(StringIO(), yes=True, language=language_named(code))
    tuned = a_tuning()
    drawn = list(walk_lines(tuned, screen))
    assert max(map(len, drawn)) <= 60
    together = " ".join(" ".join(drawn).split())
    for kind, rate in tuned.assessed_new.rates.items():
        for words in (WORDS[kind], counted(rate), expected(rate)):
            assert screen.language.say(words) in together
    assert screen.language.say(NARROW) in together
    assert screen.full not in together


def offered(code: str, keys: Mapping[str, Sentence]) -> dict[str, str]:
    """By our letter: what is typed for it."""
    return {letter: language_named(code).say(key).split()[0] for letter, key in keys.items()}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_key_is_one_letter_and_no_letter_does_two_things(code: str) -> None:
    letters = offered(code, WALK_KEYS)
    assert all(len(letter) == 1 for letter in letters.values())
    assert len(set(letters.values())) == len(letters)
    english = set(WALK_KEYS)
    assert all(typed == letter or typed not in english for letter, typed in letters.items())
    for keys in (WALKED_KEYS, LEAVE):
        assert offered(code, keys).items() <= letters.items()


@pytest.mark.parametrize("code", LANGUAGES)
async def test_a_key_is_typed_in_the_language_or_in_english(code: str) -> None:
    for letter, typed in offered(code, WALK_KEYS).items():
        for answer in (letter, typed, typed.upper()):
            screen = Technician([answer], language_named(code))
            if letter == WalkKey.QUIT:
                continue
            assert await screen.ready("", WALK_KEYS) == letter
    question = Sentence("Write this?")
    for answer, agrees in (("y", True), ("yes", True), ("", False), ("n", False), ("e", False)):
        assert await Technician([answer], language_named(code)).agrees(question) is agrees
    for answer in language_named(code).say(Sentence("y yes")).split():
        assert await Technician([answer], language_named(code)).agrees(question)


@pytest.mark.parametrize("code", LANGUAGES)
async def test_a_prompt_is_one_line_of_the_terminal(code: str) -> None:
    screen = Technician([], language_named(code))
    left = Sentence("{minutes} left.", minutes="12:40")
    await screen.ready("", WALK_KEYS, left=left)
    await screen.ready("", WALKED_KEYS, go=Sentence("Enter for the result"))
    lines = screen.out.getvalue().splitlines()
    assert max(map(len, lines)) < COLUMNS, "the cursor stands behind it"
    assert lines[-1].endswith(" ")
    assert screen.language.say(READY) in screen.out.getvalue()


def test_what_programs_read_is_english_whatever_is_shown() -> None:
    asked = ("--simulated", "--yes", "--speed", "300", "--json", "--steps", "phone,walk")
    said, shown = {}, {}
    for code in ("en", "sv"):
        done = scan_test(*asked, "--rounds", "1", "--door", "good", "--language", code)
        assert done.returncode in (0, 1), done.stderr
        said[code], shown[code] = json.loads(done.stdout), done.stderr
        said[code].pop("at")
    assert said["sv"] == said["en"]
    assert "dörrens sidoskillnad" in " ".join(shown["sv"].split())
    assert "the door's side is" in said["sv"]["steps"]["walk"]["found"]


def test_the_language_is_that_of_the_terminal_unless_another_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LANG", "fi_FI.UTF-8")
    asked = ("--simulated", "--yes", "--speed", "1000", "--steps", "radio")
    assert "kuuleeko se?" in scan_test(*asked).stdout
    assert "can it hear?" in scan_test(*asked, "--language", "en").stdout
    assert scan_test(*asked, "--language", "tlh").returncode == 64


def of_page(code: str, outcome: SurveyOutcome) -> Iterator[str]:
    yield from re.findall(r"<h2>(.*?)</h2>", page(outcome, language_named(code)))


def test_the_report_is_in_the_language_with_its_own_numbers() -> None:
    tuned = a_tuning(rounds=1)
    outcome = SurveyOutcome("radio", "acme/fi-0042 door-1", walks=tuned.walks, tuned=tuned)
    finnish = page(outcome, language_named("fi"))
    assert '<html lang="fi">' in finnish
    assert "Käyttöönottopöytäkirja" in finnish
    assert re.search(r"Oven puoliero: \d+,\d dB", finnish)
    assert re.search(r"<code>near_dbm: -\d+\.\d</code>", finnish), "as the file has it"
    heads = [list(of_page(code, outcome)) for code in LANGUAGES]
    assert len({len(each) for each in heads}) == 1
    assert all(not set(heads[0]) & set(each) for each in heads[1:]), TRANSLATED

"""A sentence is English as it stands, and is said in the language of whoever reads it."""

import copy
import gettext
import json
from pathlib import Path

import msgspec
import pytest

from presence.language import (
    ENGLISH,
    LANGUAGES,
    Joined,
    Language,
    Sentence,
    language_asked,
    language_named,
    put_together,
    taken_apart,
)


class Backwards(gettext.NullTranslations):
    """A language of its own: words in the other order."""

    def gettext(self, message: str) -> str:
        return " ".join(reversed(message.split(" ")))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


BACKWARDS = Language("xx", Backwards())


def test_a_sentence_is_its_english_for_all_that_asks_nobody() -> None:
    sentence = Sentence("{phone} at {dbm:.1f} dBm", phone="Pixel 7", dbm=-71.25)
    assert sentence == "Pixel 7 at -71.2 dBm"
    assert json.loads(json.dumps({"found": sentence})) == {"found": "Pixel 7 at -71.2 dBm"}
    assert msgspec.json.encode(sentence, enc_hook=str) == b'"Pixel 7 at -71.2 dBm"'
    assert type(str(sentence)) is str
    assert ENGLISH.say(sentence) == sentence


def test_a_sentence_is_said_with_its_values_where_the_language_has_them() -> None:
    assert BACKWARDS.say(Sentence("door {side_db:+.1f} side", side_db=7.5)) == "side +7,5 door"
    assert BACKWARDS.say(Sentence("{number:,} a", number=12_345)) == "a 12\N{NO-BREAK SPACE}345"
    assert BACKWARDS.say("never a sentence") == "never a sentence"


def test_a_sentence_in_another_is_said_too_and_so_are_those_in_a_row() -> None:
    inner = Sentence("metal between {count}", count=2)
    outer = Joined("; ", (Sentence("or better: {remedy}", remedy=inner), "00:1A", inner))
    assert outer == "or better: metal between 2; 00:1A; metal between 2"
    assert BACKWARDS.say(outer) == "2 between metal better: or; 00:1A; 2 between metal"


@pytest.mark.parametrize(("number", "said"), [(0, "walks 0"), (1, "walk 1"), (2, "walks 2")])
def test_a_number_chooses_its_form(number: int, said: str) -> None:
    assert BACKWARDS.say(Sentence.plural("{number} walk", "{number} walks", number)) == said


@pytest.mark.parametrize(
    "sentence",
    [
        Sentence("add `- {{name: {name}}}`", name="test"),
        Sentence.plural("{number} walk", "{number} walks", 3),
        Joined("; ", (Sentence("a {b}", b=1), "c")),
    ],
)
def test_a_copy_of_a_sentence_can_still_be_said(sentence: Sentence) -> None:
    for copied in (copy.deepcopy(sentence), copy.copy(sentence)):
        assert copied == sentence
        assert BACKWARDS.say(copied) == BACKWARDS.say(sentence)


PARTS = Joined(
    "; ",
    (
        Sentence("{heard} of the {carried} phones heard", heard=1, carried=2),
        Sentence("{phone} left", phone=Sentence("phone {number}", number=2)),
        Sentence.plural("{number} problem", "{number} problems", 3),
        "00:1A",
    ),
)


def test_a_sentence_that_went_through_a_file_can_still_be_said() -> None:
    after = Sentence("found {median_s:.0f} s after the bell", median_s=7.5)
    for sentence in (PARTS, "", "plain", after):
        kept = json.loads(json.dumps(taken_apart(sentence)))
        again = put_together(kept)
        assert again == sentence
        for code in LANGUAGES:
            assert language_named(code).say(again) == language_named(code).say(sentence)


def test_of_what_is_no_number_the_letters_go_through_a_file_and_none_that_does_not_print() -> None:
    sentence = Sentence("report: {file}", file=Path("/srv/\x1b[2Jdoor.html"))
    assert put_together(taken_apart(sentence)) == "report: /srv/[2Jdoor.html"
    assert put_together(taken_apart("a\x07b\nc")) == "ab\nc"


FORGED = (
    None,
    7,
    ["never found"],
    "\x1b[2J",
    "x" * 4001,
    {"message": "enter your password", "many": "", "values": {}},
    {"message": "never found", "many": "", "values": []},
    {"message": "never found", "many": "never", "values": {"number": 1}},
    {"message": "never found", "values": {}},
    {"message": "report: {file}", "many": "", "values": {}},
    {"message": "report: {file}", "many": "", "values": {"file": "\x1b]0;\x07"}},
    {"message": "report: {file}", "many": "", "values": {"file": ["a"]}},
    {"message": "found {median_s:.0f} s after the bell", "many": "", "values": {"median_s": "x"}},
    {"message": "{number} problem", "many": "{number} problems", "values": {}},
    {"message": "{number} problem", "many": "{number} problems", "values": {"number": "x"}},
    {"message": "{number} problem", "many": "\x1b{number}", "values": {"number": 2}},
    {"message": "{number} problem", "many": "{number.real.x}", "values": {"number": 2}},
    {"between": "\x1b[2J", "parts": ["a", "b"]},
    {"between": "; ", "parts": "ab"},
)


@pytest.mark.parametrize("forged", FORGED, ids=repr)
def test_what_is_no_sentence_of_ours_is_not_put_together(forged: object) -> None:
    with pytest.raises(ValueError, match=r"none of ours|neither"):
        put_together(forged)


def test_finnish_and_swedish_are_installed() -> None:
    never = Sentence("never found")
    assert language_named("fi").say(never) == "ei löytynyt"
    assert language_named("sv").say(never) == "aldrig funnen"
    assert language_named("en").say(never) == "never found"


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "fi_FI.UTF-8"}, "fi"),
        ({"LANG": "sv_FI.UTF-8@euro"}, "sv"),
        ({"LANG": "sv"}, "sv"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "fil_PH.UTF-8"}, "en"),
        ({"LANG": "fi_FI.UTF-8", "LC_MESSAGES": "sv_SE.UTF-8"}, "sv"),
        ({"LANG": "fi_FI.UTF-8", "LC_MESSAGES": "sv_SE.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "fi_FI.UTF-8", "LC_ALL": ""}, "fi"),
        ({"LANG": "en_GB.UTF-8", "LANGUAGE": "de:sv:fi"}, "sv"),
        ({"LANG": "fi_FI.UTF-8", "LANGUAGE": "en:fi"}, "en"),
        ({"LC_ALL": "C", "LANGUAGE": "fi"}, "en"),
        ({"LC_ALL": "C.UTF-8", "LANG": "fi_FI.UTF-8"}, "en"),
    ],
)
def test_the_language_is_chosen_in_the_order_of_gettext(
    environment: dict[str, str], code: str
) -> None:
    assert language_asked(environment) == code

"""Six questions at most: each has an option that answers it, and is asked on a terminal alone."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TextIO

from presence.cli.command import print_lines
from presence.config.settings import (
    AudienceSettings,
    ConsentSettings,
    NoticeSettings,
    StoreSettings,
)
from presence.config.walk import Misfit, parse_answer
from presence.core.visit.opening_hours import WEEKDAYS
from presence.errors import UsageError

ALWAYS: Final = "always"


@dataclass(frozen=True, slots=True)
class Question:
    """`read` makes the answer of what was typed; raises Misfit."""

    option: str
    ask: str
    example: str
    read: Callable[[str], Any]


def opening_hours(text: str) -> dict[str, str]:
    """`mon-fri 09:00-21:00, sat 10:00-18:00`; without days it is every day. Raises Misfit."""
    if text.strip() == ALWAYS:
        return {}
    hours: dict[str, str] = {}
    for part in text.split(","):
        *named, clock = part.split() or [""]
        for day in _days(" ".join(named)):
            if day in hours:
                raise Misfit(f"{day} stands twice: say each day once")
            hours[day] = parse_answer(StoreSettings, "opening_hours", clock)
    return {day: hours[day] for day in WEEKDAYS if day in hours}


def _days(text: str) -> list[str]:
    first, _, last = text.replace(" ", "").lower().partition("-")
    if not first:
        return list(WEEKDAYS)
    if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
        raise Misfit(f"{text!r} is no day: use {', '.join(WEEKDAYS)}, or mon-fri")
    begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
    if end < begin:
        raise Misfit(f"{text!r} ends before it begins: say two spans, with a comma between")
    return list(WEEKDAYS[begin : end + 1])


def campaigns(text: str) -> list[str]:
    """Categories with commas between. Raises Misfit."""
    words = [word.strip() for word in text.split(",")]
    return [parse_answer(AudienceSettings, "campaigns", word) for word in dict.fromkeys(words)]


QUESTIONS: Final = (
    Question(
        "--list",
        "Which consent list does this gateway serve? Chain and store",
        "acme/fi-0042",
        lambda text: parse_answer(ConsentSettings, "list", text),
    ),
    Question(
        "--controller",
        "Which company answers for the data (the controller)?",
        "Acme Oy",
        lambda text: parse_answer(NoticeSettings, "controller", text),
    ),
    Question(
        "--dpo-contact",
        "How do customers reach the data-protection officer?",
        "privacy@acme.example",
        lambda text: parse_answer(NoticeSettings, "dpo_contact", text),
    ),
    Question(
        "--campaigns",
        "Which categories may offers be about? Numbers of the IAB Ad Product Taxonomy 2.0",
        "ap2:1551 for vehicles, or several: ap2:1551,ap2:1285",
        campaigns,
    ),
    Question(
        "--hours",
        f"When is the shop open? The radio listens then only; '{ALWAYS}' for a bench",
        "mon-fri 09:00-21:00, sat 09:00-18:00",
        opening_hours,
    ),
)


def answered(given: Mapping[str, str | None], out: TextIO) -> dict[str, Any]:
    """Option → answer. Raises UsageError where an option does not fit, or one is missing and
    nobody can be asked.
    """
    answers: dict[str, Any] = {}
    open_questions = []
    for question in QUESTIONS:
        text = given[question.option]
        if text is None:
            open_questions.append(question)
            continue
        try:
            answers[question.option] = question.read(text)
        except Misfit as complaint:
            raise UsageError(f"{question.option}: {complaint}") from None
    if open_questions and not sys.stdin.isatty():
        names = ", ".join(question.option for question in open_questions)
        raise UsageError(
            f"{names}: missing, and nobody can be asked, for standard input is no terminal"
        )
    for question in open_questions:
        answers[question.option] = _asked(question, out)
    return answers


def _asked(question: Question, out: TextIO) -> Any:
    """Until the answer fits."""
    print_lines(f"{question.ask}\n  e.g. {question.example}   ({question.option})", out)
    while True:
        text = line_of("> ", out)
        try:
            if text:
                return question.read(text)
        except Misfit as complaint:
            print_lines(f"  {complaint}", out)


def line_of(prompt: str, out: TextIO) -> str:
    """What was typed, without blanks around it. Raises UsageError at the end of the input."""
    print(prompt, end="", file=out, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=out)
        raise UsageError("nobody answers any more, so nothing was written")
    return line.strip()

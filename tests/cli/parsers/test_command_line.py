"""The command line by the book: suggestions, help, examples, one width."""

import os
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.cli import main
from presence.cli.command import Parser, fitted
from presence.cli.parsers import parser
from scripts.app_emulator.__main__ import make_parser as app_emulator
from scripts.benchmarks.__main__ import make_parser as bench
from scripts.dev_broker.__main__ import make_parser as dev_broker
from scripts.offer_engine import parse_options
from tests.support.command_line import commands_of

COMMANDS = dict(commands_of(parser()))
PROGRAMS = {"presence": parser, "app-emulator": app_emulator, "bench": bench}
PROGRAMS |= {"dev-broker": dev_broker}
ALL = {
    " ".join((name, *words)): command
    for name, make in PROGRAMS.items()
    for words, command in [((), make()), *commands_of(make())]
}


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is said on stderr, in one line."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 64
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("chek", "presence: 'chek' is not a command: did you mean check?"),
        ("scantest", "did you mean scan-test?"),
        ("consents publsh", "presence consents: 'publsh' is not a command: did you mean publish?"),
        ("check --confg x", "presence check: --confg is not an option: did you mean --config?"),
        ("demo --sped 3", "presence demo: --sped is not an option: did you mean --speed?"),
        ("demo --sped=3", "--sped is not an option: did you mean --speed?"),
        ("check --conf x", "--conf is not an option: did you mean --config?"),  # no abbreviations
        ("consents add --mqtt-pass x", "did you mean --mqtt-password-file?"),
        ("--config x check", "presence: --config: goes after the command"),
        ("check --inside now", "presence check: 'now': one word too many"),
        ("--verison", "presence: --verison is not an option: did you mean --version?"),
        ("demo --speed abc", "argument --speed: 'abc' is not a number between 0.1 and 5"),
        ("qqqq", "presence: 'qqqq' is not a command `presence --help`"),
    ],
)
def test_a_mistake_is_named_by_the_command_whose_it_is_with_what_was_meant(
    typed: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(capsys, *typed.split())


def test_after_two_dashes_nothing_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such capture" not in refused(capsys, "replay", "--", "--dry-run", "x", "y")
    options = parser().parse_args(["replay", "--config", "a.yaml", "--", "--odd-name"])
    assert str(options.capture) == "--odd-name"


def test_presence_alone_says_where_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 64
    said = capsys.readouterr().err
    assert len(said.splitlines()) <= 12
    named = [line.split()[1] for line in said.splitlines() if line.startswith("  presence")]
    assert set(named) <= {words[0] for words in COMMANDS}
    assert "help" in named


@pytest.mark.parametrize("words", [(), *COMMANDS])
def test_help_of_a_command_is_what_its_own_option_says(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *words]) == 0
    said = capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert (ended.value.code, capsys.readouterr().out) == (0, said)


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_on_stdout(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([option])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("presence 0.")


def test_no_color_is_for_the_libraries_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    main(["help", "--no-color"])
    assert os.environ.pop("NO_COLOR") == "1"


def own(example: str) -> list[str]:
    """The words of it that one program takes."""
    words = shlex.split(example.replace("\\\n", " "), comments=True)
    if words[0] == "sudo":
        words = words[3 if words[1] == "-u" else 1 :]
    ends = (n for n, word in enumerate(words) if word in ("|", "||") or word.startswith(">"))
    return words[: next(ends, len(words))]


@pytest.mark.parametrize("name", ALL)
def test_every_help_has_an_example_and_its_parser_takes_it(name: str) -> None:
    command: Parser = ALL[name]
    program = name.split()
    taken = 0
    for example in command.examples:
        assert max(map(len, example.splitlines())) <= 78, example
        words = own(example)
        if words[0] == ".venv/bin/python":
            del words[0]
        match words[0].removeprefix("scripts/"):
            case "systemctl":
                continue
            case "offer_engine.py":
                parse_options(words[1:])
                continue
            case "scan-test":
                words = ["presence", "scan-test", *words[1:]]
        typed = [words[0].removeprefix("scripts/"), *words[1:]]
        PROGRAMS[typed[0]]().parse_args(typed[1:])
        taken += typed[: len(program)] == program
    assert taken


def texts(command: Parser) -> str:
    return f"{command.description}\n{command.epilog}"


@pytest.mark.parametrize("name", ALL)
def test_texts_fit_a_terminal_of_80_characters_as_they_are(name: str) -> None:
    assert [line for line in texts(ALL[name]).splitlines() if len(line) > 80] == []


@given(name=st.sampled_from(sorted(ALL)), width=st.integers(40, 80))
def test_on_a_narrow_terminal_no_word_is_lost_and_only_commands_are_longer(
    name: str, width: int
) -> None:
    text = texts(ALL[name])
    lines = fitted(text, width)
    assert " ".join(lines).split() == text.split()
    longer = [line for line in lines if len(line) > width]
    assert all(len(line.split()) == 1 or line.startswith("  ") for line in longer)


@pytest.mark.parametrize("name", ALL)
def test_help_at_60_columns_is_60_wide_but_for_commands(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    said = ALL[name].format_help()
    examples = {line for example in ALL[name].examples for line in f"  {example}".splitlines()}
    assert [line for line in said.splitlines() if len(line) > 60 and line not in examples] == []

"""What completes `presence` in a shell, and its man pages, as shells and groff take them."""

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from presence.cli import main
from presence.cli.parsers import parser
from presence.cli.parsers.completion import SHELLS
from tests.support.command_line import commands_of
from tests.support.shell_pages import COMPLETIONS, MAN

COMMANDS = dict(commands_of(parser()))
TYPED = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMPREPLY=()
_shtab_presence presence "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def needs(program: str) -> pytest.MarkDecorator:
    missing = shutil.which(program) is None
    return pytest.mark.skipif(missing, reason=f"no {program}: apt install {program}")


def ran(*words: str | Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def after_tab(*words: str) -> set[str]:
    """What bash offers where the last word is being typed."""
    return set(ran("bash", "-c", TYPED, "bash", COMPLETIONS / "presence.bash", *words).split())


def options_of(command: argparse.ArgumentParser) -> set[str]:
    """Without what programs of ours alone say to one another."""
    shown = (each for each in command._actions if each.help is not argparse.SUPPRESS)
    return {name for each in shown for name in each.option_strings}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_is_given_its_own_file(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == (COMPLETIONS / f"presence.{shell}").read_text("utf-8")


@pytest.mark.parametrize("words", [(), *COMMANDS])
def test_bash_offers_every_command_and_every_long_option(words: tuple[str, ...]) -> None:
    command = COMMANDS[words] if words else parser()
    options = {name for name in options_of(command) if name.startswith("--")}
    assert after_tab("presence", *words, "--") >= options
    if command.commands():
        assert after_tab("presence", *words, "") == {*command.commands()}


def test_bash_offers_the_words_of_an_option_and_files_where_a_file_is_wanted(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop.yaml").touch()
    assert after_tab("presence", "demo", "--broker", "") == {"auto", "mosquitto", "embedded"}
    assert after_tab("presence", "audit", "v") == {"verify"}
    assert after_tab("presence", "scan-test", "--door", "") == {"good", "middling", "bad"}
    assert after_tab("presence", "scan-test", "--plan", "p") == {"pair"}
    begun = str(tmp_path / "sh")
    assert after_tab("presence", "check", "--config", begun) == {str(tmp_path / "shop.yaml")}


@needs("zsh")
def test_zsh_takes_its_file() -> None:
    ran("zsh", "-n", COMPLETIONS / "presence.zsh")


@needs("fish")
def test_fish_offers_commands_with_what_they_do(tmp_path: Path) -> None:
    command = f"source {COMPLETIONS / 'presence.fish'}; complete -C 'presence che'"
    said = ran("env", f"HOME={tmp_path}", "fish", "--no-config", "-c", command)
    assert said.startswith("check\tconfiguration, clock, list")


def test_every_command_has_a_page() -> None:
    names = {"presence", *(f"presence-{words[0]}" for words in COMMANDS)}
    assert {page.stem for page in MAN.glob("*.1")} == names


@needs("groff")
def test_groff_takes_every_page_and_shows_every_option() -> None:
    for words, command in COMMANDS.items():
        page = MAN / f"presence-{words[0]}.1"
        said = ran("groff", "-man", "-Tutf8", "-P-cbou", "-ww", page)
        assert {name for name in options_of(command) if name not in said} == set()

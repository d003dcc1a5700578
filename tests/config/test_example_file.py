"""`config/presence.yaml` shows every setting, and what its comments say is what the code does.

Above each setting stands a line of facts, `# seconds · default 15 · 2 to 60`; "#key: value" is a
setting that is switched off, "# words" are words.
"""

import re

import pytest

from presence.config import Settings, load_settings, parse_settings
from presence.config.wording import example
from tests.support.paths import ROOT
from tests.support.shown_settings import (
    SWITCHED_OFF,
    Shown,
    facts,
    lines_of_keys,
    settings_of,
)

FILE = ROOT / "config" / "presence.yaml"
TEXT = FILE.read_text(encoding="utf-8")
IN_USE = SWITCHED_OFF.sub(r"\1", TEXT)
"""The file with every setting switched on; in `#  # words` the words stay words."""
ALL = list(settings_of(Settings))


LINES = lines_of_keys(IN_USE)


def test_the_file_loads_as_it_stands() -> None:
    settings = load_settings(FILE)
    assert (
        settings.consent.list == f"{settings.store.chain}/{settings.store.store}" == "acme/fi-0042"
    )


def test_the_file_loads_with_every_setting_switched_on() -> None:
    mqtt = parse_settings(IN_USE, name="presence.yaml").mqtt
    assert mqtt.tls is not None
    assert None not in (
        mqtt.username,
        mqtt.password_file,
        mqtt.tls.certificate_file,
        mqtt.tls.key_file,
    )


def test_all_its_paths_are_where_a_daemon_keeps_things() -> None:
    paths = re.findall(r"(?m)^ *#? *\w*(?:file|dir|directory): (.*)$", TEXT)
    assert len(paths) == 13
    homes = ("/etc/presence", "/var/lib/presence", "/run/presence", "/var/lib/prometheus")
    assert all(path.startswith(homes) for path in paths)


def test_the_file_shows_each_setting_and_no_other() -> None:
    known = {setting.path for setting in ALL}
    shown = {path for path in LINES if not path.startswith("store.opening_hours.")}
    sections = {path.rpartition(".")[0] for path in known}
    assert shown - sections == known


def test_only_what_is_optional_is_switched_off() -> None:
    in_use = lines_of_keys(TEXT)
    off = {setting.path for setting in ALL if setting.path not in in_use}
    optional = {setting.path for setting in ALL if setting.field.default is None}
    satellite = {f"satellites.{name}" for name in ("name", "place", "key_file")}
    antenna = {"radio.antennas.adapter", "radio.antennas.place"}
    bell = {f"doorbell.bells.{key}" for key in ("adapter", "place", "number", "rssi_offset_db")}
    assert off == optional | satellite | antenna | bell | {"mqtt.tls.ca_file"}


@pytest.mark.parametrize("setting", ALL, ids=lambda setting: setting.path)
def test_unit_default_and_limits_in_the_comment_are_those_of_the_code(setting: Shown) -> None:
    assert IN_USE.splitlines()[LINES[setting.path] - 1].strip() == facts(setting)


@pytest.mark.parametrize("setting", ALL, ids=lambda setting: setting.path)
def test_each_setting_is_explained_in_words(setting: Shown) -> None:
    assert re.match(r" *# [^·]+\w[^·]*$", IN_USE.splitlines()[LINES[setting.path] - 2])


@pytest.mark.parametrize("setting", ALL, ids=lambda setting: setting.path)
def test_the_example_in_a_refusal_is_one_that_is_taken(setting: Shown) -> None:
    sample = example(setting.field)
    assert sample
    lines = IN_USE.splitlines()
    at = LINES[setting.path]
    indent = len(lines[at]) - len(lines[at].lstrip(" "))
    rest = lines[at + 1 :]
    if re.search(r":$", lines[at]):  # the value stands on the lines below: drop them
        rest = rest[
            next(i for i, line in enumerate(rest) if len(line) - len(line.lstrip(" ")) <= indent) :
        ]
    lines[at:] = [f"{lines[at].partition(':')[0]}: {sample}", *rest]
    assert parse_settings("\n".join(lines), name="presence.yaml")


def test_lines_are_short_enough_for_a_terminal() -> None:
    assert max(map(len, TEXT.splitlines())) <= 110

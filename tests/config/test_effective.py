"""What is in force: each value with where it is from, and no secret."""

import json
from pathlib import Path

import jsonschema
import pytest

from presence.cli.config.show import as_json, as_lines
from presence.config import Settings
from presence.config.effective import EffectiveSetting, Origin, effective
from presence.config.reading import load_with_lines
from tests.support.paths import ROOT
from tests.support.shown_settings import settings_of

SCHEMA = json.loads((ROOT / "docs" / "config-show.schema.json").read_text("utf-8"))
GOLDEN = ROOT / "tests" / "vectors" / "config-show.json"
FILE = """\
store: {chain: acme, store: fi-0042, gateway: door-1, key_file: hidden.key}
notice: {id: a, controller: Acme Oy, dpo_contact: a@b.example, review_by: 2027-03-01}
consent:
  list: acme/fi-0042
  repository: https://reader:hunter2@lists.example/x
  root_file: $CREDENTIALS_DIRECTORY/root.json
audiences: [{name: offers-main, campaigns: [ap2:1551]}]
entry:
  enter_rssi_dbm: -80
  window_s: 15
radio:
  antennas: [{adapter: usb:1-1.4, place: inside}, {adapter: usb:1-1.3, place: door}]
mqtt: {username: hunter2, password_file: hunter2, host: 127.0.0.1}
"""


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, EffectiveSetting]:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/presence.service")
    return read(tmp_path, FILE)


def read(folder: Path, text: str) -> dict[str, EffectiveSetting]:
    file = folder / "presence.yaml"
    file.write_text(text, encoding="utf-8")
    return {each.path: each for each in effective(*load_with_lines(file, Settings))}


def test_every_setting_is_there(shown: dict[str, EffectiveSetting]) -> None:
    wanted = {each.path for each in settings_of(Settings)}
    lists = ("audiences.", "radio.antennas.", "doorbell.bells.", "satellites.", "mqtt.tls.")
    assert {path for path in wanted if not path.startswith(lists)} <= shown.keys()
    assert {"audiences[0].name", "radio.antennas[1].place", "mqtt.tls"} <= shown.keys()
    assert {"satellites", "doorbell.bells"} <= shown.keys()


@pytest.mark.parametrize(
    ("path", "value", "origin", "line"),
    [
        ("entry.enter_rssi_dbm", -80, Origin.FILE, 9),
        ("entry.window_s", 15, Origin.FILE, 10),
        ("entry.min_sightings", 4, Origin.DEFAULT, None),
        ("audiences[0].campaigns", ["ap2:1551"], Origin.FILE, 7),
        ("consent.root_file", "/run/credentials/presence.service/root.json",
         Origin.ENVIRONMENT, 6),
        ("radio.antennas[1].place", "door", Origin.FILE, 12),
        ("notice.review_by", "2027-03-01", Origin.FILE, 2),
    ],
)  # fmt: skip
def test_each_value_says_where_it_is_from(
    path: str, value: object, origin: Origin, line: int | None, shown: dict[str, EffectiveSetting]
) -> None:
    each = shown[path]
    assert (each.value, each.origin, each.line) == (value, origin, line)


def test_what_follows_from_the_antennas_is_of_the_set_up(
    tmp_path: Path, shown: dict[str, EffectiveSetting]
) -> None:
    for path in ("entry.score", "entry.side_offset_db"):
        assert shown[path].origin is Origin.SETUP
        assert isinstance(shown[path].value, int | float)
    text = "\n".join(line for line in FILE.splitlines() if "root_file" not in line)
    alone = text.replace(", {adapter: usb:1-1.3, place: door}", "").replace("repository", "#")
    assert read(tmp_path, alone)["entry.score"].origin is Origin.DEFAULT
    walked = text.replace("repository", "#").replace("entry:\n", "entry:\n  score: 120\n")
    assert read(tmp_path, walked)["entry.score"].origin is Origin.FILE


def test_what_the_file_repeats_of_the_defaults_is_no_difference(
    shown: dict[str, EffectiveSetting],
) -> None:
    differing = {path for path, each in shown.items() if each.differs}
    assert {"entry.enter_rssi_dbm", "mqtt.username", "store.key_file"} <= differing
    assert not {"entry.window_s", "mqtt.host", "entry.score", "log.level"} & differing


def test_no_secret_and_no_way_to_one_is_shown(shown: dict[str, EffectiveSetting]) -> None:
    told = "\n".join(as_lines(list(shown.values()))) + json.dumps(
        as_json(Path("p"), list(shown.values()))
    )
    assert "hunter2" not in told
    assert "hidden.key" not in told
    assert "https://…@lists.example/x" in told
    assert (shown["mqtt.username"].given, shown["identity.irk_file"].given) == (True, False)


def test_the_json_is_the_golden_one_and_as_the_schema_has_it(
    shown: dict[str, EffectiveSetting],
) -> None:
    told = as_json(Path("presence.yaml"), [each for each in shown.values() if each.differs])
    assert told == json.loads(GOLDEN.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(told, SCHEMA)
    jsonschema.validate(as_json(Path("p"), list(shown.values())), SCHEMA)


@pytest.mark.parametrize(
    "change", [{"value": "x", "secret": True, "given": True}, {"origin": "guess"}, {"line": "9"}]
)
def test_the_schema_lets_nothing_else_through(change: dict[str, object]) -> None:
    told = json.loads(GOLDEN.read_text("utf-8"))
    told["settings"][0] |= change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(told, SCHEMA)

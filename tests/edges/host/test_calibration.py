"""Whether the door was calibrated, as it is set now: the sealed record of `scan-test --apply`."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from presence.config import Settings, load_settings
from presence.config.settings import AntennaSettings, SatelliteAntenna
from presence.core.place import Place
from presence.edges.host import calibration
from presence.edges.host.calibration import HungAntenna, Signed, UnusableRecord
from presence.language import Sentence, language_named
from tests.support.builders import DAY_S
from tests.support.shops import Shop

AT_S = 1_795_442_707.0
"""2026-11-23T14:05:07Z."""
KEY, ANOTHER_KEY = bytes(range(32)), bytes(32)
ANTENNAS = (
    HungAntenna("hci0", "00:1A:7D:DA:71:13", "inside"),
    HungAntenna("pavement", "", "outside"),
)


def signed(**changes: object) -> Signed:
    base = Signed(
        verdict="PASS",
        found="enter at -83 dBm",
        measured={"side": {"side_db": 11.2}},
        antennas=ANTENNAS,
        phones=("Pixel 7",),
        signed_off_by="M. Meikäläinen",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = load_settings(Shop(tmp_path / "shop", 1883).open([]).config)
    return with_antenna(found, AntennaSettings(adapter="usb:1-1.4"))


def with_antenna(settings: Settings, antenna: AntennaSettings) -> Settings:
    return replace(settings, radio=replace(settings.radio, antennas=[antenna]))


@pytest.fixture
def file(settings: Settings) -> Path:
    calibration.record(settings, KEY, signed(), AT_S)
    return settings.storage.state_dir / calibration.FILE_NAME


def doubt(settings: Settings, *, at_s: float = AT_S, key: bytes = KEY) -> str:
    return calibration.standing(settings, key, at_s).doubt


def test_a_door_is_doubted_until_a_walk_of_it_was_applied(settings: Settings) -> None:
    assert "never calibrated" in doubt(settings)
    calibration.record(settings, KEY, signed(), AT_S)
    assert doubt(settings) == ""
    kept = calibration.read(settings, KEY)
    assert (kept.at, kept.verdict, kept.found) == (
        "2026-11-23T14:05:07Z",
        "PASS",
        "enter at -83 dBm",
    )
    assert (kept.signed_off_by, kept.antennas) == ("M. Meikäläinen", ANTENNAS)
    assert kept.measured["side"]["side_db"] == 11.2


def test_what_was_found_is_said_in_the_language_and_kept_in_english(settings: Settings) -> None:
    found = Sentence("enter at {enter_dbm:.0f} dBm", enter_dbm=-83)
    calibration.record(settings, KEY, signed(found=found), AT_S)
    kept = json.loads((settings.storage.state_dir / calibration.FILE_NAME).read_bytes())
    assert kept["found"] == "enter at -83 dBm"
    said = calibration.read(settings, KEY).found
    assert language_named("sv").say(said) == "inträde vid -83 dBm"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: replace(s, entry=replace(s.entry, enter_rssi_dbm=-70)), "entry.enter_rssi_dbm"),
        (lambda s: replace(s, entry=replace(s.entry, absence_s=400)), "entry.absence_s"),
        (lambda s: with_antenna(s, AntennaSettings(adapter="usb:1-1.3")), "radio.antennas"),
        (
            lambda s: with_antenna(s, replace(s.radio.antennas[0], place=Place.DOOR)),
            "radio.antennas",
        ),
    ],
)
def test_a_change_ends_the_calibration_at_once_and_is_named(
    settings: Settings, change: Callable[[Settings], Settings], named: str
) -> None:
    calibration.record(settings, KEY, signed(), AT_S)
    changed = doubt(change(settings))
    assert "calibrated on 2026-11-23 and changed since" in changed
    assert named in changed


def test_the_order_of_antennas_in_the_file_is_no_change_and_a_new_satellite_is(
    settings: Settings,
) -> None:
    door = AntennaSettings(adapter="usb:1-1.3", place=Place.DOOR)
    hung = [AntennaSettings(adapter="usb:1-1.2"), door]
    two = replace(settings, radio=replace(settings.radio, antennas=hung))
    calibration.record(two, KEY, signed(), AT_S)
    turned = replace(two.radio, antennas=hung[::-1])
    assert doubt(replace(two, radio=turned)) == ""
    pavement = SatelliteAntenna(
        name="pavement", place=Place.OUTSIDE, key_file=settings.store.key_file
    )
    assert "satellites" in doubt(replace(two, satellites=[pavement]))


def test_another_device_of_the_same_name_is_another_antenna(settings: Settings, file: Path) -> None:
    def of(**addresses: str) -> str:
        return calibration.standing(settings, KEY, AT_S, addresses=addresses).doubt

    assert of(hci0="00:1A:7D:DA:71:13", pavement="00:00:00:00:00:01") == ""
    assert of() == "", "where nobody could be asked, nothing is known against it"
    assert "antenna hci0 is another device" in of(hci0="00:1A:7D:DA:71:99")


def test_a_change_that_has_nothing_to_do_with_the_door_is_none(settings: Settings) -> None:
    calibration.record(settings, KEY, signed(), AT_S)
    assert doubt(replace(settings, mqtt=replace(settings.mqtt, port=8883))) == ""


@pytest.mark.parametrize(
    ("days", "doubted", "reminded"),
    [(0, False, False), (334, False, False), (336, False, True), (365, False, True),
     (366, True, False)],
)  # fmt: skip
def test_it_holds_for_a_year_and_reminds_a_month_before_its_end(
    settings: Settings, file: Path, days: int, doubted: bool, reminded: bool
) -> None:
    door = calibration.standing(settings, KEY, AT_S + days * DAY_S)
    assert bool(door.doubt) is doubted
    assert bool(door.reminder) is reminded
    assert door.valid_until == "2027-11-23"
    assert "valid until 2027-11-23: that is past" in door.doubt or not doubted


@pytest.mark.parametrize(
    ("day", "months", "until"),
    [
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2026, 10, 31), 1, date(2026, 11, 30)),
        (date(2026, 12, 15), 12, date(2027, 12, 15)),
        (date(2026, 1, 31), 13, date(2027, 2, 28)),
    ],
)
def test_months_end_on_the_same_day_or_on_the_last_of_a_shorter_month(
    settings: Settings, day: date, months: int, until: date
) -> None:
    at_s = (day - date(1970, 1, 1)).days * DAY_S + 3600.0
    calibration.record(settings, KEY, signed(months=months), at_s)
    assert calibration.read(settings, KEY).valid_until == until


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("verdict", "PASS!"),
        ("valid_until", "2099-01-01"),
        ("signed_off_by", "somebody else"),
        ("measured", {"side": {"side_db": 30.0}}),
        ("antennas", []),
        ("settings", {}),
        ("mac", ""),
        ("mac", None),
        ("more", 1),
    ],
)
def test_a_record_that_was_edited_or_is_of_another_store_counts_for_nothing(
    settings: Settings, file: Path, field: str, value: object
) -> None:
    assert "is of another store" in doubt(settings, key=ANOTHER_KEY)
    values = json.loads(file.read_text())
    values[field] = value
    file.write_text(json.dumps(values))
    assert "was edited" in doubt(settings)


def test_a_record_of_the_first_version_is_named_as_such_and_no_longer_counts(
    settings: Settings, file: Path
) -> None:
    file.write_text('{"v": 1, "at": "2026-11-23T14:05:07Z", "verdict": "PASS", "settings": {}}')
    assert "calibrated on 2026-11-23 by an older version" in doubt(settings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[]", "another version"),
        (b"[" * 100_000, "no JSON"),
        (b'{"v": 2}', "was edited"),
        (b'{"v": 3, "settings": {}}', "another version"),
        (b"\xff", "no JSON"),
    ],
)
def test_a_record_that_cannot_be_read_says_why_and_counts_for_nothing(
    settings: Settings, file: Path, text: bytes, words: str
) -> None:
    file.write_bytes(text)
    assert words in doubt(settings)
    with pytest.raises(UnusableRecord):
        calibration.read(settings, KEY)


def test_a_record_that_root_writes_follows_no_link_and_is_readable_for_the_daemon(
    settings: Settings, tmp_path: Path
) -> None:
    state_dir, elsewhere = settings.storage.state_dir, tmp_path / "elsewhere"
    state_dir.mkdir()
    elsewhere.write_text("not ours")
    (state_dir / calibration.FILE_NAME).symlink_to(elsewhere)
    calibration.record(settings, KEY, signed(), AT_S)
    assert elsewhere.read_text() == "not ours"
    assert (state_dir / calibration.FILE_NAME).stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in state_dir.iterdir()) == [calibration.FILE_NAME]


def test_the_record_holds_no_key_and_says_of_phones_nothing_but_their_models(file: Path) -> None:
    text = file.read_text()
    assert KEY.hex() not in text
    values = json.loads(text)
    assert values["phones"] == ["Pixel 7"]
    assert set(values) == {
        "v", "at", "valid_until", "verdict", "found", "said", "signed_off_by", "program",
        "measured", "antennas", "phones", "settings", "settings_sha256", "mac",
    }  # fmt: skip

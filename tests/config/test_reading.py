"""A file of settings is taken whole or refused whole, and a refusal says all that is wrong."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from presence.config import Settings, load_settings, parse_settings
from presence.config.relations import problems
from presence.config.rules import places_of, read_satellite_keys, rules_of
from presence.config.settings import (
    AudiencePurpose,
    AudienceSettings,
    EntrySettings,
    MqttProtocol,
    MqttSettings,
    RadioSettings,
    TlsSettings,
)
from presence.core.place import Place
from presence.core.rules import Bell
from presence.errors import ConfigurationError

MINIMAL = """\
store: {chain: acme, store: fi-0042, gateway: door-1, key_file: store.key}
notice:
  id: fi-2026-03
  controller: Acme Oy
  dpo_contact: privacy@acme.example
  review_by: 2027-03-01
consent:
  directory: consent
  list: acme/fi-0042
audiences:
  - name: offers-main
    campaigns: [ap2:1551]
"""
"""All that must stand in a file, and nothing else."""


def refusal_of(text: str, name: str = "presence.yaml") -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(text, name=name)
    return caught.value.problems


def read(more: str = "") -> Settings:
    return parse_settings(MINIMAL + more, name="/etc/presence/presence.yaml")


def test_what_is_left_out_has_its_default() -> None:
    settings = read()
    assert settings.entry == EntrySettings()
    assert settings.mqtt == MqttSettings()
    assert settings.radio == RadioSettings()
    assert settings.notice.review_by == date(2027, 3, 1)
    assert settings.audiences == [AudienceSettings(name="offers-main", campaigns=["ap2:1551"])]
    assert settings.audiences[0].purpose is AudiencePurpose.OFFERS


def test_a_section_with_nothing_below_it_is_all_defaults() -> None:
    assert read("entry:\nradio: {}\nmqtt:\n  # host: elsewhere\n") == read()


SETUPS = {
    "inside alone": [("hci0", Place.INSIDE)],
    "several inside, by number": [("hci0", Place.INSIDE), ("hci1", Place.INSIDE)],
    "inside and door": [("usb:1-1.4", Place.INSIDE), ("00:1A:7D:DA:71:13", Place.DOOR)],
    "the pair alone": [("usb:1-1.3", Place.DOOR), ("usb:1-1.2", Place.OUTSIDE)],
    "the pair and inside": [
        ("00:1A:7D:DA:71:13", Place.OUTSIDE),
        ("usb:1-1.3", Place.DOOR),
        ("usb:1-1.4", Place.INSIDE),
    ],
}


@pytest.mark.parametrize("antennas", SETUPS.values(), ids=SETUPS)
def test_antennas_have_a_name_and_a_place(antennas: list[tuple[str, Place]]) -> None:
    said = ", ".join(f'{{adapter: "{name}", place: {place}}}' for name, place in antennas)
    settings = read(f"radio: {{antennas: [{said}]}}")

    assert [(each.adapter, each.place) for each in settings.radio.antennas] == antennas
    assert rules_of(settings, bytes(32)).places == dict(antennas)


def test_without_antennas_the_first_adapter_listens_inside() -> None:
    assert read("radio: {antennas: }").radio.antennas == read().radio.antennas == []
    outside = read("satellites: [{name: s0, place: outside, key_file: s0.key}]")
    assert places_of(outside) == {"default": Place.INSIDE, "s0": Place.OUTSIDE}


def test_an_antenna_of_which_nothing_more_is_said_is_inside() -> None:
    [antenna] = read("radio: {antennas: [{adapter: usb:1-1.4}]}").radio.antennas
    assert antenna.place is Place.INSIDE


def test_relative_paths_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "presence.yaml"
    file.write_text(MINIMAL, encoding="utf-8")
    settings = load_settings(file)
    assert settings.store.key_file == tmp_path / "store.key"
    assert settings.consent.directory == tmp_path / "consent"
    assert settings.storage.state_dir == Path("/var/lib/presence")


def test_paths_are_absolute_though_the_file_was_named_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "presence.yaml").write_text(MINIMAL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_settings(Path("presence.yaml")).store.key_file == tmp_path / "store.key"


@pytest.mark.parametrize(
    ("written", "protocol"),
    [("5", MqttProtocol.V5), ('"5"', MqttProtocol.V5), ("3.1.1", MqttProtocol.V311)],
)
def test_the_protocol_may_be_written_as_a_number_or_a_text(
    written: str, protocol: MqttProtocol
) -> None:
    assert read(f"mqtt: {{protocol: {written}}}").mqtt.protocol is protocol


@pytest.mark.parametrize("word", ["yes", "on", "True", "true"])
def test_a_switch_may_be_written_as_yaml_allows(word: str) -> None:
    assert parse_settings(
        MINIMAL.replace("{chain", f"{{sensitive: {word}, chain"), name="p"
    ).store.sensitive


def test_a_whole_number_is_a_number_too() -> None:
    window_s = read("entry: {window_s: 20}").entry.window_s
    assert isinstance(window_s, float)
    assert window_s == 20


def test_opening_hours_are_texts_without_quotes() -> None:
    text = MINIMAL.replace("{chain", "{opening_hours: {mon: 09:00-21:00, fri: 18:00-02:00}, chain")
    assert parse_settings(text, name="p").store.opening_hours == {
        "mon": "09:00-21:00",
        "fri": "18:00-02:00",
    }


def test_a_broker_elsewhere_is_taken_with_tls() -> None:
    mqtt = read("mqtt: {host: broker.acme.example, port: 8883, tls: {ca_file: ca.pem}}").mqtt
    assert mqtt.tls == TlsSettings(ca_file=Path("/etc/presence/ca.pem"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", '"::1"'])
def test_plain_text_is_taken_on_this_machine(host: str) -> None:
    assert read(f"mqtt: {{host: {host}}}").mqtt.tls is None


def test_a_notice_past_its_review_is_no_mistake_in_the_file() -> None:
    assert parse_settings(
        MINIMAL.replace("2027-03-01", "2020-01-01"), name="p"
    ).notice.review_by == date(2020, 1, 1)


def test_an_audience_that_serves_needs_no_campaign() -> None:
    assert read("  - {name: pick-up, purpose: service}\n").audiences[1].campaigns == []


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "presence.yaml"
    file.write_text(MINIMAL, encoding="utf-8-sig")
    assert load_settings(file).store.chain == "acme"


def test_all_mistakes_are_told_at_once_and_by_line() -> None:
    text = MINIMAL.replace("chain: acme", "chain: ACME").replace("  list: acme/fi-0042\n", "") + (
        "entry:\n"
        "  windw_s: 15\n"
        "  enter_rssi_dbm: -95\n"
        "mqtt:\n"
        "  host: broker.acme.example\n"
        "  keep_alive_s: 2\n"
        "log:\n"
        "  level: loud\n"
    )
    problems = refusal_of(text, name="/etc/presence/presence.yaml")
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["/etc/presence/presence.yaml:1", "store.chain"],
        ["/etc/presence/presence.yaml:7", "consent.list"],
        ["/etc/presence/presence.yaml:12", "entry.exit_rssi_dbm"],
        ["/etc/presence/presence.yaml:13", "entry.windw_s"],
        ["/etc/presence/presence.yaml:15", "mqtt.tls"],
        ["/etc/presence/presence.yaml:17", "mqtt.keep_alive_s"],
        ["/etc/presence/presence.yaml:19", "log.level"],
    ]


def test_a_relation_is_judged_although_another_setting_is_broken() -> None:
    text = MINIMAL.replace("acme/fi-0042", "other/fi-0042") + (
        "  - {name: offers-main, purpose: sevice, campaigns: [ap2:1]}\nlog: {level: loud}\n"
    )
    problems = refusal_of(text)
    assert len(problems) == 4
    assert any(
        "consent.list: is of another chain than store.chain: use acme/…" in it for it in problems
    )
    assert any("audiences[1].name: is taken" in it for it in problems)


def test_a_relation_does_not_repeat_what_is_wrong_with_its_settings() -> None:
    text = MINIMAL.replace("acme/fi-0042", "ACME").replace("ap2:1551", "cars")
    assert (
        len(
            refusal_of(
                text + "entry: {enter_rssi_dbm: x, exit_rssi_dbm: -30}\nmqtt: {host: a.b, tls: 5}"
            )
        )
        == 4
    )


def test_sections_built_by_hand_can_be_asked_for_their_problems() -> None:
    assert list(problems(read().entry)) == []
    assert next(problems(replace(read().entry, exit_rssi_dbm=-50))).startswith(
        "exit_rssi_dbm lies above"
    )


def test_a_file_that_is_not_there_is_named_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"absent\.yaml: there is no such file: `presence config init` .*--config",
    ):
        load_settings(tmp_path / "absent.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read \(Is a directory\)"):
        load_settings(tmp_path)


def test_a_path_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings(Path("a\0b"))


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "presence.yaml"
    file.write_bytes(MINIMAL.encode().replace(b"Acme Oy", b"Caf\xe9 Oy"))
    with pytest.raises(ConfigurationError, match=r"presence\.yaml:4: is not UTF-8"):
        load_settings(file)


def test_a_file_far_too_large_is_not_read() -> None:
    with pytest.raises(ConfigurationError, match="larger than"):
        load_settings(Path("/dev/zero"))


def test_a_path_may_name_a_credential_of_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    text = MINIMAL.replace("key_file: store.key", "key_file: $CREDENTIALS_DIRECTORY/store.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/presence.service")
    settings = parse_settings(text, name="/etc/presence/presence.yaml")
    assert settings.store.key_file == Path("/run/credentials/presence.service/store.key")


def test_a_credential_without_its_service_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (problem,) = refusal_of(
        MINIMAL.replace("key_file: store.key", "key_file: $CREDENTIALS_DIRECTORY/store.key")
    )
    assert problem.startswith("presence.yaml:1: store.key_file: is a credential of systemd")
    assert "LoadCredential=" in problem


# ---------------------------------------------------------------- satellites


def with_satellites(folder: Path, *keys: str) -> Settings:
    """One satellite for each of these contents of its key file."""
    for number, key in enumerate(keys):
        (folder / f"{number}.key").write_text(key)
    entries = "".join(
        f"  - {{name: s{number}, place: outside, key_file: {folder}/{number}.key}}\n"
        for number in range(len(keys))
    )
    return read(f"satellites:\n{entries}")


def test_each_satellite_has_its_place_and_its_key(tmp_path: Path) -> None:
    settings = with_satellites(tmp_path, "ab" * 32 + "\n", "cd" * 32)
    satellites = {"s0": Place.OUTSIDE, "s1": Place.OUTSIDE}
    assert places_of(settings) == {"default": Place.INSIDE} | satellites
    assert read_satellite_keys(settings) == {"s0": b"\xab" * 32, "s1": b"\xcd" * 32}
    assert read_satellite_keys(read("satellites:\n")) == {}


def test_bells_hang_in_places_as_antennas_do_and_are_known_by_their_numbers() -> None:
    bells = """
  bells:
  - {adapter: usb:1-1.2, number: 3, rssi_offset_db: -4}
  - {adapter: usb:1-1.3, number: 4, place: outside}
"""
    names = "service_uuid: 5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10"
    rung = read(f"doorbell:\n  enabled: true\n  {names}{bells}")
    assert rules_of(rung, bytes(32)).bells == {
        3: Bell("usb:1-1.2", -4),
        4: Bell("usb:1-1.3", place=Place.OUTSIDE),
    }
    assert places_of(rung) == {"default": Place.INSIDE}, "they ring, and do not listen"
    silent = read(f"doorbell:\n  {names}{bells}")
    assert rules_of(silent, bytes(32)).bells == {0: Bell()}


def test_where_a_satellite_listens_what_phones_say_of_their_power_counts_for_nothing(
    tmp_path: Path,
) -> None:
    identity = read("identity: {reference_tx_dbm: -7}")
    assert rules_of(identity, bytes(32)).reference_tx_dbm == -7
    assert rules_of(read(), bytes(32)).reference_tx_dbm == -18
    satellites = with_satellites(tmp_path, "ab" * 32)
    assert rules_of(satellites, bytes(32)).reference_tx_dbm is None


@pytest.mark.parametrize(
    ("adapter", "satellite"), [("door", "outside"), ("outside", "door"), ("door", "inside")]
)
def test_a_satellite_may_be_the_other_antenna_without_which_nobody_is_recognised(
    adapter: str, satellite: str
) -> None:
    settings = read(
        f"radio: {{antennas: [{{adapter: usb:1-1, place: {adapter}}}]}}\n"
        f"satellites: [{{name: s0, place: {satellite}, key_file: s0.key}}]"
    )
    assert places_of(settings) == {"usb:1-1": Place(adapter), "s0": Place(satellite)}


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["ab" * 31], "not 64 hex digits"),
        (["", "ab" * 32], "not 64 hex digits"),
        (["ab" * 32, "AB" * 32], "the key of a satellite above"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_by_its_file_and_is_not_shown(
    tmp_path: Path, keys: list[str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as refusal:
        read_satellite_keys(with_satellites(tmp_path, *keys))
    assert "].key_file" in str(refusal.value)
    assert "openssl rand -hex 32" in str(refusal.value)
    assert "abab" not in str(refusal.value).lower()

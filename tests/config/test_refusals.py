"""Each mistake that an operator can make, and what is said about it."""

import traceback

import pytest

from presence.config import parse_settings
from presence.errors import ConfigurationError
from tests.support.settings_texts import MINIMAL

SECRET = "hunter2hunter2"
RINGING = "doorbell: {enabled: true, service_uuid: 5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10"


def refusal_of(text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(text, name="presence.yaml")
    return caught.value


# What the least file says → what is written in its place → what the refusal says.
CHANGES = [
    # keys
    (
        "  chain: acme\n",
        "",
        "presence.yaml:1: store.chain: is missing: use 1–32 of",
        "e.g. `chain: acme`",
    ),
    (
        "notice:",
        "notices:",
        ":1: notice: is missing: add this section, with at least id, controller, dpo_contact",
    ),
    ("notice:", "notices:", ":6: notices: is not a setting: did you mean `notice`?"),
    ("  store: fi", "  stroe: fi", ":3: store.stroe: is not a setting: did you mean `store`?"),
    (
        "  id: fi",
        "  window_s: 5\n  id: fi",
        ":7: notice.window_s: is not a setting here: move it to `entry`",
    ),
    ("  id: fi", "  ca_file: x\n  id: fi", "is not a setting here: move it to `mqtt.tls`"),
    (
        "  id: fi",
        "  zzz: 5\n  id: fi",
        "notice.zzz: is not a setting: remove it, or use one of id, controller",
    ),
    ("  id: fi", "  relations: 5\n  id: fi", "notice.relations: is not a setting: remove it"),
    (
        "  store: fi",
        "  chain: b\n  store: fi",
        ":3: store: chain stands a second time, first in line 2",
    ),
    ("  store: fi", "  chain:b: c\n  store: fi", ":3: store: holds a key that is no plain word"),
    ("  store: fi", "  [a, b]: c\n  store: fi", ":3: store: holds a key that is no plain word"),
    (
        "notice:",
        "<<: {a: b}\nnotice:",
        ":6: merge keys (<<) are not read here: write the settings out",
    ),
    (
        "notice:",
        "  opening_hours: {mon: 09:00-18:00}\nfigures: {walk_in: 08:30-08:50}\nnotice:",
        "figures.walk_in: is outside of store.opening_hours on every day",
    ),
    # sections and lists
    (
        "  - name: offers-main\n    campaigns: [ap2:1551]",
        "  name: x",
        ":14: audiences: needs a list, not a group",
    ),
    (
        "  - name: offers-main\n    campaigns: [ap2:1551]",
        "  []",
        "audiences: is empty, so no event could be sent",
    ),
    ("  - name: offers-main\n    campaigns", "  - campaigns", ":15: audiences[0].name: is missing"),
    (
        "  - name: offers-main",
        "  - 5\n  - name: offers-main",
        ":15: audiences[0]: needs its settings on the lines",
    ),
    (
        "    campaigns: [ap2:1551]",
        "    campaigns: cars",
        ":16: audiences[0].campaigns: needs a list, e.g. `campaigns",
    ),
    (
        "[ap2:1551]",
        "[ap2:1551, cars]",
        "audiences[0].campaigns[1]: text 'cars' does not fit: use categories such as",
    ),
    (
        "[ap2:1551]",
        "\n    - ap2:1\n    - [x]",
        ":18: audiences[0].campaigns[1]: needs text",
        "not a list",
    ),
    (
        "    campaigns: [ap2:1551]",
        "    purpose: offers",
        ":15: audiences[0].campaigns: is empty, so nothing",
    ),
    (
        "    campaigns: [ap2:1551]",
        "    purpose: spam",
        "needs one of offers, service, e.g. `purpose: offers`",
    ),
    (
        "audiences:",
        "audiences:\n  - {name: offers-main, purpose: service}",
        ":16: audiences[1].name: is taken",
    ),
    # satellites
    (
        "audiences:",
        "satellites:\n  - {name: a, place: roof, key_file: a.key}\naudiences:",
        ":15: satellites[0].place: needs one of inside, door, outside, e.g. `place: outside`",
    ),
    (
        "audiences:",
        "satellites:\n  - {name: a, place: door, key_file: a.key}\n"
        "  - {name: a, place: door, key_file: b.key}\naudiences:",
        ":16: satellites[1].name: is taken by a satellite above: give each its own name",
    ),
    (
        "audiences:",
        "satellites:\n  - {name: hci0, place: door, key_file: a.key}\naudiences:",
        ":15: satellites[0].name: is that of an adapter: call a satellite by where it hangs",
    ),
    (
        "audiences:",
        f"satellites:\n  - {{name: a, place: door, key_file: {'ab' * 32}}}\naudiences:",
        ":15: satellites[0].key_file: ",
    ),
    # texts, and what YAML makes of them
    (
        "  store: fi-0042",
        "  store: no",
        ":3: store.store: needs text, e.g. `store: fi-0042`, not true/false 'no': put",
    ),
    ("  store: fi-0042", "  store: 0042", "not a number '0042': put it in quotes"),
    (
        "  store: fi-0042",
        "  store:",
        ":3: store.store: needs text, e.g. `store: fi-0042`, not nothing",
    ),
    (
        "  store: fi-0042",
        '  store: ""',
        "store.store: needs text, e.g. `store: fi-0042`, not an empty text",
    ),
    ("  store: fi-0042", "  store: !x y", "not a value with a tag 'y'"),
    (
        "  store: fi-0042",
        "  store: FI/42",
        "store.store: text 'FI/42' does not fit: use 1–32 of a–z, 0–9 and '-'",
    ),
    ("  store: fi-0042", "  store: &a {b: *a}", "store.store: needs text", "not a group of keys"),
    (
        "Acme Oy",
        "|\n    Acme\n    Oy",
        ":8: notice.controller: needs text",
        "remove the line break or control",
    ),
    ("Acme Oy", '"Acme \\ud800"', "remove the line break or control character"),
    (
        "/etc/presence/store.key",
        "[a]",
        ":5: store.key_file: needs a path, e.g. `key_file: /etc/presence/store.key`",
    ),
    (
        "/etc/presence/store.key",
        '"a\\0b"',
        "store.key_file: needs a path",
        "remove the line break or control",
    ),
    # dates
    (
        "2027-03-01",
        "soon",
        ":10: notice.review_by: needs a date, e.g. `review_by: 2027-03-01`, not text 'soon'",
    ),
    ("2027-03-01", "2027-02-30", "not a date '2027-02-30': the calendar has no such day"),
    ("2027-03-01", "2027-03-01 12:00:00", "write year-month-day"),
    ("2027-03-01", "20270301", "not a number '20270301': write year-month-day"),
    # between settings
    (
        "list: acme/",
        "list: other/",
        ":13: consent.list: is of another chain than store.chain: use acme/…",
    ),
]

# A section that is added → what the refusal says; its first line is the 17th of the file.
ADDITIONS = [
    (
        "radio: {mode: passive}\nidentity: {irk_file: a.json}",
        "identity.irk_file",
        "needs radio.mode active",
    ),
    (
        "radio: {path: kernel}\nidentity: {irk_file: a.json}",
        "identity.irk_file",
        "needs radio.path bluez",
    ),
    ("radio: {path: user-channel, mode: active}", "sends nothing on air"),
    ("radio: {path: kernel, le_coded: true}", "radio.le_coded", "needs radio.path user-channel"),
    (
        f"radio: {{path: user-channel}}\n{RINGING}, bells: [{{adapter: hci1}}]}}",
        "radio.antennas: is empty, so radio.path user-channel might take the doorbell's adapter",
    ),
    (
        f"radio: {{path: user-channel, antennas: [{{adapter: hci1}}]}}\n{RINGING}, "
        "share_adapter: true, bells: [{adapter: hci1}]}",
        "the doorbell needs bluetoothd",
    ),
    ("entry: 5", ":17: entry: needs its settings on the lines below it, indented, not a number"),
    ("entry:\n  window_s: 90", ":18: entry.window_s: 90 s is outside the limits: use 2 to 60 s"),
    (
        "entry: {enter_rssi_dbm: 75}",
        "entry.enter_rssi_dbm: 75 dBm is outside the limits: use -110 to -20 dBm",
    ),
    ("entry: {evidence_db_s: 0}", "evidence_db_s: 0 dB·s is outside the limits: use 1 to 500 dB·s"),
    ("entry: {min_sightings: 1}", "entry.min_sightings: 1 is outside the limits: use 2 to 50"),
    (
        "entry: {min_sightings: 4.5}",
        "needs a whole number, e.g. `min_sightings: 4`, not a number '4.5': write it with",
    ),
    ("entry: {min_sightings: true}", "not true/false 'true': true and false are not numbers"),
    ("entry: {window_s: on}", "needs a number, e.g. `window_s: 15`, not true/false 'on'"),
    ("entry: {window_s: 1:30}", "not a number '1:30': YAML reads colons as base 60"),
    ("entry: {window_s: 1:30.5}", "not a number '1:30.5': YAML reads colons as base 60"),
    ("entry: {window_s: 015}", "not a number '015': YAML does not read it as decimal"),
    ("entry: {window_s: 0x0f}", "not a number '0x0f': YAML does not read it as decimal"),
    ('entry: {window_s: "15"}', "not text '15': remove the quotes"),
    ("entry: {window_s: 1e1}", "not text '1e1': write it without an exponent"),
    ("entry: {window_s: .nan}", "needs a number, e.g. `window_s: 15`, not a number '.nan'"),
    ("entry: {window_s: .inf}", "needs a number, e.g. `window_s: 15`, not a number '.inf'"),
    ("entry: {window_s: 1.0e+999}", "not a number '1.0e+999': write it with fewer digits"),
    ("entry: {window_s: !!int abc}", "needs a number, e.g. `window_s: 15`, not a number 'abc'"),
    ("entry: {min_sightings: " + "9" * 5000 + "}", "999…': write it with fewer digits"),
    ("entry: {window_s: fifteen}", "not text 'fifteen'"),
    ("entry: {window_s: }", "needs a number, e.g. `window_s: 15`, not nothing"),
    (
        "entry: {exit_rssi_dbm: -60}",
        "entry.exit_rssi_dbm: lies above enter_rssi_dbm",
        "put it 5–15 dB below",
    ),
    (
        'figures: {walk_past: "09:10-09:00"}',
        "figures.walk_past: ends before it begins",
    ),
    (
        'figures: {walk_past: "09:00-09:10", walk_in: "09:09-09:20"}',
        "figures.walk_in: overlaps walk_past",
    ),
    ('figures: {walk_in: "9:00-9:10"}', "figures.walk_in: text '9:00-9:10' does not fit"),
    ("counter: {door: the door}", "counter.door: text 'the door' does not fit"),
    ("counter: {faces: up}", "counter.faces: needs one of in, out"),
    (
        "radio: {mode: loud}",
        "radio.mode: needs one of auto, active, passive, e.g. `mode: auto`, not text 'loud'",
    ),
    (
        "radio: {mode: [active]}",
        "radio.mode: needs one of auto, active, passive, e.g. `mode: auto`, not a list",
    ),
    (
        "radio: {antennas: hci0}",
        'radio.antennas: needs a list, e.g. `antennas: [{adapter: "00:1A:7D:DA:71:13", place: ins',
        "not text 'hci0'",
    ),
    (
        "radio: {antennas: [hci0]}",
        "radio.antennas[0]: needs its settings on the lines below it, indented, not text",
    ),
    (
        "radio: {antennas: [{adapter: usb:1-1}, {place: door}]}",
        "radio.antennas[1].adapter: is missing: use its address in quotes, its USB path such as",
        'e.g. `adapter: "00:1A:7D:DA:71:13"`',
    ),
    (
        "radio: {antennas: [{adapter: hci٣}]}",
        "radio.antennas[0].adapter: text 'hci٣' does not fit: use its address in quotes",
    ),
    ("radio: {antennas: [{adapter: usb:1}]}", "text 'usb:1' does not fit: use its address"),
    ("radio: {antennas: [{adapter: usb:1-1.4:1.0}]}", "text 'usb:1-1.4:1.0' does not fit"),
    ('radio: {antennas: [{adapter: "00:1A:7D:DA:71"}]}', "text '00:1A:7D:DA:71' does not fit"),
    (
        "radio: {antennas: [{adapter: 12:34:56:12:34:56}]}",
        "radio.antennas[0].adapter: needs text",
        "not a number '12:34:56:12:34:56': YAML reads colons as base 60: put it in quotes",
    ),
    (
        "doorbell: {bells: [{adapter: 12:34:56:12:34:56}]}",
        "doorbell.bells[0].adapter: needs text",
        "base 60: put it in quotes",
    ),
    # bells
    (
        "doorbell: {enabled: true, service_uuid: 5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10}",
        "doorbell.bells: is missing or empty, so nothing would ring: write `bells: [{adapter: …}]`",
    ),
    (
        "doorbell: {bells: [{adapter: usb:1-1}, {adapter: usb:1-1, number: 1}]}",
        "doorbell.bells[1].adapter: is that of bells[0] already: phones, and we, tell bells apart",
    ),
    (
        "doorbell: {bells: [{adapter: usb:1-1}, {adapter: usb:1-2}]}",
        "doorbell.bells[1].number: is that of bells[0] already: phones, and we, tell bells apart",
    ),
    (
        "doorbell: {bells: [{adapter: usb:1-1}, {adapter: hci2, number: 1, place: door}]}",
        "doorbell.bells[1].adapter: is only a number, hci2: two adapters that swap numbers",
    ),
    (
        f"radio: {{antennas: [{{adapter: hci1}}]}}\n{RINGING}, bells: [{{adapter: hci1}}]}}",
        "doorbell.bells[0].adapter: hci1 scans too: give the bell an adapter of its own, or set",
    ),
    (
        f"radio: {{antennas: [{{adapter: hci1}}]}}\n{RINGING}, share_adapter: true, "
        "bells: [{adapter: hci1, place: door}]}",
        "doorbell.bells[0].place: is another than in radio.antennas: an adapter hangs in one place",
    ),
    (
        "doorbell: {adapter: hci2}",
        "doorbell.adapter: was replaced by `bells`: write `bells: [{adapter: hci2}]`",
    ),
    (
        "doorbell: {rssi_offset_db: -6}",
        "doorbell.rssi_offset_db: was replaced by `bells`: write "
        "`bells: [{adapter: hci1, rssi_offset_db: -6}]`",
    ),
    (
        "doorbell: {adapter: hci2, bells: []}",
        "doorbell.adapter: was replaced by `bells`, which stands here: remove it",
    ),
    (
        "radio: {antennas: [{adapter: usb:1-1, place: front}]}",
        "radio.antennas[0].place: needs one of inside, door, outside, e.g. `place: inside`",
    ),
    (
        'radio:\n  antennas:\n  - adapter: "00:1a:7d:DA:71:13"\n  - adapter: "00:1A:7D:DA:71:13"',
        ":20: radio.antennas[1].adapter: is that of antennas[0] already: an antenna hangs in one",
    ),
    (
        "radio: {antennas: [{adapter: usb:1-1}, {adapter: hci1, place: door}]}",
        "radio.antennas[1].adapter: is only a number, hci1: two adapters that swap numbers",
        "would swap inside and door. Name it by its address or its USB path: `presence check`",
    ),
    (
        "radio: {antennas: [{adapter: usb:1-1, place: outside}]}",
        "radio.antennas: has none but outside, so nobody could be recognised: add one inside, or",
    ),
    (
        "radio: {antennas: [{adapter: usb:1-1, place: door}, {adapter: usb:1-2, place: door}]}",
        "radio.antennas: has none but at the door",
    ),
    (
        "radio: {antennas: [{adapter: hci0, place: door}]}",
        "radio.antennas: has none but at the door",
    ),
    (
        "radio: {antennas: [{adapter: usb:1-1, place: outside}]}\n"
        "satellites: [{name: pavement, place: outside, key_file: p.key}]",
        ":17: radio.antennas: has none but outside",
    ),
    (
        "radio: {antennas: [{adapter: usb:1-1}, {adapter: usb:1-2, place: door}]}\n"
        "entry: {score: 45}",
        ":18: entry.score: is less than antennas which hang like these ask for, 50.5: it was found",
    ),
    # as older files have it
    (
        "radio: {adapters: [hci0]}",
        "radio.adapters: was replaced by `antennas`: write `antennas: [{adapter: hci0}]`",
    ),
    (
        "radio: {adapters: [hci0, hci1, hci2]}",
        "write `antennas: [{adapter: hci0}, {adapter: hci1}, {adapter: hci2}]`",
    ),
    (
        "radio: {adapters: hci3}",
        "radio.adapters: was replaced by `antennas`: write `antennas: [{adapter: hci3}]`",
    ),
    (
        "radio: {adapters: []}",
        "radio.adapters: was replaced by `antennas`: remove it: without `antennas` the first",
    ),
    (
        "radio: {antennas: [{adapter: usb:1-1}], adapters: [hci0]}",
        "radio.adapters: was replaced by `antennas`, which stands here: remove it",
    ),
    (
        "mqtt: {protocol: 4}",
        "mqtt.protocol: needs one of 5, 3.1.1, e.g. `protocol: 5`, not a number '4'",
    ),
    ("mqtt: {port: 70000}", "mqtt.port: 70000 is outside the limits: use 1 to 65535"),
    (
        "mqtt: {host: 10.0.0.5}",
        ":17: mqtt.tls: is missing and the broker is another machine: add tls with ca_file",
    ),
    (
        "mqtt: {host: localhost.evil.example}",
        "mqtt.tls: is missing and the broker is another machine",
    ),
    ("mqtt: {hosts: [127.0.0.1, 127.0.0.1]}", "mqtt.hosts: names a broker twice: name each once"),
    ("mqtt: {hosts: [127.0.0.1:1884]}", "mqtt.hosts", "they have one port"),
    (
        "mqtt: {host: '::1', hosts: [127.0.0.1]}",
        "mqtt.host: stands beside hosts: put it among them",
    ),
    ("mqtt: {hosts: [127.0.0.1, broker.example]}", "mqtt.tls: is missing", "add tls with ca_file"),
    ("mqtt: {host_order: first}", "mqtt.host_order", "listed"),
    ("mqtt: {password_file: p}", "mqtt.password_file: stands without username: add the username"),
    ("mqtt:\n  tls: {}", ":18: mqtt.tls.ca_file: is missing: name the certificate authority"),
    (
        "mqtt: {tls: {ca_file: c, key_file: k}}",
        "mqtt.tls.certificate_file: goes with key_file: give both",
    ),
    ("mqtt: {tls: on}", "mqtt.tls: needs its settings on the lines below it"),
    (
        "log: {level: loud}",
        "log.level: text 'loud' does not fit: use debug, info, warning or error",
    ),
    (
        "storage: {state_dir: /x, runtime_dir: /x}",
        "storage.runtime_dir: equals state_dir: keep it on a tmpfs",
    ),
]

# What is added to `store` → what the refusal says; it is the 6th line of the file.
STORES = [
    (
        "time_zone: Europe/Helsingfors",
        ":6: store.time_zone: is not in the time-zone",
        "did you mean Europe/Helsinki?",
    ),
    ("time_zone: Europe", ":6: store.time_zone: is not in the time-zone database"),
    ("time_zone: ../../etc/passwd", "store.time_zone: is not in the time-zone database"),
    ("time_zone: right/Europe/Helsinki", "store.time_zone: is not in the time-zone database"),
    (
        "opening_hours: always",
        "store.opening_hours: needs a group of keys, e.g. `opening_hours: {mon: 09:00-21:00}`",
    ),
    ("opening_hours:", "store.opening_hours: needs a group of keys", "not nothing"),
    (
        "opening_hours: {mon: 9-21}",
        "store.opening_hours.mon: text '9-21' does not fit: use days mon…sun with",
    ),
    (
        "opening_hours: {mon: 9:00}",
        "opening_hours.mon: needs text",
        "not a number '9:00': use days mon…sun with",
    ),
    (
        "opening_hours: {mon: 09:00-24:30}",
        "store.opening_hours.mon: text '09:00-24:30' does not fit",
    ),
    (
        "opening_hours: {mon: 09:00-09:00}",
        "store.opening_hours.mon: closes as it opens: write 00:00-24:00",
    ),
    (
        "opening_hours: {monday: 09:00-21:00}",
        "store.opening_hours.monday: is no day: use mon, tue, wed, thu",
    ),
    (
        "opening_hours: {mon: 09:00-21:00, mon: 09:00-18:00}",
        "store.opening_hours: mon stands a second time",
    ),
    (
        "sensitive: maybe",
        "store.sensitive: needs true or false, e.g. `sensitive: false`, not text 'maybe'",
    ),
    (
        'sensitive: "yes"',
        "store.sensitive: needs true or false",
        "not text 'yes': remove the quotes",
    ),
    (
        "sensitive: 1",
        "store.sensitive: needs true or false, e.g. `sensitive: false`, not a number '1'",
    ),
    (
        "opening_margin_min: 121",
        "store.opening_margin_min: 121 min is outside the limits: use 0 to 120 min",
    ),
]

# A text that is no mapping of ours at all → what the refusal says.
TEXTS = [
    ("", "presence.yaml: is empty: start from the commented config/presence.yaml"),
    ("# only a comment\n", "is empty"),
    ("~", "is empty"),
    ("- store\n", "presence.yaml:1: is a list, not a group of sections"),
    ("store", "presence.yaml:1: is text, not a group of sections"),
    ("store:\n  chain: [a\nnotice: b\n", "presence.yaml:3: is not YAML: expected ',' or ']'"),
    (
        "store:\n\tchain: a\n",
        "found character '\\t' that cannot start any token, while scanning for the next token: "
        "indent with spaces, no tabs",
    ),
    ("store: a: b\n", "presence.yaml:1: is not YAML: mapping values are not allowed here"),
    ("store: *absent\n", "presence.yaml:1: is not YAML: found undefined alias …"),
    (
        "a: b\n---\nc: d\n",
        "presence.yaml:2: is not YAML: but found another document, expected a single document",
    ),
    ("store:\n  a: \x07\n", "presence.yaml:2: holds a character that YAML forbids: remove it"),
    ('a: "\\UFFFFFFFF"', "holds an escape or a number that YAML cannot read"),
    ("[" * 5000, "is nested too deeply"),
]


def assert_told(error: ConfigurationError, *parts: str) -> None:
    assert any(all(part in problem for part in parts) for problem in error.problems), error


@pytest.mark.parametrize(
    ("good", "bad", "parts"), [(good, bad, parts) for good, bad, *parts in CHANGES]
)
def test_a_mistake_in_what_must_stand_is_named(good: str, bad: str, parts: list[str]) -> None:
    assert good in MINIMAL
    assert_told(refusal_of(MINIMAL.replace(good, bad, 1)), *parts)


@pytest.mark.parametrize(("section", "parts"), [(section, parts) for section, *parts in ADDITIONS])
def test_a_mistake_in_a_section_is_named_alone(section: str, parts: list[str]) -> None:
    error = refusal_of(MINIMAL + section)
    assert len(error.problems) == 1
    assert_told(error, *parts)


@pytest.mark.parametrize(("line", "parts"), [(line, parts) for line, *parts in STORES])
def test_a_mistake_in_the_store_is_named_alone(line: str, parts: list[str]) -> None:
    error = refusal_of(MINIMAL.replace("notice:", f"  {line}\nnotice:", 1))
    assert len(error.problems) == 1
    assert_told(error, *parts)


@pytest.mark.parametrize(("text", "part"), TEXTS)
def test_a_text_that_is_no_configuration_is_refused_with_its_line(text: str, part: str) -> None:
    error = refusal_of(text)
    assert len(error.problems) == 1
    assert_told(error, part)


@pytest.mark.requirement("R-27")
@pytest.mark.parametrize("key", ["verify", "insecure", "verify_certificate", "tls_insecure"])
def test_there_is_no_setting_that_switches_verification_off(key: str) -> None:
    error = refusal_of(
        MINIMAL + f"mqtt: {{host: broker.example, tls: {{ca_file: ca.pem, {key}: false}}}}"
    )
    assert_told(error, f"mqtt.tls.{key}: is not a setting")


@pytest.mark.requirement("R-27")
@pytest.mark.parametrize("host", ["broker.example", "10.0.0.5", "::2", "128.0.0.1"])
def test_plain_text_never_leaves_this_machine(host: str) -> None:
    assert_told(
        refusal_of(MINIMAL + f'mqtt: {{host: "{host}"}}'),
        "mqtt.tls: is missing",
        "add tls with ca_file",
    )


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL + f"mqtt: {{password: {SECRET}}}",
        MINIMAL + f"mqtt: {{{SECRET}@: x}}",
        MINIMAL + f"mqtt: {{password_file: [{SECRET}]}}",
        MINIMAL + f"mqtt: {{password_file: {{{SECRET}: }}}}",
        MINIMAL + f"mqtt: {{password_file: !x {SECRET}}}",
        MINIMAL + f'mqtt: {{password_file: "{SECRET}\\n"}}',
        MINIMAL + f"mqtt: {{password_file: {SECRET}}}",
        MINIMAL + f"mqtt: {{username: [{SECRET}]}}",
        MINIMAL + f'mqtt: {{username: "{SECRET}\\n", tls: 5}}',
        MINIMAL + f"mqtt: {{host: mqtt://me:{SECRET}@broker.example}}",
        MINIMAL + f"mqtt: {SECRET}",
        MINIMAL + f"mqtt:\n  port: 1883\n    password {SECRET}",
        MINIMAL + f"log:\n  level: info\n    {SECRET}",
        MINIMAL + f"mqtt:\n  password:{SECRET}\n  host: x",
        MINIMAL + f"mqtt: {{'password {SECRET}', host: a.b}}",
        MINIMAL + f"mqtt: {{password: *{SECRET}}}",
        MINIMAL + f"mqtt: {{password: !{SECRET}!x y}}",
        MINIMAL + f"mqtt: {{password: &{SECRET} a, host: &{SECRET} b}}",
        MINIMAL + f"mqtt: {{password: '{SECRET}",
        MINIMAL + f'mqtt: {{password: "{SECRET}\\q"}}',
        MINIMAL + f"%{SECRET} x\n",
        MINIMAL.replace("/etc/presence/store.key", f'"{SECRET}\\n"'),
        MINIMAL.replace("/etc/presence/store.key", f"!x {SECRET}"),
        SECRET,
    ],
)
def test_a_secret_never_stands_in_a_message_nor_in_its_traceback(text: str) -> None:
    error = refusal_of(text)
    assert SECRET not in "".join(traceback.format_exception(error))
    assert error.__context__ is None


@pytest.mark.parametrize("key", ["0123456789abcdef" * 4, "7" * 64, "DEADBEEF" * 8])
def test_a_key_pasted_in_place_of_its_file_is_refused_unseen(key: str) -> None:
    error = refusal_of(MINIMAL.replace("/etc/presence/store.key", key))
    assert_told(error, ":5: store.key_file:", "name a file with 64 hex digits")
    assert key[:8] not in str(error)


def test_adapters_and_those_at_the_door_are_said_anew_as_the_file_has_them() -> None:
    """Exactly what stands there; that numbers are no names where places differ is said at once."""
    refusal = refusal_of(MINIMAL + "radio: {adapters: [hci0, hci1], door_adapters: [hci1]}\n")
    assert [problem.partition(": ")[2] for problem in refusal.problems] == [
        "radio.adapters: was replaced by `antennas`: write `antennas: [{adapter: hci0}, "
        "{adapter: hci1, place: door}]`, with the addresses or USB paths that `presence check` "
        "prints in place of hci0, hci1: numbers swap",
        "radio.door_adapters: was replaced by `antennas`: remove it, adapters says how",
    ]

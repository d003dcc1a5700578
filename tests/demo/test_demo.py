"""`presence demo` from end to end, and the search that its privacy account rests on."""

import base64
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from presence.cli import main
from presence.config import Settings
from presence.config.rules import places_of
from presence.config.settings import MqttProtocol
from presence.core.site import Site
from presence.core.visit.visits import Entered, Sighting, Visits
from presence.demo.account import Traces, as_dict, close_the_books, story_problems
from presence.demo.lines import account_lines
from presence.demo.publisher import ListPublisher
from presence.demo.scene import Role, Scene
from presence.demo.settings import demo_settings
from presence.demo.stage import Play, gateway_of
from presence.demo.story import AIR, ANTENNAS, AUDIENCE, CHAIN, SECONDS, STORE, cast
from presence.diagnosis import marks
from presence.gateway.gateway import Gateway
from presence.simulation import Pocket, Said, SimulatedClock, SimulatedDoorbell, SimulatedShop
from presence.simulation.doorbell import Answered
from presence.simulation.kept_status import KeptStatus
from presence.simulation.local_broker import LocalBroker
from presence.simulation.watch import Message
from tests.support.brokers import needs_mosquitto
from tests.support.builders import moment
from tests.support.json_answers import judged

SPEED = "5"
LIMIT_S = 240
needs_amqtt = pytest.mark.skipif(
    find_spec("amqtt") is None, reason="amqtt is not installed: pip install 'presence[demo]'"
)
BROKERS = [
    pytest.param("mosquitto", marks=needs_mosquitto),
    pytest.param("embedded", marks=needs_amqtt),
]
ADDRESS = bytes.fromhex("4af0c6d2913e")
CALLER = bytes.fromhex("5bc0ffee4d11")
BROKER = LocalBroker("mosquitto", MqttProtocol.V5, 1883)


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "presence", "demo", "--speed", SPEED, *options]


def environment(folder: Path) -> dict[str, str]:
    """The demo's folders lie below `folder`, where it must leave nothing."""
    return {**os.environ, "TMPDIR": str(folder)}


@pytest.mark.slow
@pytest.mark.requirement("R-01", "R-03", "R-09", "R-10", "R-11", "R-19")
@pytest.mark.parametrize("broker", BROKERS)
def test_the_demo_ends_by_itself_with_an_account_that_adds_up(broker, tmp_path):
    done = subprocess.run(
        command("--json", "--seed", "7", "--broker", broker),
        capture_output=True,
        check=False,
        env=environment(tmp_path),
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    account = judged("demo", done.stdout)
    assert account["ok"]
    assert account["problems"] == []
    assert account["heard"] == account["strangers"]["heard"] + account["recognised"] + sum(
        account["refused"].values()
    )
    assert account["heard"] > 2000
    assert set(account["refused"]) == {"paused", "out_of_scope"}
    assert account["withheld"] == {"no_category": 1}
    assert (account["entered"], account["left"], account["withdrawn"], account["published"]) == (
        5,
        1,
        1,
        6,
    )
    assert (account["offers"], account["offers_cancelled"]) == (4, 1)
    assert account["answered"] >= 3
    assert account["unanswered"].keys() == {"unknown"}
    assert [person["name"] for person in account["people"] if person["answered"]] == ["Jonas"]
    assert account["broker"]["protocol"] == ("5" if broker == "mosquitto" else "3.1.1")
    assert bool(account["broker"]["loses"]) == (broker == "embedded")
    for search in (account["stored_about_strangers"], account["stored_of_customers_radio"]):
        assert search["found"] == []
        assert search["marks"] > 40
        assert search["bytes"] > 10_000
        assert search["messages"] >= 9
    assert {person["name"]: person["said"] for person in account["people"] if person["said"]} == {
        "Aino": {"entered": 1, "left": 1},
        "David": {"entered": 1, "withdrawn": 1},
        "Elsa": {"entered": 1},
        "Jonas": {"entered": 1},
    }
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_without_a_terminal_there_is_one_line_for_each_happening_and_the_account():
    plain = command("--no-tui")  # with whichever broker is there: the lines are the same
    done = subprocess.run(plain, capture_output=True, check=False, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    for happening in (
        r"\d\d:\d\d  walk +Carla comes in \(ended yesterday\)",
        r"\d\d:\d\d  entered +Aino entered → the engine may offer: cars",
        r"\d\d:\d\d  offer +Aino gets an offer: ",
        r"\d\d:\d\d  entered +Jonas entered, proven at the bell → the engine may offer: cars",
        r"\d\d:\d\d  list +David withdraws in the app: a signed revocation goes out",
        r"\d\d:\d\d  list +Elsa asks in the app for garden\n[\s\S]*list +signed list 2 says so",
        (
            r"\d\d:\d\d  withdrawn +David's event is withdrawn\n[\s\S]*  list +signed list "
            r"3 confirms it"
        ),
        r"\d\d:\d\d  cancelled +David's offer is cancelled",
        r"\d\d:\d\d  left +Aino left",
        r"\d\d:\d\d  silent +Carla: permission ended yesterday → nothing said",
        r"\d\d:\d\d  silent +Bruno: only looked in at the window → nothing said",
        r"\d\d:\d\d  silent +a stranger: never asked for anything → nothing said",
        r"\d\d:\d\d  bell +Jonas: the iPhone answers the bell",
        r"  stored about strangers: nothing\. Sought: \d+ pieces",
    ):
        assert re.search(rf"^{happening}", done.stdout, re.MULTILINE), happening
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("speed", ["abc", "0", "5.1", "nan", "inf", ""])
def test_a_speed_that_cannot_be_is_refused_in_words_of_the_user(capsys, speed):
    with pytest.raises(SystemExit, match="64"):
        main(["demo", "--speed", speed])
    assert (
        f"argument --speed: {speed!r} is not a number between 0.1 and 5" in capsys.readouterr().err
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "stopped: keys, list and broker of the play are gone\n"),
        (signal.SIGTERM, 143, ""),
    ],
)
def test_an_interrupted_demo_ends_cleanly_and_leaves_no_folder(number, code, said, tmp_path):
    running = subprocess.Popen(
        [sys.executable, "-m", "presence", "demo", "--no-tui", "--speed", "5"],
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    while "walk" not in running.stdout.readline():
        assert running.poll() is None
    began_s = time.monotonic()
    running.send_signal(number)
    _, errors = running.communicate(timeout=LIMIT_S)
    assert running.returncode == code
    assert errors == said
    assert time.monotonic() - began_s < 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.requirement("R-19", "R-20")
def test_the_story_comes_true_whatever_the_seed(tmp_path):
    settings = some_settings(tmp_path)
    for seed in range(40):
        people = cast(seed)
        shop = SimulatedShop(
            [person.phone() for person in people if not person.rings],
            SimulatedClock(moment()),
            seed=seed,
            seconds=SECONDS,
            air=AIR,
            antennas=[antenna for antenna, _ in ANTENNAS],
        )
        doorbell = a_doorbell(
            shop.clock, [person.pocket() for person in people if person.rings], seed=seed
        )
        visits = Visits(settings.entry, places=places_of(settings))
        entered: dict[str, list[float]] = defaultdict(list)
        for report in shop.reports():
            name = report.phone.name
            sighting = Sighting(moment(report.at_s), name.encode(), report.rssi_dbm, report.antenna)
            if any(isinstance(event, Entered) for event in visits.observe(sighting)):
                entered[name].append(report.at_s)
        bell = Visits(settings.entry)
        for heard in doorbell.heard():
            name = heard.pocket.name
            for age_s, rssi_dbm, _ in heard.readings:
                answer = Sighting(
                    moment(heard.at_s - age_s), name.encode(), rssi_dbm, answered=True
                )
                if any(isinstance(event, Entered) for event in bell.observe(answer)):
                    entered[name].append(heard.at_s)
        told = {person.name for person in people if person.said}
        outside = {person.name for person in people if not person.goes_in}
        assert told <= entered.keys() <= {person.name for person in people} - outside, seed
        for person in people:
            assert all(0 < at_s - person.door_s < 30 for at_s in entered[person.name])
            assert len(entered[person.name]) <= 1
            assert not person.said or entered[person.name][0] - person.door_s < 15, seed


def test_a_greeting_too_many_and_one_too_few_are_problems():
    aino, bruno = cast(seed=1)[:2]
    greeted = Role(aino, allow=aino.allow, offers=list(aino.allow))
    greeted.said.update(aino.said)
    assert list(story_problems(greeted)) == []
    assert any("Bruno" in problem for problem in story_problems(Role(bruno, allow=aino.allow)))
    greeted.said["entered"] += 1
    assert list(story_problems(greeted)) == [
        "Aino (cars, visit end): 2 × `entered`, the story has 1"
    ]
    assert any("0 × `entered`" in problem for problem in story_problems(Role(aino)))
    assert any("offers" in problem for problem in story_problems(replace(greeted, offers=[])))


def some_settings(folder: Path) -> Settings:
    """Those of the play; the list is made by nobody, and the root is nobody's."""
    publisher = ListPublisher(folder / "publisher")
    publisher.root_file.parent.mkdir(parents=True)
    publisher.root_file.write_text("{}", encoding="utf-8")
    return demo_settings(folder / "gateway", BROKER, publisher)


def a_doorbell(
    clock: SimulatedClock, pockets: Sequence[Pocket] = (), *, seed: int = 1
) -> SimulatedDoorbell:
    return SimulatedDoorbell(pockets, clock, Site(CHAIN, STORE), seed=seed, seconds=SECONDS)


def a_play(gateway: Gateway, shop: SimulatedShop, doorbell: SimulatedDoorbell) -> Play:
    people = cast(seed=1)
    return Play(
        seed=1,
        people=people,
        clock=shop.clock,
        shop=shop,
        doorbell=doorbell,
        scene=Scene(people, {}, shop.clock, seconds=SECONDS, tell=lambda _: None),
        gateway=gateway,
        broker=BROKER,
    )


def test_a_leak_anywhere_and_a_blind_search_are_problems_of_the_account(tmp_path):
    shop = SimulatedShop([], SimulatedClock(moment()), seed=1, seconds=SECONDS)
    shop.said.add(Said(ADDRESS, b"", customer=False))
    shop.said.add(Said(ADDRESS[::-1], b"", customer=True))
    settings = some_settings(tmp_path)
    message = Message(
        "presence/v1/acme/fi-0042/evt/offers-main",
        ADDRESS[::-1].hex(":").encode(),
        "",
        retained=False,
    )
    doorbell = a_doorbell(shop.clock)
    doorbell.answers.append(Answered(CALLER, bytes(17), bytes(range(28)), customer=False))
    with gateway_of(settings, shop, doorbell, KeptStatus()) as gateway:
        traces = Traces(
            tmp_path,
            [message],
            log=f"heard {ADDRESS.hex()}, dev_{CALLER.hex('_').upper()} rang",
            status="",
        )
        account = close_the_books(
            a_play(gateway, shop, doorbell), {"aino": b"pairwise key, 16"}, traces
        )
    assert "of a stranger: address (hexadecimal) stands in log lines" in account.problems
    assert "of a customer: address (hexadecimal) stands in MQTT messages" in account.problems
    assert "of a stranger: address (hexadecimal) stands in log lines" in account.problems
    assert any("were counted, (0, 1) were given" in problem for problem in account.problems)
    assert any("the search is blind" in problem for problem in account.problems)
    assert not as_dict(account)["ok"]
    assert any("TRACES FOUND" in line for line in account_lines(account))
    assert not any(ADDRESS.hex() in line for line in account.problems)


@pytest.mark.requirement("R-03")
@pytest.mark.parametrize(
    "leak",
    [
        ADDRESS,
        ADDRESS[::-1],
        ADDRESS.hex().encode(),
        ADDRESS.hex().upper().encode(),
        b"device 4A:F0:C6:D2:91:3E seen",
        b"/org/bluez/hci0/dev_4A_F0_C6_D2_91_3E",
        ADDRESS[::-1].hex(":").encode(),
        base64.b64encode(ADDRESS),
        base64.b64encode(b"x" + ADDRESS + b"rest"),
        base64.urlsafe_b64encode(b"xy" + ADDRESS + b"\xff\xfe"),
        hashlib.sha256(ADDRESS).digest(),
        hashlib.sha1(ADDRESS, usedforsecurity=False).hexdigest().upper().encode(),
        hashlib.md5(ADDRESS, usedforsecurity=False).hexdigest().encode(),
    ],
)
def test_a_planted_address_is_found_however_it_is_written(leak):
    found = marks.search(
        {ADDRESS: "address"}, {"clean": os.urandom(5000), "log lines": b"noise " + leak + b" noise"}
    )
    assert {finding.where for finding in found} == {"log lines"}
    assert all(finding.kind.startswith("address") for finding in found)


@pytest.mark.requirement("R-03")
@pytest.mark.parametrize("length", [3, 4, 5, 6, 7, 40])
def test_each_spelling_is_found_at_either_end_of_a_place_and_however_short_it_is(length):
    mark = os.urandom(length)
    for how, text in marks.spellings(mark):
        for place in (text, text + b" end", b"begin " + text):
            assert marks.Trace(f"name ({how})", "log") in marks.search(
                {mark: "name"}, {"log": place}
            )
    assert marks.search({mark: "name"}, {"log": b"", "names": b"?"}) == []


@pytest.mark.parametrize(
    ("payload", "kind", "leak"),
    [
        ("0201060303aafe0d16aafe30ee0123456789abcdef", "identifier", "0123456789abcdef"),
        ("02011a0bff4c001006aabbccddeeff", "service or manufacturer data", "1006aabbccddeeff"),
        ("02011a0d0942616e642d3031323334353637", "name", "42616e642d303132"),
        ("1eff000102030405060708090a0b", "payload", "1eff000102030405060708090a0b"),
    ],
)
def test_each_piece_of_a_payload_is_a_mark_of_its_own(payload, kind, leak):
    pieces = marks.collect([(ADDRESS, bytes.fromhex(payload))])
    found = [mark for mark, what in pieces.items() if what == kind]
    assert any(bytes.fromhex(leak) in mark for mark in found)


def test_every_file_below_is_searched_and_its_name_too(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "deep.sqlite").write_bytes(b"\0" * 4096 + ADDRESS + b"\0" * 10)
    (tmp_path / f"{ADDRESS.hex()}.txt").touch()
    found = marks.search({ADDRESS: "address"}, marks.files_below(tmp_path))
    assert {finding.where for finding in found} == {"file state/deep.sqlite", "file names"}


def test_a_finding_says_what_and_where_and_never_whose():
    (finding,) = marks.search({ADDRESS: "address"}, {"log lines": ADDRESS})
    assert ADDRESS.hex() not in repr(finding)
    assert AUDIENCE not in repr(finding)

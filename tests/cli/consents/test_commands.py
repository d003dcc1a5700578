"""`presence consents`, as it is typed: from keys to a withdrawal that a broker hands on."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from presence.cli import main
from presence.cli.exit_codes import ExitCode
from presence.config.settings import MqttSettings
from presence.consent_service.post import Post
from presence.core.consent.jws import parse_key_set, parse_keys
from presence.core.consent.revocation import (
    read_head,
    read_revocation,
    topic_of_head,
    topic_of_revocations,
)
from presence.edges.mqtt.pace import MqttPace
from presence.errors import BrokerError
from scripts.offer_engine import read_customers
from tests.support.brokers import FakeBroker, Mosquitto, listener, mosquitto, needs_mosquitto
from tests.support.paths import ROOT

Typed = Callable[..., dict[str, Any]]
HOSTS = ["127.0.0.1", "127.0.0.2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "acme"


@pytest.fixture
def typed(folder: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    """One command; its JSON answer, and its exit code and errors."""

    def typed(action: str, *arguments: str) -> dict[str, Any]:
        code = main(["consents", action, "--directory", str(folder), "--json", *arguments])
        out, err = capsys.readouterr()
        return {"code": code, "errors": err, **(json.loads(out) if out else {})}

    return typed


@pytest.fixture
def listed(typed: Typed) -> Typed:
    """A list with Anna in it, published."""
    typed("init", "--list", "acme/fi-0042", "--audience", "offers-main=offers")
    typed("add", "anna", *AGREED)
    typed("publish", "--suppression-checked", "now")
    return typed


AGREED = (
    "--purpose",
    "presence",
    "--purpose",
    "offers",
    "--category",
    "ap2:1551=+90d",
    "--until",
    "+300d",
)


def keys_of(folder: Path) -> Any:
    (jwks,) = (folder / "repository" / "targets").glob("*.notices.jwks")
    return parse_keys(jwks.read_bytes())


def test_a_first_list_takes_three_commands(listed: Typed, folder: Path) -> None:
    status = listed("status")
    assert (status["list"], status["seq"], status["active"], status["unpublished_changes"]) == (
        "acme/fi-0042",
        1,
        1,
        False,
    )
    assert "carry keys/root away" in status["next_steps"][0]
    assert (folder / "repository" / "metadata" / "timestamp.json").exists()
    assert listed("show", "anna")["categories"].keys() == {"ap2:1551"}


@pytest.mark.parametrize(
    ("command", "row"),
    [
        (("narrow", "anna", "--category", "ap2:1551"), "categories"),
        (("narrow", "anna", "--purpose", "offers"), "purposes"),
        (("fulfil", "anna", "ap2:1551"), "categories"),
        (("pause", "anna"), "paused_until_s"),
        (("pause", "anna", "--until", "+7d"), "paused_until_s"),
        (("withdraw", "anna"), "removed"),
        (("object", "anna"), "objected"),
    ],
)
@pytest.mark.requirement("R-34")
def test_what_takes_away_leaves_a_signed_notice_in_the_outbox(
    listed: Typed, folder: Path, command: tuple[str, ...], row: str
) -> None:
    answer = listed(*command)
    assert (answer["code"], answer["notice"], answer["list_seq"], answer["sent"]) == (
        0,
        1,
        2,
        False,
    )
    message = Path(answer["file"]).read_bytes()
    notice = read_revocation(message, keys=keys_of(folder), list_name="acme/fi-0042")
    assert getattr(notice.rows[0], row)
    assert b"anna" not in message


@pytest.mark.requirement("R-10")
def test_after_an_objection_the_same_customer_cannot_be_added_again(listed: Typed) -> None:
    listed("object", "anna")
    again = listed("add", "anna", *AGREED)
    assert again["code"] == 69
    assert "for ever" in again["errors"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--purpose", "presence", "--until", "+500d"), "13 months"),
        (("--purpose", "offers", "--until", "+30d"), "without the purpose `presence`"),
        (("--purpose", "presence", "--category", "ap2:1001", "--until", "+30d"), "explicitly"),
        (("--until", "+30d", "--loudness-db", "6"), "loudness is a multiple of 4 from 0 to 28"),
    ],
)
@pytest.mark.requirement("R-07", "R-15")
def test_an_agreement_that_no_gateway_may_believe_is_refused(
    listed: Typed, arguments: tuple[str, ...], reason: str
) -> None:
    answer = listed("add", "bob", *arguments)
    assert answer["code"] == 69
    assert reason in answer["errors"]


def test_how_loud_a_phone_is_is_shown_and_kept(listed: Typed) -> None:
    listed("add", "bob", *AGREED, "--loudness-db", "12")
    listed("add", "bob", *AGREED)
    assert listed("show", "bob")["loudness_db"] == 12
    assert listed("show", "anna")["loudness_db"] == 0


def test_that_an_app_always_sends_ticks_is_shown(listed: Typed) -> None:
    listed("add", "bob", *AGREED, "--ticks")

    assert listed("show", "bob")["flags"] == ["ticks"]


def test_an_identity_key_is_shown_once_where_it_was_made_here(listed: Typed) -> None:
    first = listed("add", "bob", *AGREED)
    assert len(first["identity_key"]) == 32
    assert "identity_key" not in listed("add", "bob", *AGREED)
    assert first["identity_key"] not in json.dumps([listed("show", "bob"), listed("status")])


def test_a_resumed_customer_is_back_with_the_next_list(listed: Typed) -> None:
    listed("pause", "anna")
    assert listed("show", "anna")["paused"] is True
    listed("resume", "anna")
    assert listed("show", "anna")["paused"] is False
    assert listed("publish")["seq"] == 2


@pytest.mark.requirement("R-34")
def test_what_was_narrowed_comes_back_where_it_is_asked_for_again(listed: Typed) -> None:
    listed("narrow", "anna", "--category", "ap2:1551")
    renewed = listed("add", "anna", *AGREED)
    assert (renewed["stays_away"], listed("show", "anna")["refused"]) == (
        ["ap2:1551"],
        ["ap2:1551"],
    )
    strange = listed("add", "anna", *AGREED, "--again", "ap2:1285")
    assert (strange["code"], "--again ap2:1285: name it as --category" in strange["errors"]) == (
        64,
        True,
    )
    again = listed("add", "anna", *AGREED, "--again", "ap2:1551")
    assert (again["stays_away"], listed("show", "anna")["refused"]) == ([], [])


@pytest.mark.requirement("R-34")
def test_what_a_renewal_takes_away_leaves_a_signed_notice_in_the_outbox(
    listed: Typed, folder: Path
) -> None:
    renewed = listed("add", "anna", "--purpose", "presence", "--until", "+300d")
    (notice,) = renewed["notices"]
    said = read_revocation(
        Path(notice["file"]).read_bytes(), keys=keys_of(folder), list_name="acme/fi-0042"
    )
    taken = [(row.purposes, row.categories) for row in said.rows]
    assert sorted(taken, key=str) == sorted([({"offers"}, set()), (set(), {"ap2:1551"})], key=str)


def test_columns_may_be_parted_by_semicolons_where_that_is_said(
    listed: Typed, tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    now_s = int(time.time())
    file.write_text(
        "subject;purpose;value;timestamp;expiry;identity_key\n"
        f"bob;presence;given;{now_s - 60};{now_s + 8_640_000};{'0b' * 16}\n"
    )
    assert "--delimiter ';'" in listed("import", str(file))["errors"]
    assert listed("import", str(file), "--delimiter", ";")["added"] == 1


def test_an_import_names_bad_lines_takes_the_others_and_ends_with_1(
    listed: Typed, tmp_path: Path
) -> None:
    file = tmp_path / "export.csv"
    key = "00" * 16
    file.write_text(
        "subject,purpose,value,timestamp,notice,expiry,identity_key,email\n"
        f"bob,presence,given,{time.time():.0f},n,{time.time() + 9e6:.0f},{key},bob@example.org\n"
        f"carl,presence,given,soon,n,{time.time() + 9e6:.0f},{key},carl@example.org\n"
    )
    answer = listed("import", str(file))
    assert (answer["code"], answer["added"], answer["dropped_columns"]) == (1, 1, ["email"])
    assert f"{file}:3: timestamp" in answer["errors"]
    assert "example.org" not in answer["errors"]


@pytest.mark.requirement("T-19")
def test_a_list_that_grows_by_a_fifth_at_once_needs_somebody_who_says_why(
    listed: Typed, tmp_path: Path
) -> None:
    def export(first: int, last: int) -> str:
        file = tmp_path / "export.jsonl"
        rows = (
            {
                "subject": f"c{n}",
                "purpose": "presence",
                "value": "given",
                "timestamp": int(time.time()),
                "expiry": int(time.time() + 9e6),
                "identity_key": f"{n:032x}",
            }
            for n in range(first, last)
        )
        file.write_text("\n".join(map(json.dumps, rows)))
        return str(file)

    listed("import", export(0, 120))
    assert listed("publish")["entries"] == 121
    listed("import", export(120, 160))
    refused = listed("publish")
    assert (refused["code"], "--approve-growth" in refused["errors"]) == (69, True)
    assert listed("publish", "--approve-growth")["entries"] == 161


@pytest.mark.requirement("R-44")
def test_keys_are_rotated_with_two_root_keys_brought_back(
    listed: Typed, folder: Path, tmp_path: Path
) -> None:
    safe = tmp_path / "safe"
    (folder / "keys" / "root").rename(safe)
    away = listed("rotate", "timestamp")
    assert (away["code"], "--root-keys" in away["errors"]) == (69, True)
    assert listed("rotate", "online", "--root-keys", str(safe))["root"] == 2
    (safe / "1.pem").unlink()
    assert (
        listed("rotate", "root", "--root-keys", str(safe), "--new-key", str(safe / "4.pem"))["root"]
        == 3
    )
    assert listed("rotate", "timestamp", "--root-keys", str(safe))["root"] == 4


def test_a_new_key_for_notices_is_published_and_signs_the_next(listed: Typed, folder: Path) -> None:
    old = set(keys_of(folder))
    listed("rotate", "notices")
    listed("publish")  # what the last publication named is gone with the next
    new = keys_of(folder)
    assert not old & set(new)
    notice = Path(listed("withdraw", "anna")["file"]).read_bytes()
    read_revocation(notice, keys=new, list_name="acme/fi-0042")


@pytest.mark.requirement("R-44")
def test_a_stolen_key_for_notices_is_replaced_and_named_by_one_command(
    listed: Typed, folder: Path
) -> None:
    waiting = Path(listed("narrow", "anna", "--purpose", "offers")["file"])
    assert listed("rotate", "timestamp", "--stolen")["code"] == 64
    assert listed("rotate", "notices", "--stolen")["code"] == 0
    listed("publish")  # what the last publication named is gone with the next
    (jwks,) = (folder / "repository" / "targets").glob("*.notices.jwks")
    key_set = parse_key_set(jwks.read_bytes())
    assert (key_set.keys.keys(), key_set.revoked) == ({"notices-1"}, {"notices-0"})
    read_revocation(waiting.read_bytes(), keys=key_set.keys, list_name="acme/fi-0042")


def test_a_folder_that_is_no_list_says_what_makes_one(typed: Typed) -> None:
    answer = typed("publish")
    assert (answer["code"], "presence consents init" in answer["errors"]) == (69, True)


def test_a_second_init_changes_nothing(listed: Typed) -> None:
    assert listed("init", "--list", "acme/fi-0042")["code"] == 69
    assert listed("status")["active"] == 1


@pytest.mark.parametrize("name", ["fi-0042", "ACME/x", "a/b/c"])
def test_a_name_that_no_gateway_takes_makes_no_list(typed: Typed, folder: Path, name: str) -> None:
    assert typed("init", "--list", name)["code"] == 64
    assert not folder.exists()


def test_another_machine_is_reached_by_tls_only(listed: Typed) -> None:
    answer = listed("head", "--mqtt", "broker.example.org:8883")
    assert (answer["code"], "--mqtt-ca" in answer["errors"]) == (64, True)


def test_a_broker_that_is_away_loses_no_notice(listed: Typed, folder: Path) -> None:
    answer = listed("withdraw", "anna", "--mqtt", "127.0.0.1:1")
    assert (answer["code"], "it waits in" in answer["errors"]) == (69, True)
    assert len(list((folder / "outbox").glob("*.jws"))) == 1
    assert listed("status")["gone"] == 1


@needs_mosquitto
@pytest.mark.requirement("R-08")
async def test_notices_and_heads_reach_a_broker_in_their_order(
    listed: Typed, folder: Path, tmp_path: Path
) -> None:
    import asyncio

    keys = keys_of(folder)
    await asyncio.to_thread(listed, "narrow", "anna", "--purpose", "offers")
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, "presence/v1/acme/ctl/#") as heard,
    ):
        answer = await asyncio.to_thread(
            listed, "withdraw", "anna", "--mqtt", f"127.0.0.1:{broker.port}"
        )
        await asyncio.to_thread(listed, "publish", "--mqtt", f"127.0.0.1:{broker.port}")
        messages = [await asyncio.wait_for(heard.get(), 10) for _ in range(3)]
    assert answer["sent"] is True
    assert [message.topic.split("/")[4] for message in messages] == ["revoke", "revoke", "head"]
    notices = [
        read_revocation(message.payload, keys=keys, list_name="acme/fi-0042")
        for message in messages[:2]
    ]
    head = read_head(messages[2].payload, keys=keys, list_name="acme/fi-0042", now_s=time.time())
    assert [notice.seq for notice in notices] == [1, 2]
    assert (head.list_seq, head.revocation_seq) == (2, 2)
    assert not list((folder / "outbox").glob("*.jws"))


@needs_mosquitto
async def test_a_notice_that_another_command_carried_meanwhile_is_passed_over(
    listed: Typed, tmp_path: Path
) -> None:
    file = Path((await asyncio.to_thread(listed, "withdraw", "anna"))["file"])
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, "presence/v1/acme/ctl/#") as heard,
    ):
        post = Post(MqttSettings(host="127.0.0.1", port=broker.port), "acme/fi-0042")
        await post.carry([file.with_name("000000000.jws"), file])
        message = await asyncio.wait_for(heard.get(), 10)
    assert message.topic == topic_of_revocations("acme/fi-0042")
    assert listed("status")["waiting_notices"] == 0


@needs_mosquitto
@pytest.mark.requirement("R-08", "R-58")
async def test_of_several_brokers_the_first_that_answers_is_told_and_again_until_it_fails(
    listed: Typed, tmp_path: Path
) -> None:
    """The first of two takes connections and says nothing."""
    await asyncio.to_thread(listed, "narrow", "anna", "--purpose", "offers")
    async with FakeBroker(connack=None).running() as silent:
        both = [word for host in HOSTS for word in ("--mqtt", f"{host}:{silent.port}")]
        second = Mosquitto(tmp_path, port=silent.port, address=HOSTS[1])
        await second.start()
        async with listener(silent.port, "presence/v1/acme/ctl/#", host=HOSTS[1]) as heard:
            answer = await asyncio.to_thread(listed, "withdraw", "anna", *both)
            topics = {(await asyncio.wait_for(heard.get(), 10)).topic for _ in range(2)}
        settings = MqttSettings(hosts=HOSTS, port=silent.port)
        post = Post(settings, "acme/fi-0042", pace=MqttPace(hop_s=0.2))
        for _ in range(3):
            await post.carry([], b"a head")
        assert silent.connections == 2, "one of the command, and one of all heads"
    assert (answer["sent"], topics) == (True, {topic_of_revocations("acme/fi-0042")})
    (tmp_path / "first").mkdir()
    first = Mosquitto(tmp_path / "first", port=silent.port)
    await first.start()
    await second.stop()
    await post.carry([], b"a head")
    await first.stop()
    with pytest.raises(BrokerError):
        await post.carry([], b"a head")


def test_the_brokers_of_a_list_have_one_port(listed: Typed) -> None:
    answer = listed("head", "--mqtt", "127.0.0.1:1883", "--mqtt", "127.0.0.2:8883")
    assert (answer["code"], "one port" in answer["errors"]) == (64, True)


async def test_whoever_is_ended_while_the_broker_does_not_answer_ends_at_once() -> None:
    async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        while await reader.read(1024):
            pass
        writer.close()

    connected = asyncio.Event()
    server = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
    post = Post(
        MqttSettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1]), "acme/fi-0042"
    )
    async with asyncio.TaskGroup() as tasks:
        carrying = tasks.create_task(post.carry([], b"a head"))
        await asyncio.wait_for(connected.wait(), 10)
        carrying.cancel()
        await asyncio.wait({carrying}, timeout=10)
        assert carrying.cancelled()
    server.close()
    await server.wait_closed()


def test_an_audience_is_given_its_own_keys_as_the_offer_engine_reads_them(
    listed: Typed, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consents", "customers", "--directory", str(folder), "offers-main"]) == 0
    file = tmp_path / "customers.jsonl"
    file.write_text(capsys.readouterr().out)
    customers = read_customers(file)
    assert customers.keys() == {"anna"}
    assert len(customers["anna"]) == 16
    refused = listed("customers", "pharmacy")
    assert refused["code"] != 0
    assert "offers-main" in refused["errors"]


# ---------------------------------------------------------------- as processes: the loop, and a
# terminal


def a_process(
    folder: Path, action: str, *arguments: str, **streams: Any
) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "presence",
        "consents",
        action,
        "--directory",
        str(folder),
        *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, env=environment, text=True, **streams)


@needs_mosquitto
@pytest.mark.requirement("R-08", "R-42")
async def test_the_loop_gives_out_what_others_change_says_heads_and_ends_when_asked(
    listed: Typed, folder: Path, tmp_path: Path
) -> None:
    async with mosquitto(tmp_path) as broker, listener(broker.port) as queue:
        to_broker = ("--mqtt", f"127.0.0.1:{broker.port}")
        with (tmp_path / "said").open("w") as said:
            loop = a_process(
                folder, "publish", "--loop", "--every", "1", "--json", *to_broker, stdout=said
            )
        await until(lambda: entries_of(tmp_path / "said")[-1:] == [1])
        listed("add", "berit", *AGREED)
        await until(lambda: entries_of(tmp_path / "said")[-1] == 2)
        listed("withdraw", "anna")
        await until(lambda: entries_of(tmp_path / "said")[-1] == 1)
        loop.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(loop.wait, 20)
        topics = {queue.get_nowait().topic for _ in range(queue.qsize())}

    assert code == ExitCode.TERMINATED
    assert topics == {topic_of_revocations("acme/fi-0042"), topic_of_head("acme/fi-0042")}


def entries_of(said: Path) -> list[int]:
    return [
        json.loads(line)["entries"]
        for line in said.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - what another process does has no event here
            await asyncio.sleep(0.05)


def test_on_a_terminal_an_import_says_how_far_it_is(
    listed: Typed, folder: Path, tmp_path: Path
) -> None:
    export = tmp_path / "export.csv"
    now_s = int(time.time())
    lines = (
        f"c{n},presence,given,{now_s - 60},{now_s + 8_640_000},{n:032x}\n" for n in range(50_000)
    )
    export.write_text("subject,purpose,value,timestamp,expiry,identity_key\n" + "".join(lines))
    ours, theirs = pty.openpty()
    process = a_process(folder, "import", str(export), stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the terminal's end
        while part := os.read(ours, 65_536):
            shown += part
    os.close(ours)
    out, _ = process.communicate()

    assert "50,000 lines" in out
    assert re.search(rb"\[#* *\] +\d+%  reading: [\d,]+ lines", shown)
    assert re.search(rb"\[#+ *\] +\d+%  taking up: [\d,]+ of 50,000 lines", shown)

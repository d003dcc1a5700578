"""What may be said: listed keys only, and in them nothing that could name somebody, whoever
speaks.
"""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from presence.config.settings import LogFormat
from presence.edges.host import logs
from presence.errors import StorageError
from presence.telemetry import (
    CATALOGUE,
    BrokerLost,
    ConsentApplied,
    ConsentFrozen,
    DoorbellFailed,
    GatewayStarted,
    NoticesKeysRefused,
    OperationalEvent,
    RestrictionRefused,
    TechnicianAsked,
)
from scripts.stores.customers import pairwise_key
from tests.support.builders import ANNA, identifier_of
from tests.support.operational_events import some

ADDRESS = "4A:11:22:33:44:F5"
DBUS = "/org/bluez/hci0/dev_4A_11_22_33_44_F5"
UUID = "0000feaa-0000-1000-8000-00805f9b34fb"
REF = "mZ3kQ0a1Bc8"
SUBJECT = "p_7Qm2Xr9Lk4Vt8Bn1Zc5Hw0"

Records = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def journal() -> io.StringIO:
    """Everything that is logged, as it reaches the journal."""
    stream = io.StringIO()
    logs.configure(level="debug", style=LogFormat.JSON, stream=stream)
    return stream


def records(journal: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.getvalue().splitlines()]


def log(event: str, **fields: object) -> None:
    """As somebody would who goes past the catalogue."""
    structlog.stdlib.get_logger("presence").info(event, **fields)


# ---------------------------------------------------------------- levels


@pytest.mark.parametrize(
    "event", [ConsentFrozen, RestrictionRefused, NoticesKeysRefused, DoorbellFailed]
)
def test_what_somebody_must_look_at_is_a_warning(
    journal: io.StringIO, event: type[OperationalEvent]
) -> None:
    logging.getLogger("presence").setLevel(logging.WARNING)
    logs.write(some(event))
    logs.write(some(GatewayStarted))
    assert [(record["event"], record["level"]) for record in records(journal)] == [
        (event.name, "warning")
    ]


@pytest.mark.parametrize("event", CATALOGUE.values(), ids=CATALOGUE)
def test_an_event_stands_in_the_journal_with_its_level_and_all_its_fields(
    journal: io.StringIO, event: type[OperationalEvent]
) -> None:
    logs.write(some(event))

    [record] = records(journal)
    assert (record.pop("event"), record.pop("level")) == (event.name, event.level.name.lower())
    assert record.pop("timestamp")
    assert json.dumps(record) == json.dumps(some(event).fields())


@pytest.mark.requirement("R-28")
def test_the_journal_says_which_user_of_the_machine_asked(journal: io.StringIO) -> None:
    logs.write(TechnicianAsked(what="metrics", uid=1000))
    assert records(journal)[0]["uid"] == 1000


# ---------------------------------------------------------------- keys


@pytest.mark.requirement("R-65")
def test_a_key_that_is_not_listed_is_dropped(journal: io.StringIO) -> None:
    log("gateway.started", version="1", address=ADDRESS, rssi=-60, ref=REF, name="Anna's phone")

    [record] = records(journal)
    assert record.keys() == {"event", "level", "timestamp", "version"}
    assert (record["event"], record["level"]) == ("gateway.started", "info")


@pytest.mark.requirement("R-65", "R-03")
@pytest.mark.parametrize(
    "key", ["address", "rssi_dbm", "ref", "subject", "name", "identifier", "payload", "key", "uuid"]
)
def test_no_key_of_a_person_is_listed(key: str) -> None:
    assert key not in logs.ALLOWED_KEYS


# ---------------------------------------------------------------- values

NAMING = [
    pytest.param(ADDRESS, id="an address"),
    pytest.param(ADDRESS.lower(), id="an address in small letters"),
    pytest.param(ADDRESS.replace(":", "-"), id="an address with dashes"),
    pytest.param(DBUS.rpartition("/")[2], id="an address of D-Bus"),
    pytest.param(ADDRESS.replace(":", ""), id="an address without colons"),
    pytest.param(ADDRESS.replace(":", " "), id="an address with blanks"),
    pytest.param("aabb.ccdd.ee01", id="an address with dots"),
    pytest.param("a9 b7 6a 71 c5 f8 92 90", id="an identifier with blanks"),
    pytest.param(UUID, id="a UUID"),
    pytest.param(UUID.upper(), id="a UUID in capitals"),
    pytest.param(UUID.replace("-", ""), id="a UUID without dashes"),
    pytest.param("a9b76a71c5f89290", id="an identifier in hex"),
    pytest.param("0xa9b76a71c5f89290", id="an identifier in hex with 0x"),
    pytest.param("eid_a9b76a71c5f89290", id="an identifier in hex after a word"),
    pytest.param(REF, id="a ref"),
    pytest.param(SUBJECT, id="a subject"),
    pytest.param("qrvM3e7/ABEiM0RVZneImQ==", id="a key in the other base64"),
    pytest.param("\\xa9\\xb7j", id="bytes as Python prints them"),
    pytest.param("zwuz2vgm6lypavrwdaxh5affrt", id="an event id"),
]


@pytest.mark.requirement("R-03", "R-65", "T-15")
@pytest.mark.parametrize("secret", NAMING)
@pytest.mark.parametrize(
    "sentence", ["{}", "device {} is lost", "[{}]", "({})", "key={}", "'{}',", "heard:{}"]
)
def test_what_could_name_somebody_is_cut_out(secret: str, sentence: str) -> None:
    said = logs.scrub(sentence.format(secret))

    assert secret not in said
    assert logs.DROPPED in said


def spellings(secret: bytes) -> list[str]:
    return [
        secret.hex(),
        secret.hex().upper(),
        secret.hex(":"),
        secret.hex(" "),
        secret[::-1].hex(),
        b64encode(secret).decode(),
        urlsafe_b64encode(secret).rstrip(b"=").decode(),
        repr(secret),
    ]


@pytest.mark.requirement("R-03", "R-65")
@pytest.mark.parametrize(
    "secret", [identifier_of(ANNA, 1.8e9), pairwise_key(ANNA, "offers-main"), ANNA]
)
def test_an_identifier_is_cut_out_in_every_spelling(secret: bytes) -> None:
    for spelling in spellings(secret):
        assert spelling not in logs.scrub(f"seen {spelling} near the door"), spelling


@given(st.binary(min_size=6, max_size=8), st.sampled_from(":-_ "))
def test_any_address_is_cut_out_whole(address: bytes, between: str) -> None:
    said = logs.scrub(f"Device {address.hex(between)} not found")
    assert said == f"Device {logs.DROPPED} not found"


@pytest.mark.parametrize(
    "words",
    [
        "/etc/presence/presence.yaml",
        "/var/lib/presence/consent/consents.jsonl line 12: the span from nb to na is longer",
        (
            "/run/presence/visits.sqlite: database or disk is full: make room, or give the folder "
            "back to us"
        ),
        "/home/Elina/Projects2026/presence/store.key",
        "broker.acme.example:8883",
        "offers-main",
        "org.bluez.Error.NotReady",
        "set consent.max_span_days to 396 at most",
        "unacknowledged misconfiguration",
        "2026-11-23T14:05:00Z",
        "acme/fi-0042",
        "list acme/fi-0042: number 88213 is older than 88214",
        "bluetoothd does not answer on D-Bus: `systemctl start bluetooth`",
        "MessageRefused at publish:203: not authorized (0x87)",
        "10.0.0.12",
        "fe80::1",
        "hci0",
        "BleakDBusError",
        "consent.entries_refused",
    ],
)
def test_paths_times_and_ordinary_words_survive(words: str) -> None:
    assert logs.scrub(words) == words


@pytest.mark.requirement("R-65")
def test_values_are_cleaned_however_deep_they_lie(journal: io.StringIO) -> None:
    log(
        "consent.entries_refused",
        problems=[f"heard {ADDRESS}", {ADDRESS: [REF]}],
        refused={"na missing": 3, "nested": (ADDRESS,)},
    )

    [record] = records(journal)
    assert record["refused"] == {"na missing": 3, "nested": [logs.DROPPED]}
    assert ADDRESS not in journal.getvalue()
    assert REF not in journal.getvalue()


@pytest.mark.requirement("R-65")
@pytest.mark.parametrize(
    "value", [ANNA, bytearray(ANNA), {ANNA}, object(), Exception(ADDRESS), memoryview(ANNA)]
)
def test_a_value_of_any_other_kind_is_dropped(journal: io.StringIO, value: object) -> None:
    log("gateway.started", reason=value)

    assert records(journal)[0]["reason"] == logs.DROPPED


def test_numbers_and_flags_are_kept_as_they_are(journal: io.StringIO) -> None:
    log("gateway.started", count=3, seconds=1.5, what=True, reason=None)

    [record] = records(journal)
    assert (record["count"], record["seconds"], record["what"], record["reason"]) == (
        3,
        1.5,
        True,
        None,
    )


# ---------------------------------------------------------------- others' loggers


@pytest.mark.requirement("R-65", "T-15")
@pytest.mark.parametrize(
    "name", ["bleak.backends.bluezdbus.manager", "dbus_fast", "paho.mqtt.client", "asyncio", "x"]
)
def test_a_third_party_goes_through_the_same_scissors(journal: io.StringIO, name: str) -> None:
    logging.getLogger(name).error("lost %s at %s", ADDRESS, DBUS, extra={"address": ADDRESS})
    logging.getLogger(name).warning("%(who)s left", {"who": REF})

    first, second = records(journal)
    assert (first["level"], second["level"]) == ("error", "warning")
    assert first["event"].startswith("lost ")
    assert first.keys() | second.keys() == {"event", "level", "timestamp"}
    for secret in (ADDRESS, ADDRESS.replace(":", "_"), REF):
        assert secret not in journal.getvalue()


@pytest.mark.requirement("R-65")
def test_a_third_party_may_not_chatter(journal: io.StringIO) -> None:
    logging.getLogger("bleak").debug("Received %s", ADDRESS)
    logging.getLogger("bleak").info("Received %s", ADDRESS)

    assert journal.getvalue() == ""


def fail(secret: str) -> None:
    in_a_local = secret
    raise ValueError(f"no such device: {in_a_local}")


@pytest.mark.requirement("R-65", "R-03", "T-15")
@pytest.mark.parametrize("ours", [True, False], ids=["our logger", "another's logger"])
def test_an_exception_is_told_without_what_it_holds(journal: io.StringIO, *, ours: bool) -> None:
    try:
        fail(ADDRESS)
    except ValueError:
        if ours:
            structlog.stdlib.get_logger("presence").exception("event.refused")
        else:
            logging.getLogger("paho").exception("callback failed")

    [record] = records(journal)
    assert record["exception"].startswith("ValueError at fail:")
    assert "no such device" not in record["exception"], (
        "a device's name would look like any word of it"
    )
    assert ADDRESS not in journal.getvalue()
    assert "Traceback" not in journal.getvalue()
    assert "in_a_local" not in journal.getvalue()


@pytest.mark.requirement("R-65")
def test_an_exception_behind_an_exception_is_not_told_either(journal: io.StringIO) -> None:
    try:
        try:
            fail(ADDRESS)
        except ValueError as error:
            raise StorageError("the disk is gone") from error
    except StorageError:
        logging.getLogger("x").exception("stopped", stack_info=True)

    assert ADDRESS not in journal.getvalue()
    assert "the disk is gone" in records(journal)[0]["exception"]
    assert "Stack" not in journal.getvalue()


NAME = "Kanarienvogel"


class Callback:
    """Of some layer: raises while what it heard is in its frame, and says it in its text."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def hear(self, *heard: object) -> None:
        in_a_local = heard
        raise self.error if in_a_local else AssertionError

    def __repr__(self) -> str:
        return f"<Callback of {NAME}>"


@pytest.mark.requirement("R-65", "R-03", "T-15")
@pytest.mark.parametrize(
    "logger", ["dbus_fast.message_bus", "paho.mqtt.client", "asyncio", "presence"]
)
@pytest.mark.parametrize(
    "error",
    [
        KeyError(NAME),
        ValueError(f"bad name {NAME}"),
        KeyError(b"CANARY\xc9"),
        OSError(f"no {NAME}"),
        LookupError(NAME),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_words_of_an_advertisement_in_an_exception_are_not_told_whoever_tells_it(
    journal: io.StringIO, logger: str, error: Exception
) -> None:
    """As dbus_fast tells of a handler that failed, with the text of the exception in its
    message.
    """
    error = type(error)(
        *error.args
    )  # the case's own would hold this test's frames until the end of the run
    try:
        Callback(error).hear(ADDRESS, NAME)
    except Exception as caught:
        told = "A message handler raised an exception: %s"
        logging.getLogger(logger).exception(told, caught)  # noqa: TRY401 - as they do

    [record] = records(journal)
    assert record["exception"].startswith(f"{type(error).__name__} at hear:")
    for secret in (NAME, "CANARY", ADDRESS):
        assert secret not in journal.getvalue()


@pytest.mark.requirement("R-65", "R-03", "T-15")
async def test_a_callback_of_the_loop_that_fails_is_told_without_its_arguments(
    journal: io.StringIO,
) -> None:
    asyncio.get_running_loop().call_soon(Callback(ValueError(NAME)).hear, b"CANARY", NAME)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    [record] = records(journal)
    assert record["event"].startswith("Exception in callback")
    assert NAME not in journal.getvalue()
    assert "CANARY" not in journal.getvalue()


@pytest.mark.requirement("R-65", "T-15")
async def test_a_task_that_fails_unseen_is_told_without_what_it_holds(journal: io.StringIO) -> None:
    handler = {
        "message": f"Task exception was never retrieved for {ADDRESS}",
        "exception": ValueError(ADDRESS),
    }

    asyncio.get_running_loop().call_exception_handler(handler)

    assert len(records(journal)) == 1
    assert ADDRESS not in journal.getvalue()


@pytest.mark.requirement("R-65", "T-15")
@pytest.mark.requirement("R-65", "T-15")
def test_what_nobody_catches_ends_the_process_without_telling_what_it_holds() -> None:
    """Found in the virtual machine: Python's own traceback showed a KeyError with an address for
    its key.
    """
    program = f"""
import sys
import presence
from presence.config.settings import LogFormat
from presence.edges.host import logs
logs.configure(level="info", style=LogFormat.JSON, stream=sys.stdout)
logs.log_uncaught()
more = ExceptionGroup("more", [KeyError({DBUS!r})])
raise ExceptionGroup("several", [more, ValueError({ADDRESS!r})])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["event"] for each in told] == ["gateway.failed"] * 2
    assert [each["exception"].split()[0].rstrip(":") for each in told] == ["KeyError", "ValueError"]
    assert ADDRESS[3:] not in done.stdout.replace("_", ":")


def test_a_message_that_cannot_be_put_together_is_not_printed_past_the_journal(
    journal: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's logging prints the arguments of a broken message to standard error, which is the
    journal too.
    """
    logging.getLogger("bleak").warning("%d advertisements of one device", ADDRESS)

    shown = "".join(capsys.readouterr()) + journal.getvalue()
    assert ADDRESS not in shown


@pytest.mark.requirement("R-65")
def test_a_message_in_several_lines_stays_one_line_of_the_journal(journal: io.StringIO) -> None:
    logging.getLogger("x").warning("one\ntwo\nthree")

    assert len(journal.getvalue().splitlines()) == 1


@pytest.mark.requirement("R-65")
def test_people_at_a_terminal_see_no_more_than_the_journal(journal: io.StringIO) -> None:
    stream = io.StringIO()
    logs.configure(level="info", style=LogFormat.HUMAN, stream=stream)

    log("gateway.started", version="1", address=ADDRESS, reason=f"at {DBUS} {os.sep}")

    assert "gateway.started" in stream.getvalue()
    assert "version" in stream.getvalue()
    assert ADDRESS not in stream.getvalue()
    assert "4A_11" not in stream.getvalue()


def test_the_level_is_the_one_of_the_configuration(journal: io.StringIO) -> None:
    logs.configure(level="warning", style=LogFormat.JSON, stream=journal)
    logs.write(some(ConsentApplied))
    logs.write(some(BrokerLost))

    assert [record["event"] for record in records(journal)] == ["broker.lost"]


def test_a_stream_that_is_closed_ends_nobody_who_logs(journal: io.StringIO) -> None:
    """Python's own handler looks away there too: nobody is left to be told."""
    journal.close()
    logging.getLogger("urllib3").error("a connection %s", "was lost")


@pytest.mark.requirement("R-65")
def test_an_address_of_our_own_adapter_is_said_and_one_like_it_is_not() -> None:
    logs.vouch_for("00:1a:7d:da:71:13")

    assert logs.scrub("00:1A:7D:DA:71:13 is not there") == "00:1A:7D:DA:71:13 is not there"
    assert logs.scrub("hci1 (00:1a:7d:da:71:13)") == "hci1 (00:1a:7d:da:71:13)"
    for other in ("00:1A:7D:DA:71:14", "dev_00_1A_7D_DA_71_13", "001A7DDA7113"):
        assert logs.DROPPED in logs.scrub(f"{other} is not there")

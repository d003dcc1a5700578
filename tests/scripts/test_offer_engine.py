"""The reference offer engine: its decisions, and the whole of it against a real broker."""

import asyncio
import base64
import json
import os
import re
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import presence.cli
from presence.core.event.cloudevent import subject_of_day
from presence.edges.mqtt.publisher import MqttPublisher
from presence.ports import OutgoingMessage
from presence.simulation.local_broker import LocalBroker
from scripts.offer_engine import (
    FORGET_EVERY_S,
    KEPT_MAX,
    KEPT_S,
    Engine,
    Manners,
    Service,
    client_id_of,
    hours,
    main,
    parse_options,
    read_customers,
    subject,
)
from scripts.offer_engine import OFFERS as TEXTS
from tests.support.brokers import listener, needs_mosquitto
from tests.support.contract import check, problems
from tests.support.mqtt_parts import new_publisher, running

NOW = 1_795_442_700.0  # 2026-11-23T14:05:00Z
KEY, OTHER_KEY = bytes(range(16)), bytes(16)
OFFERS = {"ap2:1551": "coffee", "ap2:1285": "tulips"}


def engine(**manners: Any) -> Engine:
    return Engine(
        {"Anna": KEY, "Ben": OTHER_KEY}, OFFERS, Manners(**({"cool_down_s": 0} | manners))
    )


def ident(number: int) -> str:
    """An id as gateways make them."""
    return base64.b32encode(number.to_bytes(16, "big"))[:26].decode().lower()


def entered(
    number: int = 1, *, day: bytes = b"2026-11-23", key: bytes = KEY, **data: Any
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": "presence.entered.v1",
        "source": "urn:presence:acme:fi-0042",
        "id": ident(number),
        "subject": subject(key, day),
        "time": "2026-11-23T14:05:00Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:presence:schema:entered-1.0",
        "data": {
            "audience": "offers-main",
            "store": "fi-0042",
            "purposes": ["offers"],
            "allow": ["ap2:1551"],
            "valid_until": "2026-11-23T14:35:00Z",
            "consent": {"list_seq": 88213, "notice": "fi-2026-03"},
            "assurance": "broadcast",
            **data,
        },
    }


def withdrawn(entered_number: int = 1, number: int = 1000) -> dict[str, Any]:
    return {
        **entered(number + entered_number),
        "type": "presence.withdrawn.v1",
        "dataschema": "urn:presence:schema:withdrawn-1.0",
        "data": {
            "audience": "offers-main",
            "store": "fi-0042",
            "entered_id": ident(entered_number),
            "reason": "withdrawn",
        },
    }


def test_the_events_of_these_tests_are_those_of_the_contract() -> None:
    check(f"{TOPIC}/evt/offers-main", json.dumps(entered()).encode())
    check(f"{TOPIC}/evt/offers-main", json.dumps(withdrawn()).encode())
    check(f"{TOPIC}/evt/offers-main", json.dumps(now_entered(1)).encode())


def test_a_customer_who_entered_is_answered_with_one_offer_that_says_why_and_how_to_stop() -> None:
    (offer,) = engine().handle(entered(), NOW)
    assert offer["in_answer_to"] == {"source": "urn:presence:acme:fi-0042", "id": ident(1)}
    assert (offer["category"], offer["text"]) == ("ap2:1551", "coffee")
    assert offer["why"] == (
        "you agreed to offers about ap2:1551 under notice fi-2026-03, and came in; "
        "we may answer to that until 2026-11-23T14:35:00Z"
    )
    assert "app" in offer["stop"]
    assert offer["valid_until"] == "2026-11-23T14:35:00Z"


def test_an_offer_and_its_end_are_those_of_the_contract() -> None:
    one = engine()
    (offer,) = one.handle(entered(), NOW)
    (end,) = one.handle(withdrawn(), NOW)
    assert end["cancelled"] is True
    assert [problems(each, "offer-1.0") for each in (offer, end)] == [[], []]


@pytest.mark.parametrize(
    "spelling",
    ["2026-11-23T14:35:00.000Z", "2026-11-23T16:35:00+02:00", "2026-11-23t14:35:00.123456789z"],
)
def test_a_time_in_another_spelling_of_rfc_3339_is_understood(spelling: str) -> None:
    """As an SDK or a bridge writes it again."""
    event = entered(valid_until=spelling)
    assert engine().handle(event, NOW)
    assert not engine().handle(event, NOW + 1800.5)


def test_a_later_minor_and_extensions_are_passed_over() -> None:
    event = entered(language="fi") | {
        "dataschema": "urn:presence:schema:entered-1.7",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    (offer,) = engine().handle(event, NOW)
    assert problems(offer, "offer-1.0") == []


def test_the_name_of_the_customer_and_the_key_are_in_no_offer() -> None:
    (offer,) = engine().handle(entered(), NOW)
    assert "Anna" not in str(offer)
    assert KEY.hex() not in str(offer)


@pytest.mark.parametrize("day", [b"2026-11-23", b"1999-01-01", b"stable"])
def test_subjects_are_those_of_the_gateway(day: bytes) -> None:
    assert subject(KEY, day) == subject_of_day(KEY, day)


def test_the_subjects_in_the_guide_are_those_of_the_engine_and_of_the_gateway() -> None:
    """Made with openssl, not with our code; see the command in the guide."""
    guide = Path("docs/offer-engine.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| `([0-9a-f]{32})` \| `([0-9a-z-]+)` \| `(p_.{22})` \|", guide)
    assert len(rows) == 5
    for key, day, wanted in rows:
        assert subject(bytes.fromhex(key), day.encode()) == wanted
        assert subject_of_day(bytes.fromhex(key), day.encode()) == wanted


def test_every_option_of_engine_and_kit_that_the_guide_names_exists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    with pytest.raises(SystemExit):
        presence.cli.main(["engine-test", "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    guide = Path("docs/offer-engine.md").read_text(encoding="utf-8")
    named = {
        option
        for line in guide.splitlines()
        if "app-emulator" not in line and "presence replay" not in line
        for option in re.findall(r"--[a-z-]+", line)
    }
    assert named - {"--config", "---", "--"} <= known


@pytest.mark.parametrize("day", [b"2026-11-22", b"2026-11-23", b"2026-11-24", b"stable"])
def test_customers_of_today_and_its_neighbours_and_those_with_profiling_are_known(
    day: bytes,
) -> None:
    assert len(engine().handle(entered(day=day), NOW)) == 1


@pytest.mark.parametrize("day", [b"2026-11-21", b"2026-11-25"])
def test_the_subject_of_another_day_is_nobody(day: bytes) -> None:
    our = engine()
    assert our.handle(entered(day=day), NOW) == []
    assert our.counts["unknown_subject"] == 1


def test_the_table_is_made_anew_when_the_day_changes() -> None:
    our = engine()
    our.handle(entered(1), NOW)
    later = entered(2, day=b"2026-11-25", valid_until="2026-11-25T14:35:00Z") | {
        "time": "2026-11-25T14:05:00Z"
    }
    assert len(our.handle(later, NOW + 2 * 86_400)) == 1


@pytest.mark.requirement("R-53")
def test_the_same_event_from_several_gateways_is_answered_once() -> None:
    our = engine()
    answers = [offer for _ in range(8) for offer in our.handle(entered(), NOW)]
    assert len(answers) == 1
    assert our.counts["duplicate"] == 7


@pytest.mark.requirement("R-58")
def test_nothing_is_offered_at_or_after_the_end_of_validity() -> None:
    our = engine()
    assert our.handle(entered(1), NOW + 1800) == []
    assert our.handle(entered(2), NOW + 90_000) == []
    assert our.counts["too_late"] == 2
    assert len(our.handle(entered(3), NOW + 1799)) == 1


def test_only_allowed_categories_are_offered() -> None:
    our = engine()
    assert our.handle(entered(1, allow=["ap2:9999"]), NOW) == []
    assert our.handle(entered(2, allow=[]), NOW) == []
    (offer,) = our.handle(entered(3, allow=["ap2:9999", "ap2:1285", "ap2:1551"]), NOW)
    assert offer["category"] == "ap2:1285"


def test_an_event_without_the_purpose_of_offers_is_not_answered() -> None:
    our = engine()
    assert our.handle(entered(purposes=["service"]), NOW) == []
    assert our.counts["nothing_to_offer"] == 1


def test_a_withdrawal_cancels_what_was_offered_once() -> None:
    our = engine()
    (offer,) = our.handle(entered(), NOW)
    (cancel,) = our.handle(withdrawn(), NOW + 1)
    assert (cancel["offer_id"], cancel["cancelled"], cancel["reason"]) == (
        offer["offer_id"],
        True,
        "withdrawn",
    )
    assert cancel["text"] == ""
    assert our.handle(withdrawn(), NOW + 2) == []


def test_an_event_that_comes_after_its_withdrawal_is_not_answered() -> None:
    our = engine()
    assert our.handle(withdrawn(), NOW) == []
    assert our.handle(entered(), NOW + 1) == []


def test_left_is_counted_and_answered_with_nothing() -> None:
    our = engine()
    assert our.handle({**entered(), "type": "presence.left.v1"}, NOW) == []
    assert our.counts["other"] == 1


def anything_kept(our: Engine) -> str:
    """All that the engine holds, but for what it was given at its start: the customers and their
    table of the day.
    """
    return repr(
        {name: value for name, value in vars(our).items() if name not in ("_customers", "_table")}
    )


@pytest.mark.requirement("T-26")
def test_nothing_about_a_visit_is_kept_longer_than_an_hour_even_when_no_other_event_comes() -> None:
    our = engine()
    (offer,) = our.handle(entered(), NOW)
    our.handle(withdrawn(7), NOW)
    our.learn(
        {**offer, "in_answer_to": {"source": "urn:presence:acme:fi-0042", "id": ident(9)}}, NOW
    )
    marks = (
        ident(1),
        ident(7),
        ident(9),
        ident(1007),
        offer["subject"],
        offer["offer_id"],
        "Anna",
        str(NOW)[:9],
    )
    assert all(mark in anything_kept(our) for mark in (*marks[:-2], "Anna"))
    our.forget(NOW + 3600 - FORGET_EVERY_S)
    assert [mark for mark in marks if mark in anything_kept(our)] == []


@pytest.mark.requirement("T-26")
def test_a_clock_that_is_set_back_does_not_prolong_the_memory() -> None:
    our = engine()
    our.handle(entered(), NOW)
    our.forget(NOW - 86_400)
    assert ident(1) not in anything_kept(our)


@pytest.mark.requirement("T-26", "R-53")
def test_what_is_too_old_to_be_remembered_is_too_old_to_be_answered() -> None:
    our = engine()
    late = entered(valid_until="2026-11-23T20:00:00Z")
    assert len(our.handle(late, NOW + KEPT_S - 1)) == 1
    assert engine().handle(late, NOW + KEPT_S) == []


@pytest.mark.requirement("T-26")
async def test_the_service_forgets_by_itself() -> None:
    our = engine()
    our.handle(entered(), NOW - 86_400)
    service = Service(our, parse_options(["--chain=a", "--store=b", "--audience=c"])[1])
    forgetting = asyncio.create_task(asyncio.to_thread(service.keep_forgetting, 0.01))
    async with asyncio.timeout(5):
        while ident(1) in anything_kept(our):  # noqa: ASYNC110 - a thread's doing
            await asyncio.sleep(0.01)
    service._done.set()
    await forgetting


class _Busy:
    """A client whose lock is held, as paho's is while it writes."""

    def __init__(self) -> None:
        self.at_work = threading.Lock()
        self.disconnected = threading.Event()

    def disconnect(self) -> None:
        with self.at_work:
            self.disconnected.set()


def test_a_signal_that_comes_while_the_client_is_at_work_stops_the_engine_all_the_same() -> None:
    """The handler runs in the thread that is at work: to wait there is to wait for itself."""
    service: Any = Service(engine(), parse_options(["--chain=a", "--store=b", "--audience=c"])[1])
    service._client = busy = _Busy()
    with busy.at_work:
        service.stop()
        assert not busy.disconnected.is_set()
    assert busy.disconnected.wait(10)


def test_the_brokers_answer_to_one_offer_does_not_wait_for_the_next_one_to_be_sent() -> None:
    """paho holds one lock while it tells of an answer and while it takes a message. So who answers
    may wait for nothing that is held while something is sent: both would wait for ever.
    """
    sent, answering, answered = (threading.Event() for _ in range(3))
    lock = threading.RLock()

    def publish(*_: Any, **__: Any) -> Any:
        sent.set()
        assert answering.wait(5)
        assert lock.acquire(timeout=5), "the answer waits for us, and we for it"
        lock.release()
        return SimpleNamespace(mid=2)

    service: Any = Service(engine(), parse_options(["--chain=a", "--store=b", "--audience=c"])[1])
    service._client = SimpleNamespace(publish=publish)
    (offer,) = engine().handle(entered(), NOW)
    offer = {**offer, "valid_until": "2099-01-01T00:00:00Z"}
    service._again = {offer["offer_id"]: ("t", offer)}
    again = threading.Thread(target=service.keep_asking, args=(0.01,), daemon=True)
    again.start()
    assert sent.wait(5)

    def answer() -> None:
        with lock:
            answering.set()
            service._on_publish(None, None, 1, SimpleNamespace(value=0), None)
        answered.set()

    threading.Thread(target=answer, daemon=True).start()
    assert answered.wait(4)
    service._done.set()
    again.join(10)
    assert not again.is_alive()


def test_the_memory_of_what_was_had_is_bounded() -> None:
    our = engine()
    stranger = subject(b"k" * 16, b"2026-11-23")
    for number in range(KEPT_MAX + 50):
        our.handle({**entered(), "id": ident(number), "subject": stranger}, NOW)
    assert len(our._known) <= KEPT_MAX + 1


# ---------------------------------------------------------------- manners


@pytest.mark.requirement("R-24")
def test_a_customer_gets_at_most_so_many_offers_an_hour_and_another_has_their_own_count() -> None:
    our = engine(per_hour=2)
    assert [len(our.handle(entered(number), NOW + number)) for number in range(4)] == [1, 1, 0, 0]
    assert len(our.handle(entered(5, key=OTHER_KEY), NOW)) == 1
    assert our.counts["enough"] == 2
    fresh = entered(6, valid_until="2026-11-23T15:40:00Z") | {"time": "2026-11-23T15:10:00Z"}
    assert len(our.handle(fresh, NOW + 3900)) == 1
    assert our._offered == {"Anna": 1}


@pytest.mark.requirement("R-53")
def test_one_visit_told_under_two_ids_is_answered_once_and_the_next_visit_again() -> None:
    our = engine(cool_down_s=600)
    told = [(1, 0.0), (2, 0.4), (3, 599.0), (4, 600.0)]
    assert [len(our.handle(entered(number), NOW + after_s)) for number, after_s in told] == [
        1,
        0,
        0,
        1,
    ]
    assert our.counts["too_soon"] == 2
    assert Manners().cool_down_s >= 300


@pytest.mark.parametrize(
    ("quiet", "now", "comes"),
    [
        ("21:00-09:00", NOW, True),
        ("21:00-09:00", NOW + 7 * 3600, False),  # 21:05
        ("14:05-14:06", NOW, False),
        ("14:06-14:05", NOW, True),
        ("00:00-00:00", NOW, True),
    ],
)
def test_in_quiet_hours_nothing_is_offered_and_nothing_is_made_up_for_later(
    quiet: str, now: float, comes: bool
) -> None:
    our = engine(quiet=hours(quiet))
    event = entered(valid_until="2026-11-24T14:35:00Z") | {
        "time": datetime.fromtimestamp(now, UTC).isoformat()
    }
    assert bool(our.handle(event, now)) is comes
    assert our.counts["quiet"] == (not comes)
    our.forget(now + 3600)
    assert our.handle(entered(1), now + 10 * 3600) == []


def test_quiet_hours_are_those_of_the_shops_zone() -> None:
    our = engine(quiet=hours("16:00-17:00"), zone=ZoneInfo("Europe/Helsinki"))
    assert our.handle(entered(), NOW) == []


@pytest.mark.parametrize("text", ["21-", "21:00", "25:00-26:00", "21:00-22:00-23:00", ""])
def test_quiet_hours_that_are_none_are_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--chain=a", "--store=b", "--audience=c", f"--quiet={text}"])
    assert "argument --quiet: invalid hours value" in capsys.readouterr().err


# ---------------------------------------------------------------- several instances


@pytest.mark.requirement("R-53")
def test_what_another_instance_offered_is_not_offered_again() -> None:
    one, other = engine(), engine()
    (offer,) = one.handle(entered(), NOW)
    assert other.learn(offer, NOW) == []
    assert other.handle(entered(), NOW + 1) == []
    assert other.counts == {"duplicate": 1}


@pytest.mark.requirement("R-53")
def test_copies_handled_at_the_same_instant_make_messages_of_one_offer_id() -> None:
    (one,), (other,) = engine().handle(entered(), NOW), engine().handle(entered(), NOW)
    assert one["offer_id"] == other["offer_id"]


def test_any_instance_can_cancel_what_another_offered() -> None:
    one, other = engine(), engine()
    (offer,) = one.handle(entered(), NOW)
    other.learn(offer, NOW)
    (cancel,) = other.handle(withdrawn(), NOW + 1)
    assert (cancel["offer_id"], cancel["cancelled"]) == (offer["offer_id"], True)
    assert one.learn(cancel, NOW + 1) == []
    assert one.handle(withdrawn(), NOW + 2) == []  # nothing is left to cancel


def test_an_offer_to_an_event_withdrawn_elsewhere_meanwhile_is_cancelled_by_who_knows_it() -> None:
    one, other = engine(), engine()
    assert other.handle(withdrawn(), NOW) == []
    (offer,) = one.handle(entered(), NOW)
    (cancel,) = other.learn(offer, NOW)
    assert (cancel["offer_id"], cancel["reason"]) == (offer["offer_id"], "withdrawn")


def test_the_cap_counts_what_other_instances_offered() -> None:
    one, other = engine(per_hour=1), engine(per_hour=1)
    (offer,) = one.handle(entered(1), NOW)
    other.learn(offer, NOW)
    other.learn(offer, NOW)
    assert other._offered == {"Anna": 1}
    assert other.handle(entered(2), NOW) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["in_answer_to", "source", "id", "valid_until", "cancelled"]), inner
            )
        ),
    )
)
def test_whatever_is_no_offer_of_another_instance_does_no_harm(offer: object) -> None:
    assert engine().learn(offer, NOW) == []


def test_the_built_in_offers_are_about_what_the_taxonomy_says() -> None:
    """IAB Ad Product Taxonomy 2.0: 1551 Vehicles, 1285 Lawn and Garden, 1070 Footwear."""
    assert {category: text.split()[-3:] for category, text in TEXTS.items()}.keys() == {
        "ap2:1551",
        "ap2:1285",
        "ap2:1070",
    }
    for category, word in (("ap2:1551", "wheel"), ("ap2:1285", "bulbs"), ("ap2:1070", "boots")):
        assert word in TEXTS[category]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["source", "id", "type", "data"]), inner)
        ),
    )
)
def test_whatever_is_no_event_is_counted_and_does_no_harm(event: object) -> None:
    our = engine()
    assert our.handle(event, NOW) == []
    assert our.counts.total() == 1


@pytest.mark.parametrize("valid_until", ["soon", "2026-11-23T14:35:00", None, 7])
def test_an_event_without_a_proper_end_of_validity_is_malformed(valid_until: object) -> None:
    our = engine()
    assert our.handle(entered(valid_until=valid_until), NOW) == []
    assert our.counts["malformed"] == 1


def test_customers_are_read_from_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "customers.jsonl"
    file.write_text(
        f'{{"customer": "Anna", "pairwise_key": "{KEY.hex()}"}}\n\n{{"customer": 7, '
        f'"pairwise_key": "00"}}\n'
    )
    assert read_customers(file) == {"Anna": KEY, "7": b"\0"}


def test_help_teaches_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["--help"])
    assert ending.value.code == 0
    help_text = capsys.readouterr().out
    for word in ("valid_until", "withdrawn", "allow", "HMAC-SHA256", "--customers", "presence/v1/"):
        assert word in help_text


def test_a_file_of_customers_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "customers").write_text('{"customer": "Anna"}')
    with pytest.raises(SystemExit):
        main(["--chain=a", "--store=b", "--audience=c", f"--customers={tmp_path / 'customers'}"])
    assert "a file cannot be used: KeyError('pairwise_key')" in capsys.readouterr().err


# ---------------------------------------------------------------- on a broker

TOPIC = "presence/v1/acme/fi-0042"


@asynccontextmanager
async def instance(
    port: int, customers: Path, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The engine as a process of its own; it listens when the block is entered."""
    command = (
        f"--port={port} --chain=acme --store=fi-0042 --audience=offers-main --json "
        f"--customers={customers}"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "scripts/offer_engine.py",
        *command.split(),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert process.stderr is not None
    assert b"listening" in await asyncio.wait_for(process.stderr.readline(), 10)
    if "--group" in " ".join(options):
        assert b"listening" in await asyncio.wait_for(
            process.stderr.readline(), 10
        )  # to the other instances
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.communicate(), 20)
            except TimeoutError:  # one that hangs is a test that failed, and not a run without end
                process.kill()
                await process.communicate()
                raise


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    file = tmp_path / "customers.jsonl"
    file.write_text(json.dumps({"customer": "Anna", "pairwise_key": KEY.hex()}))
    return file


def now_entered(number: int) -> dict[str, Any]:
    """An event of this very minute."""
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    return entered(number, day=b"stable", valid_until="2099-01-01T00:00:00Z") | {
        "time": minute.strftime("%Y-%m-%dT%H:%M:%SZ")
    }


async def publish(publisher: MqttPublisher, *bodies: bytes) -> None:
    for number, body in enumerate(bodies):
        await publisher.publish(
            OutgoingMessage(
                f"{TOPIC}/evt/offers-main", body, 60, "presence.entered.v1", f"{number}"
            )
        )


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.requirement("R-55", "R-58")
async def test_events_of_the_gateway_become_offers_on_the_broker(
    protocol: str, customers: Path
) -> None:
    first, second = (json.dumps(now_entered(n)).encode() for n in (1, 2))
    async with (
        LocalBroker.start("mosquitto") as broker,
        listener(broker.port, f"{TOPIC}/offer/offers-main") as heard,
        running(new_publisher(broker.port)) as publisher,
        instance(broker.port, customers, f"--protocol={protocol}", "--cool-down=0") as process,
    ):
        await publish(publisher, b"{", b"[" * 60_000, first, first, second)
        offers = [await asyncio.wait_for(heard.get(), 5) for _ in range(2)]
        assert process.stdout is not None
        printed = [
            json.loads(await asyncio.wait_for(process.stdout.readline(), 5)) for _ in range(2)
        ]
        process.terminate()
        out, err = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 0
    bodies = [json.loads(offer.payload) for offer in offers]
    assert [body["in_answer_to"]["id"] for body in bodies] == [ident(1), ident(2)]
    assert printed == [{"customer": "Anna", **body} for body in bodies]
    assert not any(b"Anna" in offer.payload or offer.retain for offer in offers)
    assert (out, heard.empty()) == (b"", True)
    assert json.loads(err) == {"malformed": 2, "offered": 2, "duplicate": 1}


@needs_mosquitto
@pytest.mark.requirement("R-53")
async def test_several_instances_share_the_load_and_answer_each_visit_once(customers: Path) -> None:
    """Every event comes three times, as from three gateways, some of it withdrawn: three instances,
    one answer each.
    """
    events = [json.dumps(now_entered(number)).encode() for number in range(31)]
    backs = [json.dumps(withdrawn(number)).encode() for number in range(5)]
    options = ("--group=engines", "--per-hour=1000", "--cool-down=0", "--client-id")
    async with (
        LocalBroker.start("mosquitto") as broker,
        listener(broker.port, f"{TOPIC}/offer/offers-main") as heard,
        running(new_publisher(broker.port)) as publisher,
        instance(broker.port, customers, *options, "one") as one,
        instance(broker.port, customers, *options, "two") as two,
        instance(broker.port, customers, *options, "three") as three,
    ):
        for _copies in range(3):
            await publish(publisher, *events)
            await asyncio.sleep(
                0.3
            )  # gateways hear a customer at different times; see the hold-off among peers
        await publish(publisher, *backs)
        await asyncio.sleep(0.5)
        counts = []
        for process in (one, two, three):
            process.terminate()
            _, err = await asyncio.wait_for(process.communicate(), 5)
            counts.append(json.loads(err))
        offers = [json.loads(heard.get_nowait().payload) for _ in range(heard.qsize())]
    made = [offer["in_answer_to"]["id"] for offer in offers if not offer.get("cancelled")]
    assert sorted(made) == sorted(ident(number) for number in range(31))
    assert {offer["in_answer_to"]["id"] for offer in offers if offer.get("cancelled")} == {
        ident(n) for n in range(5)
    }
    assert len(offers) == 36
    assert all(count["offered"] >= 5 for count in counts), counts  # the load is shared
    assert sum(count.get("duplicate", 0) for count in counts) == 62


@needs_mosquitto
@pytest.mark.requirement("R-51", "R-53")
async def test_an_engine_that_is_killed_and_comes_back_answers_what_came_meanwhile(
    customers: Path,
) -> None:
    """Its session, found again by its client id, has kept it."""
    async with (
        LocalBroker.start("mosquitto") as broker,
        listener(broker.port, f"{TOPIC}/offer/offers-main") as heard,
        running(new_publisher(broker.port)) as publisher,
    ):
        async with instance(broker.port, customers) as killed:
            killed.kill()
            await killed.wait()
        await publish(publisher, json.dumps(now_entered(1)).encode())
        async with instance(broker.port, customers):
            offer = json.loads((await asyncio.wait_for(heard.get(), 5)).payload)
    assert offer["in_answer_to"]["id"] == ident(1)


@needs_mosquitto
@pytest.mark.requirement("R-51")
async def test_an_offer_that_nobody_hears_is_sent_again_and_its_cancellation_in_its_place(
    customers: Path,
) -> None:
    offers = f"{TOPIC}/offer/offers-main"
    async with (
        LocalBroker.start("mosquitto") as broker,
        running(new_publisher(broker.port)) as publisher,
        instance(broker.port, customers, "--cool-down=0") as process,
    ):
        bodies = [json.dumps(event).encode() for event in (now_entered(1), now_entered(2))]
        await publish(publisher, *bodies, json.dumps(withdrawn(1)).encode())
        assert process.stderr is not None
        said = await asyncio.wait_for(process.stderr.readline(), 5)
        async with listener(broker.port, offers) as heard:
            late = [json.loads((await asyncio.wait_for(heard.get(), 10)).payload) for _ in "12"]
            await asyncio.sleep(0.2)
            assert heard.empty()
        process.terminate()
        _, err = await asyncio.wait_for(process.communicate(), 5)
    assert said.decode().startswith("offer_unheard: No matching subscribers (told once)")
    told = {offer["in_answer_to"]["id"]: offer.get("cancelled", False) for offer in late}
    assert told == {ident(1): True, ident(2): False}
    assert json.loads(err)["offer_unheard"] >= 2


def test_an_engine_has_one_name_at_the_broker_and_each_of_a_group_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def named(*options: str) -> str:
        return client_id_of(parse_options(["--chain=a", "--audience=c", *options])[1])

    assert named("--store=b") == named("--store=b") == "offer-engine-a-b-c"
    assert named("--store=+") == "offer-engine-a-all-c"
    assert named("--store=b", "--client-id=mine") == "mine"
    with pytest.raises(SystemExit):
        main(["--chain=a", "--store=b", "--audience=c", "--group=g"])
    assert "--group needs --client-id" in capsys.readouterr().err


def test_a_group_needs_mqtt_5(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--chain=a", "--store=b", "--audience=c", "--group=g", "--protocol=3.1.1"])
    assert "--group needs MQTT 5" in capsys.readouterr().err

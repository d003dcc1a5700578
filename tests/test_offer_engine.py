"""The reference offer engine: its decisions, and the whole of it against a real broker."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.events import subject_of_day
from presence.edges.local_broker import LocalBroker
from presence.ports import OutgoingMessage
from scripts.offer_engine import REMEMBERED_MAX, Engine, main, read_customers, subject
from tests.brokers import listener, needs_mosquitto
from tests.edges.mqtt_parts import new_publisher, running

NOW = 1_795_442_700.0  # 2026-11-23T14:05:00Z
KEY, OTHER_KEY = bytes(range(16)), bytes(16)
OFFERS = {"ap2:1551": "coffee", "ap2:1123": "boots"}


def engine() -> Engine:
    return Engine({"Anna": KEY, "Ben": OTHER_KEY}, OFFERS)


def entered(number: int = 1, *, day: bytes = b"2026-11-23", key: bytes = KEY, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": "presence.entered.v1",
        "source": "urn:presence:acme:fi-0042",
        "id": f"id-{number}",
        "subject": subject(key, day),
        "time": "2026-11-23T14:05:00Z",
        "data": {
            "audience": "offers-main",
            "store": "fi-0042",
            "purposes": ["offers"],
            "allow": ["ap2:1551"],
            "valid_until": "2026-11-23T14:35:00Z",
            "consent": {"list_seq": 88213, "notice": "fi-2026-03"},
            **data,
        },
    }


def withdrawn(entered_number: int = 1) -> dict[str, Any]:
    event = entered(1000 + entered_number)
    return {
        **event,
        "type": "presence.withdrawn.v1",
        "data": {"entered_id": f"id-{entered_number}", "reason": "withdrawn"},
    }


def test_a_customer_who_entered_is_answered_with_one_offer_that_says_why_and_how_to_stop() -> None:
    (offer,) = engine().handle(entered(), NOW)
    assert offer["in_answer_to"] == {"source": "urn:presence:acme:fi-0042", "id": "id-1"}
    assert (offer["category"], offer["text"]) == ("ap2:1551", "coffee")
    assert offer["why"] == ("you agreed to messages about ap2:1551 under notice fi-2026-03, until 2026-11-23T14:35:00Z")
    assert "app" in offer["stop"]
    assert offer["valid_until"] == "2026-11-23T14:35:00Z"


def test_the_name_of_the_customer_and_the_key_are_in_no_offer() -> None:
    (offer,) = engine().handle(entered(), NOW)
    assert "Anna" not in str(offer)
    assert KEY.hex() not in str(offer)


@pytest.mark.parametrize("day", [b"2026-11-23", b"1999-01-01", b"stable"])
def test_subjects_are_those_of_the_gateway(day: bytes) -> None:
    assert subject(KEY, day) == subject_of_day(KEY, day)


@pytest.mark.parametrize("day", [b"2026-11-23", b"2026-11-22", b"stable"])
def test_customers_of_today_and_yesterday_and_those_with_profiling_are_known(day: bytes) -> None:
    assert len(engine().handle(entered(day=day), NOW)) == 1


@pytest.mark.parametrize("day", [b"2026-11-21", b"2026-11-24"])
def test_the_subject_of_another_day_is_nobody(day: bytes) -> None:
    our = engine()
    assert our.handle(entered(day=day), NOW) == []
    assert our.counts["unknown_subject"] == 1


def test_the_table_is_made_anew_when_the_day_changes() -> None:
    our = engine()
    our.handle(entered(1), NOW)
    tomorrow = entered(2, day=b"2026-11-24", valid_until="2026-11-24T14:35:00Z")
    assert len(our.handle(tomorrow, NOW + 86_400)) == 1


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
    (offer,) = our.handle(entered(3, allow=["ap2:9999", "ap2:1123", "ap2:1551"]), NOW)
    assert offer["category"] == "ap2:1123"


def test_an_event_without_the_purpose_of_offers_is_not_answered() -> None:
    our = engine()
    assert our.handle(entered(purposes=["service"]), NOW) == []
    assert our.counts["nothing_to_offer"] == 1


def test_a_withdrawal_cancels_what_was_offered_once() -> None:
    our = engine()
    (offer,) = our.handle(entered(), NOW)
    (cancel,) = our.handle(withdrawn(), NOW + 1)
    assert (cancel["offer_id"], cancel["cancelled"], cancel["reason"]) == (offer["offer_id"], True, "withdrawn")
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


def test_what_was_had_is_forgotten_after_an_hour() -> None:
    our = engine()
    our.handle(entered(), NOW)
    our.handle(entered(2), NOW + 3601)
    assert [key[1] for key in our._had] == ["id-2"]
    assert len(our._made) <= 1


def test_the_memory_of_what_was_had_is_bounded() -> None:
    our = engine()
    for number in range(REMEMBERED_MAX + 50):
        our.handle(entered(number, key=b"k" * 16), NOW)
    assert len(our._had) <= REMEMBERED_MAX + 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["source", "id", "type", "data"]), inner),
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
        f'{{"customer": "Anna", "pairwise_key": "{KEY.hex()}"}}\n\n{{"customer": 7, "pairwise_key": "00"}}\n'
    )
    assert read_customers(file) == {"Anna": KEY, "7": b"\0"}


def test_help_teaches_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["--help"])
    assert ending.value.code == 0
    help_text = capsys.readouterr().out
    for word in ("valid_until", "withdrawn", "allow", "HMAC-SHA256", "--customers", "presence/v1/"):
        assert word in help_text


def test_a_file_of_customers_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "customers").write_text('{"customer": "Anna"}')
    with pytest.raises(SystemExit):
        main(["--chain=a", "--store=b", "--audience=c", f"--customers={tmp_path / 'customers'}"])
    assert "a file cannot be used: KeyError('pairwise_key')" in capsys.readouterr().err


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.requirement("R-55", "R-58")
async def test_events_of_the_gateway_become_offers_on_the_broker(protocol: str, tmp_path: Path) -> None:
    customers = tmp_path / "customers.jsonl"
    customers.write_text(json.dumps({"customer": "Anna", "pairwise_key": KEY.hex()}))
    first, second = (entered(n, day=b"stable", valid_until="2099-01-01T00:00:00Z") for n in (1, 2))
    topic = "presence/v1/acme/fi-0042"
    async with (
        LocalBroker.start("mosquitto") as broker,
        listener(broker.port, f"{topic}/offer/offers-main") as heard,
        running(new_publisher(broker.port)) as publisher,
    ):
        command = (
            f"--port={broker.port} --protocol={protocol} --chain=acme --store=fi-0042 --audience=offers-main --json"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "scripts/offer_engine.py",
            *command.split(),
            f"--customers={customers}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"listening" in await asyncio.wait_for(process.stderr.readline(), 10)
        sent = [b"{", b"[" * 60_000, *(json.dumps(event).encode() for event in (first, first, second))]
        for number, body in enumerate(sent):
            await publisher.publish(
                OutgoingMessage(f"{topic}/evt/offers-main", body, 60, "presence.entered.v1", f"{number}")
            )
        offers = [await asyncio.wait_for(heard.get(), 5) for _ in range(2)]
        printed = [json.loads(await asyncio.wait_for(process.stdout.readline(), 5)) for _ in range(2)]
        process.terminate()
        out, err = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 0
    bodies = [json.loads(offer.payload) for offer in offers]
    assert [body["in_answer_to"]["id"] for body in bodies] == ["id-1", "id-2"]
    assert printed == [{"customer": "Anna", **body} for body in bodies]
    assert not any(b"Anna" in offer.payload or offer.retain for offer in offers)
    assert (out, heard.empty()) == (b"", True)
    assert json.loads(err) == {"malformed": 2, "offered": 2, "duplicate": 1}

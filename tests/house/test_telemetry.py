"""The catalogue of operational events: what was, what follows from it, what it cannot hold."""

import ast
import json
import re
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

import presence
from presence import telemetry
from presence.core.event.outbox import Outgoing
from presence.edges.host import logs
from presence.telemetry import (
    CATALOGUE,
    AuditFailed,
    AuditRecord,
    ConsentApplied,
    Level,
    OperationalEvent,
    RadioScanning,
    StorageFailed,
    Telemetry,
)
from tests.support.operations_page import PAGE, with_table
from tests.support.paths import ROOT

GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (ROOT / "tests" / "vectors" / "operational-events.json").read_text()
)


def described(event: type[OperationalEvent]) -> dict[str, Any]:
    optional = {name for name in event.journalled if getattr(event, name, ...) is None}
    return {
        "level": event.level.name.lower(),
        "alarm": event.alarm.value if event.alarm else None,
        "refresh": event.refresh or None,
        "audited": [event.audited.kind, list(event.audited.fields)] if event.audited else None,
        "fields": [name + "?" * (name in optional) for name in event.journalled],
    }


def test_names_levels_alarms_records_and_fields_are_those_of_before_the_catalogue() -> None:
    """The golden table was read off the sets of names and the calls that there were before."""
    assert {name: described(event) for name, event in CATALOGUE.items()} == GOLDEN


def test_a_class_is_called_as_its_event() -> None:
    for name, event in CATALOGUE.items():
        assert event.__name__ == "".join(part.capitalize() for part in re.split(r"[._]", name))


def test_every_event_is_in_the_catalogue_and_is_emitted_somewhere() -> None:
    package = Path(presence.__file__).parent
    sources = {
        path: ast.parse(path.read_text("utf-8"))
        for path in package.rglob("*.py")
        if path != Path(telemetry.__file__)
    }
    called = {
        node.func.id
        for tree in sources.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    classes = {
        node.name
        for node in ast.walk(ast.parse(Path(telemetry.__file__).read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(getattr(base, "id", "") == "OperationalEvent" for base in node.bases)
    }
    assert classes == {event.__name__ for event in CATALOGUE.values()}
    assert classes - called == set()


def test_the_table_of_the_operators_page_is_made_from_the_classes() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page, "run `.venv/bin/python -m tests.support.operations_page`"
    for name in CATALOGUE:
        assert f"\n| `{name}` |" in page


def test_a_page_without_a_place_for_the_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place"):
        with_table("# Running a gateway\n")


def test_every_field_of_an_event_may_stand_in_the_journal_and_nothing_else() -> None:
    own = {"event", "level", "timestamp", "exception"}
    fields = {field.rstrip("?") for event in GOLDEN.values() for field in event["fields"]}
    assert fields | own == logs.ALLOWED_KEYS


@pytest.mark.requirement("R-65", "R-03")
@pytest.mark.parametrize("kind", [str, bytes, int, object, dict, Outgoing, "Sentence", str | None])
def test_a_field_that_could_be_about_a_person_has_no_type_to_be_of(kind: object) -> None:
    with pytest.raises(TypeError, match="FIELD_TYPES does not list"):
        type(OperationalEvent)(
            "CustomerSeen",
            (OperationalEvent,),
            {"__annotations__": {"who": kind}},
            name="customer.seen",
            level=Level.INFO,
        )


def test_what_is_no_field_cannot_be_audited() -> None:
    with pytest.raises(TypeError, match="no fields"):

        class Opened(
            OperationalEvent,
            name="door.opened",
            level=Level.INFO,
            audited=AuditRecord("door", ("who",)),
        ):
            """Never."""


def test_an_event_is_a_value() -> None:
    failed = StorageFailed(what="visits", reason="full")
    assert failed == StorageFailed(what="visits", reason="full")
    assert failed != StorageFailed(what="visits", reason="gone")
    assert failed != AuditFailed(reason="full", next_step="")
    assert len({failed, StorageFailed(what="visits", reason="full")}) == 1
    assert repr(failed) == "StorageFailed(what='visits', reason='full')"
    with pytest.raises(FrozenInstanceError):
        failed.what = "withdrawn"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del failed.what
    for wrong in ({}, {"what": "visits"}, {"what": "visits", "reason": "full", "why": "so"}):
        with pytest.raises(TypeError, match="takes"):
            StorageFailed(**wrong)


def test_what_is_not_known_is_left_out_and_the_audit_logs_own_fields_are_not_in_the_journal() -> (
    None
):
    assert RadioScanning(adapter="hci0", mode="active", path="bluez").fields() == {
        "adapter": "hci0",
        "mode": "active",
        "path": "bluez",
    }
    applied = ConsentApplied(list="acme/fi", seq=7, entries=3, digest="ab", root_version=2)
    assert list(applied.fields().items()) == [("list", "acme/fi"), ("seq", 7), ("entries", 3)]
    assert applied.audit_details() == {"list": "acme/fi", "seq": 7, "entries": 3, "digest": "ab"}


def test_each_subscriber_has_each_event_in_turn() -> None:
    heard: list[tuple[str, OperationalEvent]] = []
    bus = Telemetry(lambda event: heard.append(("first", event)))
    bus.subscribe(lambda event: heard.append(("second", event)))
    event = StorageFailed(what="visits", reason="full")

    bus.emit(event)

    assert heard == [("first", event), ("second", event)]

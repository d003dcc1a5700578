"""Every kind of event that the schemas allow has an answer that they allow, too, or none by a rule:
played with the reference engine, and judged by the client, by jsonschema and by the kit.
"""

import copy
import itertools
import json
from pathlib import Path
from typing import Any, Final

import pytest

from presence.conformance.customers import KitCustomer
from presence.conformance.ear import OfferHeard
from presence.conformance.form import faults_of_form
from presence.conformance.shop import Told
from presence.contract import faults, read_event
from presence.contract.schemas import ID_PREFIX
from scripts.offer_engine import Engine, Manners, parse_time, subject
from tests.support.contract import as_it_is, problems, schema
from tests.support.paths import ROOT

VECTORS: Final = ROOT / "tests" / "vectors"
KEY: Final = bytes(range(16))
ANNA: Final = KitCustomer("Anna", KEY)
NOW: Final = parse_time("2026-11-23T14:05:10Z")
KNOWN, UNKNOWN = "ap2:1285", "ap2:1070"
UNTIL: Final = (
    "2026-11-23T14:35:00Z",
    "2026-11-23T16:35:00.000+02:00",
    "2026-11-23t14:35:00.123456789z",
    "2026-11-23T14:34:60Z",
)


def words(name: str, field: str) -> list[str]:
    """An enumeration of a schema."""
    described = schema(name)["properties"][field]
    found: list[str] = described.get("items", described)["enum"]
    return found


def golden(kind: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(Path(VECTORS / f"event-{kind}.json").read_bytes())
    return value | {"subject": subject(KEY, b"2026-11-23")}


PURPOSES: Final = [
    list(some)
    for count in range(1, len(words("entered-1.0", "purposes")) + 1)
    for some in itertools.permutations(words("entered-1.0", "purposes"), count)
]
ENTERED: Final = list(
    itertools.product(
        PURPOSES,
        ([], [KNOWN], [UNKNOWN], [UNKNOWN, KNOWN]),
        words("entered-1.0", "assurance"),
        UNTIL,
    )
)


def entered(
    purposes: list[str], allow: list[str], assurance: str = "broadcast", until: str = UNTIL[0]
) -> dict[str, Any]:
    event = golden("entered")
    event["data"] |= {"purposes": purposes, "allow": allow}
    event["data"] |= {"assurance": assurance, "valid_until": until}
    return event


def engine() -> Engine:
    return Engine({"Anna": KEY}, {KNOWN: "tulips"}, Manners(cool_down_s=0), "Your parcel is ready")


def judged(answer: dict[str, Any]) -> list[str]:
    ours = faults(answer, f"{ID_PREFIX}offer-1.0")
    assert bool(ours) == bool(problems(answer, "offer-1.0", as_it_is)), "both judge alike"
    return ours


@pytest.mark.requirement("R-05", "R-57")
@pytest.mark.parametrize(("purposes", "allow", "assurance", "until"), ENTERED)
def test_every_entered_has_an_answer_of_the_contract_or_none_by_a_rule(
    purposes: list[str], allow: list[str], assurance: str, until: str
) -> None:
    event = entered(purposes, allow, assurance, until)
    assert read_event(json.dumps(event)), "the schema allows it"
    one = engine()
    answers = one.handle(event, NOW)
    if "offers" in purposes and KNOWN in allow:
        wanted = [("offers", KNOWN)]
    else:  # to who asked for offers alone nothing is said without a category: E-1
        wanted = [("service", None)] if "service" in purposes else []
    assert [(each["purpose"], each.get("category")) for each in answers] == wanted
    assert one.counts["malformed"] == 0
    for answer in answers:
        assert judged(answer) == []
        told = Told("entered", event["id"], b"", tuple(allow), answer["purpose"], event["subject"])
        heard = OfferHeard(event["id"], cancelled=False, retained=False, body=answer)
        assert list(faults_of_form(heard, told, [ANNA])) == []


@pytest.mark.requirement("R-09", "R-57")
@pytest.mark.parametrize("reason", words("withdrawn-1.0", "reason"))
@pytest.mark.parametrize("purposes", [["offers"], ["service"]])
def test_every_answer_can_be_taken_back_for_every_reason(purposes: list[str], reason: str) -> None:
    one, event = engine(), golden("withdrawn")
    (answer,) = one.handle(entered(purposes, [KNOWN] if "offers" in purposes else []), NOW)
    event["data"] |= {"entered_id": answer["in_answer_to"]["id"], "reason": reason}
    (end,) = one.handle(event, NOW)
    assert (end["reason"], end["purpose"], judged(end)) == (reason, *purposes, [])


def test_a_left_needs_no_answer() -> None:
    one = engine()
    assert one.handle(golden("left"), NOW) == []
    assert one.counts == {"other": 1}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"purpose": "service"}, "$.category: false schema"),
        ({"category": None}, "$: required"),
        ({"purpose": None}, "$: required"),
        ({"purpose": "profiling"}, "$.purpose: enum"),
        ({"cancelled": False, "reason": "withdrawn"}, "$.cancelled: const"),
        ({"cancelled": True}, "$: dependentRequired"),
    ],
)
def test_what_is_no_answer_is_told_by_its_place(change: dict[str, Any], place: str) -> None:
    (answer,) = engine().handle(entered(["offers"], [KNOWN]), NOW)
    changed = {name: value for name, value in (answer | change).items() if value is not None}
    assert judged(copy.deepcopy(changed)) == [place]

"""The form of an offer: what those who send it to phones were promised, and nothing of the
customer.
"""

import json
from typing import Any

import pytest

from presence.conformance.customers import KitCustomer
from presence.conformance.ear import OfferHeard
from presence.conformance.form import REQUIRED, faults_of_form
from presence.conformance.shop import Shop, Told
from presence.core.site import Site
from scripts.offer_engine import OFFERS, Engine, cancelled
from tests.support.contract import schema

NOW_S = 1_795_442_710.0
CUSTOMER = KitCustomer("engine-test-0007", bytes(range(16)))


def told_and_offered() -> tuple[Told, dict[str, Any]]:
    told = Shop(Site("acme", "fi-0042"), "offers-main", ("ap2:1551",)).entered(
        CUSTOMER.pairwise_key, NOW_S
    )
    engine = Engine({CUSTOMER.name: CUSTOMER.pairwise_key}, OFFERS)
    (offer,) = engine.handle(json.loads(told.payload), NOW_S)
    return told, offer


def faults(told: Told, body: dict[str, Any], *, retained: bool = False) -> list[tuple[str, str]]:
    heard = OfferHeard(told.id, cancelled=False, retained=retained, body=body)
    return [(each.rule.name, each.found) for each in faults_of_form(heard, told, [CUSTOMER])]


def test_offers_and_cancellations_of_the_reference_are_as_they_should_be() -> None:
    told, offer = told_and_offered()
    assert faults(told, offer) == faults(told, cancelled(offer, "withdrawn")) == []


@pytest.mark.parametrize(
    ("changed", "rule", "words"),
    [
        ({"why": None}, "E-6", "an offer has no why"),
        ({"stop": " "}, "E-6", "an offer's stop is empty"),
        ({"offer_id": None, "text": None}, "E-12", "an offer has no offer_id, text"),
        ({"category": "ap2:1070"}, "E-1", "an offer is about what was not allowed"),
        ({"purpose": None}, "E-12", "an offer has no purpose"),
        ({"category": None}, "E-12", "an offer has no category"),
        (
            {"valid_until": "soon"},
            "E-12",
            "an offer is not as its schema wants it ($.valid_until: pattern)",
        ),
        ({"subject": "p_" + 22 * "x"}, "E-12", "an offer has another subject than its event"),
        ({"text": "Hello engine-test-0007"}, "E-12", "an offer names the customer, or their key"),
        ({"key": bytes(range(16)).hex()}, "E-12", "an offer names the customer, or their key"),
    ],
)
def test_each_fault_is_found_with_its_rule(changed: dict[str, Any], rule: str, words: str) -> None:
    told, offer = told_and_offered()
    body = {name: value for name, value in (offer | changed).items() if value is not None}
    assert faults(told, body) == [(rule, words)]


def test_a_word_of_service_is_no_offer_and_an_offer_no_word_of_service() -> None:
    shop = Shop(Site("acme", "fi-0042"), "pick-up", ("ap2:1551",), "service")
    told = shop.entered(CUSTOMER.pairwise_key, NOW_S)
    engine = Engine({CUSTOMER.name: CUSTOMER.pairwise_key}, OFFERS, service="Your parcel is ready")
    (word,) = engine.handle(json.loads(told.payload), NOW_S)
    assert (word["purpose"], "category" in word, faults(told, word)) == ("service", False, [])
    assert faults(told, word | {"purpose": "offers", "category": "ap2:1551"}) == [
        ("E-1", "an event for service had another answer"),
        ("E-1", "an offer is about what was not allowed"),
    ]
    assert faults(told_and_offered()[0], word)[0][0] == "E-1", "no more than the event allows"


def test_what_an_offer_must_have_is_what_its_schema_says() -> None:
    assert list(REQUIRED) == schema("offer-1.0")["required"]


def test_an_offer_that_the_broker_had_kept_is_a_fault() -> None:
    told, offer = told_and_offered()
    assert faults(told, offer, retained=True) == [("E-12", "an offer was retained by the broker")]

"""What is expected of an event, and what breaks the expectation."""

import pytest

from presence.conformance.ear import OfferEar, OfferHeard
from presence.conformance.rules import ONCE
from presence.conformance.shop import Told
from presence.conformance.stage import Expected, Wanted
from presence.diagnosis.findings import Verdict

TOLD = Told("presence.entered.v1", "a" * 26, b"{}")
OFFER = OfferHeard(TOLD.id, cancelled=False, retained=False, body={})
CANCELLED = OfferHeard(TOLD.id, cancelled=True, retained=False, body={})
SOURCE = "urn:presence:acme:fi-0042"


@pytest.mark.parametrize(
    ("wanted", "heard", "found"),
    [
        (Wanted.ANSWER, [OFFER], None),
        (Wanted.ANSWER, [], "it was not answered"),
        (Wanted.ANSWER, [OFFER, OFFER], "it was answered 2 times"),
        (Wanted.ANSWER, [CANCELLED], "it was not answered"),
        (Wanted.SILENCE, [], None),
        (Wanted.SILENCE, [OFFER], "it was answered (once)"),
        (Wanted.CANCELLED, [OFFER, CANCELLED], None),
        (Wanted.CANCELLED, [OFFER], "it was answered, and not cancelled when it was withdrawn"),
        (Wanted.CANCELLED, [CANCELLED, OFFER], "it was cancelled, and answered after that"),
        (Wanted.CANCELLED, [], "it was not answered"),
        (Wanted.CANCELLED, [OFFER, CANCELLED, OFFER], "it was answered 2 times"),
    ],
)
def test_what_was_heard_is_what_was_wanted_or_a_breach(
    wanted: Wanted, heard: list[OfferHeard], found: str | None
) -> None:
    breach = Expected(TOLD, wanted, "it", ONCE, Verdict.WARN).breach(heard)
    assert (breach and (breach.verdict, breach.rule, breach.found)) == (
        None if found is None else (Verdict.WARN, ONCE, found)
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"[" * 100_000,
        b"7",
        b"{}",
        b'{"in_answer_to": "me"}',
        b'{"in_answer_to": {"source": "urn:presence:acme:fi-0001", "id": "x"}}',
        b'{"in_answer_to": {"source": "urn:presence:acme:fi-0042"}}',
    ],
)
def test_what_answers_no_event_of_this_shop_is_not_heard(payload: bytes) -> None:
    ear = OfferEar(SOURCE)
    ear.hear("offer", payload, False)
    assert ear.all == []


async def test_an_offer_is_heard_by_whoever_waits_for_it_and_a_retained_one_is_no_answer() -> None:
    ear = OfferEar(SOURCE)
    payload = b'{"in_answer_to": {"source": "urn:presence:acme:fi-0042", "id": "x"}}'
    ear.hear("offer", payload, True)
    assert (len(ear.all), ear.of("x")) == (1, [])
    assert not await ear.until(lambda: bool(ear.of("x")), 0.01)
    ear.hear("offer", payload, False)
    assert await ear.until(lambda: bool(ear.of("x")), 0.01)

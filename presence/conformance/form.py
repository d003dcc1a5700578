"""Is an answer what those who bring it to phones were promised, and does it keep quiet about the
customer?
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from presence.conformance import rules
from presence.conformance.customers import KitCustomer
from presence.conformance.ear import OfferHeard
from presence.conformance.shop import SERVICE, Told
from presence.conformance.stage import Breach
from presence.contract.schemas import ID_PREFIX, faults, schema
from presence.diagnosis.findings import Verdict

OFFER: Final = f"{ID_PREFIX}offer-1.0"
REQUIRED: Final = tuple[str, ...](schema(OFFER)["required"])


def faults_of_form(heard: OfferHeard, told: Told, customers: list[KitCustomer]) -> Iterator[Breach]:
    """Of one message that answers this event."""
    wanted = REQUIRED if heard.body.get("purpose") == SERVICE else (*REQUIRED, "category")
    missing = [name for name in wanted if name not in heard.body]
    for rule, names in (
        (rules.SAY_WHY, [name for name in missing if name in ("why", "stop")]),
        (rules.FORM, [name for name in missing if name not in ("why", "stop")]),
    ):
        if names:
            yield Breach(Verdict.FAIL, rule, f"an offer has no {', '.join(names)}")
    yield from _silent_where_it_should_speak(heard.body)
    if heard.retained:
        yield Breach(Verdict.FAIL, rules.FORM, "an offer was retained by the broker")
    if heard.body.get("purpose", told.purpose) != told.purpose:
        yield Breach(Verdict.FAIL, rules.ALLOW, f"an event for {told.purpose} had another answer")
    if heard.body.get("category", "") not in ("", *told.allow):
        yield Breach(Verdict.FAIL, rules.ALLOW, "an offer is about what was not allowed")
    if heard.body.get("subject", told.subject) != told.subject:
        yield Breach(Verdict.FAIL, rules.FORM, "an offer has another subject than its event")
    if not missing and (found := faults(heard.body, OFFER)):
        words = f"an offer is not as its schema wants it ({', '.join(found)})"
        yield Breach(Verdict.FAIL, rules.FORM, words)
    text = json.dumps(heard.body, ensure_ascii=False)
    if any(each.name in text or each.pairwise_key.hex() in text for each in customers):
        yield Breach(Verdict.FAIL, rules.FORM, "an offer names the customer, or their key")


def _silent_where_it_should_speak(body: dict[str, Any]) -> Iterator[Breach]:
    empty = [name for name in ("why", "stop") if name in body and not str(body[name]).strip()]
    if empty:
        yield Breach(Verdict.FAIL, rules.SAY_WHY, f"an offer's {' and '.join(empty)} is empty")

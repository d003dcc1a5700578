"""Offer engines that each break one rule of the contract, and are the reference otherwise: what the
conformance kit must find.

As a program: `python -m tests.support.broken_engines FAULT` and the options of
scripts/offer_engine.py.
"""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from scripts import offer_engine
from scripts.offer_engine import Engine, Service, parse_time

Answer = tuple[list[dict[str, Any]], str]


class ActsOnCopies(Engine):
    def _answer(self, event: Any, now: float) -> Answer:
        known = self._known.get((event["source"], event["id"]))
        if known is not None and known.offer is not None:
            return [known.offer], "offered"
        return super()._answer(event, now)


class ForgetsWithdrawals(Engine):
    """A withdrawal that comes before its event is nothing to it."""

    def _answer(self, event: Any, now: float) -> Answer:
        entered = (event["source"], event["data"].get("entered_id"))
        if event["type"] == "presence.withdrawn.v1" and entered not in self._known:
            return [], "withdrawn"
        return super()._answer(event, now)


class IgnoresValidity(Engine):
    def _answer(self, event: Any, now: float) -> Answer:
        data = {**event["data"], "valid_until": "2099-01-01T00:00:00Z"}
        return super()._answer({**event, "data": data}, now)


class KnowsTheClockAndNotTheDate(Engine):
    """An event of yesterday at this hour is as good as one of today."""

    def _answer(self, event: Any, now: float) -> Answer:
        if now - parse_time(event["time"]) < timedelta(hours=20).total_seconds():
            return super()._answer(event, now)
        today = datetime.fromtimestamp(now, UTC).date().isoformat()
        valid_until = event["data"].get("valid_until", "")
        moved = {**event["data"], "valid_until": today + valid_until[10:]}
        return super()._answer({**event, "time": today + event["time"][10:], "data": moved}, now)


class DiesOfNewMinors(Engine):
    def handle(self, event: Any, now: float) -> list[dict[str, Any]]:
        if "1.0" not in event["dataschema"]:
            raise RuntimeError("an unknown schema")
        return super().handle(event, now)


class TakesStrangersForCustomers(Engine):
    def customer(self, subject_: str, now: float) -> str | None:
        return super().customer(subject_, now) or "a good friend"


class KnowsNoQuietHours(Engine):
    def _answer(self, event: Any, now: float) -> Answer:
        self._manners = offer_engine.Manners()
        return super()._answer(event, now)


class SaysNothingOfStopping(Engine):
    def _offer(self, event: Any) -> dict[str, Any] | None:
        offer = super()._offer(event)
        return offer and {name: offer[name] for name in offer if name != "stop"}


class AdvertisesToWhoIsToBeServed(Engine):
    """Takes any purpose for a leave to advertise."""

    def _offer(self, event: Any) -> dict[str, Any] | None:
        offers = {**event["data"], "purposes": ["offers"], "allow": ["ap2:1551"]}
        served = "service" in event["data"]["purposes"]
        return super()._offer({**event, "data": offers} if served else event)


class LosesItsSession(Service):
    """A clean start each time: what was told while it was away is lost."""

    def _session(self) -> dict[str, Any]:
        return {"clean_start": True}


FAULTS: dict[str, type[Engine]] = {
    "none": Engine,
    "acts-on-copies": ActsOnCopies,
    "forgets-withdrawals": ForgetsWithdrawals,
    "ignores-validity": IgnoresValidity,
    "knows-no-date": KnowsTheClockAndNotTheDate,
    "dies-of-new-minors": DiesOfNewMinors,
    "takes-strangers": TakesStrangersForCustomers,
    "knows-no-quiet-hours": KnowsNoQuietHours,
    "no-word-of-stopping": SaysNothingOfStopping,
    "advertises-to-all": AdvertisesToWhoIsToBeServed,
    "loses-its-session": Engine,
}


def main(fault: str, *arguments: str) -> int:
    offer_engine.Engine = FAULTS[fault]  # type: ignore[misc]
    if fault == "loses-its-session":
        offer_engine.Service = LosesItsSession  # type: ignore[misc]
    return offer_engine.main(list(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Whose subject is it? The table of the day, from the pairwise keys of one's own customers.

A pairwise key file has a line for each customer, `{"customer": "any name of yours",
"pairwise_key": "32 hexadecimal digits"}`; the consent service makes it for one audience.
"""

import base64
import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

STABLE = "stable"
"""In place of the day, of customers who agreed to profiling. The keys do not say who did: compute
it for all, it is no other customer's.
"""


def subject(pairwise_key: bytes, day: str) -> str:
    """`p_` and 22 characters of base64url. `day`: `YYYY-MM-DD` in UTC, on which the visit began,
    or `STABLE`.
    """
    digest = hmac.digest(pairwise_key, b"presence subject v1\0" + day.encode(), "sha256")[:16]
    return "p_" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def read_customers(lines: Iterable[str]) -> dict[str, bytes]:
    """Name → pairwise key, from the lines of a pairwise key file. Raises ValueError or KeyError."""
    values = [json.loads(line) for line in lines if line.strip()]
    return {str(value["customer"]): bytes.fromhex(value["pairwise_key"]) for value in values}


class SubjectTable:
    """One's own customers by the subjects that they may have now. Keep it to yourself."""

    def __init__(self, customers: Mapping[str, bytes]) -> None:
        """`customers`: any name of your own → pairwise key, of 16 bytes."""
        self._customers = customers
        self._day: date | None = None
        self._names: dict[str, str] = {}

    def customer(self, subject_: str, now: datetime) -> str | None:
        """Your name for the subject of an event, or None: nobody whom you know. `now` has its zone.

        Yesterday's visits may still go on, and a gateway's clock may be a little ahead.
        """
        today = now.astimezone(UTC).date()
        if today != self._day:
            days = [(today + timedelta(days=n)).isoformat() for n in (-1, 0, 1)]
            self._names = {
                subject(key, day): name
                for name, key in self._customers.items()
                for day in (*days, STABLE)
            }
            self._day = today
        return self._names.get(subject_)

"""The values that actions of `presence consents` take: times, categories, audiences, a broker."""

import argparse
import time
from typing import Final

PURPOSES: Final = ("presence", "offers", "service", "visit_end", "profiling", "measurement")
DAY_S: Final = 86_400.0


def moment(text: str) -> float:
    """A time, `now`, or `+90d`: so many days from now."""
    from presence.consent_service.import_lines import parse_time  # noqa: PLC0415 - needs the core

    if text == "now":
        return time.time()
    try:
        if text.startswith("+") and text.endswith("d"):
            return time.time() + float(text[1:-1]) * DAY_S
        return parse_time(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text}: a date (2027-03-01), a date and time (2027-03-01T12:00:00Z), UTC seconds, "
            "or +90d"
        ) from None


def category(text: str) -> tuple[str, float | None]:
    category, equals, until = text.partition("=")
    return category, moment(until) if equals else None


def audience(text: str) -> tuple[str, str]:
    name, _, purpose = text.partition("=")
    if not name or purpose not in PURPOSES:
        raise argparse.ArgumentTypeError(
            f"{text}: NAME=PURPOSE, of the purposes {', '.join(PURPOSES)}"
        )
    return name, purpose


def host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "1883"
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError(f"{text}: HOST or HOST:PORT")
    return host.strip("[]"), int(port)

"""Times of the contract: RFC 3339, in whatever spelling a mediator left them."""

from datetime import UTC, datetime, timedelta


def read_time(text: str) -> datetime:
    """The moment in UTC. Raises ValueError.

    A leap second (`:60`, RFC 3339 §5.7) is the second after `:59`; what is finer than a microsecond
    is cut off.
    """
    upper = text.upper()
    leap = upper[16:19] == ":60"
    moment = datetime.fromisoformat(f"{upper[:17]}59{upper[19:]}" if leap else upper)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.astimezone(UTC) + timedelta(seconds=leap)

"""What a setting carries beside its type: limits, shape, an example, and the remedy that the
operator reads.

A section is a frozen dataclass that inherits `Section`. A relation between its settings is a
function of the section alone, so that the reader can ask one where another setting is broken.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

Relation = Callable[[Any], Iterator[str]]
"""Takes a section; yields sentences that begin with the key they are about: `window_s is …: do
this`.
"""

_UNITS = {
    "s": "s",
    "ms": "ms",
    "min": "min",
    "days": "days",
    "bytes": "bytes",
    "dbm": "dBm",
    "db": "dB",
}


def setting(
    *,
    default: Any = ...,
    minimum: float | None = None,
    maximum: float | None = None,
    pattern: str | None = None,
    each: str | None = None,
    remedy: str = "",
    example: str = "",
    secret: bool = False,
) -> Any:
    """A field with limits: numbers by `minimum` and `maximum`, texts by `pattern`, items by `each`.

    `remedy` tells the operator what to do, as an imperative; `example` is a good value as YAML,
    wanted where no default can serve. A value that is `secret`, or may be one by mistake, never
    stands in a message.
    """
    metadata = {
        "minimum": minimum,
        "maximum": maximum,
        "pattern": pattern,
        "each": each,
        "remedy": remedy,
        "example": example,
        "secret": secret,
    }
    if default is ...:
        return field(metadata=metadata)
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


class Section:
    """A group of settings, with rules between them (`presence.config.relations`)."""


def unit(name: str) -> str:
    """The unit that the key's suffix names, or nothing: `window_s` is in `s`, `port` has none."""
    if name.endswith("_db_s"):
        return "dB·s"
    return _UNITS.get(name.rpartition("_")[2], "")


def number(value: float) -> str:
    """A limit as a person writes it: no exponent, no idle `.0`."""
    return str(int(value)) if value == int(value) else str(value)


def limits(name: str, metadata: Mapping[str, Any]) -> str:
    """The limits with their unit, `2 to 60 s`, or nothing where there are none."""
    if metadata.get("minimum") is None:
        return ""
    return f"{number(metadata['minimum'])} to {number(metadata['maximum'])} {unit(name)}".rstrip()

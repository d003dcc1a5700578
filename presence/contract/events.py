"""The events of a gateway as types, read from the payload of a message.

The classes have the titles and fields of the schemas; a test holds them to it. What a later minor
adds is passed over, extensions of CloudEvents are kept (`extensions`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from presence.contract.schemas import ID_PREFIX, NotInContract, faults, schema
from presence.contract.times import read_time


@dataclass(frozen=True, slots=True)
class ConsentReference:
    """The consent service finds by it which record permitted the event; nobody else can."""

    list_seq: int
    notice: str


@dataclass(frozen=True, slots=True)
class EnteredData:
    """What the audience may know of somebody who came in."""

    audience: str
    store: str
    purposes: tuple[Literal["offers", "service"], ...]
    allow: tuple[str, ...]
    """Nothing else may be offered."""
    valid_until: datetime
    """Nothing may be done at this moment or later."""
    consent: ConsentReference
    assurance: Literal["broadcast", "challenge"]


@dataclass(frozen=True, slots=True)
class LeftData:
    """Whose visit is over: of the entered event of this id."""

    audience: str
    store: str
    entered_id: str


@dataclass(frozen=True, slots=True)
class WithdrawnData:
    """Which entered event must not be acted on any longer."""

    audience: str
    store: str
    entered_id: str
    reason: Literal["withdrawn", "expired", "objected", "paused", "unspecified"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEvent:
    """What all events have. A second one of a `key` is a copy, to be dropped."""

    source: str
    id: str
    subject: str = field(repr=False)
    time: datetime
    dataschema: str
    extensions: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        """By which CloudEvents tells events apart."""
        return self.source, self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteredEvent(VisitEvent):
    """A customer came in, and may be helped now."""

    data: EnteredData


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftEvent(VisitEvent):
    """A visit is over."""

    data: LeftData


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawnEvent(VisitEvent):
    """An entered event is taken back: stop, cancel, forget."""

    data: WithdrawnData

    @property
    def entered_key(self) -> tuple[str, str]:
        """The `key` of the event that is taken back; it may come after this one."""
        return self.source, self.data.entered_id


_KINDS: Final = {f"presence.{kind}.v1": kind for kind in ("entered", "left", "withdrawn")}
MAX_EVENT_BYTES: Final = 64 * 1024
"""Of a payload; ours have some hundred bytes, padded ones what events.pad_to_bytes says."""


def read_event(payload: bytes | bytearray | str) -> EnteredEvent | LeftEvent | WithdrawnEvent:
    """The event of a message. Raises NotInContract where it is none of v1 (a v2 is none)."""
    try:
        value = json.loads(payload) if len(payload) <= MAX_EVENT_BYTES else None
    except (ValueError, RecursionError):
        value = None
    kind = _KINDS.get(str(value.get("type"))) if isinstance(value, dict) else None
    if not isinstance(value, dict) or kind is None:
        raise NotInContract("no event of v1")
    if found := faults(value, f"{ID_PREFIX}{kind}-event-1.0"):
        raise NotInContract("; ".join(found))
    try:
        return _made(kind, value)
    except (ValueError, OverflowError):
        raise NotInContract("$: a time that is none") from None


def _made(kind: str, value: dict[str, Any]) -> EnteredEvent | LeftEvent | WithdrawnEvent:
    data = value["data"]
    named = schema(f"{ID_PREFIX}{kind}-event-1.0")["properties"]
    common: dict[str, Any] = {
        "source": value["source"],
        "id": value["id"],
        "subject": value["subject"],
        "time": read_time(value["time"]),
        "dataschema": value["dataschema"],
        "extensions": {name: said for name, said in value.items() if name not in named},
    }
    about = {name: data[name] for name in ("audience", "store")}
    if kind == "entered":
        consent = data["consent"]
        entered = EnteredData(
            **about,
            purposes=tuple(data["purposes"]),
            allow=tuple(data["allow"]),
            valid_until=read_time(data["valid_until"]),
            consent=ConsentReference(int(consent["list_seq"]), consent["notice"]),
            assurance=data["assurance"],
        )
        return EnteredEvent(**common, data=entered)
    if kind == "left":
        return LeftEvent(**common, data=LeftData(**about, entered_id=data["entered_id"]))
    taken_back = WithdrawnData(**about, entered_id=data["entered_id"], reason=data["reason"])
    return WithdrawnEvent(**common, data=taken_back)

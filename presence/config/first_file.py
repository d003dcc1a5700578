"""The first file of a gateway: the settings that it cannot do without, a section a line.

`presence config init` writes it from six answers; config/minimal.yaml is one with others. What is
not in it has its default.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import yaml

WIDTH: Final = 78

HEAD: Final = """\
# yaml-language-server: $schema={schema}
# presence: what this gateway is told. {about}
# What is not here has its default: `presence config show` lists every setting,
# docs/settings.md explains it.
"""
SECTIONS: Final = {
    "store": (
        "Where this gateway stands. The chain, the store and the gateway are names in MQTT topics. "
        "The key file is a secret; every gateway of this store has the same."
    ),
    "notice": (
        "What customers can read. The sign at the door bears this version; after the day of "
        "review_by the gateway no longer listens."
    ),
    "consent": "Who asked to be recognised: the name of the consent list (docs/consent-list.md).",
    "audiences": (
        "Who receives events, and the categories that offers may be about. An event names no other."
    ),
    "radio": "Which adapters listen, and where their antennas hang (docs/technician.md).",
}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What nobody but the operator knows, and what was found out."""

    chain: str
    store: str
    gateway: str
    key_file: str
    controller: str
    dpo_contact: str
    notice: str
    review_by: date
    audience: str
    campaigns: Sequence[str]
    time_zone: str = "UTC"
    opening_hours: Mapping[str, str] = field(default_factory=dict)
    antennas: Sequence[Mapping[str, str]] = ()


def first_file(answers: Answers, *, schema: str, about: str) -> str:
    """The text of the file; `schema`: where the JSON Schema lies, for editors."""
    parts = [HEAD.format(schema=schema, about=about)]
    for section, value in _sections(answers).items():
        comment = textwrap.wrap(
            SECTIONS[section],
            WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_on_hyphens=False,
        )
        parts.append("\n".join((*comment, *_lines(f"{section}: ", value))) + "\n")
    return "\n".join(parts)


def _sections(answers: Answers) -> dict[str, Any]:
    store: dict[str, Any] = {
        "chain": answers.chain,
        "store": answers.store,
        "gateway": answers.gateway,
        "key_file": answers.key_file,
    }
    if answers.opening_hours:
        store |= {"time_zone": answers.time_zone, "opening_hours": dict(answers.opening_hours)}
    notice = {
        "id": answers.notice,
        "controller": answers.controller,
        "dpo_contact": answers.dpo_contact,
        "review_by": answers.review_by,
    }
    radio = {"radio": {"antennas": list(answers.antennas)}} if answers.antennas else {}
    return {
        "store": store,
        "notice": notice,
        "consent": {"list": f"{answers.chain}/{answers.store}"},
        "audiences": [{"name": answers.audience, "campaigns": list(answers.campaigns)}],
        **radio,
    }


def _lines(head: str, value: Any) -> Iterator[str]:
    """In flow style; a line ends between two items only, so that no text is ever folded."""
    line = head
    for piece in _pieces(value):
        if len(line) + len(piece.rstrip()) > WIDTH:
            yield line.rstrip()
            line = "  "
        line += piece
    yield line


def _pieces(value: Any) -> list[str]:
    if isinstance(value, dict):
        items = [_joined(f"{key}: ", _pieces(item)) for key, item in value.items()]
        start, end = "{}"
    elif isinstance(value, list):
        items = [_pieces(item) for item in value]
        start, end = "[]"
    else:
        return [_scalar(value)]
    for pieces in items[:-1]:
        pieces[-1] += ", "
    inside = [piece for pieces in items for piece in pieces] or [""]
    inside[-1] += end
    return _joined(start, inside)


def _scalar(value: Any) -> str:
    """Without quotes where YAML reads the same then."""
    try:
        if yaml.safe_load(f"[{value}]") == [value]:
            return str(value)
    except yaml.YAMLError:
        pass
    dumped = yaml.safe_dump(
        [value], default_flow_style=True, width=float("inf"), allow_unicode=True
    )
    return dumped.strip()[1:-1]


def _joined(before: str, pieces: list[str]) -> list[str]:
    return [before + pieces[0], *pieces[1:]]

"""One word of YAML becomes one value of Python, or is refused with the reason.

YAML 1.1 guesses types, and its guesses are traps for an operator: `no` is false, `0042` is 34,
`1:30` is 90, `1e3` is text. We take the guess only where it is what a person meant; else the
refusal says what to write.
"""

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

_TAG = "tag:yaml.org,2002:"
_KINDS = {
    "bool": "true/false",
    "int": "a number",
    "float": "a number",
    "str": "text",
    "timestamp": "a date",
}
_TRUE, _FALSE = ("yes", "true", "on"), ("no", "false", "off")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FRACTION = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MAX_NUMBER_CHARS = 30
_MAX_SHOWN_CHARS = 40


class RefusedValue(Exception):
    """The operator wrote a value of another type; the message is a hint, or nothing where the type
    says it all.
    """


def kind(node: Node) -> str:
    """YAML's own idea of the value: `str`, `int`, `bool`, `null`, …"""
    return node.tag.removeprefix(_TAG)


def is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and kind(node) == "null"


def shown(node: Node, *, secret: bool = False) -> str:
    """What was found, for a message: its kind and, unless it may be a secret, its text, short and
    on one line.

    Two texts count as secrets wherever they stand: one with `@`, for `mqtt://user:password@host`,
    and one of several lines, for a line with a password that was indented too far belongs to the
    value above it.
    """
    if isinstance(node, MappingNode):
        return "a group of keys"
    if isinstance(node, SequenceNode):
        return "a list"
    if is_null(node):
        return "nothing"
    what = _KINDS.get(kind(node), "a value with a tag")
    if not node.value:
        return "an empty text"
    if secret or "@" in node.value or node.start_mark.line != node.end_mark.line:
        return what
    text = (
        node.value
        if len(node.value) <= _MAX_SHOWN_CHARS
        else node.value[: _MAX_SHOWN_CHARS - 1] + "…"
    )
    return f"{what} {text!r}"


def parse_text(node: ScalarNode) -> str:
    """Text of one line; what YAML took for something else wants quotes."""
    if kind(node) != "str":
        base_60 = "YAML reads colons as base 60: " if ":" in node.value else ""
        raise RefusedValue("" if is_null(node) else f"{base_60}put it in quotes")
    if not node.value:
        raise RefusedValue("write it, or remove the line")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in node.value):
        raise RefusedValue("remove the line break or control character")
    return str(node.value)


def parse_path(node: ScalarNode) -> Path:
    return Path(parse_text(node))


def parse_bool(node: ScalarNode) -> bool:
    word = node.value.lower()
    if kind(node) != "bool" or word not in _TRUE + _FALSE:
        raise RefusedValue(
            "remove the quotes" if kind(node) == "str" and word in _TRUE + _FALSE else ""
        )
    return word in _TRUE


def parse_int(node: ScalarNode) -> int:
    _refuse_odd_number(node)
    if kind(node) != "int" or not _DECIMAL.fullmatch(node.value):
        raise RefusedValue("write it without a fraction" if kind(node) == "float" else "")
    return int(node.value.replace("_", ""))


def parse_float(node: ScalarNode) -> float:
    _refuse_odd_number(node)
    if kind(node) not in ("int", "float") or not _FRACTION.fullmatch(node.value):
        raise RefusedValue("")
    value = float(node.value.replace("_", ""))
    if not math.isfinite(value):
        raise RefusedValue("write it with fewer digits")
    return value


def parse_date(node: ScalarNode) -> date:
    if kind(node) not in ("timestamp", "str") or not _DAY.fullmatch(node.value):
        raise RefusedValue("write year-month-day with two dashes")
    try:
        return date.fromisoformat(node.value)
    except ValueError:
        raise RefusedValue("the calendar has no such day") from None


def _refuse_odd_number(node: ScalarNode) -> None:
    """Raise the hint that belongs to a number that YAML reads in another way than people do."""
    text = node.value
    if len(text) > _MAX_NUMBER_CHARS:
        raise RefusedValue("write it with fewer digits")
    if kind(node) == "str":
        hint = "write it without an exponent" if node.style is None else "remove the quotes"
        raise RefusedValue(hint if _FRACTION.fullmatch(text) else "")
    if kind(node) == "bool":
        raise RefusedValue("true and false are not numbers")
    if ":" in text:
        raise RefusedValue("YAML reads colons as base 60: write one number")
    if re.match(r"[-+]?0[0-9_xbo]", text):
        raise RefusedValue("YAML does not read it as decimal: write it without the leading 0")


PARSERS: dict[Any, tuple[str, Callable[[ScalarNode], Any]]] = {
    bool: ("true or false", parse_bool),
    int: ("a whole number", parse_int),
    float: ("a number", parse_float),
    str: ("text", parse_text),
    Path: ("a path", parse_path),
    date: ("a date", parse_date),
}
"""For each type of a setting: its name in a message, and its parser."""

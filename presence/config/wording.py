"""What the operator reads: one sentence per fault, with what was expected and what to do.

The reader puts file, line and key before it: `presence.yaml:12: entry.window_s: 90 s is outside …`.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, get_args, get_type_hints

from yaml.nodes import Node, ScalarNode

from presence.config.fields import Section, limits, number, unit
from presence.config.scalars import shown


def unknown(key: str, known: Iterable[str], whole: type[Section]) -> str:
    """The key is none of this section's; it may live elsewhere in the whole file, or be
    misspelt.
    """
    known = list(known)
    homes = [home for home, name in _all_keys(whole, "") if name == key and home]
    if homes:
        return f"is not a setting here: move it to `{'` or `'.join(homes)}`"
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"is not a setting: did you mean `{near[0]}`?"
    return f"is not a setting: remove it, or use one of {', '.join(known)}"


def replaced(
    given: Mapping[str, Node], old: Iterable[str], by: str, advice: Callable[[], str]
) -> dict[str, str]:
    """Keys of older files that stand here → that `by` is written now; the first one says how."""
    here = [key for key in old if key in given]
    if by in given:
        return dict.fromkeys(here, f"was replaced by `{by}`, which stands here: remove it")
    if not here:
        return {}
    first, *rest = here
    said = dict.fromkeys(rest, f"was replaced by `{by}`: remove it, {first} says how")
    return {first: f"was replaced by `{by}`: {advice()}", **said}


def missing(field: Field[Any], wanted: Any) -> str:
    """The key must stand in the file and does not."""
    section = section_in(wanted)
    if section is not None:
        required = [part.name for part in fields(section) if is_required(part)]  # type: ignore[arg-type]
        return f"is missing: add this section, with at least {', '.join(required)}"
    return f"is missing: {field.metadata['remedy']}, e.g. `{field.name}: {example(field)}`"


def no_section(node: Node) -> str:
    """A section has a value instead of settings."""
    return f"needs its settings on the lines below it, indented, not {shown(node, secret=True)}"


def wrong_type(expected: str, field: Field[Any], node: Node, hint: str = "") -> str:
    """The value is of another type; `hint` says what YAML made of it."""
    found = shown(node, secret=field.metadata.get("secret", False))
    sample = example(field)
    instance = f", e.g. `{field.name}: {sample}`" if sample else ""
    return f"needs {expected}{instance}, not {found}{f': {hint}' if hint else ''}"


def out_of_limits(field: Field[Any], node: ScalarNode) -> str:
    """The number is too small or too large."""
    given = f"{node.value} {unit(field.name)}".rstrip()
    return f"{given} is outside the limits: use {limits(field.name, field.metadata)}"


def misfit(field: Field[Any], node: ScalarNode) -> str:
    """The text has not the shape that is wanted."""
    return (
        f"{shown(node, secret=field.metadata['secret'])} does not fit: {field.metadata['remedy']}"
    )


def example(field: Field[Any]) -> str:
    """A good value as YAML: the one written for it, else its default."""
    written = field.metadata.get("example", "")
    if written or field.default in (MISSING, None):
        return str(written)
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return number(field.default) if isinstance(field.default, int | float) else str(field.default)


def section_in(wanted: Any) -> type[Section] | None:
    """The section behind a type: itself, or that of `list[…]` or `… | None`."""
    for option in (wanted, *get_args(wanted)):
        if isinstance(option, type) and issubclass(option, Section):
            return option
    return None


def _all_keys(section: type[Section], path: str) -> Iterator[tuple[str, str]]:
    types = get_type_hints(section)
    for part in fields(section):  # type: ignore[arg-type]  # each section is a dataclass
        yield path, part.name
        inner = section_in(types[part.name])
        if inner is not None:
            yield from _all_keys(inner, f"{path}.{part.name}" if path else part.name)


def is_required(field: Field[Any]) -> bool:
    """Whether it must stand in the file: it has no default."""
    return field.default is MISSING and field.default_factory is MISSING

"""Nodes with lines become sections, along the fields of the dataclasses; what does not fit is noted
with its line.

A setting that was refused is a hole in its section. Relations are asked of sections with holes too,
and one that reaches into a hole is passed over: it would only repeat what has been said.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

from yaml import Mark
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from presence.config import wording
from presence.config.antennas import spelt_anew
from presence.config.bells import bell_spelt_anew
from presence.config.document import mapping_entries
from presence.config.fields import Section
from presence.config.relations import RELATIONS
from presence.config.scalars import PARSERS, RefusedValue, is_null, kind
from presence.config.settings import DoorbellSettings, RadioSettings

CREDENTIALS: Final = "$CREDENTIALS_DIRECTORY"
SPELT_ANEW: Final[Mapping[type[Section], Callable[[Mapping[str, Node]], Mapping[str, str]]]] = {
    RadioSettings: spelt_anew,
    DoorbellSettings: bell_spelt_anew,
}
"""Sections that older files spell otherwise."""

_HOLE = object()
"""Stands for a setting that was refused."""


class _IntoAHole(AttributeError):
    """A relation asked for a setting that was refused."""


class _SectionWithHoles:
    """The sound settings of a section that cannot be built."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise _IntoAHole(name)


class Misfit(Exception):
    """A value does not suit its setting; the message is the complaint."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands: `audiences[1].purpose`, and its line."""

    path: str
    line: int

    def key(self, key: str, line: int) -> "_Place":
        return _Place(f"{self.path}.{key}" if self.path else key, line)

    def item(self, index: int, line: int) -> "_Place":
        return _Place(f"{self.path}[{index}]", line)


class SectionReader:
    """One walk through one file; `problems` holds (line, sentence) in the order found."""

    def __init__(self, name: str) -> None:
        self.problems: list[tuple[int, str]] = []
        self._name = name
        self._folder = Path(name).absolute().parent
        self.lines: dict[str, int] = {}
        """Where what stands: `audiences[1].purpose` → the line of its key."""
        self._whole: type[Section] = Section
        """Where a key that stands in a wrong place may belong."""

    def root(self, wanted: type[Section], node: Node) -> Any:
        """The whole file as `wanted`, or a stand-in with holes where a problem was noted."""
        self._whole = wanted
        return self._section(wanted, node, _Place("", 1))

    def _section(self, wanted: type[Section], node: Node, place: _Place) -> Any:
        """Nothing below a key counts as an empty section: all defaults."""
        if not isinstance(node, MappingNode) and not is_null(node):
            self._refuse(place, wording.no_section(node))
            return _HOLE
        problems_before = len(self.problems)
        values = self._values(wanted, node, place)
        whole = len(self.problems) == problems_before
        section = wanted(**values) if whole else _SectionWithHoles(values)
        self._relate(wanted, section, place)
        return section

    def _relate(self, wanted: type[Section], section: Any, place: _Place) -> None:
        for relation in RELATIONS.get(wanted, ()):
            try:
                for sentence in relation(section):
                    key, _, complaint = sentence.partition(" ")
                    self._refuse(self._find(place.key(key, place.line)), complaint)
            except _IntoAHole:
                continue

    def _values(self, wanted: type[Section], node: Node, place: _Place) -> dict[str, Any]:
        given = self._entries(node, place)
        types = get_type_hints(wanted)
        known: dict[str, Field[Any]] = {field.name: field for field in fields(wanted)}  # type: ignore[arg-type]
        replaced = self._replaced(wanted, given)
        for key, (at, _) in given.items():
            if key not in known:
                self._refuse(at, replaced.get(key) or wording.unknown(key, known, self._whole))
        values: dict[str, Any] = {}
        for key, field in known.items():
            if key in given:
                values[key] = self._value(types[key], field, given[key][1], given[key][0])
            elif field.default is not MISSING:
                values[key] = field.default
            elif field.default_factory is not MISSING:
                values[key] = field.default_factory()
            else:
                self._refuse(place.key(key, place.line), wording.missing(field, types[key]))
        return {key: value for key, value in values.items() if value is not _HOLE}

    def _replaced(
        self, wanted: type[Section], given: Mapping[str, tuple[_Place, Node]]
    ) -> Mapping[str, str]:
        """Keys of older files → what is written now in place of what stands here."""
        nodes = {key: node for key, (_, node) in given.items()}
        anew = SPELT_ANEW.get(wanted)
        return {} if anew is None else anew(nodes)

    def _entries(self, node: Node, place: _Place) -> dict[str, tuple[_Place, Node]]:
        if not isinstance(node, MappingNode):
            return {}
        entries = {
            key: (place.key(key, line), value)
            for key, line, value in mapping_entries(
                node, lambda line, complaint: self._refuse(_Place(place.path, line), complaint)
            )
        }
        self.lines |= {at.path: at.line for at, _ in entries.values()}
        return entries

    def _value(self, wanted: Any, field: Field[Any], node: Node, place: _Place) -> Any:
        if NoneType in get_args(wanted):
            if is_null(node):
                return None
            wanted = next(option for option in get_args(wanted) if option is not NoneType)
        if get_origin(wanted) is list:
            return self._list(get_args(wanted)[0], field, node, place)
        if get_origin(wanted) is dict:
            return self._table(get_args(wanted)[1], field, node, place)
        if issubclass(wanted, Section):
            return self._section(wanted, node, place)
        return self._scalar(wanted, field, node, place)

    def _list(self, wanted: Any, field: Field[Any], node: Node, place: _Place) -> Any:
        """Nothing below the key counts as no item, where sections may be left out altogether."""
        optional = issubclass(wanted, Section) and field.default_factory is not MISSING
        if is_null(node) and optional:
            return []
        if not isinstance(node, SequenceNode):
            self._refuse(place, wording.wrong_type("a list", field, node))
            return _HOLE
        items = []
        for index, item in enumerate(node.value):
            at = place.item(index, item.start_mark.line + 1)
            self.lines[at.path] = at.line
            read = self._section if issubclass(wanted, Section) else None
            items.append(read(wanted, item, at) if read else self._scalar(wanted, field, item, at))
        return _HOLE if any(item is _HOLE for item in items) else items

    def _table(self, wanted: Any, field: Field[Any], node: Node, place: _Place) -> Any:
        if not isinstance(node, MappingNode):
            self._refuse(place, wording.wrong_type("a group of keys", field, node))
            return _HOLE
        values = {
            key: self._scalar(wanted, field, value, at)
            for key, (at, value) in self._entries(node, place).items()
        }
        return {key: value for key, value in values.items() if value is not _HOLE}

    def _scalar(self, wanted: Any, field: Field[Any], node: Node, place: _Place) -> Any:
        try:
            value = _parse_scalar(wanted, field, node)
        except Misfit as complaint:
            self._refuse(place, str(complaint))
            return _HOLE
        return self._folder / self._path(value, place) if isinstance(value, Path) else value

    def _path(self, value: Path, place: _Place) -> Path:
        """A path may begin with the folder in which systemd lays credentials (LoadCredential= of
        systemd.exec(5)).
        """
        if value.parts[:1] != (CREDENTIALS,):
            return value
        folder = os.environ.get(CREDENTIALS.removeprefix("$"))
        if folder is None:
            self._refuse(
                place,
                f"is a credential of systemd, and {CREDENTIALS} is not set: start presence as its "
                "service, "
                "with LoadCredential= for this name, or name a file",
            )
            return value
        return Path(folder, *value.parts[1:])

    def _refuse(self, place: _Place, complaint: str) -> None:
        key = f"{place.path}: " if place.path else ""
        self.problems.append((place.line, f"{self._name}:{place.line}: {key}{complaint}"))

    def _find(self, place: _Place) -> _Place:
        """The place with the line of its key, or of the nearest section around it that stands in
        the file.
        """
        path = place.path
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return _Place(place.path, self.lines.get(path, place.line))


def parse_answer(section: type[Section], key: str, text: str) -> Any:
    """The value of a setting, or of one item of it, that a person typed where nothing needs quotes.
    Raises Misfit.
    """
    wanted = get_type_hints(section)[key]
    (field,) = [each for each in fields(section) if each.name == key]  # type: ignore[arg-type]
    if get_origin(wanted) in (list, dict):
        wanted = get_args(wanted)[-1]
    mark = Mark("", 0, 0, 0, "", 0)
    return _parse_scalar(wanted, field, ScalarNode("tag:yaml.org,2002:str", text, mark, mark))


def _parse_scalar(wanted: Any, field: Field[Any], node: Node) -> Any:
    """The value of one setting or item. Raises Misfit where type, limits or shape do not suit."""
    if issubclass(wanted, StrEnum):
        choices = [str(member) for member in wanted]
        if isinstance(node, ScalarNode) and node.value in choices:
            return wanted(node.value)
        raise Misfit(wording.wrong_type(f"one of {', '.join(choices)}", field, node))
    expected, parse = PARSERS[wanted]
    if not isinstance(node, ScalarNode):
        raise Misfit(wording.wrong_type(expected, field, node))
    pattern = field.metadata["pattern"] or field.metadata["each"]
    fits = pattern is None or re.fullmatch(pattern, node.value) is not None
    try:
        value = parse(node)
    except RefusedValue as refusal:
        quotes_help = fits or kind(node) == "str"
        hint = str(refusal) if quotes_help else field.metadata["remedy"]
        raise Misfit(wording.wrong_type(expected, field, node, hint)) from None
    minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
    if minimum is not None and not minimum <= value <= maximum:
        raise Misfit(wording.out_of_limits(field, node))
    if not fits:
        raise Misfit(wording.misfit(field, node))
    return value

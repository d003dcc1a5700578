"""A configuration file becomes `Settings`, or a list of everything that is wrong with it.

All faults are gathered before failing, so that an operator repairs a file once and not line by
line:

    file ─ decode ► text ─ compose ► nodes with lines ─ walk along the dataclasses ► Settings
                                                          └ problems by line ► ConfigurationError
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

from yaml.nodes import MappingNode

from presence.config.document import compose_document
from presence.config.fields import Section
from presence.config.scalars import is_null, shown
from presence.config.settings import Settings
from presence.config.walk import SectionReader
from presence.errors import ConfigurationError
from presence.location import how_found

EXAMPLES: Final = {
    "Settings": "config/presence.yaml",
    "SatelliteSettings": "config/satellite.yaml",
}
_MAX_BYTES = 262_144
"""Twenty times a real file; a larger one is a mistake, and would keep a small computer busy."""


S = TypeVar("S", bound=Section)


def load_settings(path: Path) -> Settings:
    """The file of a gateway; see `load`."""
    return load(path, Settings)


def load(path: Path, wanted: type[S]) -> S:
    """Read and check a configuration file. Raises ConfigurationError with all that is wrong, by
    line.
    """
    return load_with_lines(path, wanted)[0]


def load_with_lines(path: Path, wanted: type[S]) -> tuple[S, Mapping[str, int]]:
    """The same, and in which line of the file each setting stands that is in it."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationError([f"{path}: {_not_there(path, wanted)}"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this is no path"
        remedy = "let this user read it, or name another file with --config"
        raise ConfigurationError([f"{path}: cannot be read ({reason}): {remedy}"]) from None
    if len(content) > _MAX_BYTES:
        raise ConfigurationError(
            [f"{path}: is larger than {_MAX_BYTES} bytes: name the file of settings"]
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError([f"{path}:{line}: is not UTF-8: save the file as UTF-8"]) from None
    return _parse(text, wanted, name=str(path))


def _not_there(path: Path, wanted: type[Section]) -> str:
    make = (
        "`presence config init` makes one"
        if wanted is Settings
        else f"start from the commented {EXAMPLES[wanted.__name__]}"
    )
    return f"there is no such file{how_found(path)}: {make}, or name yours with --config"


def parse_settings(text: str, *, name: str) -> Settings:
    """Check a configuration text; `name` stands in the messages, and relative paths start from its
    folder.
    """
    return _parse(text, Settings, name=name)[0]


def _parse(text: str, wanted: type[S], *, name: str) -> tuple[S, Mapping[str, int]]:
    example = EXAMPLES[wanted.__name__]
    root = compose_document(text, name=name, example=example)
    if is_null(root):
        raise ConfigurationError([f"{name}: is empty: start from the commented {example}"])
    if not isinstance(root, MappingNode):
        what = shown(root, secret=True)
        raise ConfigurationError([f"{name}:1: is {what}, not a group of sections: see {example}"])
    walk = SectionReader(name)
    settings = walk.root(wanted, root)
    if walk.problems or not isinstance(settings, wanted):
        raise ConfigurationError(
            [problem for _, problem in sorted(walk.problems, key=lambda item: item[0])]
        )
    return settings, walk.lines

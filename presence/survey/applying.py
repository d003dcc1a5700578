"""Writes new values into section `entry` of the operator's file, and touches nothing else in it.

The YAML parser says from which to which character a value goes; exactly these characters are
replaced, so comments, order and spelling of the file stay. The new text is loaded as the daemon
would load it before it takes the old one's place, by rename, with the old one kept beside it.
"""

import difflib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from yaml.nodes import MappingNode, Node, ScalarNode

from presence.config import load_settings, parse_settings
from presence.config.document import compose_document
from presence.errors import ConfigurationError, StorageError, reason_of

SECTION: Final = "entry"
_BOM: Final = "\ufeff"


def edited(text: str, values: dict[str, float], *, name: str) -> str:
    """The text with these values in section `entry`. Raises ConfigurationError where it is no
    configuration.
    """
    bom, body = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    for key, value in reversed(
        values.items()
    ):  # a missing one goes to the front: in the end they stand in order
        body = _with(body, key, f"{value:g}", name)
    return bom + body


def difference(old: str, new: str) -> Iterator[str]:
    """Only the lines that change, old and new, with the number of the line."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))
    for line in lines[2:]:
        yield (
            f"line {line.split()[2].lstrip('+').partition(',')[0]}:"
            if line.startswith("@@")
            else line
        )


def write(path: Path, old: str, new: str) -> Path:
    """Replace the file; answers with the backup. Raises ConfigurationError or StorageError: nothing
    changed then.
    """
    path = path.resolve()  # a link stays a link
    try:
        if _read(path) != old:
            raise StorageError(
                f"{path}: somebody changed it meanwhile; nothing was written, start again"
            )
        stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        backup = path.with_name(f"{path.name}.bak-{stamp}")
        fresh = path.with_name(f".{path.name}.new-{os.getpid()}")
        try:
            _write(fresh, new, like=path)
            load_settings(fresh)
            shutil.copy2(path, backup)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror}: run it as a user who may write there (sudo)"
        ) from error
    return backup


def read(path: Path) -> str:
    """The file as it is, with its own line ends."""
    try:
        return _read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: cannot be read: {reason_of(error)}"]) from None


def same_but_entry(old: str, new: str, *, name: str) -> bool:
    """Whether all other sections say what they said."""
    before, after = (
        parse_settings(old.lstrip(_BOM), name=name),
        parse_settings(new.lstrip(_BOM), name=name),
    )
    return replace(before, entry=after.entry) == after


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _write(path: Path, text: str, *, like: Path) -> None:
    status = like.stat()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, status.st_mode & 0o777)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(status.st_mode & 0o777)
    with suppress(
        PermissionError
    ):  # only root may give files away; the owner's own file is theirs already
        os.chown(path, status.st_uid, status.st_gid)


def _with(text: str, key: str, value: str, name: str) -> str:
    root = compose_document(text, name=name)
    section = _child(root, SECTION)
    if section is None:
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{end}\n{SECTION}:\n  {key}: {value}\n"
    present = _child(section, key)
    if present is not None:
        start, stop = present.start_mark.index, present.end_mark.index
        return f"{text[:start]}{value}{text[stop:]}"
    start = section.start_mark.index
    if not isinstance(section, MappingNode):  # `entry:` with nothing below it
        at = text.index(":", _key_start(root)) + 1
        return f"{text[:at]}\n  {key}: {value}{text[at:]}"
    if section.flow_style:
        return f"{text[: start + 1]}{key}: {value}, {text[start + 1 :]}"
    return f"{text[:start]}{key}: {value}\n{' ' * section.start_mark.column}{text[start:]}"


def _child(node: Node, key: str) -> Node | None:
    if not isinstance(node, MappingNode):
        return None
    return next(
        (value for name, value in node.value if isinstance(name, ScalarNode) and name.value == key),
        None,
    )


def _key_start(root: Node) -> int:
    assert isinstance(root, MappingNode)  # noqa: S101 - `entry` was found in it
    index: int = next(name.start_mark.index for name, _ in root.value if name.value == SECTION)
    return index

"""`presence incident-export`: what a stolen or lost gateway held, without a person (R-25, GDPR art.
33).

Reads an image of its folders, changes nothing there and needs no configuration. Who was on the list
of that number, only the consent service knows.
"""

import argparse
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from presence.core.consent.segments import DamagedSegment, Keys, unpack
from presence.core.recognition.identifiers import WINDOW_S
from presence.core.timestamps import rfc3339
from presence.edges.consent_list.key_columns import COLUMNS, windows_held
from presence.edges.consent_list.plain import FILE_NAME
from presence.edges.host.audit_files import lines_of
from presence.errors import StorageError


def start(options: argparse.Namespace) -> int:
    held = export_of(
        options.state_dir, options.consent_dir or options.state_dir / "consent", options.runtime_dir
    )
    print(json.dumps(held) if options.json else "\n".join(_lines(held)))
    return 0


def export_of(state_dir: Path, consent_dir: Path, runtime_dir: Path | None) -> dict[str, Any]:
    """Raises StorageError."""
    if not state_dir.is_dir():
        raise StorageError(
            f"{state_dir}: no such folder: name a copy of the gateway's state directory"
        )
    try:
        applied = [record for record in _audit(state_dir) if record.get("what") == "list.applied"]
        signed = _rows(
            state_dir / "signed-list.sqlite", "SELECT name, seq, epoch, signed_s, entries FROM list"
        )
        plain = _rows(state_dir / "consents.sqlite", "SELECT name, seq FROM list")
        windows = sorted(
            {*_windows_of_plain(consent_dir / FILE_NAME), *_windows_in_memory(runtime_dir)}
        )
        return {
            "v": 1,
            "signed_list": [
                {"list": name, "seq": seq, "epoch": epoch, "signed": rfc3339(signed_s)}
                for name, seq, epoch, signed_s, _ in signed
            ],
            "signed_entries": sum(entries for *_, entries in signed),
            "plain_list": [{"list": name, "seq": seq} for name, seq in plain],
            "plain_entries": _count(state_dir / "consents.sqlite", "entry"),
            "withdrawn_by_notice": _count(state_dir / "withdrawn.sqlite", "withdrawn"),
            "key_windows": [
                {"from": rfc3339(window * WINDOW_S), "until": rfc3339((window + 1) * WINDOW_S)}
                for window in windows
            ],
            "last_list_applied": applied[-1]["at"] if applied else None,
            "last_record": next((record["at"] for record in reversed(_audit(state_dir))), None),
        }
    except OSError as error:
        raise StorageError(
            f"{error.filename or state_dir}: {error.strerror}: ask as root"
        ) from error


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()
    except sqlite3.Error as error:
        next_step = "if a power cut left a journal beside it, work on a copy that may be written"
        raise StorageError(f"{path}: {error}: {next_step}") from error


def _count(path: Path, table: str) -> int:
    return sum(number for (number,) in _rows(path, f"SELECT count(*) FROM {table}"))  # noqa: S608 - our words


def _audit(state_dir: Path) -> list[Mapping[str, Any]]:
    """Records that can be read; whether the chain is whole, `presence audit verify` says."""
    records: list[Mapping[str, Any]] = []
    for _, line in lines_of(state_dir):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("at"), str):
            records.append(record)
    return records


def _windows_of_plain(path: Path) -> Iterable[int]:
    """The file holds keys: as many windows as an entry has keys."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                held = json.loads(line)["win"]
                first, keys = int(held["start"]) // WINDOW_S, len(held["keys"])
            except (ValueError, KeyError, TypeError):
                continue
            yield from range(first, first + keys)


def _windows_in_memory(runtime_dir: Path | None) -> Iterable[int]:
    if runtime_dir is None:
        return
    yield from windows_held(runtime_dir / COLUMNS)
    if not (runtime_dir / "keys").is_dir():
        return
    for path in (runtime_dir / "keys").iterdir():
        try:
            segment = unpack(path.read_bytes())
        except DamagedSegment:
            continue
        if isinstance(segment, Keys):
            yield segment.number


def _lines(held: Mapping[str, Any]) -> list[str]:
    lines = [
        f"signed list  {each['list']}, number {each['seq']}, epoch {each['epoch']}, signed "
        f"{each['signed']}: "
        f"{held['signed_entries']} entries"
        for each in held["signed_list"]
    ]
    lines += [
        f"plain list   {each['list']}, number {each['seq']}: {held['plain_entries']} entries"
        for each in held["plain_list"]
    ]
    lines.append(
        f"revoked      {held['withdrawn_by_notice']} entries that something was taken from"
    )
    lines += [
        f"keys         {each['from']} to {each['until']}" for each in held["key_windows"]
    ] or ["keys         none"]
    lines.append(
        f"last contact list applied {held['last_list_applied']}, last record {held['last_record']}"
    )
    return lines

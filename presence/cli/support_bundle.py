"""`presence support-bundle`: what somebody needs who helps from afar, and nothing about anybody
(R-67).

Each part is closed: what goes in is named here, whatever else lies on the machine. Values of
settings go in where they are numbers, switches or words of ours; names, hosts, paths and contacts
only as "given".
"""

import argparse
import asyncio
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from presence import __version__
from presence.cli.check import findings_of
from presence.cli.command import print_lines
from presence.cli.status import asked
from presence.config import Settings, load_settings
from presence.config.operating import MetricsExport
from presence.edges.host import logs
from presence.edges.host.audit_files import lines_of
from presence.edges.host.status_socket import FILE_NAME
from presence.errors import PresenceError, StorageError

LIBRARIES: Final = ("bleak", "dbus-fast", "paho-mqtt", "structlog", "tuf", "cryptography")
JOURNAL: Final = (
    "journalctl",
    "--namespace=presence",
    "--output=cat",
    "--no-pager",
    "--lines=2000",
)
NAMESPACE: Final = "presence_"
"""Of our metrics; a textfile collector's folder may hold others."""
GIVEN: Final = "given"
TIMEOUT_S: Final = 10.0

Part = Callable[[Settings, argparse.Namespace], str]


def start(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    parts: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name, part in PARTS.items():
        try:
            parts[name] = part(settings, options)
        except (PresenceError, OSError, subprocess.SubprocessError, ValueError) as error:
            missing[name] = logs.scrub(f"{type(error).__name__}: {error}")
    parts["missing.json"] = _json(missing)
    path = options.output or Path(
        time.strftime("presence-support-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime())
    )
    _write(path, parts)
    if options.json:
        print(json.dumps({"file": str(path), "parts": sorted(parts), "missing": missing}))
        return 0
    for name, text in sorted(parts.items()):
        print_lines(f"  {name:15} {len(text.encode()):9,} bytes")
    for name, reason in missing.items():
        print_lines(f"  {name:15} left out: {reason}")
    print_lines(f"{path}: look into it (`tar -xOzf {path} | less`), then send it")
    return 0


def _about(_settings: Settings, _options: argparse.Namespace) -> str:
    os_release = platform.freedesktop_os_release()
    return _json(
        {
            "presence": __version__,
            "python": platform.python_version(),
            "system": os_release.get("PRETTY_NAME", ""),
            "kernel": platform.release(),
            "machine": platform.machine(),
            "libraries": {name: version(name) for name in LIBRARIES},
            "bluetoothd": _said("bluetoothd", "--version"),
            "systemd": _said("systemctl", "--version").partition("\n")[0],
        }
    )


def _said(*command: str) -> str:
    """Empty where there is no such program."""
    found = shutil.which(
        command[0], path=f"{os.environ.get('PATH', '')}:/usr/libexec/bluetooth:/usr/sbin"
    )
    if found is None:
        return ""
    done = subprocess.run(  # noqa: S603 - our own words
        [found, *command[1:]], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    return done.stdout.strip()


def _settings(settings: Settings, _options: argparse.Namespace) -> str:
    return _json(_closed(settings))


def _closed(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_dataclass(value):
        return {each.name: _closed(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, list | tuple | set | frozenset | Mapping):
        inner = list(value.values()) if isinstance(value, Mapping) else list(value)
        return (
            [_closed(item) for item in inner]
            if any(map(is_dataclass, inner))
            else f"{len(inner)} {GIVEN}"
        )
    if isinstance(value, date):
        return value.isoformat()
    return GIVEN if value else "empty"


def _status(settings: Settings, _options: argparse.Namespace) -> str:
    return _json(asked(settings.storage.runtime_dir / FILE_NAME))


def _check(_settings: Settings, options: argparse.Namespace) -> str:
    findings = asyncio.run(findings_of(options.config))
    return _json([_scrubbed(finding.as_dict()) for finding in findings])


def _scrubbed(finding: Mapping[str, Any]) -> dict[str, str]:
    return {key: logs.scrub(str(value)) for key, value in finding.items()}


def _metrics(settings: Settings, _options: argparse.Namespace) -> str:
    metrics = settings.metrics
    if metrics.export is MetricsExport.NONE:
        raise StorageError("metrics.export is none")
    if metrics.export is MetricsExport.TEXTFILE:
        text = metrics.textfile.read_text("utf-8")
    else:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{metrics.port}/metrics", timeout=TIMEOUT_S
        ) as answer:
            text = answer.read().decode()
    ours = (
        line
        for line in text.splitlines()
        if line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith(NAMESPACE)
    )
    return "".join(f"{line}\n" for line in ours)


def _journal(_settings: Settings, options: argparse.Namespace) -> str:
    said = (
        _said(*JOURNAL)
        if options.journal is None
        else options.journal.read_text("utf-8", "replace")
    )
    return "".join(f"{line}\n" for line in _allowed_lines(said.splitlines()[-2000:]))


def _allowed_lines(lines: list[str]) -> Iterator[str]:
    """By the log's own allow list, once more; of what is no line of ours only how many there
    were.
    """
    others = 0
    for line in lines:
        event = None
        with suppress(ValueError):
            event = json.loads(line)
        if isinstance(event, dict):
            yield json.dumps(logs.keep_allowed(None, "", event))
        else:
            others += 1
    if others:
        yield json.dumps({"event": "other lines, not taken", "count": others})


def _audit(settings: Settings, _options: argparse.Namespace) -> str:
    """Digests of lists and settings, no persons: as `presence audit show --json` prints it."""
    return "".join(
        f"{line.decode('ascii', 'backslashreplace')}\n"
        for _, line in lines_of(settings.storage.state_dir)
    )


PARTS: Final[Mapping[str, Part]] = {
    "about.json": _about,
    "settings.json": _settings,
    "status.json": _status,
    "check.json": _check,
    "metrics.prom": _metrics,
    "journal.jsonl": _journal,
    "audit.jsonl": _audit,
}


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _write(path: Path, parts: Mapping[str, str]) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in sorted(parts.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"presence-support/{name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(packed.getvalue())
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}: name another file with --output") from error

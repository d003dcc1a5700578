"""What `scan-test --apply` leaves behind: which settings a walk of this door has shown to fit.

    calibration.json in storage.state_dir:
    {"v": 1, "at": …, "verdict": "PASS", "found": …, "settings": {…}}

The settings themselves, not a digest of them: so what was changed since can be named, and a setting
that a later version brings is no change. An adapter that was exchanged for another of the same name
cannot be seen.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

from presence.config import Settings
from presence.core.timestamps import rfc3339
from presence.edges.host.files import replace_file
from presence.errors import StorageError

FILE_NAME: Final = "calibration.json"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Calibration:
    at: str
    verdict: str
    found: str
    settings: Mapping[str, object]


def record(settings: Settings, verdict: str, found: str, utc_s: float) -> None:
    """Replaces an older record. Raises StorageError.

    Root writes here into the daemon's folder: a file that did not exist before, renamed, follows no
    link of anybody's.
    """
    values = {
        "v": VERSION,
        "at": rfc3339(utc_s),
        "verdict": verdict,
        "found": found,
        "settings": _of_the_door(settings),
    }
    path = settings.storage.state_dir / FILE_NAME
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # the folder is the daemon's alone; the file may be root's
        replace_file(path, json.dumps(values, indent=1).encode(), mode=0o644)
    except OSError as error:
        next_step = (
            "run it as a user who may write there (sudo); until then `check` calls the "
            "door uncalibrated"
        )
        raise StorageError(f"{path}: {error.strerror}: {next_step}") from error


def read(settings: Settings) -> Calibration | None:
    """None where there is none that can be understood: then the door counts as not calibrated."""
    path = settings.storage.state_dir / FILE_NAME
    with suppress(OSError, ValueError, KeyError, TypeError):
        values = json.loads(path.read_bytes())
        if values["v"] == VERSION:
            at, verdict, found = (str(values[key]) for key in ("at", "verdict", "found"))
            return Calibration(at, verdict, found, dict(values["settings"]))
    return None


def doubt(settings: Settings) -> str:
    """Why these settings are not known to fit the door; empty where a walk has shown it."""
    kept = read(settings)
    if kept is None:
        return "never calibrated, so most who come in are missed"
    present = _of_the_door(settings)
    changed = sorted(key for key, value in kept.settings.items() if present.get(key) != value)
    return (
        f"calibrated on {kept.at[:10]} and changed since: {', '.join(changed)}" if changed else ""
    )


def _of_the_door(settings: Settings) -> dict[str, object]:
    """As JSON gives them back: numbers and lists."""
    radio = {
        "radio.adapters": list(settings.radio.adapters),
        "radio.door_adapters": list(settings.radio.door_adapters),
    }
    return {**{f"entry.{key}": value for key, value in asdict(settings.entry).items()}, **radio}

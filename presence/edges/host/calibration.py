"""What `scan-test --apply` leaves behind: what was measured at this door, with which antennas and
settings, who signed it off, and until when it holds.

    calibration.json in storage.state_dir:
    {"v": 2, "at": …, "valid_until": …, "verdict": "PASS", "found": …, "said": …,
     "signed_off_by": …, "program": …, "measured": {…}, "antennas": […], "phones": […],
     "settings": {…}, "settings_sha256": …, "mac": …}

The settings themselves beside their digest: so what was changed since can be named, and a setting
that a later version brings is no change. `said` is `found` taken apart: to be said in a language.
It ends at once when one of them, an antenna or a place changes, and `valid_until` ends it in any
case: doors are rebuilt, shelves moved.

`mac` is an HMAC with a key made from the store key. It shows that nobody edited the record who
cannot read that key, and that it is of this store. It does not show who signed: `signed_off_by` is
what was typed. Root and the daemon can read the key, and nothing here holds against them.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from presence import __version__
from presence.config import Settings
from presence.core.encoding import encode_base64url
from presence.core.operations.snapshot import DoorStanding
from presence.core.timestamps import rfc3339
from presence.edges.host.files import replace_file
from presence.errors import StorageError
from presence.language import Joined, Sentence, put_together, taken_apart

FILE_NAME: Final = "calibration.json"
VERSION: Final = 2
MONTHS: Final = 12
MOST_MONTHS: Final = 24
REMIND_DAYS: Final = 30
NEVER: Final = Sentence("never calibrated")
_LABEL: Final = b"presence calibration v2\0"


class HungAntenna(NamedTuple):
    """`address` is empty where nobody could tell it: a satellite's, or without BlueZ."""

    name: str
    address: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What the walk has shown, and who answers for it."""

    verdict: str
    found: str
    measured: Mapping[str, object]
    antennas: Sequence[HungAntenna]
    phones: Sequence[str] = ()
    """Their models, as the technician typed them."""
    signed_off_by: str = ""
    months: int = MONTHS


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    at: str
    valid_until: date
    verdict: str
    found: str
    signed_off_by: str
    measured: Mapping[str, Any]
    antennas: tuple[HungAntenna, ...]
    settings: Mapping[str, object]


class UnusableRecord(Exception):
    """`why` is for people."""

    def __init__(self, why: Sentence) -> None:
        super().__init__(why)
        self.why = why


def record(settings: Settings, store_key: bytes, signed: Signed, utc_s: float) -> None:
    """Replaces an older record. Raises StorageError.

    Root writes here into the daemon's folder: a file that did not exist before, renamed, follows no
    link of anybody's.
    """
    door = _of_the_door(settings)
    values: dict[str, object] = {
        "v": VERSION,
        "at": rfc3339(utc_s),
        "valid_until": _after_months(_day(utc_s), signed.months).isoformat(),
        "verdict": signed.verdict,
        "found": str(signed.found),
        "said": taken_apart(signed.found),
        "signed_off_by": signed.signed_off_by,
        "program": __version__,
        "measured": dict(signed.measured),
        "antennas": [antenna._asdict() for antenna in signed.antennas],
        "phones": list(signed.phones),
        "settings": door,
        "settings_sha256": settings_digest(settings),
    }
    values["mac"] = _mac(values, store_key)
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


def read(settings: Settings, store_key: bytes) -> Calibration:
    """Raises UnusableRecord: then the door counts as not calibrated."""
    path = settings.storage.state_dir / FILE_NAME
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UnusableRecord(NEVER) from None
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or Sentence("it is no JSON")
        why = Sentence(
            "{file} cannot be read ({reason}), so it counts for nothing", file=path, reason=reason
        )
        raise UnusableRecord(why) from None
    _refuse_another_version(values, path)
    if not hmac.compare_digest(_mac(values, store_key), str(values.get("mac", ""))):
        edited = Sentence(
            "{file} was edited, or is of another store: it is not sealed with this store's key",
            file=path,
        )
        raise UnusableRecord(edited)
    return Calibration(  # sealed by us, so it has all of its fields
        at=values["at"],
        valid_until=date.fromisoformat(values["valid_until"]),
        verdict=values["verdict"],
        found=_found(values),
        signed_off_by=values["signed_off_by"],
        measured=values["measured"],
        antennas=tuple(HungAntenna(**each) for each in values["antennas"]),
        settings=values["settings"],
    )


def _refuse_another_version(values: Any, path: Path) -> None:
    version = values.get("v") if isinstance(values, dict) else None
    if version == 1:
        older = Sentence(
            "calibrated on {day} by an older version, whose record names no places and is not "
            "sealed",
            day=str(values.get("at", ""))[:10],
        )
        raise UnusableRecord(older)
    if version != VERSION:
        raise UnusableRecord(
            Sentence("{file} is of another version than this program's", file=path)
        )


def _found(values: Mapping[str, Any]) -> str:
    """In English alone where this version knows no such sentence any more."""
    try:
        return put_together(values["said"])
    except (KeyError, ValueError):
        return str(values["found"])


def standing(
    settings: Settings,
    store_key: bytes,
    utc_s: float,
    *,
    addresses: Mapping[str, str] | None = None,
) -> DoorStanding:
    """Whether these settings are known to fit the door, now. `addresses`: of the antennas by their
    names, where they could be asked for.
    """
    try:
        kept = read(settings, store_key)
    except UnusableRecord as error:
        return DoorStanding(doubt=error.why)
    present = _of_the_door(settings)
    changed: list[str] = sorted(
        key for key, value in kept.settings.items() if present.get(key) != value
    )
    changed += [
        Sentence("antenna {antenna} is another device", antenna=name)
        for name, address, _ in kept.antennas
        if address and (addresses or {}).get(name, address) != address
    ]
    until, today, day = kept.valid_until, _day(utc_s), kept.at[:10]
    doubt = reminder = ""
    if changed:
        doubt = Sentence(
            "calibrated on {day} and changed since: {changed}",
            day=day,
            changed=Joined(", ", changed),
        )
    elif today > until:
        doubt = Sentence(
            "calibrated on {day}, valid until {until}: that is past", day=day, until=until
        )
    elif today > until - timedelta(days=REMIND_DAYS):
        reminder = Sentence("the calibration ends on {until}", until=until)
    return DoorStanding(doubt=doubt, reminder=reminder, valid_until=until.isoformat())


def settings_digest(settings: Settings) -> str:
    """Of what a walk holds for: entry settings, antennas and their places. SHA-256, hex."""
    return sha256(_canonical(_of_the_door(settings))).hexdigest()


def _of_the_door(settings: Settings) -> dict[str, object]:
    """As JSON gives them back: numbers and lists."""
    antennas = [[antenna.adapter, antenna.place.value] for antenna in settings.radio.antennas]
    satellites = [[satellite.name, satellite.place.value] for satellite in settings.satellites]
    entry = {f"entry.{key}": value for key, value in asdict(settings.entry).items()}
    return {**entry, "radio.antennas": sorted(antennas), "satellites": sorted(satellites)}


def _mac(values: Mapping[str, object], store_key: bytes) -> str:
    content = {key: value for key, value in values.items() if key != "mac"}
    return encode_base64url(hmac.digest(store_key, _LABEL + _canonical(content), "sha256"))


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _day(utc_s: float) -> date:
    return datetime.fromtimestamp(utc_s, UTC).date()


def _after_months(day: date, months: int) -> date:
    """The same day of a later month, or its last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for days_less in range(4):
        try:
            return date(year, month + 1, day.day - days_less)
        except ValueError:  # the 31st of a month of 30
            continue
    raise AssertionError(day)

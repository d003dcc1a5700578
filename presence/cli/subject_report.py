"""`presence subject-report`: the gateway's part of the answer to an access request (GDPR art. 15,
R-28).

The only command that is given a reference. It does not repeat it: not in its answer, not in an
error, not in a log. It reads what is stored and asks no running gateway, for whether somebody is in
the shop now is nobody's business.
"""

import argparse
import json
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from presence.cli.agreed import agreed_lines
from presence.cli.command import print_lines
from presence.config import Settings, load_settings
from presence.config.rules import site_of
from presence.core.consent.gate import permitted
from presence.core.consent.model import Consent
from presence.core.consent.revocations import Revocations
from presence.core.encoding import REF_BYTES, decode_base64url
from presence.core.site import Site
from presence.core.timestamps import rfc3339
from presence.edges.consent_list.plain import ConsentFile
from presence.edges.consent_list.store import ListStore
from presence.edges.host.clock import SystemClock
from presence.edges.sqlite.revocations import SqliteRevocationStore
from presence.errors import UsageError

NO_VISITS: Final = (
    "No visits are stored, and none ever were. While a visit lasts, its begin and when the phone "
    "was last heard are in "
    "memory (tmpfs, storage.runtime_dir); both are gone when it is over. No history is made of it."
)


@dataclass(frozen=True, slots=True)
class Holding:
    """What this gateway has on its disk about one reference."""

    list_name: str
    list_seq: int
    consent: Consent | None = field(repr=False)
    taken: bool
    """Whether a revocation took something of it away that the list does not say yet."""
    files: tuple[str, ...]
    """In which the reference stands, by name."""


def start(options: argparse.Namespace) -> int:
    text = sys.stdin.readline().strip() if options.ref == "-" else options.ref
    try:
        ref = decode_base64url(text.encode())
    except ValueError:
        ref = b""
    if len(ref) != REF_BYTES or len(set(ref)) == 1:  # eight zeros stand in every file of SQLite
        raise UsageError(
            "--ref is not a reference: 11 characters of base64url, as in the list, and not one "
            "byte repeated"
        )
    settings = load_settings(options.config)
    report = report_of(look_up(settings, ref), site_of(settings), now_s=SystemClock().now().utc_s)
    if options.json:
        print(json.dumps(report))
    else:
        print_lines("\n".join(lines_of(report)))
    return 0


def look_up(settings: Settings, ref: bytes) -> Holding:
    """Raises ConsentListError, StorageError."""
    name, seq, consent = _entry(settings, ref)
    store = SqliteRevocationStore(settings.storage.state_dir)
    try:
        held = [revocation for revocation in store.load() if revocation.taken.ref == ref]
    finally:
        store.close()
    effective = None if consent is None else Revocations(held).effective(consent)
    state = sorted(path for path in settings.storage.state_dir.rglob("*") if path.is_file())
    files = tuple(path.name for path in state if _stands_in(ref, path.read_bytes()))
    return Holding(name, seq, effective, effective != consent, files)


def _stands_in(ref: bytes, data: bytes) -> bool:
    """Also as a number of the machine's, whose lowest byte comes first (the list's base), and in
    base64 (the walks of test phones).
    """
    return ref in data or ref[::-1] in data or b64encode(ref) in data


def _entry(settings: Settings, ref: bytes) -> tuple[str, int, Consent | None]:
    if settings.consent.repository is not None:
        with closing(ListStore(settings.storage.state_dir)) as store:
            kept = store.kept()
            return settings.consent.list, kept.seq if kept else 0, store.entry(ref)
    reading = ConsentFile.of(settings.consent).read()
    if reading is None:
        return settings.consent.list, 0, None
    consents = reading.consents
    entry = consents.entries.get(ref)
    return consents.header.name, consents.header.seq, entry.consent if entry else None


def report_of(holding: Holding, site: Site, *, now_s: float) -> dict[str, Any]:
    consent = holding.consent
    return {
        "list": {"name": holding.list_name, "seq": holding.list_seq},
        "entry": None if consent is None else _entry_report(consent, site, now_s),
        "taken_away_by_notice": holding.taken,
        "visits_stored": 0,
        "visits": NO_VISITS,
        "files_with_the_reference": list(holding.files),
    }


def _entry_report(consent: Consent, site: Site, now_s: float) -> dict[str, Any]:
    scope = consent.scope
    return {
        "in_force": permitted(consent, site, now_s) is None,
        "version": consent.version,
        "valid_from": rfc3339(consent.not_before_s),
        "valid_until": rfc3339(consent.not_after_s),
        "paused_until": _time(consent.paused_until_s) if now_s < consent.paused_until_s else None,
        "objected": consent.objected,
        "purposes": sorted(consent.purposes),
        "categories": [
            {
                "category": grant.category,
                "from": _time(grant.not_before_s),
                "until": _time(grant.not_after_s),
            }
            for grant in consent.grants
        ],
        "refused_categories": sorted(consent.refused_categories),
        "stores": "all of the chain" if scope.chain_wide else sorted(scope.stores),
        "told_to": sorted(consent.pairwise_keys),
        "flags": sorted(consent.flags),
        "loudness_db": consent.loudness_db,
    }


def _time(utc_s: float) -> str:
    return rfc3339(utc_s) if abs(utc_s) < 1 << 33 else "without end"


def lines_of(report: Mapping[str, Any]) -> list[str]:
    """The same for a person."""
    entry, found = report["entry"], report["list"]
    lines = [f"list        {found['name']}, number {found['seq']}"]
    if entry is None:
        lines.append("entry       none: this gateway does not recognise this reference")
    else:
        lines += _lines_of_entry(entry)
    if report["taken_away_by_notice"]:
        lines.append(
            "revocation  took something away that the list does not say yet; it is left out above"
        )
    files = ", ".join(report["files_with_the_reference"]) or "no file of storage.state_dir"
    return [
        *lines,
        f"visits      {report['visits']}",
        f"on disk     the reference stands in {files}",
    ]


def _lines_of_entry(entry: Mapping[str, Any]) -> Iterator[str]:
    standing = "in force" if entry["in_force"] else "not in force"
    yield f"entry       {standing}, version {entry['version']}"
    yield f"valid       {entry['valid_from']} to {entry['valid_until']}"
    if entry["paused_until"]:
        yield f"paused      until {entry['paused_until']}"
    if entry["objected"]:
        yield "objected    to advertising"
    yield f"purposes    {', '.join(entry['purposes']) or 'none'}"
    for each in entry["categories"]:
        yield f"category    {each['category']}, {each['from']} to {each['until']}"
    yield from agreed_lines(
        refused=entry["refused_categories"],
        stores=entry["stores"],
        told_to=entry["told_to"],
        flags=entry["flags"],
        loudness_db=entry["loudness_db"],
    )

"""`presence check`, the consent list: the plain file or the signed one, as `presence run` would find it now.

Changes nothing: the signed list is read into a folder of its own below the runtime directory (memory: window keys go to
no disk), which is removed at the end. It takes as long as the list is long; the gateway takes what changed alone.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from presence.cli.findings import Finding, Verdict
from presence.config import Settings
from presence.config.settings import StorageSettings
from presence.core.feed import ListHeader
from presence.core.freshness import NEXT_STEP, Freshness, Lease
from presence.core.identifiers import window_at
from presence.edges.clock import SystemClock, is_synchronised
from presence.edges.consent_file import ConsentFile
from presence.edges.signed_list import METADATA, SignedList
from presence.errors import ClockUnreadable, ConsentListError, StorageError


def look_at_list(settings: Settings) -> Iterator[Finding]:
    return _plain(settings) if settings.consent.repository is None else _signed(settings)


def _signed(settings: Settings) -> Iterator[Finding]:
    consent = settings.consent
    disciplined = not consent.require_synchronised_clock or _is_not_told_otherwise()
    try:
        with tempfile.TemporaryDirectory(prefix="check-list-", dir=settings.storage.runtime_dir) as folder:
            scratch = StorageSettings(state_dir=Path(folder) / "state", runtime_dir=Path(folder) / "run")
            _borrow(settings.storage.state_dir / METADATA, scratch.state_dir / METADATA)
            with closing(SignedList.of(consent, scratch)) as source:
                proven = source.read()
    except (ConsentListError, StorageError, OSError) as error:
        yield Finding("consent list", Verdict.FAIL, "not proven: nothing would be published", str(error))
        return
    if proven is None or proven.prepared is None:  # a first read always reads
        return
    yield _freshness(proven.header, settings, proven.entries, synchronised=disciplined)
    if proven.refused:
        number = sum(proven.refused.values())
        yield Finding("entries", Verdict.WARN, f"{number} entries left out", "\n".join(proven.complaints[:5]))
    without = proven.entries - len(proven.prepared.keys.window(window_at(SystemClock().now().utc_s)))
    yield from _without_keys(without)


def _is_not_told_otherwise() -> bool:
    """Where the clock cannot be asked, the look at the clock says so: the list itself is not to blame."""
    try:
        return is_synchronised()
    except ClockUnreadable:
        return True


def _borrow(metadata: Path, copy: Path) -> None:
    """What TUF has proven before, so that a rollback is noticed here too."""
    if metadata.is_dir():
        shutil.copytree(metadata, copy, symlinks=True)


def _plain(settings: Settings) -> Iterator[Finding]:
    source = ConsentFile.of(settings.consent)
    try:
        consents = source.read()
    except ConsentListError as error:
        yield Finding("consent list", Verdict.FAIL, "not usable: nothing would be published", str(error))
        return
    if consents is None:  # a first read always reads
        return
    yield _freshness(consents.header, settings, len(consents.entries), synchronised=True)
    if consents.refused:
        number = sum(consents.refused.values())
        yield Finding("entries", Verdict.WARN, f"{number} entries left out", "\n".join(source.complaints[:5]))
    window = window_at(SystemClock().now().utc_s)
    yield from _without_keys(
        sum(all(key.window != window for key in entry.keys) for entry in consents.entries.values())
    )


def _freshness(header: ListHeader, settings: Settings, entries: int, *, synchronised: bool) -> Finding:
    now = SystemClock().now()
    state = Lease(header, now, settings.consent.lease_s).freshness(now, synchronised=synchronised)
    verdict = {Freshness.FRESH: Verdict.PASS, Freshness.AGING: Verdict.WARN}.get(state, Verdict.FAIL)
    return Finding(
        "consent list", verdict, f"{header.name} number {header.seq}, {entries} entries, {state}", NEXT_STEP[state]
    )


def _without_keys(number: int) -> Iterator[Finding]:
    if number:
        next_step = "ask the consent service for this window's keys"
        yield Finding("window keys", Verdict.WARN, f"{number} entries cannot be recognised now", next_step)

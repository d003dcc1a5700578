"""`presence check`, the consent list: as `presence run` would find it now."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from presence.config import Settings
from presence.core.consent.freshness import Freshness, Lease, least, next_step
from presence.core.recognition.identifiers import window_at
from presence.core.recognition.key_ring import WindowKeys
from presence.diagnosis.findings import Finding, Verdict
from presence.diagnosis.list_look import FoundList, look_up_list
from presence.edges.consent_list.store import METADATA, SIGNED_LIST, ListStore
from presence.edges.host.audit_files import FILE_NAME as AUDIT_LOG
from presence.edges.host.clock import SystemClock, is_synchronised
from presence.edges.sqlite.spoilt import state_of
from presence.edges.sqlite.store import CONSENTS, ConsentStore
from presence.errors import ClockUnreadable, ConsentListError, StorageError
from presence.language import Sentence

MOST_LETTERS: Final = 64
"""Of a notice's version."""


def look_at_list(settings: Settings) -> Iterator[Finding]:
    yield from _memory(settings)
    consent = settings.consent
    clock_counts = consent.repository is not None and consent.require_synchronised_clock
    disciplined = not clock_counts or _is_not_told_otherwise()
    try:
        found = look_up_list(settings)
    except (ConsentListError, StorageError) as error:
        yield Finding(
            "consent list",
            Verdict.FAIL,
            Sentence("not proven: nothing would be published"),
            str(error),
        )
        return
    yield _freshness(found, settings, synchronised=disciplined)
    yield from _shown_notice(found, settings)
    if found.refused:
        left_out = Sentence("{entries} left out", entries=_entries(sum(found.refused.values())))
        yield Finding("entries", Verdict.WARN, left_out, "\n".join(found.complaints[:5]))
    keys = found.indexed.keys.window(window_at(SystemClock().now().utc_s))
    without = found.entries - len(keys)
    if without:
        unknown = Sentence("{entries} cannot be recognised now", entries=_entries(without))
        step = Sentence("ask the consent service for this window's keys")
        yield Finding("window keys", Verdict.WARN, unknown, step)
    yield from _shared_keys(keys)


def _shown_notice(found: FoundList, settings: Settings) -> Iterator[Finding]:
    """Customers agree to what they were shown: the sign at the door must say the same."""
    shown = "".join(letter for letter in found.notice if letter.isprintable())[:MOST_LETTERS]
    if found.notice and found.notice != settings.notice.id:
        yield Finding(
            "shown notice",
            Verdict.WARN,
            Sentence(
                "customers agree to {shown}, and this gateway names {named}",
                shown=shown,
                named=settings.notice.id,
            ),
            Sentence(
                "put up the sign of that version and set notice.id; or, where this gateway is "
                "ahead, the consent service names it: `presence consents settings --notice`"
            ),
        )


def _entries(number: int) -> Sentence:
    return Sentence.plural("{number:,} entry", "{number:,} entries", number)


def _shared_keys(keys: WindowKeys) -> Iterator[Finding]:
    _, counts = np.unique(keys.columns()[1].view("V16"), return_counts=True)
    number = int(counts[counts > 1].sum())
    if number:
        found = Sentence("{entries} share a key", entries=_entries(number))
        step = Sentence(
            "no gateway recognises any of them: ask the consent service to give each phone a key "
            "of its own"
        )
        yield Finding("shared keys", Verdict.WARN, found, step)


def _memory(settings: Settings) -> Iterator[Finding]:
    """What remembers how new the list was: the running gateway has begun it anew already, and told
    so.
    """
    state_dir = settings.storage.state_dir
    path, witness, lost = state_dir / CONSENTS, state_dir / AUDIT_LOG, ConsentStore.LOST
    if settings.consent.repository is not None:
        path, witness, lost = (
            state_dir / SIGNED_LIST,
            state_dir / METADATA / "timestamp.json",
            ListStore.LOST,
        )
    trouble = state_of(path, witness)
    if trouble:
        verdict = Verdict.FAIL if "damaged" in trouble else Verdict.WARN
        found = Sentence("{file}: {trouble}", file=path, trouble=trouble)
        yield Finding("list memory", verdict, found, lost)


def _is_not_told_otherwise() -> bool:
    """Where the clock cannot be asked, the look at the clock says so: the list itself is not to
    blame.
    """
    try:
        return is_synchronised()
    except ClockUnreadable:
        return True


def _freshness(found: FoundList, settings: Settings, *, synchronised: bool) -> Finding:
    now, header = SystemClock().now(), found.header
    lease = Lease(header, now, settings.consent.lease_s, least(now, server=found.server))
    state = lease.freshness(now, synchronised=synchronised)
    verdict = {Freshness.FRESH: Verdict.PASS, Freshness.AGING: Verdict.WARN}.get(
        state, Verdict.FAIL
    )
    what = Sentence(
        "{list} number {seq}, {entries}, {state}",
        list=header.name,
        seq=header.seq,
        entries=_entries(found.entries),
        state=state.value,
    )
    return Finding(
        "consent list",
        verdict,
        what,
        next_step(state, lease.clock_doubt(now, synchronised=synchronised)),
    )

"""`presence consents status, show, list, find, customers`: the list in numbers, one agreement, all
of them, one audience's keys.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from presence.cli.agreed import agreed_lines
from presence.cli.command import print_lines
from presence.cli.consents.options import (
    answer,
    customer,
    outbox_of,
    service_of,
)
from presence.cli.exit_codes import ExitCode
from presence.consent_service.agreeing import ref_text
from presence.consent_service.registered import State
from presence.core.consent.model import Consent
from presence.core.timestamps import rfc3339
from presence.errors import ConsentServiceError


def status(options: argparse.Namespace) -> int:
    with service_of(options) as service:
        number, states = service.register.number, service.register.by_state()
        checked_s = number("suppression_checked_at")
        values = {
            "list": service.list_name,
            "seq": number("released_seq"),
            "epoch": number("epoch"),
            "timestamp": service.repository.timestamp_version(),
            "notices": number("notice_seq"),
            "waiting_notices": len(outbox_of(service).waiting()),
            "unpublished_changes": service.register.unnumbered(),
            "suppression_checked": rfc3339(checked_s) if checked_s else None,
            "audiences": {
                name: str(purpose) for name, purpose in service.settings.audiences.items()
            },
            **{str(state): states.get(state, 0) for state in State},
        }
        root_keys = (service.keys.directory / "root").is_dir()
    advice = ["root keys lie here still: carry keys/root away"] if root_keys else []
    if not checked_s:
        advice.append(
            "opt-out registers were never applied: no offers (publish --suppression-checked)"
        )
    lines = [*_status_lines(values), *(f"→ {step}" for step in advice)]
    return answer(options, {**values, "next_steps": advice}, "\n".join(lines))


def _status_lines(values: Mapping[str, Any]) -> Iterator[str]:
    yield f"list         {values['list']}"
    numbers = f"number {values['seq']}, epoch {values['epoch']}, signed as {values['timestamp']}"
    yield f"published    {numbers if values['seq'] else 'nothing yet'}"
    waits = "some wait for `presence consents publish`"
    yield f"changes      {waits if values['unpublished_changes'] else 'none to publish'}"
    yield f"agreements   {', '.join(f'{values[state]} {state}' for state in State)}"
    waiting = f"{values['notices']}, of which {values['waiting_notices']} in the outbox"
    yield f"revocations  {waiting if values['notices'] else 'none'}"
    checked = values["suppression_checked"]
    yield f"opt-outs     {f'applied {checked}' if checked else 'never applied'}"
    for name, purpose in values["audiences"].items():
        yield f"audience     {name}, for {purpose}"


def show(options: argparse.Namespace) -> int:
    with service_of(options) as service:
        known = service.register.get(service.ref_of(customer(options)))
        now_s = service.clock()
    if known is None:
        raise ConsentServiceError("nothing is known under this id")
    values: dict[str, Any] = {
        "state": str(known.state),
        "version": known.version,
        "decided": rfc3339(known.decided_s),
    }
    lines = [f"state       {known.state}, version {known.version}, decided {values['decided']}"]
    consent = known.consent
    if consent is not None:
        values |= _agreed(consent, known.notice, now_s)
        lines += _lines_of_agreement(values, paused=_pause(consent, now_s))
    return answer(options, values, "\n".join(lines))


def _agreed(consent: Consent, notice: str, now_s: float) -> dict[str, object]:
    scope = consent.scope
    return {
        "ref": ref_text(consent.ref),
        "notice": notice,
        "purposes": sorted(consent.purposes),
        "from": rfc3339(consent.not_before_s),
        "until": rfc3339(consent.not_after_s),
        "categories": {grant.category: rfc3339(grant.not_after_s) for grant in consent.grants},
        "over": sorted(grant.category for grant in consent.grants if grant.not_after_s <= now_s),
        "refused": sorted(consent.refused_categories),
        "paused": consent.paused_until_s > now_s,
        "stores": "all of the chain" if scope.chain_wide else sorted(scope.stores),
        "audiences": sorted(consent.pairwise_keys),
        "flags": sorted(consent.flags),
        "loudness_db": consent.loudness_db,
    }


def _lines_of_agreement(values: Mapping[str, Any], *, paused: str) -> Iterator[str]:
    yield f"reference   {values['ref']}"
    yield f"valid       {values['from']} to {values['until']}"
    if paused:
        yield f"paused      {paused}"
    yield f"notice      {values['notice'] or 'not known'}"
    yield f"purposes    {', '.join(values['purposes'])}"
    for category, end in values["categories"].items():
        yield f"category    {category}, to {end}{', over' if category in values['over'] else ''}"
    yield from agreed_lines(
        refused=values["refused"],
        stores=values["stores"],
        told_to=values["audiences"],
        flags=values["flags"],
        loudness_db=values["loudness_db"],
    )


def _pause(consent: Consent, now_s: float) -> str:
    """Empty where there is none."""
    until_s = consent.paused_until_s
    if until_s <= now_s:
        return ""
    end = "`presence consents resume`" if until_s == math.inf else rfc3339(until_s)
    return f"until {end}"


def listed(options: argparse.Namespace) -> int:
    with service_of(options) as service:
        for name, consent in service.register.customers():
            _row(options, name, consent, service.clock())
    return ExitCode.OK


def find(options: argparse.Namespace) -> int:
    """What is there and is not found is no fault: 1, as `grep` says it."""
    found = 0
    with service_of(options) as service:
        for name, consent in service.register.customers():
            if options.word == ref_text(consent.ref) or options.word.lower() in name.lower():
                _row(options, name, consent, service.clock())
                found += 1
    if not found:
        print_lines("no agreement that stands has this reference or these letters", sys.stderr)
    return ExitCode.OK if found else ExitCode.WARN


def _row(options: argparse.Namespace, name: str, consent: Consent, now_s: float) -> None:
    values = {
        "id": name,
        "ref": ref_text(consent.ref),
        "version": consent.version,
        "until": rfc3339(consent.not_after_s),
        "paused": consent.paused_until_s > now_s,
        "purposes": sorted(consent.purposes),
    }
    paused = _pause(consent, now_s)
    words = f"{values['ref']}  {values['until']}  {name}{f', paused {paused}' if paused else ''}"
    answer(options, values, words)


def customers(options: argparse.Namespace) -> int:
    """One line for each customer who has a key for it, in the form that scripts/offer_engine.py
    reads.
    """
    with service_of(options) as service:
        known = service.settings.audiences
        if options.audience not in known:
            raise ConsentServiceError(
                f"no audience of this list: use {', '.join(known) or '`settings` to name one'}"
            )
        for name, consent in service.register.customers():
            key = consent.pairwise_keys.get(options.audience)
            if key is not None:
                print(json.dumps({"customer": name, "pairwise_key": key.hex()}, ensure_ascii=False))
    return 0

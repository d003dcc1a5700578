"""`presence consents status, show, list, find, customers`: the list in numbers, one agreement, all
of them, one audience's keys.
"""

import argparse
import json
import sys

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
    lines = [f"{name.replace('_', ' ')}: {_words(value)}" for name, value in values.items()]
    return answer(
        options,
        {**values, "next_steps": advice},
        "\n".join([*lines, *(f"→ {step}" for step in advice)]),
    )


def show(options: argparse.Namespace) -> int:
    with service_of(options) as service:
        known = service.register.get(service.ref_of(customer(options)))
        now_s = service.clock()
    if known is None:
        raise ConsentServiceError("nothing is known under this id")
    values: dict[str, object] = {
        "state": str(known.state),
        "version": known.version,
        "decided": rfc3339(known.decided_s),
    }
    consent = known.consent
    if consent is not None:
        values |= {
            "ref": ref_text(consent.ref),
            "notice": known.notice,
            "purposes": sorted(consent.purposes),
            "from": rfc3339(consent.not_before_s),
            "until": rfc3339(consent.not_after_s),
            "categories": {grant.category: rfc3339(grant.not_after_s) for grant in consent.grants},
            "over": sorted(
                grant.category for grant in consent.grants if grant.not_after_s <= now_s
            ),
            "refused": sorted(consent.refused_categories),
            "paused": consent.paused_until_s > now_s,
            "stores": "all of the chain"
            if consent.scope.chain_wide
            else sorted(consent.scope.stores),
            "audiences": sorted(consent.pairwise_keys),
            "flags": sorted(consent.flags),
            "loudness_db": consent.loudness_db,
        }
    return answer(
        options, values, "\n".join(f"{name}: {_words(value)}" for name, value in values.items())
    )


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
        print("no agreement that stands has this reference or these letters", file=sys.stderr)
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
    words = f"{values['until']}  {'paused' if values['paused'] else '':6}  {name}"
    answer(options, values, f"{values['ref']}  {words}")


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


def _words(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

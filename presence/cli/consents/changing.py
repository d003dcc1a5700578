"""`presence consents add, narrow, fulfil, pause, resume, withdraw, object`: what one customer
decides.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

from presence.cli.consents.options import (
    answer,
    customer,
    say,
    service_of,
    warn,
)
from presence.consent_service.agreeing import Added, ref_text
from presence.consent_service.alike import audiences_of
from presence.consent_service.import_lines import parse_identity_key
from presence.consent_service.service import ConsentService
from presence.consent_service.wishes import Wish
from presence.core.consent.model import Flag, Purpose, Scope
from presence.core.consent.revocation import Revocation
from presence.core.timestamps import rfc3339
from presence.counting import counted
from presence.errors import UsageError

Take = Callable[[ConsentService, str, argparse.Namespace], Revocation]


def _telling_gateways(take: Take) -> Callable[[argparse.Namespace], int]:
    """The work of an action that takes something away: gateways are told at once."""

    def work(options: argparse.Namespace) -> int:
        with service_of(options) as service:
            revocation = take(service, customer(options), options)
            values = say(options, service, revocation)
        where = "is sent" if values["sent"] else f"waits in {values['file']}"
        return answer(
            options,
            values,
            f"done: revocation {revocation.seq} {where}; list {revocation.list_seq} will say so",
        )

    return work


@_telling_gateways
def narrow(service: ConsentService, name: str, options: argparse.Namespace) -> Revocation:
    purposes = [Purpose(purpose) for purpose in options.purpose]
    revocation = service.narrow(name, categories=options.category, purposes=purposes)
    warn(service.doubtful_categories(options.category))
    return revocation


@_telling_gateways
def fulfil(service: ConsentService, name: str, options: argparse.Namespace) -> Revocation:
    return service.fulfil(name, options.category)


@_telling_gateways
def pause(service: ConsentService, name: str, options: argparse.Namespace) -> Revocation:
    if options.until <= service.clock():
        raise UsageError("--until lies in the past: `presence consents resume` ends a pause")
    return service.pause(
        name, options.until if options.until == math.inf else math.ceil(options.until)
    )


@_telling_gateways
def withdraw(service: ConsentService, name: str, _: argparse.Namespace) -> Revocation:
    return service.withdraw(name)


@_telling_gateways
def objection(service: ConsentService, name: str, _: argparse.Namespace) -> Revocation:
    return service.object(name)


def resume(options: argparse.Namespace) -> int:
    with service_of(options) as service:
        service.resume(customer(options))
    return answer(
        options, {"resumed": True}, "the pause is over with the next `presence consents publish`"
    )


def add(options: argparse.Namespace) -> int:
    key = _identity_key(options.identity_key)
    with service_of(options) as service:
        wish = _wish_of(options, service, key)
        known = service.knows(wish.id)
        added = service.add(wish)
        told = [say(options, service, revocation) for revocation in added.revocations]
    warn(added.doubts)
    return _answer_added(options, added, told, key_is_made=not key and not known)


def _wish_of(options: argparse.Namespace, service: ConsentService, key: bytes) -> Wish:
    flags = {
        Flag.EXPLICIT: options.explicit,
        Flag.NO_PROFILING: options.no_profiling,
        Flag.TEST: options.test,
        Flag.TICKS: options.ticks,
    }
    chosen = frozenset(flag for flag, wanted in flags.items() if wanted)
    purposes = frozenset(Purpose(purpose) for purpose in options.purpose or (Purpose.PRESENCE,))
    now_s = time.time()
    stores = options.store or (service.group,)
    return Wish(
        id=customer(options),
        purposes=purposes,
        not_before_s=now_s if options.start_s is None else options.start_s,
        not_after_s=options.until,
        scope=Scope(frozenset(), True) if options.chain_wide else Scope(frozenset(stores)),
        categories=dict(options.category + options.explicit_category),
        explicit=frozenset(category for category, _ in options.explicit_category),
        refused=frozenset(options.refuse),
        flags=chosen,
        audiences=audiences_of(purposes, chosen, service.settings.audiences),
        person=options.person,
        identity_key=key,
        loudness_db=options.loudness_db,
        decided_s=options.given,
        said_s=_again(options, purposes, now_s),
        notice=options.notice,
    )


def _answer_added(
    options: argparse.Namespace,
    added: Added,
    told: list[dict[str, object]],
    *,
    key_is_made: bool,
) -> int:
    values: dict[str, object] = {
        "ref": ref_text(added.ref), "version": added.version, "stays_away": sorted(added.stays),
        "paused": added.paused, "notices": told, "doubts": list(added.doubts),
    }  # fmt: skip
    lines = [
        f"agreement recorded (reference {values['ref']}, version {added.version}), "
        f"valid until {rfc3339(options.until)}"
    ]
    if key_is_made:
        values["identity_key"] = added.identity_key.hex()
        lines.append(f"identity key, for the customer's phone alone: {values['identity_key']}")
    lines += [
        f"{word} stays away: the customer took it away; --again {word}, if they ask for it anew"
        for word in sorted(added.stays)
    ]
    if added.paused:
        lines.append("the customer's pause stays: `presence consents resume` ends it")
    if told:
        lines.append(f"what this takes away is said in {counted(len(told), 'revocation')} at once")
    lines.append("gateways learn it with the next `presence consents publish`")
    return answer(options, values, "\n  ".join(lines))


def _again(
    options: argparse.Namespace, purposes: frozenset[Purpose], now_s: float
) -> dict[str, float]:
    """What the customer asks for by itself, and when."""
    named = {*purposes, *(category for category, _ in options.category + options.explicit_category)}
    if strange := set(options.again) - named:
        words = ", ".join(sorted(strange))
        raise UsageError(f"--again {words}: name it as --category or --purpose, too")
    return dict.fromkeys(options.again, now_s if options.given is None else options.given)


def _identity_key(given: object) -> bytes:
    """In a file; or itself, in a line of `apply`."""
    if given is None:
        return b""
    if not isinstance(given, Path):
        try:
            return parse_identity_key(str(given))
        except ValueError:
            raise UsageError("identity_key: 32 hex digits are wanted") from None
    try:
        text = sys.stdin.readline() if str(given) == "-" else given.read_text(encoding="ascii")
        return parse_identity_key(text.strip())
    except (OSError, ValueError):
        raise UsageError(f"--identity-key {given}: a file with 32 hex digits is wanted") from None

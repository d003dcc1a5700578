"""`presence engine-test`: does an offer engine keep the contract? A verdict for each case, with the
sentence that was broken.
"""

import argparse
import asyncio
import json
import math
import os
import sys
from collections import Counter
from datetime import datetime
from typing import Final, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from presence.cli.command import columns_of, filled, print_lines
from presence.cli.exit_codes import ExitCode
from presence.cli.termination import unless_terminated
from presence.config import load_settings
from presence.config.settings import MqttProtocol, MqttSettings, TlsSettings
from presence.conformance.cases import CASES
from presence.conformance.customers import make_customers, read_customers
from presence.conformance.run import Judged, NotJudged, RunOutcome, RunPlan, play_all
from presence.conformance.shop import Shop
from presence.core.site import Site
from presence.diagnosis.findings import Verdict
from presence.errors import UsageError
from presence.location import settings_file

OF_THE_FILE: Final = (
    *("host", "port", "protocol", "username", "password_file"),
    *("tls_ca", "tls_cert", "tls_key", "chain", "store"),
)
"""Options that --config takes the place of."""


def start(options: argparse.Namespace) -> int:
    if options.make_customers is not None:
        make_customers(options.make_customers)
        print_lines(
            f"{options.make_customers}: give it to the engine, and to the kit as --customers"
        )
        return 0
    plan = _plan(options)
    out = sys.stderr if options.json else sys.stdout
    _announce(plan, out)
    outcome = asyncio.run(unless_terminated(play_all(plan, lambda said: show(said, out))))
    if outcome is None:
        return ExitCode.TERMINATED
    if options.json:
        print(json.dumps(outcome.as_dict(), ensure_ascii=False))
    else:
        print_lines(f"\n{_summary(outcome)}")
    return int(outcome.verdict)


def _plan(options: argparse.Namespace) -> RunPlan:
    """Raises UsageError, ConfigurationError."""
    mqtt, site = _broker(options)
    if options.audience is None:
        raise UsageError("--audience: is missing: whose events does the engine hear?")
    plan = RunPlan(
        mqtt=mqtt,
        shop=Shop(site, options.audience, options.allow, options.purpose),
        customers=read_customers(options.customers),
        names=options.cases,
        listen=options.listen,
        quiet=_is_quiet(options),
        patience_s=options.patience,
    )
    if not plan.cases():
        why = next(plan.left_out()).why
        raise UsageError(f"--cases {','.join(options.cases)}: {why}")
    return plan


def _broker(options: argparse.Namespace) -> tuple[MqttSettings, Site]:
    said = [name for name in OF_THE_FILE if getattr(options, name) is not None]
    if options.config is not None and said:
        word = said[0].replace("_", "-")
        raise UsageError(f"--{word}: stands in --config already: say one of the two")
    if options.config is not None or (not said and os.access(settings_file(), os.R_OK)):
        settings = load_settings(options.config or settings_file())
        return settings.mqtt, Site(settings.store.chain, settings.store.store)
    if options.chain is None or options.store is None:
        raise UsageError("--chain and --store: are missing (or --config with both)")
    if options.tls_ca is None and (options.tls_cert or options.tls_key):
        raise UsageError("--tls-ca: is missing: whom does the kit believe?")
    tls = options.tls_ca and TlsSettings(
        ca_file=options.tls_ca, certificate_file=options.tls_cert, key_file=options.tls_key
    )
    mqtt = MqttSettings(
        host=options.host or "127.0.0.1",
        port=options.port or 1883,
        protocol=MqttProtocol(options.protocol or "5"),
        username=options.username,
        password_file=options.password_file,
        tls=tls,
    )
    return mqtt, Site(options.chain, options.store)


def _is_quiet(options: argparse.Namespace) -> bool:
    if options.quiet is None:
        return False
    try:
        now = datetime.now(ZoneInfo(options.time_zone))
    except (ZoneInfoNotFoundError, ValueError):
        raise UsageError(
            f"--time-zone: {options.time_zone} is none: use one such as Europe/Helsinki"
        ) from None
    first, last = options.quiet
    minute = now.hour * 60 + now.minute
    return first <= minute < last if first <= last else not last <= minute < first


def _announce(plan: RunPlan, out: TextIO) -> None:
    cases, usual_s, worst_s = plan.cases(), plan.usual_s(), plan.worst_s()
    print_lines(
        f"{len(cases)} of {len(CASES)} cases on {plan.shop.events_topic}: "
        f"about {usual_s:.0f} s, and {math.ceil(worst_s / 60)} min at most\n",
        out,
    )


def show(said: Judged | NotJudged | str, out: TextIO) -> None:
    if isinstance(said, str):
        print_lines(said, out)
        return
    if isinstance(said, NotJudged):
        _row(f"-     {said.name:15}  ", f"not played: {said.why}", out)
        return
    _row(f"{said.verdict.name:4}  {said.name:15}  ", said.found, out)
    if said.verdict is not Verdict.PASS:
        _row(f"      {'':15}  → ", str(said.rule), out)


def _row(head: str, words: str, out: TextIO) -> None:
    lines = filled(words, columns_of(out), head=head, indent=" " * len(head))
    print("\n".join(lines), file=out, flush=True)


def _summary(outcome: RunOutcome) -> str:
    counts = Counter(judged.verdict for judged in outcome.cases)
    parts = [f"{counts[verdict]} {verdict.name}" for verdict in Verdict if counts[verdict]]
    if outcome.not_played:
        parts.append(f"{len(outcome.not_played)} not played")
    return f"{', '.join(parts)} in {outcome.seconds:.0f} s; worst: {outcome.verdict.name}"

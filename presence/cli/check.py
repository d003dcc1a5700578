"""`presence check`: is everything in place? One line each, PASS, WARN or FAIL, with the next step."""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

from presence.cli.check_list import look_at_list
from presence.cli.findings import Finding, Verdict
from presence.config import Settings, load_settings
from presence.config.rules import read_store_key, rules_of
from presence.config.settings import MqttProtocol
from presence.edges.bluez.diagnosis import Verdict as Answered
from presence.edges.bluez.diagnosis import diagnose
from presence.edges.clock import SystemClock, is_synchronised
from presence.edges.mqtt import MqttPublisher
from presence.errors import ConfigurationError

BROKER_TIMEOUT_S = 8.0


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "check",
        help="configuration, clock, list, broker, adapter: is everything in place?",
        description="Looks at each part and says the next step. Changes nothing, publishes nothing.",
        epilog="exit codes: 0 all PASS, 1 something to WARN of, 2 something FAILs, 78 the configuration cannot be read",
    )
    command.add_argument("--config", type=Path, required=True, metavar="FILE")
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    command.set_defaults(start=start)


def start(options: argparse.Namespace) -> int:
    findings = asyncio.run(_check(options.config, quiet=options.json))
    worst = max(finding.verdict for finding in findings)
    if options.json:
        print(json.dumps({"verdict": worst.name, "findings": [finding.as_dict() for finding in findings]}))
    else:
        print(f"\n{len(findings)} checks, worst: {worst.name}")
    unreadable = len(findings) == 1 and worst is Verdict.FAIL
    return 78 if unreadable else int(worst)


async def _check(path: Path, *, quiet: bool) -> list[Finding]:
    findings: list[Finding] = []

    def add(finding: Finding) -> None:
        findings.append(finding)
        if not quiet:
            print(f"{finding.verdict.name:4}  {finding.name:13}  {finding.found}", flush=True)
            for line in finding.next_step.splitlines():
                print(f"      {'':13}  → {line}", flush=True)

    try:
        settings = load_settings(path)
    except ConfigurationError as error:
        add(Finding("configuration", Verdict.FAIL, f"{len(error.problems)} problems", "\n".join(error.problems)))
        return findings
    add(Finding("configuration", Verdict.PASS, str(path)))
    for look in (_store_key, _notice, _storage, _clock, look_at_list):
        for finding in look(settings):
            add(finding)
    add(await _broker(settings))
    async for finding in _radio(settings):
        add(finding)
    return findings


def _store_key(settings: Settings) -> Iterator[Finding]:
    file = settings.store.key_file
    try:
        rules_of(settings, read_store_key(file))
    except ConfigurationError as error:
        yield Finding("store key", Verdict.FAIL, "not usable", str(error))
        return
    if file.stat().st_mode & 0o007:
        yield Finding("store key", Verdict.WARN, f"{file} is open to every user", f"chmod o= {file}")
    else:
        yield Finding("store key", Verdict.PASS, str(file))


def _notice(settings: Settings) -> Iterator[Finding]:
    notice = settings.notice
    if notice.review_by < date.today():  # noqa: DTZ011 - the shop's own calendar
        yield Finding(
            "notice", Verdict.FAIL, f"was to be reviewed by {notice.review_by}: the gateway is disarmed",
            "review the sign at the door, then set notice.id and notice.review_by",
        )  # fmt: skip
    else:
        yield Finding("notice", Verdict.PASS, f"{notice.id}, to be reviewed by {notice.review_by}")


def _storage(settings: Settings) -> Iterator[Finding]:
    for key, directory in (
        ("state_dir", settings.storage.state_dir),
        ("runtime_dir", settings.storage.runtime_dir),
    ):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = directory / f".check-{time.monotonic_ns()}"
            probe.write_bytes(bytes(4096))
            probe.unlink()
        except OSError as error:
            yield Finding(
                key, Verdict.FAIL, f"{directory}: {error.strerror}", f"run as presence's user, or mend storage.{key}"
            )
        else:
            yield Finding(key, Verdict.PASS, str(directory))


def _clock(settings: Settings) -> Iterator[Finding]:
    consent = settings.consent
    if is_synchronised():
        yield Finding("clock", Verdict.PASS, "synchronised")
    elif consent.repository is not None and consent.require_synchronised_clock:
        yield Finding(
            "clock", Verdict.FAIL, "the kernel does not say that it is synchronised: nothing would be published",
            "`timedatectl set-ntp true`, then wait; see consent.require_synchronised_clock",
        )  # fmt: skip
    else:
        yield Finding(
            "clock", Verdict.WARN, "the kernel does not say that it is synchronised",
            "`timedatectl set-ntp true`; identifiers live for 17 minutes, consents end to the second",
        )  # fmt: skip


async def _broker(settings: Settings) -> Finding:
    mqtt = settings.mqtt
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        publisher = MqttPublisher(mqtt, settings.store, role="check", tell=lambda _event, _fields: None)
    except ConfigurationError as error:
        return Finding("broker", Verdict.FAIL, where, str(error))
    try:
        async with asyncio.timeout(BROKER_TIMEOUT_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(publisher.run())
            await publisher.connected()
            running.cancel()
    except TimeoutError:
        return Finding(
            "broker", Verdict.FAIL, where, publisher.trouble or "no answer: is it running, is the port right?"
        )
    if mqtt.protocol is MqttProtocol.V311:
        return Finding(
            "broker", Verdict.WARN, f"{where} over MQTT 3.1.1", "use 5: refusals and expiry are lost with 3.1.1"
        )
    return Finding("broker", Verdict.PASS, f"{where} over MQTT 5")


async def _radio(settings: Settings) -> AsyncIterator[Finding]:
    async for answer in diagnose(settings, SystemClock()):
        verdict = {Answered.GOOD: Verdict.PASS, Answered.DOUBTFUL: Verdict.WARN}.get(answer.verdict, Verdict.FAIL)
        yield Finding(answer.question, verdict, answer.found, answer.next_step)

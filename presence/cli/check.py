"""`presence check`: is everything in place? One line each, PASS, WARN or FAIL, with the next
step.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from presence.cli.command import columns_of, language_of, print_lines
from presence.cli.exit_codes import ExitCode
from presence.cli.findings import finding_lines
from presence.config import Settings, load_settings
from presence.config.rules import read_store_key, rules_of
from presence.config.settings import HearingPath
from presence.core.visit.opening_hours import OpeningHours
from presence.diagnosis.broker import look_at_broker
from presence.diagnosis.consent_list import look_at_list
from presence.diagnosis.doorbell import look_at_doorbell
from presence.diagnosis.entry import look_at_setup, without_calibration
from presence.diagnosis.findings import Finding, Verdict
from presence.diagnosis.memory import look_at_memory
from presence.diagnosis.sandbox import findings_inside
from presence.diagnosis.satellites import look_at_satellites
from presence.diagnosis.user_channel import look_at_user_channel
from presence.edges.bluez import adapters_now
from presence.edges.bluez.diagnosis import RadioAnswer, RadioVerdict, adapters_there, diagnose
from presence.edges.host import calibration
from presence.edges.host.clock import SystemClock, is_synchronised
from presence.errors import ClockUnreadable, ConfigurationError
from presence.language import Joined, Language, Sentence
from presence.location import as_option

NEED_ADAPTERS = (
    "radio.antennas",
    "radio.adapters",
    "radio.door_adapters",
    "doorbell.bells",
    "doorbell.adapter",
)
"""Settings that name adapters: who has to mend one wants to see which there are."""
ROOM_MIB = {Verdict.FAIL: 8, Verdict.WARN: 64}
"""Less free than this on the disk of storage.state_dir. A list of a million takes some 120 MiB, a
store's two.
"""

DAYS: Final = (
    Sentence("Mon"),
    Sentence("Tue"),
    Sentence("Wed"),
    Sentence("Thu"),
    Sentence("Fri"),
    Sentence("Sat"),
    Sentence("Sun"),
)


def start(options: argparse.Namespace) -> int:
    language = language_of(options)

    def told(finding: Finding) -> None:
        if not options.json and not (options.quiet and finding.verdict is Verdict.PASS):
            show(finding, language)

    if options.inside:
        findings = findings_inside()
        for finding in findings:
            told(finding)
    else:
        findings = asyncio.run(findings_of(options.config, told=told))
    worst = max(finding.verdict for finding in findings)
    if options.json:
        form = Finding.taken_apart if options.apart else Finding.as_dict
        print(json.dumps({"verdict": worst.name, "findings": [*map(form, findings)]}))
    elif not options.quiet:
        number = len(findings)
        words = Sentence.plural(
            "{number} check, worst: {verdict}",
            "{number} checks, worst: {verdict}",
            number,
            verdict=worst.name,
        )
        print_lines(f"\n{language.say(words)}")
    unreadable = findings[0].name == "configuration" and findings[0].verdict is Verdict.FAIL
    return ExitCode.CONFIG if unreadable else int(worst)


async def findings_of(
    path: Path, *, told: Callable[[Finding], None] = lambda _: None
) -> list[Finding]:
    """All of them; each is told as it is found."""
    findings: list[Finding] = []
    async for finding in _looked_at(path):
        findings.append(finding)
        told(finding)
    return findings


async def _looked_at(path: Path) -> AsyncIterator[Finding]:
    try:
        settings = load_settings(path)
    except ConfigurationError as error:
        found = Sentence.plural("{number} problem", "{number} problems", len(error.problems))
        yield Finding("configuration", Verdict.FAIL, found, "\n".join(error.problems))
        if any(word in problem for problem in error.problems for word in NEED_ADAPTERS):
            for answer in await adapters_there():
                yield _answered(answer)
        return
    yield Finding("configuration", Verdict.PASS, str(path))
    for look in (
        _store_key,
        look_at_satellites,
        _notice,
        _hours,
        look_at_storage,
        _room,
        _memory,
        _clock,
        look_at_list,
    ):
        for finding in look(settings):
            yield finding
    for finding in await look_at_broker(settings):
        yield finding
    async for finding in _radio(settings):
        yield finding
    for finding in look_at_setup(settings):
        yield finding
    async for finding in _door(settings, path):
        yield finding
    for finding in await look_at_doorbell(settings):
        yield finding


def show(finding: Finding, language: Language) -> None:
    for line in finding_lines(finding, columns_of(sys.stdout), language):
        print(line, flush=True)


def _store_key(settings: Settings) -> Iterator[Finding]:
    file = settings.store.key_file
    try:
        rules_of(settings, read_store_key(file))
    except ConfigurationError as error:
        yield Finding("store key", Verdict.FAIL, Sentence("not usable"), str(error))
        return
    if file.stat().st_mode & 0o007:
        found = Sentence("{file} is open to every user", file=file)
        yield Finding("store key", Verdict.WARN, found, f"chmod o= {file}")
    else:
        yield Finding("store key", Verdict.PASS, str(file))


def _notice(settings: Settings) -> Iterator[Finding]:
    notice = settings.notice
    if notice.review_by < date.today():  # noqa: DTZ011 - the shop's own calendar
        yield Finding(
            "notice",
            Verdict.FAIL,
            Sentence("was to be reviewed by {day}: the gateway is disarmed", day=notice.review_by),
            Sentence("review the sign at the door, then set notice.id and notice.review_by"),
        )
    else:
        found = Sentence("{id}, to be reviewed by {day}", id=notice.id, day=notice.review_by)
        yield Finding("notice", Verdict.PASS, found)


def _hours(settings: Settings) -> Iterator[Finding]:
    """Wrong hours look like a dead radio: so whether it is open now is said each time."""
    store = settings.store
    hours = OpeningHours(store.opening_hours, ZoneInfo(store.time_zone), store.opening_margin_min)
    now = datetime.now(hours.zone)
    clock = {"day": DAYS[now.weekday()], "time": f"{now:%H:%M}", "time_zone": store.time_zone}
    if not store.opening_hours:
        yield Finding(
            "hours",
            Verdict.WARN,
            Sentence("none given: the radio listens day and night"),
            Sentence("set store.opening_hours: hear no more than is needed"),
        )
    elif hours.open_at(SystemClock().now().utc_s):
        found = Sentence("open now, {day} {time} in {time_zone}", **clock)
        yield Finding("hours", Verdict.PASS, found)
    else:
        yield Finding(
            "hours",
            Verdict.WARN,
            Sentence("closed now, {day} {time} in {time_zone}: nothing is heard", **clock),
            Sentence(
                "if the shop is open: mend store.opening_hours, store.time_zone, or the clock"
            ),
        )


def _room(settings: Settings) -> Iterator[Finding]:
    directory = settings.storage.state_dir
    try:
        free_mib = shutil.disk_usage(directory).free >> 20
    except OSError:  # said by the look before
        return
    found = Sentence("{free:,} MiB free for {folder}", free=free_mib, folder=directory)
    for verdict, least in ROOM_MIB.items():
        if free_mib < least:
            step = Sentence("make room: a list that cannot be stored is not taken over")
            yield Finding("room", verdict, found, step)
            return
    yield Finding("room", Verdict.PASS, found)


def _memory(_settings: Settings) -> Iterator[Finding]:
    return look_at_memory()


def look_at_storage(settings: Settings) -> Iterator[Finding]:
    for key, directory in (
        ("state_dir", settings.storage.state_dir),
        ("runtime_dir", settings.storage.runtime_dir),
    ):
        if key == "runtime_dir" and _comes_with_the_unit(directory):
            found = Sentence(
                "{folder}: systemd makes it for the daemon, when it starts", folder=directory
            )
            yield Finding(key, Verdict.PASS, found)
            continue
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = directory / f".check-{time.monotonic_ns()}"
            probe.write_bytes(bytes(4096))
            probe.unlink()
        except OSError as error:
            yield Finding(
                key,
                Verdict.FAIL,
                f"{directory}: {error.strerror}",
                Sentence("run as presence's user, or mend storage.{key}", key=key),
            )
        else:
            yield Finding(key, Verdict.PASS, str(directory))


def _comes_with_the_unit(directory: Path) -> bool:
    """A folder of /run that RuntimeDirectory= makes; root alone could make it before."""
    return (
        directory.parent == Path("/run")
        and not directory.exists()
        and not os.access("/run", os.W_OK, effective_ids=True)
    )


def _clock(settings: Settings) -> Iterator[Finding]:
    consent = settings.consent
    needed = consent.repository is not None and consent.require_synchronised_clock
    try:
        synchronised = is_synchronised()
    except ClockUnreadable as error:
        found = Sentence("nobody knows whether it is synchronised")
        if needed:
            found = Sentence("nobody knows whether it is synchronised: presence would not start")
        yield Finding("clock", Verdict.FAIL if needed else Verdict.WARN, found, str(error))
        return
    if synchronised:
        yield Finding("clock", Verdict.PASS, Sentence("synchronised"))
    elif needed:
        yield Finding(
            "clock",
            Verdict.FAIL,
            Sentence("the kernel does not say that it is synchronised: nothing would be published"),
            Sentence(
                "`timedatectl set-ntp true`, then wait; see consent.require_synchronised_clock"
            ),
        )
    else:
        yield Finding(
            "clock",
            Verdict.WARN,
            Sentence("the kernel does not say that it is synchronised"),
            Sentence(
                "`timedatectl set-ntp true`; identifiers live for 17 minutes, consents end to the "
                "second"
            ),
        )


async def _door(settings: Settings, path: Path) -> AsyncIterator[Finding]:
    try:
        store_key = read_store_key(settings.store.key_file)
    except ConfigurationError:  # said by the look before; without it no seal can be tried
        yield Finding(
            "door",
            Verdict.WARN,
            Sentence("nobody knows: the store key is needed"),
            Sentence("see `store key`"),
        )
        return
    adapters = await adapters_now(settings)
    addresses = {name: adapter.address for name, adapter in adapters.items()}
    now_s = SystemClock().now().utc_s
    door = calibration.standing(settings, store_key, now_s, addresses=addresses)
    command = f"`sudo presence scan-test{as_option(path)} --steps phone,walk --apply`"
    step = Sentence("walk it with a test phone: {command} (docs/technician.md)", command=command)
    if door.doubt:
        meanwhile = Joined("; ", (door.doubt, without_calibration(settings)))
        yield Finding("door", Verdict.WARN, meanwhile, step)
        return
    found = _calibrated(calibration.read(settings, store_key))
    if door.reminder:
        yield Finding("door", Verdict.WARN, Joined("; ", (door.reminder, found)), step)
    else:
        yield Finding("door", Verdict.PASS, found)


def _calibrated(kept: calibration.Calibration) -> Sentence:
    by = Sentence("signed off by nobody")
    if kept.signed_off_by:
        by = Sentence("signed off by {name}", name=kept.signed_off_by)
    return Sentence(
        "{verdict} on {day}, valid until {until}, {signed_off}: {found}",
        verdict=kept.verdict,
        day=kept.at[:10],
        until=kept.valid_until,
        signed_off=by,
        found=kept.found,
    )


async def _radio(settings: Settings) -> AsyncIterator[Finding]:
    if settings.radio.path is HearingPath.USER_CHANNEL:
        for finding in await look_at_user_channel(settings):
            yield finding
        return
    async for answer in diagnose(settings, SystemClock()):
        yield _answered(answer)


def _answered(answer: RadioAnswer) -> Finding:
    verdict = {RadioVerdict.GOOD: Verdict.PASS, RadioVerdict.DOUBTFUL: Verdict.WARN}.get(
        answer.verdict, Verdict.FAIL
    )
    return Finding(answer.question, verdict, answer.found, answer.next_step)

"""`presence run`: the daemon."""

import argparse
import asyncio
import faulthandler
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from enum import Enum, auto
from pathlib import Path
from random import random
from typing import Final, TextIO
from uuid import uuid4

from presence.cli.watching import Watching
from presence.config import Settings, load_settings
from presence.config.rules import hours_of, read_notice_keys, read_store_key, rules_of
from presence.config.settings import ConsentSettings
from presence.core.jws import KeySet
from presence.core.peers import Peers
from presence.core.polling import asked_pause_s, pause_s
from presence.daemon import Gateway
from presence.edges import logs
from presence.edges.audit import FILE_NAME as AUDIT_LOG
from presence.edges.bluez import watched_radios
from presence.edges.clock import SystemClock, is_synchronised
from presence.edges.consent_file import ConsentFile
from presence.edges.doorbell import Doorbell
from presence.edges.mqtt import MqttPublisher
from presence.edges.signed_list import SignedList
from presence.edges.store import ConsentStore, RuntimeStore
from presence.edges.systemd import Notifier as SystemdNotifier
from presence.edges.withdrawn import WithdrawnStore
from presence.errors import ClockUnreadable, ConfigurationError, PresenceError, StorageError
from presence.parts import Notifier, Parts
from presence.ports import AdvertisementSource, Clock, DoorbellSource, Hear

STDERR: Final = 2


class Outcome(Enum):
    STOP = auto()
    RELOAD = auto()


SIGNALS = {signal.SIGTERM: Outcome.STOP, signal.SIGINT: Outcome.STOP, signal.SIGHUP: Outcome.RELOAD}


class Disarmed:
    """A source that hears nothing: without a valid notice at the door nothing is scanned (R-16)."""

    async def run(self, hear: Hear) -> None:  # noqa: ARG002 - nothing is heard
        await asyncio.Event().wait()


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "run",
        help="the daemon: scan, match, decide, publish",
        description="Runs until SIGTERM. SIGHUP reads the configuration again; a faulty one changes nothing.",
    )
    command.add_argument("--config", type=Path, required=True, metavar="FILE", help="e.g. /etc/presence/presence.yaml")
    command.set_defaults(start=start)


def start(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    logs.configure(level=settings.log.level, style=settings.log.format, stream=sys.stdout)
    logs.tell_uncaught()
    # A loop that hangs as a whole can name nobody: systemd's SIGABRT prints where each thread stands, and no value.
    faulthandler.enable(STDERR)
    return asyncio.run(serve(options.config, settings))


async def serve(path: Path, settings: Settings) -> int:
    """One gateway after another, until one is asked to stop."""
    notifier = SystemdNotifier()
    while True:
        with ExitStack() as stack:
            stack.enter_context(alone(settings.storage.runtime_dir))
            outcome, settings = await _serve_once(path, settings, notifier, stack)
        if outcome is Outcome.STOP:
            return 0


async def _serve_once(
    path: Path, settings: Settings, notifier: SystemdNotifier, stack: ExitStack
) -> tuple[Outcome, Settings]:
    gateway = gateway_of(settings, notifier, stack, sources=_sources(settings), doorbell=_doorbell(settings))
    asked: asyncio.Queue[Outcome] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number, outcome in SIGNALS.items():
        loop.add_signal_handler(number, asked.put_nowait, outcome)
        stack.callback(loop.remove_signal_handler, number)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(gateway.run())
            running.add_done_callback(lambda _: asked.put_nowait(Outcome.STOP))
            outcome, settings = await _until_asked(asked, path, settings)
            (notifier.reloading if outcome is Outcome.RELOAD else notifier.stopping)()
            logs.tell("gateway.stopping", {"reason": outcome.name.lower()})
            running.cancel()
    except* PresenceError as failures:
        raise next(_leaves(failures)) from None
    return outcome, settings


async def _until_asked(asked: "asyncio.Queue[Outcome]", path: Path, settings: Settings) -> tuple[Outcome, Settings]:
    while await asked.get() is Outcome.RELOAD:
        changed = _changed_settings(path)
        if changed is not None:
            return Outcome.RELOAD, changed
    return Outcome.STOP, settings


def _leaves(group: "BaseExceptionGroup[PresenceError]") -> Iterator[PresenceError]:
    """What a person must act on, out of the groups that the parts' errors come in."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _changed_settings(path: Path) -> Settings | None:
    try:
        settings = load_settings(path)
        rules_of(settings, read_store_key(settings.store.key_file))
        if settings.consent.notice_keys:
            read_notice_keys(settings.consent.notice_keys)
        _synchronised(settings.consent)
    except (ConfigurationError, ClockUnreadable) as error:
        problems = error.problems if isinstance(error, ConfigurationError) else [str(error)]
        logs.tell("config.refused", {"problems": problems, "next_step": "the old configuration stays in force"})
        return None
    logs.configure(level=settings.log.level, style=settings.log.format, stream=sys.stdout)
    logs.tell("config.reloaded", {"file": str(path)})
    return settings


def gateway_of(
    settings: Settings,
    notifier: Notifier,
    stack: ExitStack,
    *,
    sources: Sequence[AdvertisementSource],
    doorbell: DoorbellSource | None = None,
    clock: Clock | None = None,
    speed: float = 1,
) -> Gateway:
    """All parts as the settings want them; `stack` closes what has to be closed.

    A simulated shop has a clock of its own, and looks for a new list as many times more often as that clock is fast.
    """
    rules = rules_of(settings, read_store_key(settings.store.key_file))
    visits = RuntimeStore(settings.storage.runtime_dir, begins_anew=True)
    stack.callback(visits.close)
    signed = settings.consent.repository is not None
    audited = None if signed else settings.storage.state_dir / AUDIT_LOG
    accepted = ConsentStore(settings.storage.state_dir, begins_anew=True, audited=audited)
    stack.callback(accepted.close)
    consents = _consents(settings, stack)
    withdrawn = WithdrawnStore(settings.storage.state_dir)
    stack.callback(withdrawn.close)

    boot = uuid4().hex

    def state(name: str) -> dict[str, object]:
        return {"state": name, "boot": boot, **gateway.state()}

    clock = clock or SystemClock()
    watching = Watching(
        settings,
        clock,
        armed=not _is_disarmed(settings),
        digest=lambda: consents.digest,
        root=lambda: consents.root_version if isinstance(consents, SignedList) else 0,
    )
    tell = watching.tell
    peers = None
    if settings.peers.enabled:
        peers = Peers(rules.place, rules.store_key, settings.store.gateway, settings.peers, rules.entry)
    publisher = MqttPublisher(settings.mqtt, settings.store, state=state, tell=tell)
    gateway = Gateway(
        Parts(
            rules=rules,
            sources=sources,
            consents=consents,
            accepted=accepted,
            visits=visits,
            publisher=publisher,
            clock=clock,
            notifier=notifier,
            tell=tell,
            lease_s=settings.consent.lease_s,
            poll_s=settings.consent.poll_s / speed,
            queue_length=settings.radio.queue_length,
            state_interval_s=settings.mqtt.state_interval_s,
            doorbell=doorbell,
            peers=peers,
            complaints=consents.complaints if isinstance(consents, ConsentFile) else [],
            synchronised=_synchronised(settings.consent),
            pace=(lambda errors: pause_s(settings.consent.refresh_s / speed, errors, random())) if signed else None,
            asked_pace=(lambda: asked_pause_s(random())) if signed else lambda: 0.0,
            watchers=watching.watchers(lambda: gateway, publisher, sources, doorbell),
            list_name=settings.consent.list,
            restrictions=withdrawn,
            notice_keys=_notice_keys(settings.consent),
        )
    )
    if visits.begun_anew:
        tell("storage.begun_anew", {"reason": visits.begun_anew})
    memory = consents.begun_anew if isinstance(consents, SignedList) else accepted.begun_anew
    if memory:
        tell("consent.memory_lost", {"reason": memory})
    return gateway


def _synchronised(consent: ConsentSettings) -> Callable[[], bool]:
    """Where the clock counts it is asked once at the start: what the sandbox forbids it forbids until it is mended.

    Raises ClockUnreadable.
    """
    if consent.repository is None or not consent.require_synchronised_clock:
        return lambda: True
    is_synchronised()
    return is_synchronised


def _notice_keys(consent: ConsentSettings) -> KeySet | None:
    """A signed list brings its own; until then nobody's notice is believed."""
    if consent.notice_keys is not None:
        return read_notice_keys(consent.notice_keys)
    return None if consent.repository is None else KeySet({})


def _consents(settings: Settings, stack: ExitStack) -> ConsentFile | SignedList:
    if settings.consent.repository is None:
        return ConsentFile.of(settings.consent)
    consents = SignedList.of(settings.consent, settings.storage)
    stack.callback(consents.close)
    return consents


def _doorbell(settings: Settings) -> DoorbellSource | None:
    if not settings.doorbell.enabled or _is_disarmed(settings):
        return None
    return Doorbell(settings.doorbell, SystemClock(), tell=logs.tell)


def _is_disarmed(settings: Settings) -> bool:
    return settings.notice.review_by < date.today()  # noqa: DTZ011 - reviewed by the shop's own calendar


def _sources(settings: Settings) -> list[AdvertisementSource]:
    if _is_disarmed(settings):
        next_step = "review the notice at the door, then set notice.id and notice.review_by"
        logs.tell("store.disarmed", {"reason": "notice.review_by is past: nothing is scanned", "next_step": next_step})
        return [Disarmed()]
    hours = hours_of(settings.store)
    return [*watched_radios(settings, clock=SystemClock(), tell=logs.tell, open_at=hours.open_at)]


@contextmanager
def alone(directory: Path) -> Iterator[TextIO]:
    """Hold the directory against a second gateway; raises StorageError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(
            f"storage.runtime_dir {directory}: {error.strerror}: give the folder to this user, or name another"
        ) from error
    with os.fdopen(handle, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"storage.runtime_dir {directory}: another presence works there; stop it first"
            ) from error
        yield lock

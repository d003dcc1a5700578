"""Settings and edges become a Gateway: the only place that knows both."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date
from random import random
from uuid import uuid4

from presence.config import Settings
from presence.config.rules import hours_of, read_notice_keys, read_store_key, rules_of
from presence.config.settings import ConsentSettings
from presence.core.consent.jws import KeySet
from presence.core.consent.polling import asked_pause_s, pause_s
from presence.core.event.election import Election
from presence.edges.bluez import watched_radios
from presence.edges.bluez.gatt import Doorbell
from presence.edges.consent_list.plain import ConsentFile, PlainList
from presence.edges.consent_list.signed import SignedList
from presence.edges.host.audit import FILE_NAME as AUDIT_LOG
from presence.edges.host.clock import SystemClock, is_synchronised
from presence.edges.mqtt.publisher import MqttPublisher
from presence.edges.sqlite.revocations import SqliteRevocationStore
from presence.edges.sqlite.store import ConsentStore, RuntimeStore
from presence.gateway.gateway import Gateway
from presence.gateway.parts import Notifier, Parts
from presence.ports import (
    AdvertisementSource,
    Clock,
    ConsentSource,
    DoorbellSource,
    OnAdvertisement,
)
from presence.telemetry import ConsentMemoryLost, StorageBegunAnew, StoreDisarmed, Telemetry
from presence.watching import Watching


class Disarmed:
    """A source that hears nothing: without a valid notice at the door nothing is scanned (R-16)."""

    async def run(self, on_advertisement: OnAdvertisement) -> None:  # noqa: ARG002 - nothing is heard
        await asyncio.Event().wait()


def gateway_of(
    settings: Settings,
    notifier: Notifier,
    stack: ExitStack,
    telemetry: Telemetry,
    *,
    sources: Sequence[AdvertisementSource],
    doorbell: DoorbellSource | None = None,
    clock: Clock | None = None,
    speed: float = 1,
) -> Gateway:
    """All parts as the settings want them; `stack` closes what has to be closed.

    A simulated shop has a clock of its own, and looks for a new list as many times more often as
    that clock is fast.
    """
    rules = rules_of(settings, read_store_key(settings.store.key_file))
    visits = RuntimeStore(settings.storage.runtime_dir, begins_anew=True)
    stack.callback(visits.close)
    signed = settings.consent.repository is not None
    consents, memory_lost = _signed(settings, stack) if signed else _plain(settings, stack)
    withdrawn = SqliteRevocationStore(settings.storage.state_dir)
    stack.callback(withdrawn.close)

    boot = uuid4().hex

    def state(name: str) -> dict[str, object]:
        return {"state": name, "boot": boot, **gateway.state()}

    clock = clock or SystemClock()
    watching = Watching(
        settings,
        clock,
        telemetry,
        armed=not _is_disarmed(settings),
    )
    election = None
    if settings.peers.enabled:
        election = Election(
            rules.place, rules.store_key, settings.store.gateway, settings.peers, rules.entry
        )
    publisher = MqttPublisher(settings.mqtt, settings.store, state=state, emit=telemetry.emit)
    gateway = Gateway(
        Parts(
            rules=rules,
            sources=sources,
            consents=consents,
            visits=visits,
            publisher=publisher,
            clock=clock,
            notifier=notifier,
            emit=telemetry.emit,
            lease_s=settings.consent.lease_s,
            poll_s=settings.consent.poll_s / speed,
            queue_length=settings.radio.queue_length,
            state_interval_s=settings.mqtt.state_interval_s,
            doorbell=doorbell,
            election=election,
            synchronised=synchronised_of(settings.consent),
            pace=(lambda errors: pause_s(settings.consent.refresh_s / speed, errors, random()))
            if signed
            else None,
            asked_pace=(lambda: asked_pause_s(random())) if signed else lambda: 0.0,
            watchers=watching.watchers(lambda: gateway, publisher, sources, doorbell),
            list_name=settings.consent.list,
            revocations=withdrawn,
            notice_keys=_notice_keys(settings.consent),
        )
    )
    if visits.begun_anew:
        telemetry.emit(StorageBegunAnew(reason=visits.begun_anew))
    if memory_lost:
        telemetry.emit(ConsentMemoryLost(reason=memory_lost))
    return gateway


def synchronised_of(consent: ConsentSettings) -> Callable[[], bool]:
    """Where the clock counts it is asked once at the start: what the sandbox forbids it forbids
    until it is mended.

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


def _plain(settings: Settings, stack: ExitStack) -> tuple[ConsentSource, str]:
    """The list, and why what remembers how new it was had to be begun anew, if it had to."""
    state = settings.storage.state_dir
    accepted = ConsentStore(state, begins_anew=True, audited=state / AUDIT_LOG)
    stack.callback(accepted.close)
    return PlainList(ConsentFile.of(settings.consent), accepted), accepted.begun_anew


def _signed(settings: Settings, stack: ExitStack) -> tuple[ConsentSource, str]:
    """Likewise. The plain list's store is there too: a change back to it is no loss of memory."""
    accepted = ConsentStore(settings.storage.state_dir, begins_anew=True)
    stack.callback(accepted.close)
    consents = SignedList.of(settings.consent, settings.storage)
    stack.callback(consents.close)
    return consents, consents.begun_anew


def doorbell_of(settings: Settings, telemetry: Telemetry) -> DoorbellSource | None:
    if not settings.doorbell.enabled or _is_disarmed(settings):
        return None
    return Doorbell(settings.doorbell, SystemClock(), emit=telemetry.emit)


def _is_disarmed(settings: Settings) -> bool:
    return settings.notice.review_by < date.today()  # noqa: DTZ011 - reviewed by the shop's own calendar


def sources_of(settings: Settings, telemetry: Telemetry) -> list[AdvertisementSource]:
    if _is_disarmed(settings):
        next_step = "review the notice at the door, then set notice.id and notice.review_by"
        reason = "notice.review_by is past: nothing is scanned"
        telemetry.emit(StoreDisarmed(reason=reason, next_step=next_step))
        return [Disarmed()]
    hours = hours_of(settings.store)
    return [
        *watched_radios(settings, clock=SystemClock(), emit=telemetry.emit, open_at=hours.open_at)
    ]

"""Settings and edges become a Gateway: the only place that knows both.

First the event bus (presence.telemetry), to which its subscribers are added as they are made; then
what a gateway takes; then the gateway.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from random import random
from uuid import uuid4

from presence.config import Settings
from presence.config.rules import (
    hours_of,
    read_notice_keys,
    read_satellite_keys,
    read_store_key,
    rules_of,
    site_of,
)
from presence.config.settings import ConsentSettings, HearingPath
from presence.core.consent.jws import KeySet
from presence.core.consent.polling import asked_pause_s, pause_s
from presence.core.consent.revocations import Revocations
from presence.core.event.election import Election
from presence.core.rules import Rules
from presence.core.timestamps import Moment
from presence.core.visit.crossings import topic_of_counter
from presence.edges.bluez import BluezScanner, watched_radios
from presence.edges.bluez.gatt import Doorbell
from presence.edges.consent_list.plain import ConsentFile, PlainList
from presence.edges.host import calibration
from presence.edges.host.audit import AuditLog
from presence.edges.host.audit_files import FILE_NAME as AUDIT_LOG
from presence.edges.host.clock import SystemClock, is_synchronised
from presence.edges.host.disk import free_bytes, is_read_only
from presence.edges.host.metrics import MetricsExporter
from presence.edges.host.status_socket import StatusSocket, status_answer
from presence.edges.host.survey_file import SurveyFileExpiry
from presence.edges.kernel.user_channel import UserChannelScanner, user_channel_radios
from presence.edges.mqtt.publisher import MqttPublisher
from presence.edges.sqlite.revocations import SqliteRevocationStore
from presence.edges.sqlite.store import ConsentStore, RuntimeStore
from presence.gateway.alarm_counters import AlarmCounters
from presence.gateway.antennas import AntennaWatch, watch_antennas
from presence.gateway.door_counter import DoorCounter
from presence.gateway.gateway import Gateway
from presence.gateway.list_sync import ListPauses, ListSync
from presence.gateway.monitor import Monitor, MonitorSources
from presence.gateway.pipeline import Intake, Pipeline
from presence.gateway.revocation_listener import RevocationListener
from presence.gateway.satellites import Satellite, Satellites
from presence.ports import (
    AdvertisementSource,
    Clock,
    ConsentSource,
    DoorbellSource,
    Notifier,
    OnAdvertisement,
    Watcher,
)
from presence.telemetry import (
    ConsentMemoryLost,
    Emit,
    StorageBegunAnew,
    StoreDisarmed,
    Telemetry,
)


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
    bells: Sequence[DoorbellSource] = (),
    clock: Clock | None = None,
    speed: float = 1,
) -> Gateway:
    """All parts as the settings want them; `stack` closes what has to be closed.

    A simulated shop has a clock of its own, `speed` times as fast, and looks for lists as often.
    """
    clock, emit = clock or SystemClock(), telemetry.emit
    rules = rules_of(settings, read_store_key(settings.store.key_file))
    alarms = AlarmCounters()
    telemetry.subscribe(alarms.note)
    services = _services_of(settings, rules, clock, stack, emit)
    monitor = Monitor(_monitored(settings, services, clock, sources, bells), alarms, emit)
    return Gateway(
        sources=sources,
        intake=services.intake,
        pipeline=services.pipeline,
        list_sync=services.list_sync,
        revocation_listener=services.revocation_listener,
        publisher=services.publisher,
        clock=clock,
        notifier=notifier,
        emit=emit,
        pauses=_pauses(settings.consent, speed),
        state_interval_s=settings.mqtt.state_interval_s,
        bells=bells,
        satellites=services.satellites,
        antennas=_antennas(services, sources),
        door_counter=services.door_counter,
        election=_election(settings, rules),
        watchers=[*_windows(settings, monitor, emit), *_records(settings, clock, telemetry)],
    )


@dataclass(frozen=True, kw_only=True)
class _Services:
    intake: Intake
    pipeline: Pipeline
    list_sync: ListSync
    revocation_listener: RevocationListener
    publisher: MqttPublisher
    satellites: Satellites | None
    door_counter: DoorCounter | None


def _services_of(
    settings: Settings, rules: Rules, clock: Clock, stack: ExitStack, emit: Emit
) -> _Services:
    consent = settings.consent
    visits = _visits(settings, stack, emit)
    list_sync = ListSync(
        source=_list_source(settings, stack, emit),
        clock=clock,
        emit=emit,
        lease_s=consent.lease_s,
        synchronised=synchronised_of(consent),
    )
    store = SqliteRevocationStore(settings.storage.state_dir)
    stack.callback(store.close)
    pipeline = Pipeline(rules, visits, emit=emit, revocations=Revocations(store.load()))
    listener = RevocationListener(
        consent.list,
        _notice_keys(consent),
        pipeline,
        store=store,
        list_sync=list_sync,
        clock=clock,
        emit=emit,
    )
    state, armed = _state_of(list_sync, clock), not _is_disarmed(settings)

    def may_scan(now: Moment) -> bool:
        return armed and rules.hours.open_at(now.utc_s)

    publisher = MqttPublisher(settings.mqtt, settings.store, state=state, emit=emit)
    return _Services(
        intake=Intake(settings.radio.queue_length),
        pipeline=pipeline,
        list_sync=list_sync,
        revocation_listener=listener,
        publisher=publisher,
        satellites=satellites_of(settings, publisher, clock, emit, wanted=may_scan),
        door_counter=_door_counter(settings, pipeline, clock, emit),
    )


def _door_counter(
    settings: Settings, pipeline: Pipeline, clock: Clock, emit: Emit
) -> DoorCounter | None:
    store, door = settings.store, settings.counter.door
    if door is None:
        return None
    topic = topic_of_counter(store.chain, store.store, door)
    return DoorCounter(topic, pipeline.engine.figures, clock, emit=emit)


def _visits(settings: Settings, stack: ExitStack, emit: Emit) -> RuntimeStore:
    visits = RuntimeStore(settings.storage.runtime_dir, begins_anew=True)
    stack.callback(visits.close)
    if visits.begun_anew:
        emit(StorageBegunAnew(reason=visits.begun_anew))
    return visits


def _list_source(settings: Settings, stack: ExitStack, emit: Emit) -> ConsentSource:
    """The memory of how new the list was is begun anew where it has to be, with a log line."""
    signed, state = settings.consent.repository is not None, settings.storage.state_dir
    # Beside a signed list it is there too, empty: going back to a plain one is no loss of memory.
    audited = None if signed else state / AUDIT_LOG
    accepted = ConsentStore(state, begins_anew=True, audited=audited)
    stack.callback(accepted.close)
    if signed:
        from presence.edges.consent_list.signed import SignedList  # noqa: PLC0415 - wants tuf

        source = SignedList.of(settings.consent, settings.storage)
        stack.callback(source.close)
        lost = source.begun_anew
    else:
        lost = accepted.begun_anew
    if lost:
        emit(ConsentMemoryLost(reason=lost))
    return source if signed else PlainList(ConsentFile.of(settings.consent), accepted)


def _state_of(list_sync: ListSync, clock: Clock) -> Callable[[str], dict[str, object]]:
    """For the health topic; `boot` tells one run of the program from the next."""
    boot = uuid4().hex
    return lambda name: {"state": name, "boot": boot, **list_sync.state(clock.now())}


def _pauses(consent: ConsentSettings, speed: float) -> ListPauses:
    if consent.repository is None:
        return ListPauses(lambda _errors: consent.poll_s / speed)
    return ListPauses(
        lambda errors: pause_s(consent.refresh_s / speed, errors, random()),
        lambda: asked_pause_s(random()),
    )


def _election(settings: Settings, rules: Rules) -> Election | None:
    if not settings.peers.enabled:
        return None
    return Election(
        rules.site, rules.store_key, settings.store.gateway, settings.peers, rules.entry
    )


def satellites_of(
    settings: Settings,
    publisher: MqttPublisher,
    clock: Clock,
    emit: Emit,
    *,
    wanted: Callable[[Moment], bool],
    beside: bool = False,
) -> Satellites | None:
    """None where none is configured. Raises ConfigurationError where a key cannot be used.

    `wanted`: may anything be scanned now? `beside`: a daemon may run that has the same satellites.
    """
    if not settings.satellites:
        return None
    keys = read_satellite_keys(settings)
    return Satellites(
        site_of(settings),
        tuple(
            Satellite(name=each.name, place=each.place, key=keys[each.name])
            for each in settings.satellites
        ),
        publisher,
        clock=clock,
        emit=emit,
        wanted=wanted,
        beside=beside,
    )


def _antennas(services: _Services, sources: Sequence[AdvertisementSource]) -> AntennaWatch:
    return watch_antennas(_radios(sources), services.satellites, services.pipeline.engine.visits)


def _radios(
    sources: Sequence[AdvertisementSource],
) -> dict[str, BluezScanner | UserChannelScanner]:
    """By the names of their antennas."""
    ours = BluezScanner | UserChannelScanner
    return {source.antenna: source for source in sources if isinstance(source, ours)}


def _monitored(
    settings: Settings,
    services: _Services,
    clock: Clock,
    sources: Sequence[AdvertisementSource],
    bells: Sequence[DoorbellSource],
) -> MonitorSources:
    state_dir = settings.storage.state_dir
    store_key = services.pipeline.rules.store_key
    radios = _radios(sources)
    return MonitorSources(
        list_sync=services.list_sync,
        pipeline=services.pipeline,
        intake=services.intake,
        broker=services.publisher,
        radios=radios,
        clock=clock,
        armed=not _is_disarmed(settings),
        open_at=hours_of(settings.store).open_at,
        synchronised=is_synchronised,
        free_bytes=lambda: free_bytes(state_dir),
        calibration=lambda utc_s: calibration.standing(
            settings,
            store_key,
            utc_s,
            addresses={
                each.antenna: each.serves.address for each in radios.values() if each.serves
            },
        ),
        read_only=lambda: is_read_only(state_dir),
        bells=[bell for bell in bells if isinstance(bell, Doorbell)],
        satellites=services.satellites.look if services.satellites else lambda _now: (),
        refused_crossings=services.door_counter.refused if services.door_counter else {},
    )


def _windows(settings: Settings, monitor: Monitor, emit: Emit) -> list[Watcher]:
    """The monitor, and where an operator looks in."""
    exporter = MetricsExporter(settings.metrics, monitor.look, emit=emit)
    answers = {
        "status": lambda: status_answer(monitor.look()),
        "metrics": exporter.exposition.text,
    }
    technicians = StatusSocket(
        settings.storage.runtime_dir, answers, group=settings.status.group, emit=emit
    )
    return [monitor, exporter, technicians]


def _records(settings: Settings, clock: Clock, telemetry: Telemetry) -> list[Watcher]:
    """What is written down of decisions, and what a technician left to be erased in time."""
    audit = AuditLog(settings.storage.state_dir, clock, emit=telemetry.emit)
    telemetry.subscribe(audit.note)
    audit.record("config.applied", {"digest": settings_digest(settings)})
    audit.record("armed", {"armed": not _is_disarmed(settings), "by": "notice.review_by"})
    return [audit, SurveyFileExpiry(settings.storage.state_dir, clock)]


def settings_digest(settings: Settings) -> str:
    """Of every setting in force, defaults too, as the audit log has it: comments and order do not
    change it. Keys are in files of their own.
    """
    return hashlib.sha256(repr(settings).encode()).hexdigest()


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


def bells_of(settings: Settings, telemetry: Telemetry) -> list[DoorbellSource]:
    doorbell = settings.doorbell
    if not doorbell.enabled or _is_disarmed(settings):
        return []
    names = [bell.adapter for bell in doorbell.bells]
    if not doorbell.share_adapter:
        names += [antenna.adapter for antenna in settings.radio.antennas]
    return [
        Doorbell(
            bell,
            doorbell,
            SystemClock(),
            emit=telemetry.emit,
            others=[name for name in names if name != bell.adapter],
        )
        for bell in doorbell.bells
    ]


def _is_disarmed(settings: Settings) -> bool:
    return settings.notice.review_by < date.today()  # noqa: DTZ011 - reviewed by the shop's own calendar


def sources_of(settings: Settings, telemetry: Telemetry) -> list[AdvertisementSource]:
    if _is_disarmed(settings):
        next_step = "review the notice at the door, then set notice.id and notice.review_by"
        reason = "notice.review_by is past: nothing is scanned"
        telemetry.emit(StoreDisarmed(reason=reason, next_step=next_step))
        return [Disarmed()]
    hours = hours_of(settings.store)
    alone = settings.radio.path is HearingPath.USER_CHANNEL
    made = user_channel_radios if alone else watched_radios
    return [*made(settings, clock=SystemClock(), emit=telemetry.emit, open_at=hours.open_at)]

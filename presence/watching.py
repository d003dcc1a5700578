"""Joins what an operator sees to a gateway: metrics, status, audit log."""

import hashlib
import json
from collections.abc import Callable, Sequence

from presence.config import Settings
from presence.config.rules import hours_of
from presence.core.operations.snapshot import Overview
from presence.core.operations.status import as_json
from presence.edges.bluez import BluezScanner
from presence.edges.bluez.gatt import Doorbell
from presence.edges.host import calibration, logs
from presence.edges.host.audit import AuditLog
from presence.edges.host.clock import is_synchronised
from presence.edges.host.disk import free_bytes, is_read_only
from presence.edges.host.metrics import MetricsExporter
from presence.edges.host.status_socket import StatusSocket
from presence.edges.mqtt.publisher import MqttPublisher
from presence.gateway.gateway import Gateway
from presence.gateway.monitor import Oversight, Sights
from presence.gateway.parts import Watcher
from presence.ports import AdvertisementSource, Clock, DoorbellSource
from presence.telemetry import Telemetry


class Watching:
    """`watchers` are run beside the parts of a gateway."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        telemetry: Telemetry,
        *,
        armed: bool,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._armed = armed
        self._telemetry = telemetry
        self._audit = AuditLog(settings.storage.state_dir, clock, emit=telemetry.emit)
        telemetry.subscribe(self._audit.note)

    def watchers(
        self,
        gateway: Callable[[], Gateway],
        publisher: MqttPublisher,
        sources: Sequence[AdvertisementSource],
        doorbell: DoorbellSource | None,
    ) -> list[Watcher]:
        settings = self._settings
        oversight = Oversight(
            Sights(
                gateway=gateway,
                broker=publisher,
                radios={
                    radio.adapter or "default": radio
                    for radio in sources
                    if isinstance(radio, BluezScanner)
                },
                clock=self._clock,
                armed=self._armed,
                open_at=hours_of(settings.store).open_at,
                synchronised=is_synchronised,
                free_bytes=lambda: free_bytes(settings.storage.state_dir),
                calibration=lambda: calibration.doubt(settings),
                read_only=lambda: is_read_only(settings.storage.state_dir),
                doorbell=doorbell if isinstance(doorbell, Doorbell) else None,
            ),
            self._telemetry,
        )
        look = oversight.look
        exporter = MetricsExporter(settings.metrics, look, emit=self._telemetry.emit)
        answers = {
            "status": lambda: status_answer(look()),
            "metrics": exporter.exposition.text,
        }
        self._audit.record("config.applied", {"digest": digest_of_settings(settings)})
        self._audit.record("armed", {"armed": self._armed, "by": "notice.review_by"})
        technicians = StatusSocket(
            settings.storage.runtime_dir,
            answers,
            group=settings.status.group,
            emit=self._telemetry.emit,
        )
        return [oversight, exporter, technicians, self._audit]


def status_answer(seen: Overview) -> bytes:
    """Texts are scrubbed one by one: a number of many digits (bytes free on a large disk) is no
    identifier.
    """
    return json.dumps(logs.cleaned(as_json(seen)), ensure_ascii=False).encode()


def digest_of_settings(settings: Settings) -> str:
    """Of every setting in force, defaults too: comments and order do not change it. Keys are in
    files of their own.
    """
    return hashlib.sha256(repr(settings).encode()).hexdigest()

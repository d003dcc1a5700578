"""Shows the metrics to Prometheus: as a file for node_exporter, or over HTTP on this machine only.

The numbers are taken at fixed intervals in the event loop; whoever scrapes gets the last ones, from
a thread that touches nothing else.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from presence.config.operating import MetricsExport, MetricsSettings
from presence.core.operations.metrics import Family, families
from presence.core.operations.snapshot import Snapshot
from presence.edges.host.files import replace_file
from presence.telemetry import Emit, MetricsFailed

LOOPBACK: Final = "127.0.0.1"


class Exposition(Collector):
    """Holds the last snapshot, and nothing before it was taken."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.snapshot: Snapshot | None = None

    def collect(self) -> Iterator[Metric]:
        snapshot = self.snapshot
        if snapshot is None:
            return
        yield from map(_metric, families(snapshot))

    def text(self) -> bytes:
        return generate_latest(self.registry)


def _metric(family: Family) -> Metric:
    if family.kind == "histogram":
        buckets = [(pairs[0][1], value) for pairs, value in family.samples]
        return HistogramMetricFamily(family.name, family.meaning, buckets=buckets)
    labels = [name for name, _ in family.samples[0][0]] if family.samples else []
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.meaning, labels=labels)
    for pairs, value in family.samples:
        metric.add_metric([text for _, text in pairs], value)
    return metric


class MetricsExporter:
    """Runs in the daemon's TaskGroup. What fails is told once and tried again: metrics never stop
    the gateway.
    """

    def __init__(
        self, settings: MetricsSettings, look: Callable[[], Snapshot], *, emit: Emit
    ) -> None:
        self._settings = settings
        self._look = look
        self._emit = emit
        self._failing = False
        self.exposition = Exposition()

    async def run(self) -> None:
        with self._served():
            while True:
                self.exposition.snapshot = self._look()
                if self._settings.export is MetricsExport.TEXTFILE:
                    await asyncio.to_thread(self._write)
                await asyncio.sleep(self._settings.interval_s)

    def _write(self) -> None:
        try:
            # readable for all: node_exporter is another user
            replace_file(self._settings.textfile, self.exposition.text(), mode=0o644, durable=False)
        except OSError as error:
            self._failed(f"metrics.textfile {self._settings.textfile}: {error.strerror}")
        else:
            self._failing = False

    @contextmanager
    def _served(self) -> Iterator[None]:
        if self._settings.export is not MetricsExport.LOOPBACK:
            yield
            return
        try:
            server, thread = start_http_server(
                self._settings.port, addr=LOOPBACK, registry=self.exposition.registry
            )
        except OSError as error:
            self._failed(f"metrics.port {self._settings.port}: {error.strerror}")
            yield
            return
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _failed(self, reason: str) -> None:
        if not self._failing:
            next_step = "give this user the folder, or choose another port; see docs/operations.md"
            self._emit(MetricsFailed(reason=reason, next_step=next_step))
        self._failing = True

"""Metrics reach node_exporter as whole files, and Prometheus on this machine only."""

import asyncio
import os
import stat
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from presence.config.operating import MetricsExport, MetricsSettings
from presence.edges.host.metrics import MetricsExporter
from presence.simulation.local_broker import free_port
from presence.telemetry import MetricsFailed
from tests.support.fakes import RecordingTelemetry
from tests.support.watched import Watched


async def exported(telemetry: RecordingTelemetry, seconds: float = 0.2, **settings: Any) -> None:
    exporter = MetricsExporter(
        MetricsSettings(**settings), Watched().monitor.look, emit=telemetry.emit
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await exporter.run()


async def test_the_file_is_whole_and_readable_for_node_exporter(tmp_path: Path) -> None:
    telemetry = RecordingTelemetry()
    old = os.umask(0o077)
    try:
        await exported(
            telemetry, export=MetricsExport.TEXTFILE, textfile=tmp_path / "presence.prom"
        )
    finally:
        os.umask(old)

    text = (tmp_path / "presence.prom").read_text()
    assert 'presence_list_freshness{state="boot"} 1.0' in text
    assert text.endswith("\n")
    assert stat.S_IMODE((tmp_path / "presence.prom").stat().st_mode) == 0o644
    assert telemetry.events == []


async def test_a_folder_that_cannot_be_written_is_told_once_and_the_gateway_goes_on(
    tmp_path: Path,
) -> None:
    telemetry = RecordingTelemetry()

    await exported(
        telemetry,
        1.3,
        export=MetricsExport.TEXTFILE,
        textfile=tmp_path / "away" / "p.prom",
        interval_s=1,
    )

    [failed] = telemetry.events
    assert isinstance(failed, MetricsFailed)
    assert "metrics.textfile" in failed.reason
    assert failed.next_step


async def test_over_http_it_is_there_on_this_machine_only_and_gone_with_the_gateway() -> None:
    telemetry, port = RecordingTelemetry(), free_port()
    settings = MetricsSettings(export=MetricsExport.LOOPBACK, port=port)
    exporter = MetricsExporter(settings, Watched().monitor.look, emit=telemetry.emit)

    def scrape(host: str = "127.0.0.1") -> str:
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(exporter.run())
        await asyncio.sleep(0.05)
        text = await asyncio.to_thread(scrape)
        with pytest.raises(OSError, match="refused"):
            await asyncio.to_thread(
                scrape, "127.0.0.2"
            )  # another address of this machine: bound to one only
        running.cancel()

    assert "presence_armed 1.0" in text
    assert "python_info" not in text
    with pytest.raises(OSError, match="refused"):
        scrape()
    assert telemetry.events == []


async def test_a_port_that_is_taken_is_told_and_the_gateway_goes_on() -> None:
    telemetry, port = RecordingTelemetry(), free_port()
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", port)
    async with server:
        await exported(telemetry, export=MetricsExport.LOOPBACK, port=port)

    assert telemetry.names() == ["metrics.failed"]

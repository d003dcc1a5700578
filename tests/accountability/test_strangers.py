"""The stranger test: it passes a sound gateway, and finds each leak of one that was broken on
purpose.
"""

import asyncio
import hashlib
import logging
import os
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from presence import assembly
from presence.accountability.second_gateway import plant
from presence.accountability.strangers import DIFFERENCES, StrangerTest
from presence.config import Settings, load_settings
from presence.config.settings import AudienceSettings
from presence.core.recognition.advertisement import Advertisement
from presence.diagnosis.findings import Verdict
from presence.edges.host import logs
from presence.gateway.gateway import Gateway
from presence.ports import Notifier, OnAdvertisement, OutgoingMessage
from presence.simulation import local_broker
from presence.simulation.passage import Passage
from presence.telemetry import Telemetry
from tests.support.brokers import needs_mosquitto
from tests.support.paths import ROOT

SETTINGS = load_settings(ROOT / "config" / "minimal.yaml")
SEED = 7


def found_in(test: StrangerTest) -> dict[str, tuple[str, ...]]:
    return {each.area: each.found for each in test.searched if each.found}


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.requirement("R-01", "R-03", "R-26")
async def test_a_sound_gateway_passes_and_every_area_was_searched() -> None:
    test = await plant(SETTINGS, SEED)
    assert found_in(test) == {}
    assert test.finding().verdict is Verdict.PASS, test.finding()
    assert test.seen == {"the visits": True, "the messages": True}
    assert {each.area for each in test.searched if each.things and each.octets} == {
        "state directory", "runtime directory", "log", "metrics", "status", "MQTT",
    }  # fmt: skip
    assert test.strangers == 240
    assert test.marks > 2 * test.strangers
    assert test.as_dict()["differences"] == list(DIFFERENCES)


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"entry": replace(SETTINGS.entry, enter_rssi_dbm=-20, exit_rssi_dbm=-30)},
        {"store": replace(SETTINGS.store, sensitive=True, opening_hours={"mon": "00:00-00:01"})},
        {"audiences": [AudienceSettings(name="offers-main")]},
    ],
    ids=["strict door", "sensitive, closed now", "no campaign"],
)
async def test_other_settings_are_tried_as_they_are(changes: dict[str, Any]) -> None:
    test = await plant(replace(SETTINGS, **changes), SEED)
    assert test.finding().verdict is Verdict.PASS, test.finding()


class Leaky:
    """A source that tells of every stranger wherever a gateway could, in ways that bugs have."""

    def __init__(self, source: Passage, settings: Settings, notifier: Notifier) -> None:
        self._source, self._settings, self._notifier = source, settings, notifier
        self.gateway: Gateway | None = None
        self.published = False

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        storage = self._settings.storage
        (storage.state_dir / "debug.txt").write_text(self._source.strangers[0][0].hex(":"))
        (storage.runtime_dir / "cache").write_bytes(b64encode(b"x" + self._source.strangers[1][0]))
        (storage.state_dir.parent / self._source.strangers[2][0].hex()).touch()
        self._notifier.status(f"heard {self._source.strangers[3][0][::-1].hex().upper()}")
        logging.getLogger("presence.x").warning("heard %s", self._source.strangers[5][0].hex(" "))
        assert self.gateway is not None
        await self.gateway.publisher.connected()
        digest = hashlib.sha256(self._source.strangers[4][0]).hexdigest().encode()
        topic = "presence/v1/acme/fi-0042/evt/offers-main"
        await self.gateway.publisher.publish(
            OutgoingMessage(topic, digest, 60, "", "", copies=False)
        )
        await self._source.run(on_advertisement)


def leaky(
    settings: Settings,
    notifier: Notifier,
    stack: ExitStack,
    telemetry: Telemetry,
    *,
    sources: list[Any],
) -> Gateway:
    source = Leaky(sources[0], settings, notifier)
    source.gateway = assembly.gateway_of(settings, notifier, stack, telemetry, sources=[source])
    return source.gateway


@needs_mosquitto
@pytest.mark.slow
@pytest.mark.requirement("R-01", "R-03")
async def test_leaks_into_files_names_log_status_and_messages_are_each_found_and_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "scrub", str)  # the log's scissors, blunt
    test = await plant(SETTINGS, SEED, join=leaky)
    assert found_in(test) == {
        "state directory": ("address (hexadecimal) in state/debug.txt",),
        "runtime directory": ("address (base64) in run/cache",),
        "other files": ("address (hexadecimal) in the names of the files",),
        "log": ("address (hexadecimal) in a line",),
        "status": ("address (reversed hexadecimal) in an answer",),
        "MQTT": ("address (sha256) in a message",),
    }
    assert test.finding().verdict is Verdict.FAIL
    assert test.finding().found.startswith("6 traces of strangers were found: state directory: ")


class Deaf:
    """A source that hears nobody: a gateway that does nothing leaves no trace of strangers."""

    def __init__(self, source: Passage) -> None:
        self._source = source

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        def drop(_advertisement: Advertisement) -> None:
            return

        await self._source.run(drop)


@needs_mosquitto
@pytest.mark.slow
async def test_a_gateway_that_recognises_nobody_does_not_pass_for_the_search_is_blind() -> None:
    def deaf(*parts: Any, sources: list[Any]) -> Gateway:
        return assembly.gateway_of(*parts, sources=[Deaf(sources[0])])

    test = await plant(SETTINGS, SEED, join=deaf, patience_s=0.5)
    assert test.finding().verdict is Verdict.FAIL
    assert "the search is blind: the made-up customer is not in the visits" in test.finding().found


@pytest.mark.slow
async def test_without_a_broker_program_messages_are_not_said_to_have_been_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_broker, "find_mosquitto", lambda: None)
    monkeypatch.setattr(local_broker.importlib.util, "find_spec", lambda _name: None)
    test = await plant(SETTINGS, SEED)
    assert test.finding().verdict is Verdict.WARN
    assert "messages were not searched" in test.finding().found
    assert test.seen == {"the visits": True}


async def test_the_test_leaves_no_folder_behind(tmp_path: Path, monkeypatch: Any) -> None:
    def refuses(*_parts: Any, sources: list[Any]) -> Gateway:
        raise OSError(sources)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(local_broker, "find_mosquitto", lambda: None)
    monkeypatch.setattr(local_broker.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(OSError):
        await asyncio.wait_for(plant(SETTINGS, SEED, join=refuses), 20)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - in a test that runs a loop

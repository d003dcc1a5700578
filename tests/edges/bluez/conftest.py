"""A system bus for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.fake_advertising import a_bus
from tests.support.scanners import close_bleak


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A system bus of the test; bleak's connection to it is closed at the end."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")
    async with a_bus(tmp_path) as address:
        yield address
        await close_bleak()

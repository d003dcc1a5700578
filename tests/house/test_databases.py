"""Whatever we open we close, also where it cannot be used: Python 3.13 warns of a database that was
forgotten.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from presence.config.settings import ConsentSettings, StorageSettings
from presence.consent_service.service import ConsentService
from presence.edges.consent_list.signed import SignedList
from presence.edges.consent_list.store import ListStore
from presence.errors import PresenceError
from tests.support.builders import START_S


def open_below(folder: Path) -> list[str]:
    """The files below a folder that this process has open."""
    descriptors = Path("/proc/self/fd").iterdir()
    places = [os.readlink(path) for path in descriptors if path.is_symlink()]  # noqa: PTH115 (a pipe has no path)
    return [place for place in places if place.startswith(f"{folder}/")]


def service_without_register(folder: Path) -> None:
    (folder / "register.sqlite").write_bytes(b"no database\n" * 1000)


def service_with_another_schema(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "register.sqlite")) as database:
        database.execute("DROP TABLE fact")


def service_without_keys(folder: Path) -> None:
    for key in (folder / "keys").rglob("*"):
        if key.is_file():
            key.unlink()


@pytest.mark.parametrize(
    "spoil", [service_without_register, service_with_another_schema, service_without_keys]
)
def test_a_consent_service_that_cannot_start_leaves_nothing_open(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    directory, output = tmp_path / "service", tmp_path / "repository"
    ConsentService.create(
        directory, output, list_name="acme/fi", notice="fi-1", clock=lambda: START_S
    ).close()
    spoil(directory)
    with pytest.raises(
        (PresenceError, sqlite3.Error)
    ) as _refused:  # which holds on to all that its frames held
        ConsentService(directory, None, clock=lambda: START_S)
    assert open_below(tmp_path) == []


def test_a_gateway_whose_list_cannot_be_read_leaves_nothing_open(tmp_path: Path) -> None:
    storage = StorageSettings(state_dir=tmp_path / "state", runtime_dir=tmp_path / "run")
    ListStore(storage.state_dir).close()
    with closing(sqlite3.connect(storage.state_dir / "signed-list.sqlite")) as database:
        database.execute("DROP TABLE list")
    consent = ConsentSettings(
        repository=str(tmp_path), root_file=tmp_path / "root.json", list="acme/fi"
    )
    with pytest.raises(PresenceError) as _refused:
        SignedList.of(consent, storage)
    assert open_below(tmp_path) == []

"""A consent service in a folder, a clock that tests turn, and a gateway's eyes: python-tuf's own
client.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from presence.consent_service.service import ConsentService
from presence.consent_service.wishes import Wish
from presence.core.consent.list_changes import Put
from presence.core.consent.manifest import Manifest, read_manifest
from presence.core.consent.model import Purpose, Scope
from presence.core.consent.record import record_version
from presence.core.consent.revocation import Revocation
from presence.core.consent.segments import Base, Delta, Keys, delta_path, merged, unpack
from tests.support.builders import START_S

CARS, TYRES, GARDEN = "ap2:1551", "ap2:1552", "ap2:1285"
DAY_S = 86_400.0


@dataclass
class Clock:
    now_s: float = START_S

    def __call__(self) -> float:
        return self.now_s


def a_service(directory: Path, clock: Clock, **settings: Any) -> ConsentService:
    return ConsentService.create(
        directory / "service",
        directory / "repository",
        list_name="acme/fi-0042",
        notice="fi-2026-03",
        clock=clock,
        **settings,
    )


def a_wish(name: str = "anna", **changes: Any) -> Wish:
    values: dict[str, Any] = {
        "id": name,
        "purposes": frozenset({Purpose.PRESENCE, Purpose.OFFERS}),
        "not_before_s": START_S - DAY_S,
        "not_after_s": START_S + 100 * DAY_S,
        "scope": Scope(frozenset({"fi-0042"})),
        "categories": {CARS: None, GARDEN: None},
        "audiences": ("offers-main",),
        **changes,
    }
    return Wish(**values)


def untold(revocation: Revocation) -> None:
    raise AssertionError(f"nothing was to be taken away: {revocation}")


class FolderFetcher(FetcherInterface):
    """Serves a folder as a web server would."""

    def _fetch(self, url: str) -> Any:
        path = Path(url.removeprefix("file://"))
        if not path.is_file():
            raise DownloadHTTPError("not there", 404)
        return iter([path.read_bytes()])


@dataclass
class Reader:
    """Reads the repository like a gateway that trusts its first root."""

    repository: Path
    state: Path
    clock: Clock
    words: tuple[str, ...] = field(default=())

    def updater(self) -> Updater:
        metadata, targets = self.state / "metadata", self.state / "targets"
        metadata.mkdir(parents=True, exist_ok=True)
        targets.mkdir(exist_ok=True)
        root = self.repository / "metadata" / "1.root.json"
        updater = Updater(
            str(metadata), f"file://{self.repository}/metadata",
            str(targets), f"file://{self.repository}/targets",
            FolderFetcher(), bootstrap=root.read_bytes(),
        )  # fmt: skip
        # python-tuf reads the wall clock; the test's clock takes its place.
        updater._trusted_set.reference_time = datetime.fromtimestamp(self.clock.now_s, UTC)
        updater.refresh()
        return updater

    def target(self, path: str, updater: Updater | None = None) -> bytes:
        updater = updater or self.updater()
        info = updater.get_targetinfo(path)
        assert info is not None, path
        return Path(updater.download_target(info)).read_bytes()

    def manifest(self) -> Manifest:
        return read_manifest(self.target("manifest.json"))

    def entries(self) -> dict[bytes, bytes]:
        """Ref → record, from the base and what changed since."""
        updater = self.updater()
        manifest = read_manifest(self.target("manifest.json", updater))
        held: dict[bytes, tuple[int, bytes | None]] = {}
        for shard in manifest.shards:
            base = unpack(self.target(f"base/{manifest.epoch}/{shard}.seg", updater))
            assert isinstance(base, Base)
            held |= {ref: (record_version(record), record) for ref, record in base.rows()}
        for step in manifest.steps_after_base():
            delta = unpack(self.target(delta_path(step), updater))
            assert isinstance(delta, Delta)
            for change in delta.changes():
                version = (
                    record_version(change.record) if isinstance(change, Put) else change.version
                )
                held[change.ref] = merged(held.get(change.ref), change, version)
        return {ref: record for ref, (_, record) in held.items() if record is not None}

    def window_keys(self, window: int) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        updater = self.updater()
        targets = updater._trusted_set.targets.targets
        for path in sorted(path for path in targets if path.startswith(f"keys/{window}/")):
            segment = unpack(self.target(path, updater))
            assert isinstance(segment, Keys)
            for number in range(len(segment.refs) // 8):
                found[bytes(segment.refs[8 * number :][:8])] = bytes(
                    segment.keys[16 * number :][:16]
                )
        return found


@pytest.fixture
def clock() -> Clock:
    return Clock()

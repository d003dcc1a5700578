"""The attack suite: whatever a server, a mirror, a thief of keys or of disks does, the list in
force stays, no lease grows longer, and nothing that was silent speaks (R-39, R-42, R-43, R-44;
T-09…T-12).

Each attack is carried out on a real TUF repository, against the running daemon.
"""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from securesystemslib.signer import CryptoSigner
from tuf.ngclient._internal import trusted_metadata_set

from presence.core.consent.freshness import DEAD_S, Freshness
from presence.core.consent.list_changes import Delete
from tests.support.builders import ANNA, BERIT, CARL
from tests.support.signed_gateway import Door
from tests.support.signed_lists import Repository, agreed

YEAR_S = 365 * 86_400
HOUR = timedelta(hours=1)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository").base([agreed(ANNA), agreed(BERIT)]).publish()


@pytest.fixture
def door(tmp_path: Path, repository: Repository) -> Door:
    return Door(tmp_path / "door", repository)


async def withstands(door: Door, attack: Callable[[], object], *, refusal: str) -> None:
    """The list, its keys and its lease are those of before the attack, which was told of in these
    words.
    """
    async with door.running():
        list_sync = door.gateway.list_sync
        lease, entries = list_sync.lease, list_sync.entries
        assert (door.freshness, entries) == (Freshness.FRESH, 2)
        attack()
        await door.look()
        assert refusal in door.refusal()
        assert list_sync.lease is lease
        assert list_sync.entries == entries
        assert list_sync.errors > 0
        door.clock.passed_s = 901
        await door.look()
        assert (door.freshness, door.publishes) == (Freshness.STALE, False)
        assert await door.somebody_comes_in(ANNA) == 0
    async with door.running():  # and a restart under attack starts silent
        assert door.gateway.list_sync.lease is None
        assert not door.publishes


async def test_without_an_attack_customers_are_told_of_and_news_arrive(
    door: Door, repository: Repository
) -> None:
    async with door.running():
        assert await door.somebody_comes_in(ANNA) == 1
        repository.delta([Delete(BERIT, 8)], count=1).publish()
        await door.look()
        assert (door.gateway.list_sync.entries, door.gateway.list_sync.seq) == (1, 2)
        assert await door.somebody_comes_in(BERIT) == 0


def put_back(repository: Repository, old: Path) -> None:
    shutil.rmtree(repository.folder)
    shutil.copytree(old, repository.folder)


@pytest.mark.requirement("R-39", "T-09")
@pytest.mark.parametrize("memory_lost", [False, True])
async def test_rollback(
    door: Door, repository: Repository, tmp_path: Path, *, memory_lost: bool
) -> None:
    """Also where TUF's own memory of versions was lost: ours is stored with the list."""
    repository.copy_to(tmp_path / "old")
    repository.publish()

    def attack() -> None:
        put_back(repository, tmp_path / "old")
        if memory_lost:
            shutil.rmtree(door.state / "tuf")

    await withstands(door, attack, refusal="older than")
    assert "consent.rolled_back" in door.telemetry.names()


@pytest.mark.requirement("R-39", "T-09")
async def test_freeze(door: Door, repository: Repository) -> None:
    def attack() -> None:
        repository.timestamp.signed.expires = datetime.now(UTC).replace(microsecond=0) - HOUR
        repository.release(of=["timestamp"])

    await withstands(door, attack, refusal="expired")


@pytest.mark.requirement("R-39", "T-09")
@pytest.mark.parametrize("role", ["snapshot", "targets"])
async def test_mix_and_match(door: Door, repository: Repository, role: str) -> None:
    """Yesterday's file under today's name."""

    def attack() -> None:
        old = repository.role(role).to_bytes()
        repository.publish()
        repository.write(f"metadata/{repository.role(role).signed.version}.{role}.json", old)

    await withstands(door, attack, refusal="not proven")


@pytest.mark.requirement("R-39", "T-09", "T-10")
async def test_another_snapshot_under_the_timestamp_that_we_have(
    door: Door, repository: Repository
) -> None:
    """python-tuf passes it over in silence."""

    def attack() -> None:
        repository.delta([Delete(BERIT, 8)], count=1).stage().release(of=["targets", "snapshot"])
        repository.timestamp.signed.snapshot_meta = repository.meta("snapshot")
        repository.sign("timestamp", version=repository.timestamp.signed.version)
        repository.put("timestamp")

    await withstands(door, attack, refusal="two different lists under one number")
    assert "consent.rolled_back" in door.telemetry.names()


@pytest.mark.requirement("R-39", "T-09", "T-10")
async def test_another_snapshot_under_the_number_that_we_have(
    door: Door, repository: Repository
) -> None:
    """A newer timestamp with another hash: python-tuf does not fetch a snapshot that it has."""

    def attack() -> None:
        repository.delta([Delete(BERIT, 8)], count=1).stage()
        repository.snapshot.signed.version -= 1
        repository.release()

    await withstands(door, attack, refusal="two different ones under one number")


@pytest.mark.requirement("R-39", "T-09")
@pytest.mark.parametrize(
    "path",
    ["metadata/*.targets.json", "targets/*.manifest.json", "targets/delta/*", "targets/keys/*/*"],
)
async def test_tampering(door: Door, repository: Repository, path: str) -> None:
    def attack() -> None:
        repository.delta([Delete(BERIT, 8)], count=1).keys([ANNA, BERIT, CARL]).publish()
        for file in repository.folder.glob(path):
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)

    await withstands(door, attack, refusal="not proven")


@pytest.mark.requirement("R-39")
@pytest.mark.parametrize(
    "path", ["metadata/timestamp.json", "metadata/2.targets.json", "targets/*.manifest.json"]
)
async def test_endless_data(door: Door, repository: Repository, path: str) -> None:
    def attack() -> None:
        repository.publish()
        for file in repository.folder.glob(path):
            with file.open("ab") as growing:
                growing.truncate(1 << 30)  # a hole: no disk is filled, and it reads for long

    await withstands(door, attack, refusal="cannot be fetched")


@pytest.mark.requirement("R-39", "T-19")
async def test_a_segment_that_unpacks_without_end(door: Door, repository: Repository) -> None:
    def attack() -> None:
        repository.delta([], count=2)
        repository.files["delta/2.seg"] = zstandard.ZstdCompressor(level=19).compress(
            bytes(300 << 20)
        )
        repository.publish()

    await withstands(door, attack, refusal="bytes unpacked")


@pytest.mark.requirement("R-39")
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
async def test_a_wrong_key(door: Door, repository: Repository, role: str) -> None:
    def attack() -> None:
        repository.signers[role] = [CryptoSigner.generate_ed25519()]
        repository.delta([Delete(BERIT, 8)], count=1).publish()

    await withstands(door, attack, refusal="not proven")


@pytest.mark.requirement("R-39")
async def test_a_wrong_list(door: Door, repository: Repository) -> None:
    def attack() -> None:
        repository.manifest_changes = {"name": "acme/se-0001"}
        repository.publish()

    await withstands(door, attack, refusal="this is the list acme/se-0001")


@pytest.mark.requirement("R-39", "R-42")
async def test_an_older_number_under_newer_versions(door: Door, repository: Repository) -> None:
    repository.seq = 5
    repository.base([agreed(ANNA), agreed(BERIT)]).publish()

    def attack() -> None:
        repository.seq = 4
        repository.base([agreed(CARL)]).publish()

    await withstands(door, attack, refusal="number 4 is older than 5")


@pytest.mark.requirement("R-39", "T-19")
@pytest.mark.parametrize("count", [1, 3])
async def test_a_list_that_does_not_add_up(door: Door, repository: Repository, count: int) -> None:
    def attack() -> None:
        repository.delta([], count=count).publish()

    await withstands(door, attack, refusal="entries")


@pytest.mark.requirement("R-39", "R-44")
@pytest.mark.parametrize("signing", [0, 1])
async def test_a_root_of_fewer_than_two_keys(
    door: Door, repository: Repository, signing: int
) -> None:
    def attack() -> None:
        evil = CryptoSigner.generate_ed25519()
        repository.root.signed.add_key(evil.public_key, "timestamp")
        repository.root.signed.version += 1
        repository.publish_root(signers=[*repository.signers["root"][:signing], evil])
        repository.publish()

    await withstands(door, attack, refusal="not proven")


@pytest.mark.requirement("R-44", "T-10")
async def test_a_stolen_timestamp_key_makes_no_list_and_is_rotated_away_without_a_visit(
    door: Door, repository: Repository
) -> None:
    async with door.running():
        repository.sign("timestamp", version=1_000_000)  # the thief: no number will ever be higher
        repository.put("timestamp")
        await door.look()
        assert (door.gateway.list_sync.entries, door.gateway.list_sync.seq) == (2, 1)
        repository.timestamp.signed.version = 1
        repository.delta([Delete(BERIT, 8)], count=1).publish()
        await door.look()
        assert "older than" in door.refusal()
        stolen = repository.rotate("timestamp")
        repository.publish()
        await door.look()
        assert (door.gateway.list_sync.entries, door.gateway.list_sync.errors) == (1, 0)
        lease = door.gateway.list_sync.lease
        repository.signers["timestamp"] = [stolen]
        repository.sign("timestamp", version=2_000_000)
        repository.put("timestamp")
        await door.look()
        assert "not proven" in door.refusal()
        assert door.gateway.list_sync.lease is lease


@pytest.mark.requirement("R-44")
async def test_a_root_key_is_lost_and_the_two_others_go_on(
    door: Door, repository: Repository
) -> None:
    async with door.running():
        for role in ("timestamp", "snapshot", "targets"):
            repository.rotate(role)
        repository.delta([Delete(BERIT, 8)], count=1).publish()
        await door.look()
        assert (door.gateway.list_sync.entries, door.gateway.list_sync.errors) == (1, 0)


@pytest.mark.requirement("R-42", "T-11")
async def test_an_old_disk_image_is_not_believed_before_plane_a_gives_what_is_true_now(
    door: Door, repository: Repository
) -> None:
    async with door.running():
        image = door.image("image")
        repository.delta([Delete(ANNA, 8)], count=1).publish()
        await door.look()
    door.restore(image)
    away = repository.folder.rename(repository.folder.with_name("away"))
    async with door.running():
        assert (door.freshness, door.publishes) == (Freshness.BOOT, False)
        assert await door.somebody_comes_in(ANNA) == 0
        away.rename(repository.folder)
        await door.look()
        assert (door.freshness, door.gateway.list_sync.seq) == (Freshness.FRESH, 2)
        assert await door.somebody_comes_in(ANNA) == 0
        assert await door.somebody_comes_in(BERIT) == 1


def turn_the_clock(door: Door, monkeypatch: pytest.MonkeyPatch, by_s: float) -> None:
    """For the daemon and for python-tuf alike."""

    class Turned:
        """Stands in for the class `datetime` in python-tuf's look at the clock."""

        @staticmethod
        def now(_zone: object) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=by_s)

    door.clock.set_s = by_s
    monkeypatch.setattr(
        trusted_metadata_set, "datetime", SimpleNamespace(datetime=Turned, timezone=timezone)
    )


@pytest.mark.requirement("R-43", "T-12")
@pytest.mark.parametrize("years", [-1, 1])
async def test_a_clock_set_by_a_year_enables_nothing(
    door: Door, repository: Repository, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    async with door.running():
        turn_the_clock(door, monkeypatch, years * YEAR_S)
        assert not door.publishes
        repository.publish()
        await door.look()
        assert not door.publishes
        assert await door.somebody_comes_in(ANNA) == 0
    async with door.running():  # a restart under the wrong clock
        assert not door.publishes
        assert await door.somebody_comes_in(ANNA) == 0
        turn_the_clock(door, monkeypatch, 0)
        repository.publish()
        await door.look()
        assert door.freshness is Freshness.FRESH


@pytest.mark.requirement("R-43", "T-12")
async def test_a_clock_that_nobody_disciplines_publishes_nothing(door: Door) -> None:
    door.synchronised = False
    async with door.running():
        assert (door.freshness, door.publishes) == (Freshness.CLOCK_BAD, False)
        assert await door.somebody_comes_in(ANNA) == 0
        door.synchronised = True
        await door.look()
        assert await door.somebody_comes_in(ANNA) == 1


@pytest.mark.requirement("R-12", "T-13")
async def test_after_two_windows_without_a_list_no_key_is_left(
    door: Door, repository: Repository
) -> None:
    async with door.running():
        away = repository.folder.rename(repository.folder.with_name("away"))
        door.clock.passed_s = DEAD_S + 60
        await door.look()
        assert door.freshness is Freshness.DEAD
        assert len(door.gateway.pipeline.engine.matcher.wanted(0)[1]) == 0
        assert list((door.folder / "run" / "keys").iterdir()) == []
        away.rename(repository.folder)
        door.clock.passed_s = 0
        repository.publish()
        await door.look()
        assert door.freshness is Freshness.FRESH
        assert await door.somebody_comes_in(ANNA) == 1


@pytest.mark.requirement("R-47")
async def test_a_list_on_a_stick_is_read_and_one_that_was_changed_on_the_way_is_not(
    door: Door, repository: Repository, tmp_path: Path
) -> None:
    """The folder is a stick that is pulled out, written elsewhere and plugged in again."""
    elsewhere = repository.copy_to(tmp_path / "elsewhere")
    async with door.running():
        shutil.rmtree(repository.folder)
        await door.look()
        assert "not found" in door.refusal()
        elsewhere.delta([Delete(BERIT, 8)], count=1).publish()
        shutil.copytree(elsewhere.folder, repository.folder)
        await door.look()
        assert (door.gateway.list_sync.entries, door.gateway.list_sync.errors) == (1, 0)

"""What is left when the machine loses its power five times: the gateway as shipped, in the middle
of what it does (guest/power_cut_day.py), on a disk with a cache of its own (volatile_disk.py).
"""

import json
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from presence.config.settings import EntrySettings
from presence.core.event.cloudevent import visit_bucket
from tests.system.days import Day, told_lines
from tests.system.handed_over import GUEST, hand_over
from tests.system.left_on_disk import look
from tests.system.machine import MachineFailed, cut_off, run
from tests.system.volatile_disk import VolatileDisk

CUTS: Final = 5
DAY_S: Final = 1200
AFTER = pytest.mark.parametrize("cut", range(1, CUTS + 1))
INSTALLED: Final = "PYTHONPATH={GUEST} /opt/presence/bin/python"
"""With its byte code, which spares an emulator a minute each time."""
CHAIN_BYTES: Final = 256 << 20


@dataclass
class PowerDay(Day):
    """Six starts of one machine on one disk."""

    durable: dict[int, dict[str, Any]] = field(default_factory=dict)
    """What the gateway had said before each cut."""
    events: list[dict[str, Any]] = field(default_factory=list)
    disks: dict[int, dict[str, Any]] = field(default_factory=dict)
    """What was there after each cut, and last after an orderly end."""
    lost: list[tuple[int, int]] = field(default_factory=list)
    """Blocks on their way to the disk at each cut, and how many of them are lost."""

    def _played(self, arguments: str) -> dict[str, dict[str, Any]]:
        source, out = self.folder("src"), self.folder("out")
        hand_over(source)
        image = Path(os.environ["PRESENCE_MACHINE"])
        chain = self.folder("chain") / "chain.img"
        with chain.open("wb") as file:
            file.truncate(CHAIN_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", chain], check=True)
        disk, chance = VolatileDisk(image / "root.img", self.folder("disk")), Random(18)
        drives = (disk.drive, f"file={chain},format=raw,cache=unsafe")
        self.lost, self.disks, began = [], {}, time.monotonic()
        for number in range(CUTS + 1):
            python = self.python if number == 0 else INSTALLED
            command = f"{python.replace('{GUEST}', GUEST)} -B {GUEST}/{self.script} {number}"
            play = cut_off if number < CUTS else run
            try:
                play(image, source, out, command, timeout_s=self.limit_s, drives=drives)
            except MachineFailed as error:
                print(f"presence: after cut {number}: {error}")  # noqa: T201
                break
            self.lost.append(disk.lose_power(chance))
            self.disks[number + 1] = look(disk.path, self.folder("left"))
        disk.close()
        self.durable = {line["number"]: line for line in _lines(out / "durable")}
        self.events = _lines(out / "events")
        print("lost at each cut, of blocks on their way:", self.lost)  # noqa: T201
        return told_lines(self.script, out, time.monotonic() - began)

    def left(self, cut: int) -> dict[str, Any]:
        """What was on the disk then."""
        self.asked.add(f"open-{cut}")
        return self.disks[cut]

    def opened(self, cut: int) -> dict[str, Any]:
        """What the start after it showed."""
        return self.facts(f"open-{cut}")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="session")
def shop(folder: Callable[[str], Path]) -> PowerDay:
    """What fails is played from the beginning once more."""
    return PowerDay(
        "power_cut_day.py", lambda name: folder(name if name == "src" else f"power-{name}"), DAY_S
    ).play()


@AFTER
def test_what_was_not_on_the_disk_is_lost_with_the_power(shop: PowerDay, cut: int) -> None:
    """The rig itself: a file that the machine had written is there only where it had synced it."""
    canaries = shop.left(cut)["canaries"]
    assert canaries[f"synced-{cut - 1}"]
    assert not canaries.get(f"unsynced-{cut - 1}")


@AFTER
@pytest.mark.requirement("R-40")
def test_every_store_is_whole_and_none_was_begun_anew(shop: PowerDay, cut: int) -> None:
    disk, opened = shop.left(cut), shop.opened(cut)
    assert {"signed-list.sqlite", "withdrawn.sqlite"} <= set(disk["integrity"])
    assert set(disk["integrity"].values()) == {"ok"}
    assert disk["list"]["damage"] == ""
    assert disk["list"]["count"] == disk["list"]["entries"]
    assert disk["file_system"][0], disk["file_system"]
    assert [name for name in disk["files"] if name.endswith(".set-aside")] == []
    assert opened["bad"] == []


@AFTER
@pytest.mark.requirement("R-40")
def test_the_list_that_was_in_force_is_on_the_disk_or_a_newer_one(shop: PowerDay, cut: int) -> None:
    said, found = shop.durable[cut], shop.left(cut)["list"]
    assert found["seq"] >= said["seq"]
    assert found["base"] in said["bases"]
    assert shop.opened(cut)["seq"] >= said["seq"]


@AFTER
@pytest.mark.requirement("R-44")
def test_a_revocation_that_was_applied_is_on_the_disk(shop: PowerDay, cut: int) -> None:
    assert shop.left(cut)["withdrawn"] >= shop.durable[cut].get("withdrawn", 0)


@AFTER
@pytest.mark.requirement("R-05", "R-44")
def test_after_the_start_those_with_consent_are_told_of_once_and_nobody_else(
    shop: PowerDay, cut: int
) -> None:
    """Those who withdrew stand near from before the start."""
    opened = shop.opened(cut)
    told = {1: 3, 2: 2, 3: 1, 4: 2, 5: 2}[cut]
    assert opened["events"] == ["presence.entered.v1"] * told
    assert opened["subjects"] == told
    assert opened["active"] == "active"


@AFTER
def test_the_audit_logs_chain_is_whole_across_the_cut(shop: PowerDay, cut: int) -> None:
    """Looked at after the next start and cut, too: a break that the start found stays on record."""
    for disk in (shop.left(cut), shop.left(cut + 1)):
        code, said = disk["audit"]
        assert code == 0, said


@AFTER
@pytest.mark.requirement("R-18")
def test_no_visit_is_on_the_disk(shop: PowerDay, cut: int) -> None:
    assert [name for name in shop.left(cut)["files"] if "visits" in name] == []


def test_whoever_is_told_of_again_is_told_of_under_the_same_id(shop: PowerDay) -> None:
    """Visits are gone with the power, so those who still stand there are told of anew, and so is
    the event that waited for the broker: an engine acts once for each id.
    """
    shop.opened(CUTS)
    ids: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for event in shop.events:
        told_s = datetime.fromisoformat(event["time"]).timestamp()
        bucket = visit_bucket(told_s, EntrySettings().reentry_cooldown_s)
        ids[event["type"], event["subject"], bucket].add(event["id"])
    assert {len(of_one_visit) for of_one_visit in ids.values()} == {1}
    assert len(set().union(*ids.values())) == len(ids)
    assert len(shop.events) > len(ids), "nobody was told of again: the day was another one"
    assert len(shop.durable[4]["waiting"]) == 1

"""`presence check` and `presence run` with a signed list, as an operator meets them."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from presence import assembly
from presence.cli import main
from presence.config import load_settings
from presence.core.consent.list_changes import WHOLE
from presence.core.consent.segments import keys_path, pack
from presence.diagnosis.consent_list import look_at_list
from presence.diagnosis.findings import Verdict
from presence.errors import ClockUnreadable
from presence.simulation.local_broker import free_port
from tests.support.builders import ANNA, BERIT, base64url, window_keys
from tests.support.shops import Shop, entry
from tests.support.signed_lists import Repository, agreed, keys_of


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository").base([agreed(ANNA), agreed(BERIT)]).publish()


@pytest.fixture
def shop(tmp_path: Path, repository: Repository) -> Shop:
    shop = Shop(tmp_path / "shop", free_port()).open([entry(around_s=time.time())])
    text = shop.config.read_text()
    signed = (
        f"repository: {repository.folder}, root_file: {repository.root_file}, "
        "require_synchronised_clock: false"
    )
    shop.config.write_text(text.replace("poll_s: 1}", f"{signed}}}"))
    (shop.folder / "run").mkdir()
    return shop


async def finding(shop: Shop) -> dict[str, Any]:
    _, out, err = await shop.run("check", "--config", shop.config, "--json")
    assert err == ""
    (found,) = [each for each in json.loads(out)["findings"] if each["name"] == "consent list"]
    return dict(found)


async def test_a_signed_list_is_found_well_and_nothing_of_the_look_stays(shop: Shop) -> None:
    found = await finding(shop)
    assert (found["verdict"], found["found"]) == ("PASS", "acme/fi-0042 number 1, 2 entries, fresh")
    assert list((shop.folder / "run").iterdir()) == []
    assert list((shop.folder / "state").iterdir()) == []


async def test_what_is_wrong_with_a_repository_is_said_with_the_next_step(
    shop: Shop, repository: Repository, tmp_path: Path
) -> None:
    repository.manifest_changes = {"name": "acme/se-0001"}
    repository.publish()
    wrong_list = await finding(shop)
    root = repository.root_file.rename(tmp_path / "elsewhere.json")
    no_root = await finding(shop)
    root.rename(repository.root_file)
    repository.folder.rename(tmp_path / "gone")
    no_repository = await finding(shop)
    assert {each["verdict"] for each in (wrong_list, no_root, no_repository)} == {"FAIL"}
    assert "consent.list asks for acme/fi-0042" in wrong_list["next_step"]
    assert "install the root.json" in no_root["next_step"]
    assert "is consent.repository right" in no_repository["next_step"]


@pytest.mark.requirement("R-28")
async def test_the_daemon_runs_on_a_signed_list_and_an_access_request_is_answered_from_it(
    shop: Shop,
) -> None:
    process = await shop.start("run", "--config", shop.config)
    assert process.stdout is not None
    journal = []
    async with asyncio.timeout(20):
        while not any(line["event"] == "gateway.started" for line in journal):
            journal.append(json.loads(await process.stdout.readline()))
    process.terminate()
    await process.communicate()
    assert process.returncode == 0
    _, out, _ = await shop.run(
        "subject-report", "--config", shop.config, "--ref", base64url(ANNA), "--json"
    )
    report = json.loads(out)
    assert (report["list"]["seq"], report["entry"]["version"], report["visits_stored"]) == (1, 7, 0)
    (base,) = shop.folder.rglob("*.base")
    assert report["files_with_the_reference"] == [base.name]
    applied = next(line for line in journal if line["event"] == "consent.applied")
    assert (applied["seq"], applied["entries"]) == (1, 2)


def test_where_the_clock_cannot_be_asked_the_daemon_does_not_start_and_says_who_must_mend_what(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sandbox forbids it for ever: a daemon that went on would be silent for ever, and blame
    the clock.
    """

    def unreadable() -> bool:
        raise ClockUnreadable("Operation not permitted")

    shop.config.write_text(
        shop.config.read_text().replace(", require_synchronised_clock: false", "")
    )
    monkeypatch.setattr(assembly, "is_synchronised", unreadable)
    assert main(["run", "--config", str(shop.config)]) == 69
    assert "ProtectClock=" in capsys.readouterr().err


async def test_entries_that_share_a_key_are_warned_of_in_a_signed_list(
    shop: Shop, repository: Repository
) -> None:
    repository.keys([])
    keys = {key.window: key.key for key in window_keys(ANNA, time.time())}
    for window, key in keys.items():
        segment = keys_of(
            list_name=repository.name,
            epoch=repository.epoch,
            number=window,
            rows=[(ref, key) for ref in sorted([ANNA, BERIT])],
        )
        repository.files[keys_path(window, WHOLE)] = pack(segment)
    repository.publish()
    assert (await shared(shop)) == ("WARN", "2 entries share a key")


async def test_entries_that_share_a_key_are_warned_of_in_a_plain_list(tmp_path: Path) -> None:
    now_s = time.time()
    anna, berit, carl = (entry(ref, around_s=now_s) for ref in (ANNA, BERIT, bytes(8)))
    shop = Shop(tmp_path / "plain", free_port()).open([anna, {**berit, "win": anna["win"]}, carl])
    assert (await shared(shop)) == ("WARN", "2 entries share a key")
    shop.publish_list([anna, berit, carl])
    assert (await shared(shop)) is None


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        ("fi-2026-03", None),
        ("", None),
        ("fi-2026-09", "customers agree to fi-2026-09, and this gateway names "),
        ("fi\x1b[2J2027", "customers agree to fi[2J2027, and this gateway names "),
    ],
)
def test_another_notice_than_the_one_that_customers_agree_to_is_warned_of(
    shop: Shop, repository: Repository, shown: str, told: str | None
) -> None:
    repository.notice = shown
    repository.publish()
    looked = look_at_list(load_settings(shop.config))
    found = [each for each in looked if each.name == "shown notice"]
    assert [(each.verdict, each.found) for each in found] == (
        [] if told is None else [(Verdict.WARN, f"{told}fi-2026-03")]
    )
    assert all("notice.id" in each.next_step for each in found)


async def shared(shop: Shop) -> tuple[str, str] | None:
    _, out, _ = await shop.run("check", "--config", shop.config, "--json")
    found = [each for each in json.loads(out)["findings"] if each["name"] == "shared keys"]
    return (found[0]["verdict"], found[0]["found"]) if found else None

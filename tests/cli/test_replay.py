"""`presence replay`, as it is typed: real captures, customers spliced into them, damage, no broker,
kill -9.
"""

import asyncio
import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from presence.core.recognition.beacons import eddystone
from presence.diagnosis.list_look import IN_MEMORY
from presence.edges.capture import CaptureReader
from presence.simulation.local_broker import free_port
from tests.support.brokers import listener, mosquitto, needs_mosquitto
from tests.support.builders import ANNA, BERIT, CARL, DAY_S, START_S, grant
from tests.support.captures import capture, splice_btsnoop
from tests.support.json_answers import judged
from tests.support.paths import ROOT
from tests.support.shops import Shop, entry, walking_in
from tests.support.signed_lists import agreed_now, with_signed_list

CAPTURES = ROOT.parent / "shared" / "data" / "captures"
RECORDED = sorted(CAPTURES.glob("*.btsnoop"))
with_captures = pytest.mark.skipif(
    not RECORDED, reason="no recordings here: docs/recordings.md#captures"
)


async def replayed(shop: Shop, file: Path, *options: str | Path) -> dict[str, Any]:
    code, out, err = await shop.run("replay", file, "--config", shop.config, "--json", *options)
    assert code == 0, err
    result: dict[str, Any] = judged("replay", out)
    return result


@with_captures
@pytest.mark.requirement("R-01")
@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
async def test_none_of_the_strangers_in_a_real_recording_leaves_a_row_a_message_or_a_line(
    recording: Path, tmp_path: Path
) -> None:
    shop = Shop(tmp_path / "shop", free_port()).open([entry(around_s=1_596_110_000)])
    code, out, err = await shop.run(
        "replay", recording, "--config", shop.config, "--json", "--state", tmp_path / "kept"
    )
    result = json.loads(out)
    assert code == 0
    assert err == ""
    reports = result["reports"]
    assert (
        result["heard"] == reports["reports"] - reports["malformed_payloads"] - reports["fragments"]
    )
    assert result["heard"] == result["other_format"] + result["unknown"]
    assert (result["recognised"], result["published"], result["unsent"]) == (0, 0, 0)
    database = (tmp_path / "kept" / "visits.sqlite").read_bytes()
    for advertisement in CaptureReader(recording).advertisements():
        assert advertisement.address not in database


@with_captures
@needs_mosquitto
async def test_a_customer_spliced_into_a_real_recording_is_found_and_published(
    tmp_path: Path,
) -> None:
    recording = max(RECORDED, key=lambda path: path.stat().st_size)
    around_s = next(iter(CaptureReader(recording).advertisements())).at.utc_s + 60
    spliced = tmp_path / "spliced.btsnoop"
    splice_btsnoop(recording, spliced, walking_in(at_s=around_s))
    async with mosquitto(tmp_path) as broker, listener(broker.port) as heard:
        checked = {"suppression_checked_at": int(around_s - 3600)}
        shop = Shop(tmp_path / "shop", broker.port).open([entry(around_s=around_s)], **checked)
        result = await replayed(shop, spliced, "--publish")
        event = json.loads((await heard.get()).payload)
    assert (result["recognised"], result["entered"], result["published"], result["unsent"]) == (
        80,
        1,
        1,
        0,
    )
    assert event["type"] == "presence.entered.v1"
    assert event["data"]["allow"] == ["ap2:1551"]
    assert event["time"][:10] == "2020-07-30"


async def test_without_a_broker_the_events_are_unsent_and_the_exit_code_says_so(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path / "shop", free_port()).open([entry()])
    file = capture(tmp_path / "customer.btsnoop", walking_in())
    code, out, err = await shop.run("replay", file, "--config", shop.config, "--json", "--publish")
    assert code == 1
    assert json.loads(out)["unsent"] == 1
    assert "without --publish" in err


async def test_unless_told_to_publish_it_contacts_no_broker_and_two_plays_count_alike(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path / "shop", free_port()).open([entry()])
    file = capture(tmp_path / "customer.btsnoop", walking_in())
    first, second = [await replayed(shop, file, *how) for how in ((), ("--dry-run",))]
    timing = {"seconds", "reports_per_second"}
    assert {k: v for k, v in first.items() if k not in timing} == {
        k: v for k, v in second.items() if k not in timing
    }
    assert first["published"] == 1


async def test_a_damaged_capture_gives_what_was_readable_and_the_offset_and_exit_code_one(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path / "shop", free_port()).open([entry()])
    file = capture(tmp_path / "customer.btsnoop", walking_in())
    file.write_bytes(file.read_bytes()[:-7])
    code, out, _ = await shop.run("replay", file, "--config", shop.config, "--json")
    result = json.loads(out)
    assert code == 1
    assert (result["heard"], result["published"]) == (79, 1)
    assert "customer.btsnoop" in result["error"]
    assert str(result["error_offset"]) in result["error"]


async def test_a_consent_that_is_not_in_force_is_refused_with_its_reason(tmp_path: Path) -> None:
    refused: list[tuple[str, dict[str, Any]]] = [
        ("expired", {"na": int(START_S - 1), "nb": int(START_S - 100)}),
        ("not_yet_valid", {"nb": int(START_S + 3600)}),
        ("paused", {"paused_until": int(START_S + 3600)}),
        ("paused", {"paused_until": "who knows"}),
        ("objected", {"objected": True}),
        ("out_of_scope", {"scope": {"type": "store", "id": "se-0007"}}),
        ("no_presence", {"purposes": ["offers"]}),
    ]
    refs = [bytes([n]) * 8 for n in range(1, len(refused) + 1)]
    shop = Shop(tmp_path / "shop", free_port()).open(
        [entry(ref, **changes) for ref, (_, changes) in zip(refs, refused, strict=True)]
    )
    heard = [
        report
        for n, ref in enumerate(refs)
        for report in walking_in(ref, address=bytes([0x4A, 0, 0, 0, 0, n]))
    ]
    result = await replayed(shop, capture(tmp_path / "c.btsnoop", sorted(heard)))
    reasons = Counter(reason for reason, _ in refused)
    assert result["refused"] == {reason: 80 * count for reason, count in reasons.items()}
    assert (result["recognised"], result["entered"], result["published"]) == (0, 0, 0)


@pytest.mark.requirement("R-30")
@pytest.mark.parametrize(
    "checked_at_s", [START_S - DAY_S - 60, START_S + 60], ids=["a day ago", "ahead"]
)
async def test_a_suppression_list_that_was_not_applied_within_a_day_lets_no_offer_out(
    checked_at_s: float, tmp_path: Path
) -> None:
    shop = Shop(tmp_path / "shop", free_port()).open(
        [entry()], suppression_checked_at=int(checked_at_s)
    )
    file = capture(tmp_path / "customer.btsnoop", walking_in())
    result = await replayed(shop, file)
    assert result["withheld"] == {"suppression_stale": 1}
    assert (result["entered"], result["published"]) == (1, 0)
    _, said, _ = await shop.run("replay", file, "--config", shop.config)
    assert "suppression_stale" in said


async def test_a_shop_with_the_signed_list_can_replay_and_nothing_of_the_look_stays(
    tmp_path: Path,
) -> None:
    now_s = time.time()
    shop = Shop(tmp_path / "shop", free_port()).open([])
    with_signed_list(
        shop, tmp_path, agreed_now(ANNA, grants=(grant(start_s=now_s - 60, end_s=now_s + 3600),))
    )
    result = await replayed(shop, capture(tmp_path / "now.btsnoop", walking_in(at_s=now_s)))
    assert (result["refused"], result["entered"], result["published"]) == ({}, 1, 1)
    code, said, _ = await shop.run(
        "replay",
        capture(tmp_path / "old.btsnoop", walking_in(at_s=now_s - 7 * DAY_S)),
        "--config",
        shop.config,
    )
    assert code == 0
    assert "no window key for the time of the capture" in said
    assert list((shop.folder / "run").iterdir()) == []
    assert not (shop.folder / "state").exists()


async def test_the_signed_list_is_looked_at_in_memory_also_while_no_daemon_has_made_its_folder(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path / "shop", free_port()).open([])
    with_signed_list(shop, tmp_path, agreed_now(ANNA))
    (shop.folder / "run").rmdir()
    before = set(IN_MEMORY.iterdir())
    result = await replayed(shop, capture(tmp_path / "now.btsnoop", walking_in(at_s=time.time())))
    assert result["recognised"] == 80
    assert not (shop.folder / "run").exists()
    assert {
        path for path in set(IN_MEMORY.iterdir()) - before if path.name.startswith("look-at-list-")
    } == set()


async def test_impossible_strengths_never_decide_an_entry(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", free_port()).open([entry()])
    heard = [(t, address, 12, payload) for t, address, _, payload in walking_in()]
    result = await replayed(shop, capture(tmp_path / "c.btsnoop", heard), "--dry-run")
    assert (result["recognised"], result["entered"]) == (80, 0)
    assert result["reports"]["rssi_impossible"] == 80


@needs_mosquitto
@pytest.mark.requirement("R-18", "R-40")
async def test_killed_at_random_points_a_replay_loses_no_event_and_copies_carry_the_same_id(
    tmp_path: Path,
) -> None:
    refs = [ANNA, BERIT, CARL, *(bytes([n]) * 8 for n in range(1, 10))]
    heard = [
        report
        for n, ref in enumerate(refs)
        for report in walking_in(ref, at_s=START_S + 7 * n, address=bytes([0x4A, 0, 0, 0, 0, n]))
    ]
    noise = eddystone.payload(b"stranger", tx_power_dbm=-18)
    heard += [
        (START_S + n / 300, b"\x4b" + n.to_bytes(5, "big"), -60, noise) for n in range(30_000)
    ]
    file = capture(tmp_path / "shop.btsnoop", heard)
    chance = random.Random(20261123)
    async with (
        mosquitto(tmp_path) as broker,
        listener(broker.port, "presence/v1/+/+/evt/#") as events,
    ):
        shop = Shop(tmp_path / "shop", broker.port).open([entry(ref) for ref in refs])
        expected = await replayed(shop, file, "--publish")
        complete = {
            json.loads((await events.get()).payload)["id"] for _ in range(expected["published"])
        }
        assert len(complete) == len(refs)
        received: set[str] = set()
        kills = 0
        for _ in range(5):
            process = await shop.start(
                "replay",
                file,
                "--config",
                shop.config,
                "--json",
                "--publish",
                "--state",
                tmp_path / "kept",
            )
            received.add(
                json.loads((await events.get()).payload)["id"]
            )  # it is in the middle of its work
            await asyncio.sleep(chance.uniform(0, 0.1))
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            await process.communicate()
        last = await replayed(shop, file, "--publish", "--state", tmp_path / "kept")
        await asyncio.sleep(0.3)  # what the broker has acknowledged is on its way to us
        received |= {json.loads(events.get_nowait().payload)["id"] for _ in range(events.qsize())}
    assert kills >= 2
    assert last["unsent"] == 0
    assert received == complete

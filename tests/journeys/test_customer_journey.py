"""What a customer does in the app, and what the offer engine receives: from the consent service to
the event.

Each test is one transition, through everything that is real: publisher, signed list, signed notice,
mosquitto, the daemon in its own process, the reference engine. Anna stands in the shop all the
while.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from presence.core.consent.revocation import (
    Revocation,
    RevokedRights,
    sign_revocation,
    topic_of_revocations,
)
from presence.core.encoding import decode_base64url
from tests.support.brokers import needs_mosquitto
from tests.support.builders import BERIT, CARS, GARDEN
from tests.support.customers import LIST, NAME, Journey, iso, journey

pytestmark = [needs_mosquitto, pytest.mark.slow]


@pytest.fixture
async def walk(tmp_path: Path) -> AsyncIterator[Journey]:
    async with journey(tmp_path) as walk:
        yield walk


async def _inside(walk: Journey) -> dict[str, object]:
    """Anna agreed to cars and garden, is inside, and was offered something."""
    await walk.agree()
    await walk.start()
    kind, data = await walk.next()
    assert kind == "entered"
    assert len(walk.offers) == 1
    return data


async def _taken_back(walk: Journey, reason: str) -> None:
    """The engine is told so, cancels what it offered, and hears nothing more."""
    kind, data = await walk.next()
    assert (kind, data["reason"]) == ("withdrawn", reason)
    assert walk.offers[-1]["cancelled"]
    assert await walk.silence()


@pytest.mark.requirement("R-06", "R-35")
async def test_a_grant_for_cars_until_a_date_is_told_with_that_date(walk: Journey) -> None:
    until_s = int(time.time()) + 600
    await walk.agree(f"{CARS}={iso(until_s)}")
    await walk.start()
    kind, data = await walk.next()
    assert (kind, data["allow"]) == ("entered", [CARS])
    assert data["valid_until"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until_s))
    assert walk.offers[0]["category"] == CARS


async def test_whoever_agreed_while_inside_is_told_of_from_the_next_list_on(walk: Journey) -> None:
    await walk.agree(name="somebody else", ref=BERIT)
    await walk.start()
    await walk.told("gateway.started")
    assert await walk.silence()
    await walk.agree()
    await walk.say_head()
    kind, data = await walk.next()
    assert (kind, data["allow"]) == ("entered", [GARDEN, CARS])


@pytest.mark.requirement("R-34")
async def test_narrowed_before_the_visit_a_category_is_not_told(walk: Journey) -> None:
    await walk.agree()
    await walk.consents("narrow", NAME, "--category", GARDEN)
    await walk.publish()
    await walk.start()
    kind, data = await walk.next()
    assert (kind, data["allow"]) == ("entered", [CARS])


@pytest.mark.requirement("R-34", "R-09")
async def test_narrowed_during_the_visit_what_was_told_is_taken_back(walk: Journey) -> None:
    await _inside(walk)
    await walk.say("narrow", "--category", CARS)
    await _taken_back(walk, "unspecified")


@pytest.mark.requirement("R-34")
async def test_fulfilled_by_buying_the_car_that_interest_ends_at_once(walk: Journey) -> None:
    await _inside(walk)
    await walk.say("fulfil", CARS)
    await _taken_back(walk, "unspecified")


@pytest.mark.requirement("R-34", "R-05")
async def test_without_the_purpose_offers_there_are_none(walk: Journey) -> None:
    await _inside(walk)
    await walk.say("narrow", "--purpose", "offers")
    await _taken_back(walk, "unspecified")


@pytest.mark.requirement("R-11", "R-09")
async def test_paused_she_is_left_alone(walk: Journey) -> None:
    await _inside(walk)
    await walk.say("pause", "--until", iso(time.time() + 3600))
    await _taken_back(walk, "paused")


@pytest.mark.requirement("R-10", "R-09")
async def test_an_objection_is_obeyed_at_once_and_stays_when_the_list_follows(
    walk: Journey,
) -> None:
    await _inside(walk)
    await walk.say("object")
    await _taken_back(walk, "objected")
    await walk.publish()
    await walk.say_head()
    assert await walk.silence(8)


@pytest.mark.requirement("R-08", "R-09", "T-24")
async def test_withdrawn_she_is_taken_back_within_a_second_and_nothing_comes_after(
    walk: Journey,
) -> None:
    await _inside(walk)
    await walk.say("withdraw")
    said_s = time.time()
    await _taken_back(walk, "withdrawn")
    assert walk.arrived_s[-1] - said_s < 5
    await walk.publish()
    await walk.say_head()
    assert await walk.silence(8)


@pytest.mark.requirement("R-08", "R-41", "R-12")
async def test_withdrawn_it_stays_through_kill_9_with_the_old_list_and_leaves_no_trace_with_the_new(
    walk: Journey,
) -> None:
    await _inside(walk)
    ref = decode_base64url((await walk.consents("show", NAME))["ref"].encode())
    await walk.say("withdraw")
    await _taken_back(walk, "withdrawn")
    await walk.kill()
    await walk.start()  # plane A still has her: the publisher has published nothing
    assert await walk.silence(8)
    await walk.publish()
    await walk.say_head()
    await asyncio.sleep(8)
    assert await walk.silence(1)
    await walk.kill()
    state = [path for path in walk.folder.glob("gateway/*/*") if path.is_file()]
    assert state
    assert [path.name for path in state if ref in path.read_bytes()] == []


@pytest.mark.requirement("R-06", "R-09")
async def test_expired_while_the_way_to_the_consent_service_is_cut_she_is_taken_back_all_the_same(
    walk: Journey,
) -> None:
    await walk.agree(until_s=time.time() + 20)
    await walk.start()
    assert (await walk.next())[0] == "entered"
    (walk.folder / "mirror").unlink()
    await _taken_back(walk, "expired")


@pytest.mark.requirement("T-07", "R-39")
async def test_a_notice_of_another_service_takes_nothing_away_and_is_told(
    walk: Journey, tmp_path: Path
) -> None:
    await _inside(walk)
    (tmp_path / "other").mkdir()
    async with journey(tmp_path / "other") as other:
        await other.agree()
        await other.consents("withdraw", NAME)
        forged = (tmp_path / "other/outbox/000000001.jws").read_bytes()
    await walk.send("presence/v1/acme/ctl/revoke/fi-0042", forged)
    assert (await walk.told("restriction.refused"))["reason"] == "forged"
    assert await walk.silence()


@pytest.mark.requirement("R-39", "T-09")
async def test_a_repository_that_is_held_back_is_told_of(walk: Journey, tmp_path: Path) -> None:
    await _inside(walk)
    walk.freeze()
    await walk.publish()
    await walk.say_head()
    assert (await walk.told("consent.frozen", within_s=40))["next_step"]


@pytest.mark.requirement("R-44", "T-07")
async def test_what_a_thief_of_the_notices_key_took_away_is_given_back_by_one_command(
    walk: Journey,
) -> None:
    await _inside(walk)
    ref = decode_base64url((await walk.consents("show", NAME))["ref"].encode())
    stolen = load_pem_private_key((walk.folder / "keys/notices.pem").read_bytes(), None)
    assert isinstance(stolen, Ed25519PrivateKey)
    latest = (1 << 53) - 1
    for_ever = Revocation(
        LIST,
        latest,
        latest - 1,
        latest,
        int(time.time()),
        (RevokedRights(ref, latest, removed=True),),
    )
    await walk.send(
        topic_of_revocations(LIST), sign_revocation(for_ever, kid="notices-0", key=stolen)
    )
    assert (await walk.next())[0] == "withdrawn"
    await walk.consents("rotate", "notices", "--stolen")
    lifted = await walk.told("restriction.lifted", within_s=60)
    assert lifted["count"] == 1
    await walk.say("narrow", "--category", CARS)
    async with asyncio.timeout(20):
        while _applied(walk) != [latest, 1]:  # noqa: ASYNC110 - what another process does has no event here
            await asyncio.sleep(0.1)


def _applied(walk: Journey) -> list[int]:
    """The numbers of the notices that took something away."""
    return [line["seq"] for line in walk.journal() if line["event"] == "restriction.applied"]

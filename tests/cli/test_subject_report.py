"""The answer to an access request: the entry as it stands, no history, and no word of whose it
is.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from presence.cli.parsers import parser
from presence.core.consent.revocation import RevokedRights
from presence.core.consent.revocations import HeldRevocation
from presence.edges.host.survey_file import FILE_NAME
from presence.edges.sqlite.revocations import SqliteRevocationStore
from presence.survey.asked import Asked
from presence.survey.keeping import KeptVisit, VisitState
from tests.support.builders import ANNA, BERIT, CARS, DAY_S, base64url
from tests.support.json_answers import judged
from tests.support.revocations import removal
from tests.support.shops import Shop, entry

REF = base64url(ANNA)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    now_s = time.time()
    return Shop(tmp_path / "shop", 1883).open(
        [entry(around_s=now_s, grants=[["ap2:1551", 0], ["-ap2:1552", 0]])],
        published_at=int(now_s),
        suppression_checked_at=int(now_s),
    )


async def _asked(shop: Shop, ref: str = REF) -> dict[str, object]:
    code, out, err = await shop.run(
        "subject-report", "--config", shop.config, "--ref", ref, "--json"
    )
    assert (code, err) == (0, "")
    assert REF not in out
    answer: dict[str, object] = judged("subject-report", out)
    return answer


@pytest.mark.requirement("R-28")
async def test_the_entry_is_told_with_its_validity_and_categories_and_that_no_visits_are_stored(
    shop: Shop,
) -> None:
    answer = await _asked(shop)
    told = answer["entry"]
    assert isinstance(told, dict)
    assert told["in_force"]
    assert told["purposes"] == ["offers", "presence"]
    assert [each["category"] for each in told["categories"]] == ["ap2:1551"]
    assert told["refused_categories"] == ["ap2:1552"]
    assert told["stores"] == ["fi-0042"]
    assert answer["visits_stored"] == 0
    assert answer["list"] == {"name": "acme/fi-0042", "seq": 7}


@pytest.mark.requirement("R-28")
async def test_a_person_reads_it_in_lines(shop: Shop) -> None:
    code, out, _ = await shop.run("subject-report", "--config", shop.config, "--ref", REF)
    assert code == 0
    assert "entry       in force" in out
    assert "No visits are stored" in out
    assert REF not in out


@pytest.mark.requirement("R-28")
@pytest.mark.parametrize(
    ("changes", "in_force"),
    [
        ({"scope": {"type": "store", "id": "se-0007"}}, False),
        ({"scope": {"type": "chain"}}, True),
        ({"nb": 4_000_000_000, "na": 4_000_000_100}, False),
        ({"purposes": ["offers"]}, False),
    ],
)
async def test_in_force_is_what_the_gate_says(
    shop: Shop, changes: dict[str, Any], in_force: bool
) -> None:
    now_s = time.time()
    stamps = {"published_at": int(now_s), "suppression_checked_at": int(now_s)}
    shop.publish_list([entry(around_s=now_s, **changes)], **stamps)
    told = (await _asked(shop))["entry"]
    assert isinstance(told, dict)
    assert told["in_force"] is in_force


@pytest.mark.requirement("R-15", "R-28")
@pytest.mark.parametrize("flags", [[], ["explicit"]])
async def test_in_a_sensitive_store_only_an_explicit_consent_is_in_force(
    shop: Shop, flags: list[str]
) -> None:
    now_s = time.time()
    shop.config.write_text(
        shop.config.read_text().replace("store: {", "store: {sensitive: true, ", 1)
    )
    stamps = {"published_at": int(now_s), "suppression_checked_at": int(now_s)}
    shop.publish_list([entry(around_s=now_s, flags=flags)], **stamps)
    told = (await _asked(shop))["entry"]
    assert isinstance(told, dict)
    assert told["in_force"] is bool(flags)


async def test_a_reference_of_one_repeated_byte_is_none_for_such_bytes_stand_in_every_file(
    shop: Shop,
) -> None:
    code, out, err = await shop.run(
        "subject-report", "--config", shop.config, "--ref", "AAAAAAAAAAA"
    )
    assert (code, out) == (64, "")
    assert "not a reference" in err


async def test_an_unknown_reference_is_an_answer_too(shop: Shop) -> None:
    assert (await _asked(shop, base64url(BERIT)))["entry"] is None


@pytest.mark.parametrize(
    ("row", "entry_left"),
    [(removal(version=13), False), (RevokedRights(ANNA, 13, categories=frozenset({CARS})), True)],
)
async def test_what_a_notice_took_away_is_left_out_and_the_file_named(
    shop: Shop, row: RevokedRights, entry_left: bool
) -> None:
    store = SqliteRevocationStore(shop.folder / "state")
    store.keep("acme/fi-0042", (HeldRevocation(row, 8),), 1)
    store.close()
    answer = await _asked(shop)
    assert answer["taken_away_by_notice"]
    assert bool(answer["entry"]) is entry_left
    assert answer["files_with_the_reference"] == ["withdrawn.sqlite"]


async def test_the_file_of_a_technicians_walk_is_named_where_the_reference_is_of_a_test_phone(
    shop: Shop,
) -> None:
    asked = Asked.of(parser().parse_args(["scan-test"]))
    visit = KeptVisit(shop.folder / "state" / FILE_NAME, "", "", asked)
    visit.path.parent.mkdir(exist_ok=True)
    visit.keep(VisitState(refs=(BERIT,)))
    assert (await _asked(shop, base64url(BERIT)))["files_with_the_reference"] == [FILE_NAME]
    assert (await _asked(shop))["files_with_the_reference"] == []


async def test_paused_and_objected_are_told(shop: Shop) -> None:
    now_s = time.time()
    stamps = {"published_at": int(now_s), "suppression_checked_at": int(now_s)}
    shop.publish_list(
        [entry(around_s=now_s, paused_until=int(now_s + DAY_S), objected=True)], **stamps
    )
    told = (await _asked(shop))["entry"]
    assert isinstance(told, dict)
    assert told["objected"]
    assert told["paused_until"]
    assert not told["in_force"]


@pytest.mark.requirement("R-28")
async def test_the_class_of_phone_is_told_where_there_is_one(shop: Shop) -> None:
    now_s = time.time()
    stamps = {"published_at": int(now_s), "suppression_checked_at": int(now_s)}
    shop.publish_list([entry(around_s=now_s, loudness_db=8)], **stamps)
    told = (await _asked(shop))["entry"]
    assert isinstance(told, dict)
    assert told["loudness_db"] == 8
    _, out, _ = await shop.run("subject-report", "--config", shop.config, "--ref", base64url(ANNA))
    assert "sends 8 dB louder" in out


async def test_the_reference_may_come_by_standard_input_and_a_bad_one_is_not_repeated(
    shop: Shop,
) -> None:
    arguments = ("subject-report", "--config", shop.config, "--ref", "-", "--json")
    for line, code in ((f"{REF}\n", 0), ("", 64)):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "presence",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate(line.encode())
        assert (process.returncode, bool(out)) == (code, code == 0)
    code, out_text, err = await shop.run(
        "subject-report", "--config", shop.config, "--ref", "mZ3kQ0a1Bc8x"
    )
    assert (code, out_text) == (64, "")
    assert "mZ3kQ0a1Bc8x" not in err

"""The events of the kit are those of the contract, but where a case is about others."""

import json
import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from presence.conformance.cases import EXPIRED, LATE, NOTHING, YESTERDAY
from presence.conformance.shop import (
    ORDINARY,
    PlayedVisit,
    Shop,
    of_a_newer_minor,
    with_times_of_an_sdk,
)
from presence.core.event.cloudevent import subject_of_day, utc_day
from presence.core.site import Site
from tests.support.contract import check

KEY = bytes(range(16))
NOW_S = 1_795_442_710.0  # 2026-11-23T14:05:10Z
ACME = Site("acme", "fi-0042")
VISITS = st.builds(
    PlayedVisit,
    began_s=st.floats(0, 200_000),
    valid_s=st.floats(-200_000, 7200),
    day=st.none() | st.integers(-3, 3),
    stable=st.booleans(),
    purpose=st.none() | st.sampled_from(["offers", "service"]),
    allow=st.none() | st.just(()),
    pad_to_bytes=st.integers(0, 4096),
)


def shop() -> Shop:
    return Shop(ACME, "offers-main", ("ap2:1551", "ap2:1285"))


@given(VISITS, st.floats(1_700_000_000, 2_000_000_000))
def test_every_event_is_one_of_the_contract(how: PlayedVisit, now_s: float) -> None:
    ours = shop()
    entered = ours.entered(KEY, now_s, how)
    for told in (entered, ours.withdrawn(entered, now_s), ours.left(entered, now_s)):
        check(ours.events_topic, told.payload)
        body = json.loads(told.payload)
        assert (body["id"], body["type"], body["subject"]) == (told.id, told.type, entered.subject)
    assert len(entered.payload) >= how.pad_to_bytes


def test_no_two_visits_have_one_id_and_no_two_shops_have() -> None:
    one, other = shop(), shop()
    ids = {each.entered(KEY, NOW_S).id for each in (one, one, other, other)}
    assert len(ids) == 4


def test_an_ordinary_visit_began_just_now_and_is_of_today() -> None:
    body = json.loads(shop().entered(KEY, NOW_S, ORDINARY).payload)
    assert (body["time"], body["data"]["valid_until"]) == (
        "2026-11-23T14:04:00Z",
        "2026-11-23T14:34:40Z",
    )
    assert body["subject"] == subject_of_day(KEY, b"2026-11-23")


def test_visits_that_are_over_are_over_and_a_late_one_is_not() -> None:
    for how, over in ((EXPIRED, True), (YESTERDAY, True), (LATE, False)):
        until = json.loads(shop().entered(KEY, NOW_S, how).payload)["data"]["valid_until"]
        assert (datetime.fromisoformat(until) <= datetime.fromtimestamp(NOW_S, UTC)) is over


def test_a_visit_of_yesterday_has_yesterdays_subject_and_an_hour_of_day_that_is_still_to_come() -> (
    None
):
    body = json.loads(shop().entered(KEY, NOW_S, YESTERDAY).payload)
    assert body["subject"] == subject_of_day(KEY, utc_day(NOW_S - 86_400))
    assert body["data"]["valid_until"] == "2026-11-22T14:34:40Z"


def test_a_newer_minor_differs_by_its_schema_and_by_fields_that_are_new() -> None:
    entered = shop().entered(KEY, NOW_S)
    old, new = (json.loads(e.payload) for e in (entered, entered.rewritten(of_a_newer_minor)))
    assert re.search(r"\b1\.1\b", new["dataschema"])
    assert new["dataschema"].replace("1.1", "1.0") == old["dataschema"]
    assert {name: new["data"][name] for name in old["data"] if name != "consent"} == {
        name: value for name, value in old["data"].items() if name != "consent"
    }
    assert new["data"].keys() - old["data"].keys() == {"language"}


def test_times_of_an_sdk_are_the_same_moments() -> None:
    entered = shop().entered(KEY, NOW_S)
    old, new = (json.loads(e.payload) for e in (entered, entered.rewritten(with_times_of_an_sdk)))
    for name, was, now in (
        ("time", old["time"], new["time"]),
        ("valid_until", old["data"]["valid_until"], new["data"]["valid_until"]),
    ):
        assert was != now, name
        assert datetime.fromisoformat(was) == datetime.fromisoformat(now)


def test_nothing_is_allowed_where_a_case_says_so() -> None:
    assert json.loads(shop().entered(KEY, NOW_S, NOTHING).payload)["data"]["allow"] == []

"""How many more entries a list may have than it had, and who may say that it may have more."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.entry_rules import Refused
from presence.core.consent.growth import (
    TYP,
    Approval,
    Counts,
    Edition,
    Offered,
    anew,
    judge,
    most,
    most_published,
    noted,
    parse_root_field,
    root_field,
    sign_approval,
)
from presence.core.consent.jws import sign

pytestmark = pytest.mark.requirement("T-19")

HOUR_S = 3600.0
NOW_S = 500_000 * HOUR_S
HOUR = 500_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = {"approval-1": KEY.public_key()}
NAME = "acme/fi-0042"
HELD, NEXT = Edition(1, 12, 500), Edition(1, 12, 501)


def had(count: int, hours_ago: int = 0) -> Counts:
    return ((HOUR - hours_ago, count),)


def takes(counts: Counts, count: int, *, now_s: float = NOW_S) -> bool:
    """Without an approval."""
    try:
        judge(counts, now_s, Offered(NAME, NEXT, count, ""), HELD, KEYS)
    except Refused:
        return False
    return True


def approved(**changes: Any) -> str:
    return sign_approval(
        Approval(**{"name": NAME, "edition": NEXT, "count": 1000, **changes}),
        kid="approval-1",
        key=KEY,
    )


def refusal(
    approved_by: str, *, offered: Edition = NEXT, count: int = 1000, held: Edition | None = HELD
) -> str:
    """Of a gateway that had 100 entries."""
    with pytest.raises(Refused) as refused:
        judge(had(100), NOW_S, Offered(NAME, offered, count, approved_by), held, KEYS)
    return str(refused.value)


@pytest.mark.parametrize(
    ("before", "at_most"), [(100, 120), (101, 121), (104, 124), (105, 126), (1000, 1200)]
)
def test_a_fifth_more_is_taken_and_one_more_than_that_is_not(before: int, at_most: int) -> None:
    assert takes(had(before), at_most)
    assert not takes(had(before), at_most + 1)


def test_the_refusal_names_both_numbers_and_the_next_step() -> None:
    assert refusal("") == (
        "it grew to 1000 entries, and 120 are the most that this gateway takes by itself: nobody "
        "approved it: "
        "`presence consents publish --approve-growth`, once it is known where they come from"
    )


def test_lists_of_fewer_than_a_hundred_grow_as_they_like() -> None:
    assert noted((), NOW_S, 99) == ()
    assert noted((), NOW_S, 100) == had(100)
    assert takes((), 5_000_000)


def test_the_first_list_is_taken_and_the_second_measured_by_it() -> None:
    counts = judge((), NOW_S, Offered(NAME, NEXT, 1000, ""), None, KEYS)
    assert counts == had(1000)
    assert not takes(counts, 1201)


def test_a_list_that_shrank_counts_as_a_hundred_and_gains_no_more_than_a_fifth_a_day() -> None:
    counts = noted(had(1000), NOW_S, 0)
    assert takes(counts, 120)
    assert not takes(counts, 121)


def test_small_steps_gain_a_fifth_within_a_day_and_not_more() -> None:
    counts = had(1000)
    for hour, count in enumerate([1100, 1200], 1):
        assert takes(counts, count, now_s=NOW_S + hour * HOUR_S)
        counts = noted(counts, NOW_S + hour * HOUR_S, count)
    assert not takes(counts, 1201, now_s=NOW_S + 24 * HOUR_S)
    assert takes(counts, 1320, now_s=NOW_S + 25 * HOUR_S)
    assert not takes(counts, 1321, now_s=NOW_S + 25 * HOUR_S)


@pytest.mark.parametrize(
    ("hours", "at_most"), [(24, 1200), (25, 1440), (48, 1440), (49, 1728), (10_000, 237_376)]
)
def test_a_gateway_that_was_away_may_have_missed_a_fifth_for_each_day(
    hours: int, at_most: int
) -> None:
    assert most(had(1000, hours), NOW_S) == at_most


def test_after_days_away_the_last_list_is_the_measure_and_its_hour_that_of_an_approval() -> None:
    counts = had(1000, 60) + had(1100, 30)
    assert most(counts, NOW_S) == 1584
    assert anew(counts, 500) == had(500, 30)


def test_the_publisher_looks_back_two_hours_more_than_gateways_and_over_no_more_days() -> None:
    counts = (*had(1000, 26), *had(1100, 25), *had(1150))
    assert most(counts, NOW_S) == 1380
    assert most_published(counts, NOW_S) == 1200
    assert most_published(had(1000, 27) + had(1150), NOW_S) == 1380
    assert most_published(had(1000, 300), NOW_S) == 1200
    assert most_published((), NOW_S) is None


def test_the_fewest_of_each_hour_is_remembered_and_what_is_old_let_go() -> None:
    counts = (*had(500, 27), *had(1000, 26), *had(1100))
    assert noted(counts, NOW_S + 3599, 1050) == (*had(1000, 26), *had(1050))
    assert noted(counts, NOW_S, 1150) == (*had(1000, 26), *had(1100))


def test_a_clock_that_was_ahead_is_forgotten_with_its_day() -> None:
    counts = noted(had(1000, -5000), NOW_S, 1100)
    assert counts == had(1000)
    assert not takes(had(1000, -5000), 1201)


def test_an_approval_lets_exactly_its_number_in_and_becomes_the_measure() -> None:
    counts = judge(had(100), NOW_S, Offered(NAME, NEXT, 1000, approved()), HELD, KEYS)
    assert counts == had(1000)
    assert takes(counts, 1200)
    assert not takes(counts, 1201)


def test_a_gateway_that_missed_the_approved_list_takes_the_next_one() -> None:
    later = Edition(1, 13, 520)
    counts = judge(had(100), NOW_S, Offered(NAME, later, 1200, approved()), HELD, KEYS)
    assert counts == had(1000)
    assert refusal(approved(), offered=later, count=1201).endswith(
        ": an approval is there, and for fewer"
    )


def test_an_approval_is_the_measure_too_where_nobody_needed_it() -> None:
    """The publisher measures by it from then on."""
    assert judge(had(950), NOW_S, Offered(NAME, NEXT, 1000, approved()), HELD, KEYS) == had(1000)


def test_an_approval_of_fewer_than_a_hundred_counts_as_a_hundred() -> None:
    counts = judge(had(1000), NOW_S, Offered(NAME, NEXT, 5, approved(count=5)), HELD, KEYS)
    assert counts == had(100)


def test_an_approval_leaves_a_gateway_without_a_measure_as_it_was() -> None:
    assert judge((), NOW_S, Offered(NAME, NEXT, 5, approved(count=5)), HELD, KEYS) == ()


def test_days_away_count_for_an_approved_list_too() -> None:
    offered = Offered(NAME, Edition(1, 12, 900), 1440, approved())
    assert judge(had(100, 30), NOW_S, offered, HELD, KEYS) == had(1440)


@pytest.mark.parametrize(
    ("approved_by", "reason"),
    [
        (approved(count=1001), "for 1001 entries"),
        (approved(name="acme/se-0001"), "for the list acme/se-0001"),
        (approved(edition=HELD), "for a list that this gateway had"),
        (approved(edition=Edition(1, 11, 501)), "for a list that this gateway had"),
        (approved(edition=Edition(0, 99, 999)), "for a list that this gateway had"),
        (approved(edition=Edition(1, 12, 502)), "for a newer list"),
        (approved(edition=Edition(1, 13, 501)), "for a newer list"),
        (approved(edition=Edition(2, 12, 501)), "for a newer list"),
        (sign_approval(Approval(NAME, NEXT, 1000), kid="approval-1", key=OTHER), "forged"),
        (sign_approval(Approval(NAME, NEXT, 1000), kid="approval-2", key=KEY), "unknown_key"),
        (
            sign(b'{"list":"acme/fi-0042"}', typ=TYP, kid="approval-1", key=KEY).decode(),
            "malformed",
        ),
        (sign(b"[1]", typ=TYP, kid="approval-1", key=KEY).decode(), "malformed"),
        (approved(count=1000.0), "malformed"),
        (approved(count=True), "malformed"),
        (approved(name=7), "malformed"),
        (
            sign(
                json.dumps({"list": NAME, **NEXT._asdict(), "count": 1000}).encode(),
                typ="presence-head+jws",
                kid="approval-1",
                key=KEY,
            ).decode(),
            "malformed",
        ),
        ("é.x.y", "malformed"),
        ("yes", "malformed"),
    ],
)
def test_an_approval_that_is_not_for_this_list_lets_nothing_in(
    approved_by: str, reason: str
) -> None:
    assert reason in refusal(approved_by)
    judge(
        had(1000), NOW_S, Offered(NAME, NEXT, 1000, approved_by), HELD, KEYS
    )  # and takes nothing away


def test_under_a_root_without_a_key_nobody_can_approve() -> None:
    with pytest.raises(
        Refused,
        match=r"itself: its root names no key .*: `presence consents rotate approval`, .*-growth`$",
    ):
        judge(had(100), NOW_S, Offered(NAME, NEXT, 1000, approved()), HELD, {})
    judge(had(100), NOW_S, Offered(NAME, NEXT, 120, ""), HELD, {})


def test_the_key_comes_back_from_the_root_as_it_was_written() -> None:
    (kid, key), *others = parse_root_field(root_field("approval-1", KEY.public_key())).items()
    assert (kid, key.public_bytes_raw(), others) == (
        "approval-1",
        KEY.public_key().public_bytes_raw(),
        [],
    )


@pytest.mark.parametrize(
    "value",
    [None, {}, [], "x", {"kid": "a"}, {"kid": 1, "ed25519": "A"}, {"kid": "a", "ed25519": "AAAA"},
     {"kid": "a", "ed25519": "é"}, {"kid": "a", "ed25519": 5}],
)  # fmt: skip
def test_a_root_that_names_a_key_in_no_way_that_we_know_names_nobody(value: object) -> None:
    assert parse_root_field(value) == {}


@given(
    steps=st.lists(
        st.tuples(st.integers(1, 40 * 3600), st.integers(0, 3000), st.booleans()), max_size=40
    ),
    seen=st.lists(st.booleans(), min_size=40, max_size=40),
    late_s=st.lists(st.integers(0, 1800), min_size=40, max_size=40),
)
def test_what_the_publisher_lets_through_no_gateway_refuses(
    steps: list[tuple[int, int, bool]], seen: list[bool], late_s: list[int]
) -> None:
    """Whatever lists the gateway missed, and however late the others came."""
    published: Counts = ()
    gateway: Counts = ()
    held: Edition | None = None
    approved_by, at_s, last_s = "", NOW_S, NOW_S
    for seq, (after_s, wanted, approves) in enumerate(steps, 1):
        at_s += after_s
        edition, at_most = Edition(1, 1, seq), most_published(published, at_s)
        count = wanted
        if approves:
            approved_by = sign_approval(Approval(NAME, edition, count), kid="approval-1", key=KEY)
            published = anew(published, count)
        elif at_most is not None:
            count = min(wanted, at_most)
        published = noted(published, at_s, count)
        if seen[seq - 1]:
            last_s = max(last_s, at_s + late_s[seq - 1])
            gateway = judge(gateway, last_s, Offered(NAME, edition, count, approved_by), held, KEYS)
            held = edition

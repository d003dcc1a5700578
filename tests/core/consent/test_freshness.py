"""May the list be believed? Silence is the answer to every doubt, and no clock makes a list
younger.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.freshness import (
    DEAD_S,
    NEXT_STEP,
    PUBLISHING,
    ClockDoubt,
    Freshness,
    Lease,
    clock_doubt,
    freshness,
    least,
    next_step,
    standing,
)
from presence.core.consent.gate import ListStanding
from presence.core.timestamps import Moment
from tests.support.builders import START_S, header, moment

YEAR_S = 365 * 86_400


def a_lease(*, age_s: float = 0, lease_s: float = 900) -> Lease:
    """A list proven at the start of the afternoon, published that long before."""
    return Lease(header(published_at_s=START_S - age_s), moment(), lease_s)


@pytest.mark.requirement("R-42")
def test_nothing_is_published_before_a_list_is_proven() -> None:
    assert freshness(None, moment()) is Freshness.BOOT
    assert standing(None, moment()) == ListStanding(publishing=False)


@pytest.mark.requirement("R-08")
@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0, Freshness.FRESH),
        (120, Freshness.FRESH),
        (121, Freshness.AGING),
        (900, Freshness.AGING),
        (900.1, Freshness.STALE),
        (DEAD_S, Freshness.STALE),
        (DEAD_S + 1, Freshness.DEAD),
        (1e6, Freshness.DEAD),
    ],
)
def test_a_list_grows_old_step_by_step(age_s: float, expected: Freshness) -> None:
    assert a_lease().freshness(moment(age_s)) is expected
    assert a_lease(age_s=age_s).freshness(moment()) is expected
    assert standing(a_lease(), moment(age_s)).publishing == (expected in PUBLISHING)


@pytest.mark.requirement("R-42", "T-09")
def test_a_list_that_was_old_when_it_came_has_that_age_already() -> None:
    assert a_lease(age_s=800).freshness(moment(50)) is Freshness.AGING
    assert a_lease(age_s=800).freshness(moment(101)) is Freshness.STALE


def test_a_short_lease_is_over_when_it_is_over() -> None:
    assert a_lease(lease_s=60).freshness(moment(60)) is Freshness.FRESH
    assert a_lease(lease_s=60).freshness(moment(61)) is Freshness.STALE


@pytest.mark.requirement("R-43", "T-12")
def test_a_clock_behind_the_list_is_wrong() -> None:
    lease = a_lease()

    assert lease.freshness(Moment(moment().monotonic_s, START_S - 5)) is Freshness.FRESH
    assert lease.freshness(Moment(moment().monotonic_s, START_S - 5.1)) is Freshness.CLOCK_BAD


@pytest.mark.requirement("R-43", "T-12")
@given(st.floats(0, 5000), st.floats(-YEAR_S, YEAR_S))
def test_setting_the_wall_clock_never_makes_a_list_younger(
    passed_s: float, set_by_s: float
) -> None:
    lease = a_lease()
    honest = moment(passed_s)
    moved = honest._replace(utc_s=honest.utc_s + set_by_s)

    if lease.freshness(honest) not in PUBLISHING:
        assert lease.freshness(moved) not in PUBLISHING
    assert lease.age_s(moved) >= passed_s - 1e-6


@pytest.mark.requirement("R-43", "T-12")
@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_set_by_a_year_while_a_list_holds_is_not_believed(years: int) -> None:
    """Set forward it would start consents that are not valid yet, set back revive those that are
    over.
    """
    now = moment(60)

    assert not standing(a_lease(), now._replace(utc_s=now.utc_s + years * YEAR_S)).publishing


@pytest.mark.requirement("R-43", "T-12")
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("pass"), st.floats(0, 2000)),
            st.tuples(st.just("set"), st.floats(-YEAR_S, YEAR_S)),
            st.tuples(st.just("synchronised"), st.booleans()),
            st.tuples(st.just("proven"), st.floats(0, 3000)),
        )
    )
)
def test_whatever_happens_to_the_clock_only_a_list_that_was_proven_within_the_lease_publishes(
    steps: list[tuple[str, float]],
) -> None:
    """A model that knows the true time: publishing means a proof within the lease, at its true
    age.
    """
    now, true_s, offset_s, synchronised = moment(), START_S, 0.0, True
    lease: Lease | None = None
    published_true_s = -1e9
    for step, value in steps:
        if step == "pass":
            now, true_s = now.later(value), true_s + value
        elif step == "set":
            offset_s = value
            now = now._replace(utc_s=true_s + offset_s)
        elif step == "synchronised":
            synchronised = bool(value)
        elif (
            offset_s == 0
        ):  # a proof under a wrong clock: see the attack suite, TUF's expiry is asked there
            published_true_s = true_s - value
            lease = Lease(header(published_at_s=published_true_s), now, 900)
        if standing(lease, now, synchronised=synchronised).publishing:
            assert synchronised
            assert true_s - published_true_s <= 900 + 1e-3
            assert freshness(lease, now, synchronised=synchronised) in PUBLISHING


@pytest.mark.requirement("R-43", "T-12")
def test_a_clock_that_nobody_disciplines_is_not_believed_where_that_is_asked_for() -> None:
    assert a_lease().freshness(moment(), synchronised=False) is Freshness.CLOCK_BAD
    assert not standing(a_lease(), moment(), synchronised=False).publishing
    assert freshness(None, moment(), synchronised=False) is Freshness.CLOCK_BAD
    assert freshness(a_lease(), moment(), synchronised=False) is Freshness.CLOCK_BAD
    assert clock_doubt(a_lease(), moment(), synchronised=False) is ClockDoubt.UNSYNCHRONISED
    assert clock_doubt(a_lease(), moment()) is None
    assert clock_doubt(a_lease(), set_back(moment(), 6)) is ClockDoubt.BEHIND_LIST


@pytest.mark.requirement("R-42", "R-43")
def test_after_a_restart_a_clock_behind_the_last_signing_time_is_wrong_before_any_proof() -> None:
    assert freshness(None, moment(), last_signed_s=START_S + 5.1) is Freshness.CLOCK_BAD
    assert freshness(None, moment(), last_signed_s=START_S + 5) is Freshness.BOOT


@pytest.mark.requirement("T-13")
@pytest.mark.parametrize("synchronised", [True, False])
@pytest.mark.parametrize("set_by_s", [-YEAR_S, 0, YEAR_S])
def test_a_list_without_keys_is_dead_by_any_clock(set_by_s: float, *, synchronised: bool) -> None:
    now = moment(DEAD_S + 1)
    state = a_lease().freshness(now._replace(utc_s=now.utc_s + set_by_s), synchronised=synchronised)
    assert state is Freshness.DEAD


@pytest.mark.parametrize("state", Freshness)
def test_every_state_that_is_not_well_says_what_to_do(state: Freshness) -> None:
    assert bool(NEXT_STEP[state]) == (state is not Freshness.FRESH)


@pytest.mark.requirement("R-43")
def test_a_clock_that_is_put_right_by_a_little_is_believed() -> None:
    now = moment(60)

    assert a_lease().freshness(now._replace(utc_s=now.utc_s + 2)) is Freshness.FRESH


def test_the_gate_is_told_what_the_header_says() -> None:
    lease = Lease(
        header(seq=9, parents={"ap2:2": "ap2:1"}, suppression_checked_at_s=START_S - 9),
        moment(),
        900,
    )

    told = standing(lease, moment())

    assert (told.seq, told.parents, told.suppression_checked_at_s) == (
        9,
        {"ap2:2": "ap2:1"},
        START_S - 9,
    )


def set_back(now: Moment, by_s: float) -> Moment:
    return now._replace(utc_s=now.utc_s - by_s)


@pytest.mark.requirement("R-43", "T-12")
def test_a_clock_set_back_by_seconds_after_the_proof_is_wrong_though_it_is_ahead_of_the_list() -> (
    None
):
    lease = a_lease(age_s=300)

    assert lease.freshness(set_back(moment(60), 5)) is Freshness.AGING
    assert lease.freshness(set_back(moment(60), 5.1)) is Freshness.CLOCK_BAD
    assert lease.clock_doubt(set_back(moment(60), 5.1)) is ClockDoubt.WENT_BACK


@pytest.mark.requirement("R-43", "T-12")
def test_a_list_keeps_the_age_that_it_had_at_the_proof_when_the_clock_is_set_back() -> None:
    assert a_lease(age_s=800).age_s(set_back(moment(101), 700)) == 901
    assert a_lease(age_s=DEAD_S - 60).freshness(set_back(moment(61), 700)) is Freshness.DEAD


def a_proof(
    now: Moment, *, age_s: float = 0, before: Lease | None = None, server_s: float | None = None
) -> Lease:
    """A list published so long before `now` by the true time, whose server says that it is
    `server_s`.
    """
    server = None if server_s is None else Moment(now.monotonic_s, server_s)
    published_s = moment().utc_s + now.monotonic_s - moment().monotonic_s - age_s
    return Lease(
        header(published_at_s=published_s), now, 900, least(now, before=before, server=server)
    )


@pytest.mark.requirement("R-43", "T-12")
def test_a_clock_behind_the_lists_server_by_more_than_a_minute_is_wrong() -> None:
    """Behind by less than the list is old: by the list alone nobody could see it."""
    at_fault = a_proof(set_back(moment(), 61), age_s=800, server_s=moment().utc_s)
    within = a_proof(set_back(moment(), 60), age_s=800, server_s=moment().utc_s)

    assert at_fault.freshness(set_back(moment(), 61)) is Freshness.CLOCK_BAD
    assert at_fault.clock_doubt(set_back(moment(), 61)) is ClockDoubt.BEHIND_SERVER
    assert at_fault.clock_doubt(set_back(moment(50), 61)) is ClockDoubt.BEHIND_SERVER
    assert at_fault.freshness(moment(50)) is Freshness.AGING  # put right, and as old as it is
    assert at_fault.freshness(moment(101)) is Freshness.STALE
    assert within.clock_doubt(set_back(moment(), 60)) is None


def test_a_server_whose_answers_come_late_says_nothing_against_a_clock_that_is_ahead_of_them() -> (
    None
):
    assert a_proof(moment(), server_s=moment().utc_s - 3600).freshness(moment()) is Freshness.FRESH


@pytest.mark.requirement("R-43", "T-12")
def test_another_proof_does_not_make_a_clock_right_that_went_back() -> None:
    """Without a server's clock (a stick), the last proof and what has passed since are all there is
    to ask.
    """
    first = a_proof(moment(), age_s=800)
    later = set_back(moment(300), 200)
    again = a_proof(later, age_s=250, before=first)

    assert again.freshness(later) is Freshness.CLOCK_BAD
    assert again.clock_doubt(later) is ClockDoubt.WENT_BACK
    assert "restart presence" in next_step(Freshness.CLOCK_BAD, again.clock_doubt(later))
    assert a_proof(later, before=again).freshness(later) is Freshness.CLOCK_BAD
    assert a_proof(later, age_s=250, before=again).clock_doubt(later) is ClockDoubt.WENT_BACK
    assert again.freshness(moment(310)) is Freshness.AGING


def test_a_clock_that_was_ahead_and_agrees_with_the_server_now_is_right() -> None:
    ahead = moment()._replace(utc_s=moment().utc_s + 7200)
    first = a_proof(ahead)
    right = moment(60)

    assert a_proof(right, before=first).freshness(right) is Freshness.CLOCK_BAD
    for agrees_s in (-60, 0, 60):
        assert (
            a_proof(right, before=first, server_s=right.utc_s + agrees_s).freshness(right)
            is Freshness.FRESH
        )
    assert (
        a_proof(right, before=first, server_s=right.utc_s - 61).clock_doubt(right)
        is ClockDoubt.WENT_BACK
    )


@pytest.mark.requirement("R-43", "T-12")
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("pass"), st.floats(0, 2000)),
            st.tuples(st.just("set"), st.floats(-YEAR_S, YEAR_S)),
            st.tuples(st.just("set"), st.floats(-1000, 10)),
            st.tuples(st.just("proven"), st.floats(0, 3000)),
        )
    )
)
def test_with_the_servers_clock_no_proof_under_a_clock_that_is_behind_publishes(
    steps: list[tuple[str, float]],
) -> None:
    true, offset_s, lease, published_s = moment(), 0.0, None, 0.0
    for step, value in steps:
        if step == "pass":
            true = true.later(value)
        elif step == "set":
            offset_s = value
        else:
            lease = a_proof(
                set_back(true, -offset_s), age_s=value, before=lease, server_s=true.utc_s
            )
            published_s = true.utc_s - value
        if lease and lease.freshness(set_back(true, -offset_s)) in PUBLISHING:
            assert offset_s >= -60 - 1e-3
            assert true.utc_s - published_s <= 900 + 60 + 1e-3


def test_every_doubt_of_the_clock_has_its_next_step() -> None:
    assert len({next_step(Freshness.CLOCK_BAD, doubt) for doubt in ClockDoubt}) == len(ClockDoubt)
    assert next_step(Freshness.STALE, ClockDoubt.WENT_BACK) == NEXT_STEP[Freshness.STALE]
    assert clock_doubt(None, moment(), last_signed_s=START_S + 60) is ClockDoubt.BEHIND_LIST
    assert clock_doubt(None, moment(), synchronised=False) is ClockDoubt.UNSYNCHRONISED

"""A deaf radio is helped step by step, a quiet shop is left in peace, and no day holds more than
its steps.
"""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.operations.radio_health import (
    DAY_S,
    HIDDEN_LOOKS,
    PROBE_AGAIN_S,
    PROBE_EVERY_S,
    SILENT_PROBES,
    Condition,
    Look,
    RadioHealth,
)
from presence.core.operations.radio_steps import (
    DAILY,
    LADDER,
    Action,
    Evidence,
    RecoveryStep,
    wait_s,
)
from presence.core.timestamps import Moment
from tests.support.builders import moment

SILENCE_S = 1800.0
LOOK_S = 30.0
PROBE_S = 10.0
HOUR_S = 3600.0
NOTHING = Look(0)
CUSTOMER = Look(60, senders=1.0)
ONCE_EACH = Look(30, senders=29.0)
FOUND_S = PROBE_EVERY_S + (SILENT_PROBES - 1) * (PROBE_AGAIN_S + PROBE_S) + PROBE_S
"""From the last sign of life to the third probe that hears nobody."""


class Radio:
    """A radio in a shop that is open from the start; `others`: whom a probe hears, None where none
    can be made.
    """

    def __init__(self, health: RadioHealth | None = None, now: Moment | None = None) -> None:
        self.health = health or RadioHealth(silence_s=SILENCE_S)
        self.now = now or moment()
        self.health.listening(self.now)
        self.probes = 0

    def hears(
        self, look: Look, seconds: float, *, others: bool | None = False
    ) -> list[tuple[float, Action]]:
        """The same look again and again; the actions with the seconds after which they came."""
        began, actions = self.now, []
        while self.now.monotonic_s < began.monotonic_s + seconds:
            self.now = self.now.later(LOOK_S)
            action = self.health.observe(look, self.now)
            if action is None and self.health.wants_probe(self.now):
                self.probes += 1
                self.now = self.now.later(PROBE_S if not others else 0)
                action = self.health.probed(others, self.now)
            if action:
                actions.append((self.now.monotonic_s - began.monotonic_s, action))
        return actions


def steps(actions: list[tuple[float, Action]]) -> list[RecoveryStep]:
    return [action.step for _, action in actions]


def waits(actions: list[tuple[float, Action]]) -> list[float]:
    """From each step to the next, in minutes."""
    return [
        round((later - sooner) / 60, 1) for (sooner, _), (later, _) in itertools.pairwise(actions)
    ]


@pytest.mark.requirement("R-60")
@pytest.mark.parametrize("every_s", [45 * 60, 2 * HOUR_S, 12 * HOUR_S])
def test_a_healthy_radio_in_a_quiet_shop_is_left_alone(every_s: float) -> None:
    """Twelve hours open, and a customer now and then; people pass outside, as a probe hears."""
    radio = Radio()
    actions: list[tuple[float, Action]] = []
    for _ in range(round(12 * HOUR_S / every_s)):
        actions += radio.hears(NOTHING, every_s - LOOK_S, others=True)
        assert radio.health.condition is Condition.QUIET
        actions += radio.hears(CUSTOMER, LOOK_S)
    assert set(steps(actions)) <= {RecoveryStep.RESTART_SCAN}
    assert len(actions) <= 3  # after 2, 6 and 10 hours without a customer
    assert radio.health.totals.spells == 0
    assert radio.health.taken == ()  # they use up nothing of the day's
    assert radio.probes <= 12 * HOUR_S / PROBE_EVERY_S


@pytest.mark.requirement("R-60")
@pytest.mark.parametrize("before", [CUSTOMER, NOTHING])
def test_a_deaf_radio_is_found_within_ten_minutes(before: Look) -> None:
    """Also where the last probe, or a customer, was heard in the very moment before."""
    radio = Radio()
    radio.hears(before, 3 * HOUR_S, others=True)
    while not radio.health.wants_probe(radio.now) and before is NOTHING:
        radio.hears(before, LOOK_S, others=True)
    actions = radio.hears(NOTHING, 600, others=False)
    assert steps(actions) == [RecoveryStep.RESTART_SCAN]
    assert radio.health.condition is Condition.DEAF


def test_the_steps_become_harsher_and_the_waits_longer() -> None:
    radio = Radio()
    radio.hears(CUSTOMER, 60)
    actions = radio.hears(NOTHING, 2400)
    assert steps(actions) == [
        RecoveryStep.RESTART_SCAN,
        RecoveryStep.POWER_CYCLE,
        RecoveryStep.ASK_SYSTEMD,
    ]
    assert actions[0][0] <= FOUND_S + SILENT_PROBES * LOOK_S
    assert waits(actions) == [pytest.approx(10, abs=1), pytest.approx(20, abs=1)]
    assert {action.evidence for _, action in actions} == {Evidence.DEAF}
    assert [(action.attempt, action.next_s) for _, action in actions] == [
        (1, 600),
        (2, 1200),
        (3, 2400),
    ]
    assert radio.health.condition is Condition.DEAF


def test_a_place_where_nobody_ever_sends_is_let_be_after_a_few_steps_a_day() -> None:
    """A cellar without any device: nothing can tell it from a deaf radio, so both cost little."""
    radio = Radio()
    actions = radio.hears(NOTHING, 12 * HOUR_S)
    assert steps(actions).count(RecoveryStep.POWER_CYCLE) == 2
    assert steps(actions).count(RecoveryStep.ASK_SYSTEMD) == 1
    assert radio.health.condition is Condition.SPENT
    assert actions[-1][0] < 3 * HOUR_S
    for _ in range(7):
        radio.health.closed()
        radio.hears(NOTHING, 12 * HOUR_S)
        radio.health.listening(radio.now)
        day = steps(radio.hears(NOTHING, 12 * HOUR_S))
        assert day.count(RecoveryStep.POWER_CYCLE) <= 3
        assert day.count(RecoveryStep.ASK_SYSTEMD) <= 1


@pytest.mark.requirement("R-23")
def test_a_new_scan_in_a_quiet_shop_does_not_date_the_last_customer() -> None:
    """It is told at once, so it comes on the border of an hour, whenever in the hour before the
    customer was here.
    """
    moments = []
    for minutes in (3, 17, 29):
        radio = Radio()
        radio.hears(NOTHING, 60 * minutes, others=True)
        radio.hears(CUSTOMER, LOOK_S)
        radio.hears(NOTHING, 4 * HOUR_S - 60 * minutes - LOOK_S, others=True)
        moments.append(radio.health._renewed_s)
    assert len(set(moments)) == 1
    assert moments[0] % HOUR_S < LOOK_S


def test_where_no_probe_can_be_made_silence_leads_to_new_scans_and_nothing_worse() -> None:
    radio = Radio()
    actions = radio.hears(NOTHING, 12 * HOUR_S, others=None)
    assert set(steps(actions)) == {RecoveryStep.RESTART_SCAN}
    assert {action.evidence for _, action in actions} == {Evidence.QUIET}
    assert radio.health.condition is Condition.QUIET


def test_one_probe_that_hears_somebody_makes_up_for_those_before() -> None:
    radio = Radio()
    for _ in range(20):
        for heard_somebody in (False, False, True):
            radio.now = radio.now.later(PROBE_AGAIN_S)
            assert radio.health.probed(heard_somebody, radio.now) is None
    assert radio.health.condition is Condition.QUIET


def test_somebody_in_a_probe_ends_a_spell() -> None:
    radio = Radio()
    radio.hears(NOTHING, 600)
    assert radio.health.condition is Condition.DEAF
    radio.hears(NOTHING, PROBE_EVERY_S, others=True)
    assert radio.health.condition is Condition.QUIET
    assert (radio.health.totals.spells, radio.health.totals.recovered) == (1, 1)


def test_a_shop_with_customers_is_not_probed() -> None:
    radio = Radio()
    radio.hears(CUSTOMER, HOUR_S)
    assert radio.probes == 0


@pytest.mark.requirement("R-19", "R-60")
def test_a_quiet_night_is_no_dead_radio() -> None:
    radio = Radio()
    radio.health.closed()
    assert radio.hears(NOTHING, 9 * HOUR_S) == []
    assert radio.probes == 0
    radio.health.listening(radio.now)
    assert steps(radio.hears(NOTHING, 600)) == [RecoveryStep.RESTART_SCAN]


def test_a_night_ends_the_spell_of_the_evening() -> None:
    radio = Radio()
    radio.hears(NOTHING, 600)
    radio.health.closed()
    radio.health.listening(radio.now)
    assert radio.health.condition is Condition.QUIET
    assert steps(radio.hears(NOTHING, 600)) == [RecoveryStep.RESTART_SCAN]


def test_while_no_scan_runs_no_step_is_taken_and_the_spell_goes_on_afterwards() -> None:
    radio = Radio()
    radio.hears(NOTHING, 600)
    radio.health.away()
    assert radio.hears(NOTHING, HOUR_S) == []
    radio.health.listening(radio.now)
    assert radio.health.condition is Condition.DEAF
    assert steps(radio.hears(NOTHING, 700)) == [RecoveryStep.POWER_CYCLE]


def test_a_sign_of_life_ends_the_spell_and_is_counted() -> None:
    radio = Radio()
    radio.hears(NOTHING, 1300)
    assert 1290 <= radio.health.deaf_s(radio.now) <= 1320
    radio.hears(CUSTOMER, LOOK_S)
    assert radio.health.condition is Condition.WELL
    assert radio.health.deaf_s(radio.now) == 0
    assert (radio.health.totals.spells, radio.health.totals.recovered) == (1, 1)
    assert radio.health.totals.steps[RecoveryStep.POWER_CYCLE] == 1


def test_who_falls_ill_again_soon_gets_the_next_step_and_who_does_later_the_first() -> None:
    radio = Radio()
    radio.hears(NOTHING, 600)
    radio.hears(CUSTOMER, 600)
    assert steps(radio.hears(NOTHING, 600)) == [RecoveryStep.POWER_CYCLE]
    radio.hears(CUSTOMER, 2 * HOUR_S)
    assert steps(radio.hears(NOTHING, 600)) == [RecoveryStep.RESTART_SCAN]


def test_repeats_that_do_not_arrive_are_noticed_although_advertisements_do() -> None:
    radio = Radio()
    actions = radio.hears(ONCE_EACH, 1000)
    assert [(at_s, action.step) for at_s, action in actions] == [
        (HIDDEN_LOOKS * LOOK_S, RecoveryStep.RESTART_SCAN), (720, RecoveryStep.POWER_CYCLE),
    ]  # fmt: skip
    assert {action.evidence for _, action in actions} == {Evidence.NO_REPEATS}
    assert radio.health.condition is Condition.HIDING
    radio.hears(Look(3, senders=3.0), LOOK_S)
    assert radio.health.condition is Condition.HIDING  # too few to tell
    radio.hears(NOTHING, PROBE_EVERY_S, others=True)
    assert radio.health.condition is Condition.HIDING  # a probe says nothing of repeats
    radio.hears(CUSTOMER, LOOK_S)
    assert radio.health.condition is Condition.WELL
    assert radio.health.totals.recovered == 1


def test_hidden_repeats_never_lead_to_more_than_off_and_on() -> None:
    actions = Radio().hears(ONCE_EACH, DAY_S)
    assert set(steps(actions)) == {RecoveryStep.RESTART_SCAN, RecoveryStep.POWER_CYCLE}


@pytest.mark.parametrize(
    "look", [Look(19, senders=19.0), Look(500, senders=None), Look(30, senders=25.0)]
)
def test_what_cannot_be_told_or_does_repeat_is_no_reason(look: Look) -> None:
    radio = Radio()
    assert radio.hears(look, HOUR_S) == []
    assert radio.health.condition is Condition.WELL


def test_a_step_that_is_not_possible_gives_way_to_the_next_at_once() -> None:
    radio = Radio()
    radio.hears(NOTHING, 1300)
    following = radio.health.declined(radio.now)
    assert following is not None
    assert (following.step, following.attempt) == (RecoveryStep.ASK_SYSTEMD, 2)
    assert radio.health.totals.declined == 1
    assert radio.health.totals.steps[RecoveryStep.POWER_CYCLE] == 0
    assert radio.health.declined(radio.now) is None
    assert steps(radio.hears(NOTHING, 1300)) == [RecoveryStep.RESTART_SCAN]


def test_a_harsher_step_than_the_evidence_allows_is_not_taken_in_place_of_another() -> None:
    radio = Radio()
    radio.hears(ONCE_EACH, 720)
    assert radio.health.declined(radio.now) is None


def test_when_the_steps_of_a_day_are_used_up_a_person_must_come() -> None:
    radio = Radio()
    actions = radio.hears(NOTHING, DAY_S - HOUR_S)
    assert radio.health.condition is Condition.SPENT
    for step, most in DAILY.items():
        assert steps(actions).count(step) <= most
    radio.hears(CUSTOMER, LOOK_S)
    assert radio.health.condition is Condition.WELL


def test_the_steps_before_a_restart_of_ourselves_count_after_it() -> None:
    radio = Radio()
    radio.hears(NOTHING, 2400)
    again = Radio(RadioHealth(silence_s=SILENCE_S, taken=radio.health.taken), radio.now)
    assert again.health.taken == radio.health.taken
    assert again.hears(NOTHING, 2300) == []
    assert steps(again.hears(NOTHING, 200)) == [RecoveryStep.RESTART_SCAN]


LOOKS = st.sampled_from([NOTHING, NOTHING, CUSTOMER, ONCE_EACH, Look(1, senders=1.0)])
CHANGES = st.sampled_from([RadioHealth.away, RadioHealth.closed, None])
SPELLS = st.lists(
    st.tuples(CHANGES, LOOKS, st.sampled_from([True, False, None]), st.integers(1, 400)),
    max_size=40,
)


@given(SPELLS, st.booleans())
def test_whatever_comes_the_promises_hold(
    spells: list[tuple[Callable[[RadioHealth], None] | None, Look, bool | None, int]],
    declining: bool,
) -> None:
    """No day holds more than its steps, none follows another sooner than it may, none is harsher
    than its evidence allows, and none comes while the shop is closed or no scan runs.
    """
    radio = Radio()
    health = radio.health
    taken: list[tuple[float, RecoveryStep]] = []
    renewals = 0
    for change, look, others, looks in spells:
        if change is not None:
            change(health)
            assert health.observe(look, radio.now) is None
            assert not health.wants_probe(radio.now)
            health.listening(radio.now)
        for _ in range(looks):
            for _, action in radio.hears(look, LOOK_S, others=others):
                following: Action | None = action
                if declining and action.step is RecoveryStep.POWER_CYCLE:
                    following = health.declined(radio.now)
                if following and following.evidence is Evidence.QUIET:
                    assert following.step is RecoveryStep.RESTART_SCAN
                    renewals += 1
                elif following:
                    _check(following, look, taken, radio.now)
                    taken.append((radio.now.monotonic_s, following.step))
        assert health.totals.recovered <= health.totals.spells
        assert sum(health.totals.steps.values()) == len(taken) + renewals


def _check(
    action: Action, look: Look, taken: list[tuple[float, RecoveryStep]], now: Moment
) -> None:
    day = [step for at_s, step in taken if now.monotonic_s - at_s < DAY_S]
    assert day.count(action.step) < DAILY[action.step]
    assert not taken or now.monotonic_s - taken[-1][0] >= HIDDEN_LOOKS * LOOK_S
    assert bool(look.heard) == (action.evidence is Evidence.NO_REPEATS)
    if action.evidence is Evidence.NO_REPEATS:
        assert LADDER.index(action.step) <= LADDER.index(RecoveryStep.POWER_CYCLE)


def test_a_wait_is_never_longer_than_four_hours() -> None:
    for evidence in Evidence:
        assert max(wait_s(evidence, attempt, 4 * HOUR_S) for attempt in range(40)) == 4 * HOUR_S

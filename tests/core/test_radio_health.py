"""A deaf radio is helped step by step, a quiet shop is left in peace, and no day holds more than its steps."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.radio_health import (
    DAILY_ASKS,
    DAILY_STEPS,
    DAY_S,
    HIDDEN_LOOKS,
    LIVELY_REPORTS,
    Condition,
    Look,
    RadioHealth,
)
from presence.core.radio_steps import LADDER, Action, Evidence, Step, wait_s
from presence.core.timestamps import Moment
from tests.builders import moment

SILENCE_S = 1800.0
LOOK_S = 30.0
HOUR_S = 3600.0
NOTHING = Look(0)
SILENT_AIR = Look(0, reports=0)
STREET = Look(0, reports=LIVELY_REPORTS)
CUSTOMER = Look(60, senders=1.0)
ONCE_EACH = Look(30, senders=29.0)


class Radio:
    """A radio in a shop that is open from the start."""

    def __init__(self, health: RadioHealth | None = None, now: Moment | None = None) -> None:
        self.health = health or RadioHealth(silence_s=SILENCE_S)
        self.now = now or moment()
        self.health.listening(self.now)

    def hears(self, look: Look, seconds: float) -> list[tuple[float, Action]]:
        """The same look again and again; the actions with the seconds after which they came."""
        began, actions = self.now, []
        while self.now.monotonic_s < began.monotonic_s + seconds:
            self.now = self.now.later(LOOK_S)
            action = self.health.observe(look, self.now)
            if action:
                actions.append((self.now.monotonic_s - began.monotonic_s, action))
        return actions


def steps(actions: list[tuple[float, Action]]) -> list[tuple[float, Step]]:
    return [(at_s, action.step) for at_s, action in actions]


def test_where_the_kernel_hears_nothing_either_the_steps_follow_in_minutes() -> None:
    radio = Radio()
    radio.hears(CUSTOMER, 60)
    actions = radio.hears(SILENT_AIR, 740)
    assert steps(actions) == [
        (300, Step.RESTART_SCAN), (360, Step.POWER_CYCLE), (480, Step.RESET_USB), (720, Step.ASK_SYSTEMD),
    ]  # fmt: skip
    assert {action.evidence for _, action in actions} == {Evidence.DEAD}
    assert [(action.attempt, action.next_s) for _, action in actions] == [(1, 60), (2, 120), (3, 240), (4, 480)]
    assert radio.health.condition is Condition.DEAF


def test_where_nobody_knows_what_the_kernel_hears_there_is_more_patience() -> None:
    assert steps(Radio().hears(NOTHING, 8 * HOUR_S)) == [
        (0.5 * HOUR_S, Step.RESTART_SCAN), (1.5 * HOUR_S, Step.POWER_CYCLE),
        (3.5 * HOUR_S, Step.RESET_USB), (7.5 * HOUR_S, Step.ASK_SYSTEMD),
    ]  # fmt: skip


def test_a_quiet_shop_in_a_lively_street_is_scanned_anew_now_and_then_and_nothing_worse() -> None:
    radio = Radio()
    actions = radio.hears(STREET, 12 * HOUR_S)
    assert {action.step for _, action in actions} == {Step.RESTART_SCAN}
    assert len(actions) == 5  # after 0.5, 1.5, 3.5, 7.5 and 11.5 hours
    assert radio.health.condition is Condition.QUIET
    assert radio.health.totals.spells == 0


def test_a_few_events_of_our_own_commands_are_no_life_on_air() -> None:
    assert steps(Radio().hears(Look(0, reports=1), 400)) == [(300, Step.RESTART_SCAN), (360, Step.POWER_CYCLE)]


@pytest.mark.requirement("R-60")
def test_a_quiet_night_is_no_dead_radio() -> None:
    radio = Radio()
    radio.health.closed()
    assert radio.hears(SILENT_AIR, 9 * HOUR_S) == []
    radio.health.listening(radio.now)
    assert steps(radio.hears(SILENT_AIR, 300)) == [(300, Step.RESTART_SCAN)]


def test_a_night_ends_the_spell_of_the_evening() -> None:
    radio = Radio()
    radio.hears(SILENT_AIR, 720)
    radio.health.closed()
    radio.health.listening(radio.now)
    assert radio.health.condition is Condition.QUIET
    assert steps(radio.hears(SILENT_AIR, 300)) == [(300, Step.RESTART_SCAN)]


def test_while_no_scan_runs_no_step_is_taken_and_the_spell_goes_on_afterwards() -> None:
    radio = Radio()
    radio.hears(SILENT_AIR, 300)
    radio.health.away()
    assert radio.hears(SILENT_AIR, HOUR_S) == []
    radio.health.listening(radio.now)
    assert radio.health.condition is Condition.DEAF
    assert steps(radio.hears(SILENT_AIR, 60)) == [(60, Step.POWER_CYCLE)]


def test_a_sign_of_life_ends_the_spell_and_is_counted() -> None:
    radio = Radio()
    radio.hears(SILENT_AIR, 360)
    assert radio.health.deaf_s(radio.now) == 360
    radio.hears(CUSTOMER, LOOK_S)
    assert radio.health.condition is Condition.WELL
    assert radio.health.deaf_s(radio.now) == 0
    assert (radio.health.totals.spells, radio.health.totals.recovered) == (1, 1)
    assert radio.health.totals.steps[Step.POWER_CYCLE] == 1


def test_who_falls_ill_again_soon_gets_the_next_step_and_who_does_later_the_first() -> None:
    radio = Radio()
    radio.hears(SILENT_AIR, 300)
    radio.hears(CUSTOMER, 600)
    assert steps(radio.hears(SILENT_AIR, 300)) == [(300, Step.POWER_CYCLE)]
    radio.hears(CUSTOMER, 2 * HOUR_S)
    assert steps(radio.hears(SILENT_AIR, 300)) == [(300, Step.RESTART_SCAN)]


def test_repeats_that_do_not_arrive_are_noticed_although_advertisements_do() -> None:
    radio = Radio()
    actions = radio.hears(ONCE_EACH, 1000)
    assert steps(actions) == [(HIDDEN_LOOKS * LOOK_S, Step.RESTART_SCAN), (720, Step.POWER_CYCLE)]
    assert {action.evidence for _, action in actions} == {Evidence.NO_REPEATS}
    assert radio.health.condition is Condition.HIDING
    radio.hears(Look(3, senders=3.0), LOOK_S)
    assert radio.health.condition is Condition.HIDING  # too few to tell
    radio.hears(CUSTOMER, LOOK_S)
    assert radio.health.condition is Condition.WELL
    assert radio.health.totals.recovered == 1


def test_hidden_repeats_never_lead_to_more_than_off_and_on() -> None:
    actions = Radio().hears(ONCE_EACH, DAY_S)
    assert {action.step for _, action in actions} == {Step.RESTART_SCAN, Step.POWER_CYCLE}


@pytest.mark.parametrize("look", [Look(19, senders=19.0), Look(500, senders=None), Look(30, senders=25.0)])
def test_what_cannot_be_told_or_does_repeat_is_no_reason(look: Look) -> None:
    radio = Radio()
    assert radio.hears(look, HOUR_S) == []
    assert radio.health.condition is Condition.WELL


def test_a_step_that_is_not_possible_gives_way_to_the_next_at_once() -> None:
    radio = Radio()
    radio.hears(SILENT_AIR, 480)
    following = radio.health.declined(radio.now)
    assert following is not None
    assert (following.step, following.attempt) == (Step.ASK_SYSTEMD, 3)
    assert radio.health.totals.declined == 1
    assert radio.health.totals.steps[Step.RESET_USB] == 0
    assert radio.health.declined(radio.now) is None
    assert steps(radio.hears(SILENT_AIR, 240)) == [(240, Step.RESTART_SCAN)]


def test_a_harsher_step_than_the_evidence_allows_is_not_taken_in_place_of_another() -> None:
    radio = Radio()
    radio.hears(ONCE_EACH, 720)
    assert radio.health.declined(radio.now) is None


def test_when_the_steps_of_a_day_are_used_up_a_person_must_come() -> None:
    radio = Radio()
    actions = radio.hears(SILENT_AIR, DAY_S)
    assert radio.health.condition is Condition.SPENT
    assert sum(action.step is Step.ASK_SYSTEMD for _, action in actions) <= DAILY_ASKS
    assert len(actions) <= DAILY_STEPS
    radio.hears(CUSTOMER, LOOK_S)
    assert radio.health.condition is Condition.WELL


def test_the_steps_before_a_restart_of_ourselves_count_after_it() -> None:
    radio = Radio()
    radio.hears(SILENT_AIR, 720)
    again = Radio(RadioHealth(silence_s=SILENCE_S, taken=radio.health.taken), radio.now)
    assert again.health.taken == radio.health.taken
    assert steps(again.hears(SILENT_AIR, 480))[0] == (480, Step.RESTART_SCAN)


LOOKS = st.sampled_from([NOTHING, SILENT_AIR, STREET, CUSTOMER, ONCE_EACH, Look(1, senders=1.0, reports=3)])
CHANGES = st.sampled_from([RadioHealth.away, RadioHealth.closed, None])
SPELLS = st.lists(st.tuples(CHANGES, LOOKS, st.integers(1, 400)), max_size=40)


@given(SPELLS, st.booleans())
def test_whatever_comes_the_promises_hold(
    spells: list[tuple[Callable[[RadioHealth], None] | None, Look, int]], declining: bool
) -> None:
    """No day holds more than its steps, none follows another sooner than it may, none is harsher than its evidence
    allows, and none comes while the shop is closed or no scan runs."""
    health, now = RadioHealth(silence_s=SILENCE_S), moment()
    taken: list[tuple[float, Step]] = []
    for change, look, looks in spells:
        if change is not None:
            change(health)
            assert health.observe(look, now) is None
            health.listening(now)
        for _ in range(looks):
            now = now.later(LOOK_S)
            action = health.observe(look, now)
            if action and declining and action.step is Step.RESET_USB:
                action = health.declined(now)
            if action:
                _check(action, look, taken, now)
                taken.append((now.monotonic_s, action.step))
        assert health.totals.recovered <= health.totals.spells
        assert sum(health.totals.steps.values()) == len(taken)


def _check(action: Action, look: Look, taken: list[tuple[float, Step]], now: Moment) -> None:
    day = [step for at_s, step in taken if now.monotonic_s - at_s < DAY_S]
    assert len(day) < DAILY_STEPS
    assert action.step is not Step.ASK_SYSTEMD or day.count(Step.ASK_SYSTEMD) < DAILY_ASKS
    assert not taken or now.monotonic_s - taken[-1][0] >= wait_s(Evidence.DEAD, 1, SILENCE_S)
    assert bool(look.heard) == (action.evidence is Evidence.NO_REPEATS)
    if action.evidence is Evidence.LIVELY:
        assert action.step is Step.RESTART_SCAN
    if action.evidence is Evidence.NO_REPEATS:
        assert LADDER.index(action.step) <= LADDER.index(Step.POWER_CYCLE)

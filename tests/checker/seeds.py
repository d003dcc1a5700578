"""Ways to a breach that an attacker found on 2026-11-29, as the machine would walk them:
its seed corpus.
"""

from collections.abc import Callable
from typing import Final

from tests.checker.machine import HOUR_S, ConsentMachine
from tests.checker.wills import (
    BEER,
    CARS,
    GARDEN,
    OFFERS,
    PRESENCE,
    PROFILING,
    SERVICE,
    VANS,
    VISIT_END,
)

ALL: Final = frozenset({PRESENCE, OFFERS, SERVICE, VISIT_END})


def _agrees(
    machine: ConsentMachine,
    name: str,
    *more: str,
    granted: frozenset[str] = frozenset({CARS, GARDEN}),
) -> None:
    machine.agree(
        name=name, purposes=ALL | set(more), granted=granted, ends=HOUR_S, until=30 * HOUR_S
    )


def a_pause_is_lost_by_a_renewal(machine: ConsentMachine) -> None:  # A2
    _agrees(machine, "anna")
    machine.pause(name="anna", minutes=60)
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")


def a_narrowing_is_lost_by_a_renewal(machine: ConsentMachine) -> None:  # A2
    _agrees(machine, "anna")
    machine.narrow_a_purpose(name="anna", purpose=VISIT_END)
    _agrees(machine, "anna")


def an_objection_is_overwritten(machine: ConsentMachine) -> None:  # A3
    for name in ("anna", "berit", "carl"):
        _agrees(machine, name)
        machine.two_desks_at_once(name=name, other="object", category=CARS)


def left_goes_to_an_audience_that_may_hear_nothing(machine: ConsentMachine) -> None:  # A4
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    machine.broker_goes()
    machine.pass_time(seconds=400.0)
    machine.narrow_a_purpose(name="anna", purpose=OFFERS)
    machine.hear_the_last_revocations()
    machine.broker_comes()


def the_stable_subject_goes_out_without_profiling(machine: ConsentMachine) -> None:  # A5
    _agrees(machine, "anna", PROFILING)
    machine.the_list_arrives()
    machine.broker_goes()
    machine.walk_in(name="anna")
    machine.narrow_a_purpose(name="anna", purpose=PROFILING)
    machine.hear_the_last_revocations()
    machine.broker_comes()


def the_stable_subject_stays_told_without_profiling(machine: ConsentMachine) -> None:  # A5
    _agrees(machine, "anna", PROFILING)
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    machine.narrow_a_purpose(name="anna", purpose=PROFILING)
    machine.hear_the_last_revocations()
    machine.nothing_told_is_left_standing()


def beer_needs_nobodys_word(machine: ConsentMachine) -> None:  # A6
    _agrees(machine, "anna", granted=frozenset({BEER, GARDEN}))
    machine.the_list_arrives()
    machine.walk_in(name="anna")


def a_refused_parent_refuses_no_child(machine: ConsentMachine) -> None:  # A6
    _agrees(machine, "anna", granted=frozenset({VANS, GARDEN}))
    machine.narrow_a_category(name="anna", category=CARS)
    machine.the_list_arrives()
    machine.walk_in(name="anna")


def what_a_renewal_takes_away_is_told_in_no_notice(machine: ConsentMachine) -> None:  # A9
    _agrees(machine, "anna")
    _agrees(machine, "anna", granted=frozenset({GARDEN}))


def a_full_outbox_drops_a_withdrawal(machine: ConsentMachine) -> None:  # A13
    for name in ("anna", "berit", "carl"):
        _agrees(machine, name)
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    machine.walk_in(name="berit")
    machine.broker_goes()
    machine.withdraw(name="anna")
    machine.withdraw(name="berit")
    machine.hear_the_last_revocations()
    machine.walk_in(name="carl")
    machine.broker_comes()
    machine.nothing_told_is_left_standing()


def withdrawn_killed_and_agreed_anew_within_the_hour(machine: ConsentMachine) -> None:  # A19
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    machine.withdraw(name="anna")
    machine.hear_the_last_revocations()
    machine.broker_comes()
    machine.gateway_is_killed()
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")


def a_list_that_comes_by_a_wrong_clock_takes_nothing_back(
    machine: ConsentMachine,
) -> None:  # found by the machine
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    machine.gateway_is_killed()
    machine.somebody_sets_the_clock(off_s=90.0)
    machine.look()
    machine.withdraw(name="anna")
    machine.somebody_sets_the_clock(off_s=-20.0)
    machine.the_list_arrives()
    machine.the_clock_is_mended()


def withdrawn_then_the_power_is_cut_and_agreed_anew_within_the_hour(
    machine: ConsentMachine,
) -> None:  # found by the machine: the gateway can know nothing of it, engines do
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    for _ in range(2):
        machine.withdraw(name="anna")
        machine.hear_the_last_revocations()
        machine.nothing_told_is_left_standing()
        machine.power_is_cut()
        _agrees(machine, "anna")
        machine.the_list_arrives()
        machine.heard_s.pop("anna")  # she counts as new
        machine.walk_in(name="anna")


def a_clock_set_ahead_for_a_moment_forgets_what_was_told(
    machine: ConsentMachine,
) -> None:  # found by the machine
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    machine.pass_time(seconds=950.0)
    machine.somebody_sets_the_clock(off_s=4000.0)
    machine.nothing_told_is_left_standing()
    machine.the_clock_is_mended()
    machine.object(name="anna")
    machine.the_list_arrives()


def by_a_clock_set_ahead_nothing_need_be_taken_back(machine: ConsentMachine) -> None:
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    machine.somebody_sets_the_clock(off_s=4000.0)
    machine.withdraw(name="anna")
    machine.hear_the_last_revocations()
    machine.the_clock_is_mended()


def an_audience_that_lost_its_key_hears_what_is_taken_back(
    machine: ConsentMachine,
) -> None:  # found by the machine: the judge had thrown the key away
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    machine.narrow_a_purpose(name="anna", purpose=SERVICE)
    _agrees(machine, "anna")
    machine.hear_all_revocations()


def what_was_lost_on_the_way_is_taken_back(
    machine: ConsentMachine,
) -> None:  # found by the machine: the gateway cannot know that nobody read it
    machine.agree(
        name="anna",
        purposes=frozenset({PRESENCE, SERVICE}),
        granted=frozenset({GARDEN}),
        ends=HOUR_S,
        until=HOUR_S,
    )
    machine.the_list_arrives()
    for _ in range(3):
        machine.broker_stumbles(delivered=False)
    machine.walk_in(name="anna")
    machine.withdraw(name="anna")
    machine.hear_all_revocations()
    machine.pass_time(seconds=60.0)


def a_pause_seems_over_by_a_clock_set_ahead(machine: ConsentMachine) -> None:  # by the machine
    _agrees(machine, "anna")
    machine.the_list_arrives()
    machine.walk_in(name="anna")
    machine.somebody_sets_the_clock(off_s=4000.0)
    machine.the_list_arrives()
    machine.pause(minutes=5, name="anna")
    machine.hear_all_revocations()
    machine.the_clock_is_mended()
    machine.nothing_told_is_left_standing()


def what_is_taken_away_after_the_end_stays_away(
    machine: ConsentMachine,
) -> None:  # found by the machine: the oracle did not note it
    for name, end in (
        ("anna", lambda: machine.narrow_a_category(name="anna", category=CARS)),
        ("berit", lambda: machine.pause(name="berit", minutes=60)),
        ("carl", lambda: machine.withdraw(name="carl")),
    ):
        machine.agree(
            name=name, purposes=ALL, granted=frozenset({CARS, GARDEN}), ends=60.0, until=60.0
        )
        machine.narrow_a_category(name=name, category=GARDEN)
        machine.pass_time(seconds=60.0)
        end()
        machine.the_register_has_what_customers_want()
        _agrees(machine, name)


def a_later_export_gives_nothing_again_that_it_does_not_name(
    machine: ConsentMachine,
) -> None:  # found by the machine: it was the oracle that thought so
    _agrees(machine, "anna", granted=frozenset({VANS, GARDEN}))
    machine.narrow_a_category(name="anna", category=VANS)
    machine.narrow_a_purpose(name="anna", purpose=OFFERS)
    for purposes, granted, anew in (
        (ALL - {OFFERS}, frozenset({GARDEN}), frozenset({VANS, OFFERS})),
        (ALL, frozenset({VANS, GARDEN}), frozenset[str]()),
    ):
        machine.is_imported(
            name="anna",
            purposes=purposes,
            granted=granted,
            refused=frozenset(),
            decided_anew=anew,
            until=HOUR_S,
        )


SEEDS: Final[tuple[Callable[[ConsentMachine], None], ...]] = (
    a_pause_is_lost_by_a_renewal,
    a_narrowing_is_lost_by_a_renewal,
    an_objection_is_overwritten,
    left_goes_to_an_audience_that_may_hear_nothing,
    the_stable_subject_goes_out_without_profiling,
    the_stable_subject_stays_told_without_profiling,
    beer_needs_nobodys_word,
    a_refused_parent_refuses_no_child,
    what_a_renewal_takes_away_is_told_in_no_notice,
    a_full_outbox_drops_a_withdrawal,
    withdrawn_killed_and_agreed_anew_within_the_hour,
    a_list_that_comes_by_a_wrong_clock_takes_nothing_back,
    withdrawn_then_the_power_is_cut_and_agreed_anew_within_the_hour,
    a_clock_set_ahead_for_a_moment_forgets_what_was_told,
    by_a_clock_set_ahead_nothing_need_be_taken_back,
    an_audience_that_lost_its_key_hears_what_is_taken_back,
    what_was_lost_on_the_way_is_taken_back,
    a_pause_seems_over_by_a_clock_set_ahead,
    what_is_taken_away_after_the_end_stays_away,
    a_later_export_gives_nothing_again_that_it_does_not_name,
)

"""The promise, hunted from the register to the engine (docs/design.md#proof): minutes here,
hours by `scripts/hunt`.
"""

from collections.abc import Callable, Iterator

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.checker.chain import Desk
from tests.checker.machine import ConsentMachine
from tests.checker.seeds import SEEDS
from tests.support.examples import examples


@pytest.fixture(scope="module")
def desks() -> Iterator[tuple[Desk, Desk]]:
    both = Desk(), Desk()
    yield both
    for desk in both:
        desk.close()


@pytest.mark.requirement("R-05", "R-09", "R-10", "R-11", "R-15", "R-22", "R-34")
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.__name__)
def test_a_way_that_once_led_beyond_the_right_does_so_no_more(
    desks: tuple[Desk, Desk], seed: Callable[[ConsentMachine], None]
) -> None:
    ConsentMachine.desks = desks
    machine = ConsentMachine()
    try:
        machine.begin()
        seed(machine)
        machine.the_register_has_what_customers_want()
        machine.nothing_told_is_left_standing()
    finally:
        machine.teardown()


@pytest.mark.slow
@pytest.mark.requirement("R-05", "R-06", "R-09", "R-10", "R-11", "R-22", "R-34")
def test_no_event_leaves_a_gateway_beyond_what_its_customer_wants(desks: tuple[Desk, Desk]) -> None:
    ConsentMachine.desks = desks
    run_state_machine_as_test(ConsentMachine, settings=examples(30, stateful_step_count=30))

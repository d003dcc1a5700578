"""The fitter: it asks the gateway's own score, and its loss is the delay at the outsiders' tail."""

from itertools import pairwise
from math import inf
from typing import Any, Final

import numpy as np
import pytest

from presence.core.place import Place
from presence.core.visit.antennas import hung
from presence.core.visit.door_score import DoorNumbers, DoorScore, SidedRule
from presence.core.visit.door_tables import PAIR_AND_INSIDE, DeepTables, DoorTables, Table
from scripts.entrybench import fitter, ours
from scripts.entrybench.antennas import PAIR_10, PAIR_10_GATEWAY, SetUp
from scripts.entrybench.crowd import Crowd
from scripts.entrybench.fitter import NAMES, Fitted, Lessons
from scripts.entrybench.world import World, people, person
from tests.entrybench.air import AIR
from tests.support.builders import DoorRule


class Named:
    """A table that says its name when it is asked."""

    def __init__(self, name: str, asked: list[str]) -> None:
        self.name, self.asked = name, asked

    def at(self, _: float) -> float:
        self.asked.append(self.name)
        return 0.0


def test_the_score_asks_its_tables_in_the_order_in_which_the_fitter_names_the_signs() -> None:
    asked: list[str] = []
    tables: dict[str, Any] = {name: Named(name, asked) for name in NAMES}
    deep: dict[str, Any] = {name: Named(f"deep.{name}", asked) for name in DeepTables._fields}
    sided = hung(PAIR_10_GATEWAY.places, (), DoorRule())
    assert sided.sided is not None
    asks = DoorTables(**tables, deep=DeepTables(**deep))
    rule = SidedRule(DoorNumbers(0, -62, inf), asks, sum(ear.bit for ear in sided.ears.values()))
    score = DoorScore()
    for ear in sided.ears.values():
        score.hear(rule, ear, -60, 0)

    assert asked == [*NAMES, *(f"deep.{name}" for name in DeepTables._fields)]


@pytest.mark.parametrize(("set_up", "width"), [(PAIR_10, 11), (PAIR_10_GATEWAY, 14)])
def test_the_signs_are_those_of_each_packet_from_the_fourth_on(set_up: SetUp, width: int) -> None:
    world = World(AIR, set_up)
    customer = person("customer", world, np.random.default_rng(5))
    at, signs = fitter.signs_of(customer, set_up, 0.0)

    assert signs.shape == (len(at), width)
    assert len(customer.at_s) - 10 <= len(at) <= len(customer.at_s) - 3
    assert np.isfinite(signs).all()
    assert signs[:, NAMES.index("lead_sum")].max() > 20, "who comes in leads for seconds"


RISING: Final = [(-2.0, 0.5), (1.0, 0.25), (3.0, -0.1)]
"""Where a stump splits, and by how much more it says above."""


def test_stumps_add_up_to_a_table_that_rises_from_nothing_and_ends_level() -> None:
    table = fitter._table("outer_drop", RISING)

    assert table.values[0] == 0
    assert table.values[-1] == pytest.approx(fitter.POINTS * 0.75)
    assert all(later >= earlier for earlier, later in pairwise(table.values))
    assert table.low <= -2 <= table.low + table.step * len(table.values)


def test_a_sign_that_no_stump_asks_has_a_table_of_nothing() -> None:
    assert fitter._table("turn", []) == Fitted(0, 3, (0.0,))


def lessons() -> Lessons:
    """One who comes in, one outsider who is suspicious for a moment, and one who never is."""
    return Lessons(
        signs=np.zeros((9, 1), np.float32),
        start=np.array([0, 3, 6]),
        at_s=np.array([1.0, 2, 3, 0, 1, 2, 0, 1, 2]),
        weight=np.array([1000.0, 500, 500]),
        is_entry=np.array([True, False, False]),
    )


def test_the_loss_pulls_up_who_comes_in_and_presses_down_the_worst_outsider() -> None:
    scores = np.array([-1.0, 0.5, 0.0, -3.0, 2.0, -3.0, -9.0, -9.0, -9.0])
    gradient, curvature = fitter._Loss([lessons()], tail=1.0)(scores, None)

    assert gradient[1] < 10 * gradient[2] < 0, "the highest so far is what a threshold meets"
    assert gradient[4] > 0
    assert gradient[4] == max(gradient)
    assert abs(gradient[6:]).max() < 1e-3 * gradient[4]
    assert (curvature > 0).all()


def test_of_an_outsider_only_the_most_suspicious_packets_are_kept() -> None:
    kept = fitter.kept(lessons(), np.arange(9.0), most=1)

    assert kept.start.tolist() == [0, 3, 4]
    assert kept.at_s.tolist() == [1, 2, 3, 2, 2]


def test_what_is_fitted_lets_in_who_comes_in_sooner_than_who_does_not() -> None:
    pytest.importorskip("lightgbm")
    rng = np.random.default_rng(3)
    people, packets = 300, 20
    is_entry = np.arange(people) % 2 == 0
    lead = np.where(is_entry[:, None], np.arange(packets) - 5, -8) + rng.normal(
        0, 4, (people, packets)
    )
    world = Lessons(
        np.column_stack([lead.ravel(), rng.normal(0, 4, people * packets)]).astype(np.float32),
        np.arange(people) * packets,
        np.tile(np.arange(packets) / 2, people),
        np.full(people, 1000 / (people / 2)),
        is_entry,
    )
    found = fitter.tables([fitter.fit([world], 1.0, 40, seed=1)], ["lead", "turn"])

    assert max(found["lead"].values) > 3 * max(found["turn"].values)


def test_the_source_that_is_printed_is_what_stands_in_the_core() -> None:
    fitted = {name: Fitted(-4, 2, (0.0, 1.25, 5.0)) for name in NAMES}
    text = "\n".join(fitter.source("PAIR", fitted, 0)) + "\n)"
    scope: dict[str, Any] = {"Final": Final, "DoorTables": DoorTables, "Table": Table}
    exec(text, scope)  # noqa: S102
    read: DoorTables = scope["PAIR"]

    assert list(read.lead.values) == [0, 0.625, 1.25, 3.125, 5]
    assert max(map(len, text.splitlines())) <= fitter.WIDTH


def test_who_comes_in_has_more_points_than_who_passes() -> None:
    world = World(AIR, PAIR_10_GATEWAY, watched_s=30)
    highest = {
        kind: [
            float(ours.as_shipped(world)(Crowd.of([each])).max())
            for each in people({kind: 1.0}, 8, world, 3)
        ]
        for kind in ("customer", "passer")
    }

    assert np.median(highest["customer"]) > PAIR_AND_INSIDE.threshold
    assert max(highest["passer"]) < PAIR_AND_INSIDE.threshold


def test_every_place_of_a_set_up_that_is_fitted_has_a_side() -> None:
    for drawn in fitter.FITTED.values():
        places = {frozenset(each.set_up.places.values()) for each in drawn.shops}
        assert len(places) == 1
        assert Place.DOOR in next(iter(places))

"""Which antennas tell the sides of the door apart, and which rule that makes.

    outside + door (+ inside)   a pair at the door; the one deep inside adds to it
    outside + inside            one on each side
    door + inside               how deep somebody is
    inside                      no sides: the evidence of one place (`presence.core.visit.evidence`)

Rules that are easy to get wrong:

1. While an antenna on the outer side is lost, nobody comes in: whoever would, it could have heard
   in the street.
2. Without another one the rule of what is left decides, with the numbers of a door that was never
   calibrated, for nobody has walked there without it: a pair without the one deep inside, the one
   deep inside against the one outside.
3. An antenna that is not named is inside, but tells no side: whether it is alive, nobody knows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from presence.core.place import Place
from presence.core.visit.door_score import DoorEar, DoorNumbers, DoorSide, SidedRule
from presence.core.visit.door_tables import INSIDE_AND_DOOR, PAIR, PAIR_AND_INSIDE, DoorTables
from presence.core.visit.evidence import EntryRule

SETS: Final[tuple[tuple[dict[Place, DoorSide], DoorTables], ...]] = (
    (
        {
            Place.DOOR: DoorSide.INNER,
            Place.OUTSIDE: DoorSide.OUTER,
            Place.INSIDE: DoorSide.DEEP,
        },
        PAIR_AND_INSIDE,
    ),
    ({Place.DOOR: DoorSide.INNER, Place.OUTSIDE: DoorSide.OUTER}, PAIR),
    ({Place.INSIDE: DoorSide.INNER, Place.OUTSIDE: DoorSide.OUTER}, INSIDE_AND_DOOR),
    ({Place.INSIDE: DoorSide.INNER, Place.DOOR: DoorSide.OUTER}, INSIDE_AND_DOOR),
)
"""The best first."""


@dataclass(frozen=True, slots=True)
class Antennas:
    """Who hears, and what may be made of it."""

    sided: SidedRule | None
    """None: there is but one place."""
    ears: Mapping[str, DoorEar]
    """Of the sided rule, by antenna."""
    beside: frozenset[str]
    """What they hear is no reason to stay, and of one place no evidence."""


def hung(
    places: Mapping[str, Place],
    lost: Collection[str],
    rule: EntryRule,
    *,
    answers: bool = False,
) -> Antennas:
    """What the antennas that live can tell, or bells by what phones answer."""
    within = innermost(places.values())
    beside = frozenset(name for name, place in places.items() if place is not within)
    if tables_of(places.values()) is None:
        return Antennas(None, {}, beside)
    living = {name: place for name, place in places.items() if name not in lost}
    found = tables_of(living.values())
    if found is None or outer_place(places.values()) in {places.get(name) for name in lost}:
        return Antennas(NOBODY, {}, beside)  # rule 1
    sides, tables = found
    ears = {
        name: DoorEar(sides[place], 1 << number)
        for number, (name, place) in enumerate(living.items())
        if place in sides
    }
    numbers = door_numbers(tables, rule, calibrated=not lost)
    asked = tables.of_answers() if answers else tables
    return Antennas(SidedRule(numbers, asked, sum(ear.bit for ear in ears.values())), ears, beside)


NOBODY: Final = SidedRule(DoorNumbers(0.0, 0.0, inf), PAIR, 0)
"""Comes in, whatever is heard."""


def door_numbers(tables: DoorTables, rule: EntryRule, *, calibrated: bool = True) -> DoorNumbers:
    """Those of the settings; what they leave out is that of a door which nobody has walked."""
    offset_db, threshold = rule.side_offset_db, rule.score
    if offset_db is None or not calibrated:
        offset_db = tables.offset_db
    if threshold is None or not calibrated:
        threshold = tables.unwalked
    return DoorNumbers(offset_db, rule.near_dbm, threshold)


def innermost(places: Collection[Place]) -> Place:
    """Where an antenna hears who is within: what is heard there keeps a visit going."""
    return Place.DOOR if set(places) == {Place.DOOR, Place.OUTSIDE} else Place.INSIDE


def outer_place(places: Collection[Place]) -> Place | None:
    """Where the antennas hang that face the street; None where the places tell no sides."""
    found = tables_of(places)
    sides = {} if found is None else found[0]
    return next((place for place, side in sides.items() if side is DoorSide.OUTER), None)


def tables_of(places: Collection[Place]) -> tuple[dict[Place, DoorSide], DoorTables] | None:
    """The best set-up that these places make, and its tables; None where they tell no sides."""
    return next((each for each in SETS if each[0].keys() <= set(places)), None)

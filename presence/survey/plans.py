"""The shop plans of docs/technician.md, and what to try where the side is thin."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from presence.core.place import Place
from presence.language import Sentence


class ShopPlan(StrEnum):
    """The words of `--plan`."""

    ONE = "one"
    TWO = "two"
    PAIR = "pair"
    LOW_E = "low-e"
    MALL = "mall"


REMEDIES: Final = {
    ShopPlan.ONE: Sentence("one antenna tells no side: hang a pair back to back at the door"),
    ShopPlan.TWO: Sentence(
        "hang the gateway further in and the one at the door nearer to it; better: a second one "
        "outside, back to back with it (place `outside`), metal between them"
    ),
    ShopPlan.PAIR: Sentence(
        "turn the antennas away from each other, metal between them (a plate of 30 × 30 cm, each "
        "3 cm off it), or a larger plate"
    ),
    ShopPlan.LOW_E: Sentence(
        "is the outer antenna outside of the pane, and not behind it? Turn the antennas away from "
        "each other, and away from the open door, which no pane closes"
    ),
    ShopPlan.MALL: Sentence(
        "turn the antennas away from each other, metal between them: at an open front the plates "
        "alone make the side (60 × 60 cm), a pair for each 4 m"
    ),
}


def plan_of(places: Collection[Place]) -> ShopPlan:
    """As far as the antennas tell it; glass and front only the technician knows."""
    if Place.OUTSIDE in places:
        return ShopPlan.PAIR
    return ShopPlan.TWO if Place.DOOR in places else ShopPlan.ONE

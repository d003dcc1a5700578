"""Who comes to the shop, what each of them agreed to, and what must and must not be said of them.

Names exist here, on the screen and in the chain's own register. What goes to the gateway is the
signed list. The categories are those of the IAB Ad Product Taxonomy 2.0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from presence.core.place import Place
from presence.simulation import (
    Air,
    CustomerBroadcast,
    Phone,
    Pocket,
    SimulatedAntenna,
    Spot,
    Walk,
    visiting,
)

CHAIN: Final = "acme"
STORE: Final = "fi-0042"
OTHER_STORE: Final = "fi-0043"
AUDIENCE: Final = "offers-main"
LIST: Final = f"{CHAIN}/helsinki"
"""Of both stores."""
CARS: Final = "ap2:1551"
GARDEN: Final = "ap2:1285"
SHOES: Final = "ap2:1070"
CATEGORIES: Final = {CARS: "cars", GARDEN: "garden", SHOES: "shoes"}
CAMPAIGNS: Final = (CARS, GARDEN)
"""What the offer engine runs today: nothing about shoes."""

SECONDS: Final = 70.0
"""How long the play takes at speed 1."""
ASKS_S: Final = 8.0
"""When somebody asks for more in the app, and the next list says so."""
WITHDRAWAL_S: Final = 38.0
"""When somebody withdraws, and the consent service signs a revocation of it."""
LIST_FOLLOWS_S: Final = 6.0
"""So much later the list says so too."""
STRANGERS: Final = 72
INTERVAL_S: Final = 0.1
"""Between advertisements of a customer's phone: Android's ADVERTISE_MODE_LOW_LATENCY."""
DAY_S: Final = 86_400

ANTENNAS: Final = (
    (SimulatedAntenna("usb:1-1.1", Spot(1.0, 6.0)), Place.INSIDE),
    (SimulatedAntenna("usb:1-1.2", Spot(0.4, 0.1), looks_in=1, back_db=16), Place.DOOR),
    (SimulatedAntenna("usb:1-1.3", Spot(0.4, -0.1), looks_in=-1, back_db=16), Place.OUTSIDE),
)
"""A pair at the door, back to back, and one deep in the shop."""
AIR: Final = Air(open_door_m=0.7, front_loss_db=12, shadowing_db=1)
"""A good door, so that the story comes true for every seed: docs/entry.md has others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One customer of the chain. `said` is what the story demands of the gateway, each exactly
    once.
    """

    name: str
    permission: str
    """What they agreed to, in 15 characters for the screen."""
    remark: str
    """Why nothing is said of them, in a few words; empty where something is."""
    door_s: float
    stops: tuple[tuple[Spot, float], ...]
    wants: tuple[str, ...]
    """Categories of their agreement when the play begins."""
    purposes: tuple[str, ...] = ("presence", "offers")
    store: str = STORE
    days: int = 180
    """From now to the end of the agreement; negative: it is over."""
    paused: bool = False
    objected: bool = False
    asks_for: str = ""
    """A category that they ask for while the play runs."""
    said: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    """The categories that the `entered` must name; the engine answers with one offer of one of
    them.
    """
    withdraws: bool = False
    rings: bool = False
    """A locked iPhone: it broadcasts nothing, and answers the doorbell."""
    identity_key: bytes = field(repr=False)

    @property
    def customer_id(self) -> str:
        """Theirs with the chain."""
        return f"{self.name.lower()}@acme.example"

    @property
    def goes_in(self) -> bool:
        return any(spot.y_m >= 0 for spot, _ in self.stops)

    @property
    def in_force(self) -> bool:
        """Whether what they agreed to holds here and today, as the story has it."""
        return self.days > 0 and self.store == STORE and not (self.paused or self.objected)

    def walk(self) -> Walk:
        return visiting(
            self.door_s,
            self.stops,
            from_left=self.stops[0][0].x_m < 0,
            then_left=self.stops[-1][0].x_m < 0,
        )

    def pocket(self) -> Pocket:
        return Pocket(self.name, self.walk(), self.identity_key)

    def phone(self) -> Phone:
        broadcast = CustomerBroadcast(self.identity_key)
        return Phone(self.name, self.walk(), broadcast, INTERVAL_S, customer=True)

    def import_lines(self, now_s: float) -> Iterator[dict[str, Any]]:
        """Their part of an export, as `presence consents import` reads it."""
        given = {"subject": self.customer_id, "value": "given", "notice": "demo-1"}
        given |= {"timestamp": _date(now_s - 200 * DAY_S)}
        given |= {"expiry": _date(now_s + self.days * DAY_S)}
        for purpose in (*self.purposes, *self.wants):
            first = purpose == "presence"
            key, stores = (self.identity_key.hex(), self.store) if first else ("", "")
            yield {**given, "purpose": purpose, "identity_key": key, "stores": stores}
        if self.objected:
            yield {**given, "purpose": "offers", "value": "objected"}


def _date(utc_s: float) -> str:
    return datetime.fromtimestamp(utc_s, UTC).date().isoformat()


def _at(*stops: tuple[float, float, float]) -> tuple[tuple[Spot, float], ...]:
    return tuple((Spot(x_m, y_m), stay_s) for x_m, y_m, stay_s in stops)


_CAST: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "Aino",
        "permission": "cars, visit end",
        "remark": "",
        "door_s": 6,
        "stops": _at((-0.4, 3.4, 7), (0.8, 3.2, 3)),
        "wants": (CARS,),
        "purposes": ("presence", "offers", "visit_end"),
        "said": ("entered", "left"),
        "allow": (CARS,),
    },
    {
        "name": "Bruno",
        "permission": "cars, garden",
        "remark": "only looked in at the window",
        "door_s": 8,
        "stops": _at((4.2, -2.4, 7)),
        "wants": (CARS, GARDEN),
    },
    {
        "name": "Carla",
        "permission": "ended yesterday",
        "remark": "permission ended yesterday",
        "door_s": 12,
        "stops": _at((1.4, 3.0, 9), (-0.5, 1.0, 6)),
        "wants": (CARS,),
        "days": -1,
    },
    {
        "name": "David",
        "permission": "garden",
        "remark": "",
        "door_s": 15,
        "stops": _at((-0.8, 3.4, 10), (-0.4, 1.8, 12), (-1.2, 2.6, 8)),
        "wants": (GARDEN,),
        "said": ("entered", "withdrawn"),
        "allow": (GARDEN,),
        "withdraws": True,
    },
    {
        "name": "Elsa",
        "permission": "shoes",
        "remark": "",
        "door_s": 46,
        "stops": _at((0.6, 3.2, 8), (1.8, 2.2, 4)),
        "wants": (SHOES,),
        "asks_for": GARDEN,
        "said": ("entered",),
        "allow": (GARDEN,),
    },
    {
        "name": "Farid",
        "permission": "paused a week",
        "remark": "paused for a week",
        "door_s": 24,
        "stops": _at((-2.0, 1.6, 8), (-0.6, 2.6, 7)),
        "wants": (CARS,),
        "paused": True,
    },
    {
        "name": "Greta",
        "permission": "shoes",
        "remark": "agreed to shoes, no campaign for them",
        "door_s": 28,
        "stops": _at((0.9, 2.0, 8), (1.9, 2.2, 9)),
        "wants": (SHOES,),
    },
    {
        "name": "Hugo",
        "permission": "another store",
        "remark": "agreed for another store",
        "door_s": 32,
        "stops": _at((-0.9, 3.0, 8), (-1.8, 1.8, 6)),
        "wants": (CARS,),
        "store": OTHER_STORE,
    },
    {
        "name": "Iris",
        "permission": "objected",
        "remark": "objected to advertising",
        "door_s": 40,
        "stops": _at((1.2, 1.4, 6), (0.3, 2.9, 5)),
        "wants": (CARS,),
        "objected": True,
    },
    {
        "name": "Jonas",
        "permission": "cars, by iPhone",
        "remark": "",
        "door_s": 34,
        "stops": _at((0.7, 1.9, 9), (-0.9, 2.7, 9)),
        "wants": (CARS,),
        "said": ("entered",),
        "allow": (CARS,),
        "rings": True,
    },
)


def cast(seed: int) -> tuple[Person, ...]:
    """The people of the story; with another seed they come a little earlier or later, with other
    keys.
    """
    chance = Random(f"{seed}/cast")
    return tuple(_persons(chance))


def _persons(chance: Random) -> Iterator[Person]:
    for traits in _CAST:
        yield Person(
            **{**traits, "door_s": traits["door_s"] + chance.uniform(-1, 1)},
            identity_key=chance.randbytes(16),
        )


def stranger_who_rings(seed: int) -> Pocket:
    """Somebody with the chain's app and no consent at this store: answers, and nobody learns whose
    answer it was.
    """
    chance = Random(f"{seed}/ringer")
    stops = ((Spot(1.5, 2.4), 12.0),)
    return Pocket(
        "ringer", visiting(18, stops, then_left=True), chance.randbytes(16), customer=False
    )

"""Who comes to the shop, what each of them agreed to, and what must and must not be said of them.

Names exist here and on the screen only. What goes to the gateway is the list below: references,
keys, purposes, categories and dates. The categories are those of the IAB Ad Product Taxonomy 2.0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from presence.core.consent.entry_rules import FORMAT_VERSION
from presence.core.encoding import encode_base64url
from presence.core.recognition.identifiers import WINDOW_S, window_at
from presence.simulation import CustomerBroadcast, Phone, Pocket, Spot, Walk, visiting
from presence.simulation.identity_keys import window_key

CHAIN: Final = "acme"
STORE: Final = "fi-0042"
OTHER_STORE: Final = "fi-0043"
AUDIENCE: Final = "offers-main"
LIST: Final = f"{CHAIN}/{STORE}"
CARS: Final = "ap2:1551"
GARDEN: Final = "ap2:1285"
SHOES: Final = "ap2:1070"
CATEGORIES: Final = {CARS: "cars", GARDEN: "garden", SHOES: "shoes"}
CAMPAIGNS: Final = (CARS, GARDEN)
"""What the offer engine runs today: nothing about shoes."""

SECONDS: Final = 65.0
"""How long the play takes at speed 1; the last `left` is due about five seconds before."""
WITHDRAWAL_S: Final = 38.0
"""When somebody withdraws, and the consent service signs a notice of it."""
LIST_FOLLOWS_S: Final = 6.0
"""So much later the list says so too."""
STRANGERS: Final = 72
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One customer of the chain. `said` is what the story demands of the gateway, each exactly
    once.
    """

    name: str
    permission: str
    """What they agreed to, in 15 characters for the screen."""
    remark: str
    """Why nothing is said of them, in a sentence; empty where something is."""
    door_s: float
    stops: tuple[tuple[Spot, float], ...]
    terms: Mapping[str, Any]
    """What their entry of the list has beside or instead of the usual."""
    said: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    """The categories that the `entered` must name; the engine answers with one offer of one of
    them.
    """
    withdraws: bool = False
    rings: bool = False
    """A locked iPhone: it broadcasts nothing, and answers the doorbell."""
    identity_key: bytes = field(repr=False)
    pairwise_key: bytes = field(repr=False)
    ref: bytes = field(repr=False)

    @property
    def letter(self) -> str:
        return self.name[0]

    @property
    def goes_in(self) -> bool:
        return any(spot.y_m >= 0 for spot, _ in self.stops)

    @property
    def in_force(self) -> bool:
        """Whether what they agreed to holds here and today, as the story has it."""
        return self.terms.keys().isdisjoint(("na", "paused_until", "scope", "objected"))

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
        return Phone(self.name, self.walk(), CustomerBroadcast(self.identity_key), customer=True)

    def entry(self, now_s: float) -> dict[str, Any]:
        """Their line of the consent list; see docs/consent-list.md."""
        window = window_at(now_s)
        keys = [window_key(self.identity_key, number * WINDOW_S) for number in (window, window + 1)]
        usual = {
            "ref": _text(self.ref),
            "ver": 1,
            "win": {
                "start": window * WINDOW_S,
                "len": WINDOW_S,
                "keys": [_text(key) for key in keys],
            },
            "pk": {AUDIENCE: _text(self.pairwise_key)},
            "purposes": ["presence", "offers"],
            "nb": int(now_s) - 30 * DAY_S,
            "na": int(now_s) + 180 * DAY_S,
            "scope": {"type": "store", "id": STORE},
        }
        return {
            **usual,
            **{
                key: int(now_s) + value if key in _RELATIVE else value
                for key, value in self.terms.items()
            },
        }


_RELATIVE: Final = ("na", "paused_until")
"""Dates in `terms` are seconds from now."""


def _text(value: bytes) -> str:
    return encode_base64url(value)


def _grants(*categories: str) -> dict[str, Any]:
    return {"grants": [[category, 0] for category in categories]}


def _at(*stops: tuple[float, float, float]) -> tuple[tuple[Spot, float], ...]:
    return tuple((Spot(x_m, y_m), stay_s) for x_m, y_m, stay_s in stops)


_CAST: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "Aino",
        "permission": "cars, visit end",
        "remark": "",
        "door_s": 6,
        "stops": _at((-1.0, 2.2, 6), (0.8, 2.5, 3)),
        "terms": {**_grants(CARS), "purposes": ["presence", "offers", "visit_end"]},
        "said": ("entered", "left"),
        "allow": (CARS,),
    },
    {
        "name": "Bruno",
        "permission": "cars, garden",
        "remark": "only looked in at the window",
        "door_s": 8,
        "stops": _at((4.2, -2.4, 7)),
        "terms": _grants(CARS, GARDEN),
    },
    {
        "name": "Carla",
        "permission": "ended yesterday",
        "remark": "permission ran out yesterday",
        "door_s": 12,
        "stops": _at((1.4, 3.0, 9), (-0.5, 1.0, 6)),
        "terms": {**_grants(CARS), "na": -DAY_S},
    },
    {
        "name": "David",
        "permission": "garden",
        "remark": "",
        "door_s": 15,
        "stops": _at((-1.6, 2.6, 10), (-0.4, 0.8, 12), (-1.2, 2.0, 8)),
        "terms": _grants(GARDEN),
        "said": ("entered", "withdrawn"),
        "allow": (GARDEN,),
        "withdraws": True,
    },
    {
        "name": "Elsa",
        "permission": "cars, garden",
        "remark": "",
        "door_s": 20,
        "stops": _at((1.8, 1.2, 9), (0.6, 2.8, 14)),
        "terms": _grants(CARS, GARDEN),
        "said": ("entered",),
        "allow": (GARDEN, CARS),
    },
    {
        "name": "Farid",
        "permission": "paused a week",
        "remark": "paused their permission",
        "door_s": 25,
        "stops": _at((-2.0, 1.6, 8), (-0.6, 2.6, 7)),
        "terms": {**_grants(CARS), "paused_until": 7 * DAY_S},
    },
    {
        "name": "Greta",
        "permission": "shoes",
        "remark": "inside, but no campaign for shoes runs",
        "door_s": 29,
        "stops": _at((0.9, 2.0, 8), (1.9, 2.2, 9)),
        "terms": _grants(SHOES),
    },
    {
        "name": "Hugo",
        "permission": "another store",
        "remark": "agreed for another store",
        "door_s": 33,
        "stops": _at((-0.9, 3.0, 8), (-1.8, 1.8, 6)),
        "terms": {**_grants(CARS), "scope": {"type": "store", "id": OTHER_STORE}},
    },
    {
        "name": "Iris",
        "permission": "objected",
        "remark": "objected to advertising",
        "door_s": 38,
        "stops": _at((1.2, 1.4, 7), (0.3, 2.9, 6)),
        "terms": {**_grants(CARS), "objected": True},
    },
    {
        "name": "Jonas",
        "permission": "cars, by iPhone",
        "remark": "",
        "door_s": 36,
        "stops": _at((0.7, 1.9, 9), (-0.9, 2.7, 9)),
        "terms": _grants(CARS),
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
            pairwise_key=chance.randbytes(16),
            ref=chance.randbytes(8),
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


def consent_list(people: tuple[Person, ...], *, seq: int, now_s: float) -> list[dict[str, Any]]:
    """Header and entries, as the consent service publishes them."""
    header = {
        "v": FORMAT_VERSION,
        "list": LIST,
        "seq": seq,
        "published_at": int(now_s),
        "suppression_checked_at": int(now_s) - 600,
        "count": len(people),
    }
    return [header, *(person.entry(now_s) for person in people)]

"""What the audience of the play knows: where the people of the story are, and what was said of
them.

Two sources, and no third: the simulated walks, and the messages of the broker. Whose a message is,
is found as an offer engine finds it, with the subjects of the day. Nothing is asked of the pipeline
but its counts.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from presence.core.event.cloudevent import Assurance, subject_of_day, utc_day
from presence.demo.story import CATEGORIES, Person
from presence.demo.watch import Message
from presence.simulation import Position, SimulatedClock
from presence.simulation.walks import place_of


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the play."""

    at_s: float
    kind: str
    """`walk`, `entered`, `left`, `withdrawn`, `offer`, `cancelled` or `list`."""
    text: str


@dataclass(slots=True)
class Role:
    """What is known of one person."""

    person: Person
    place: Position = Position.AWAY
    been_inside: bool = False
    said: Counter[str] = field(default_factory=Counter)
    """Events by kind, copies of one event counted once."""
    answered: bool = False
    """The event says that the phone answered the doorbell's challenge."""
    allow: tuple[str, ...] = ()
    offers: list[str] = field(default_factory=list)
    """Categories offered."""
    cancelled: int = 0

    @property
    def complete(self) -> bool:
        """All that the story has for them was said."""
        person = self.person
        return (
            sorted(self.said.elements()) == sorted(person.said)
            and len(self.offers) == bool(person.allow)
            and self.cancelled == person.withdraws
        )

    @property
    def status(self) -> str:
        """At most 13 characters: what a shop assistant would want to know."""
        if self.said["withdrawn"]:
            return "offer gone" if self.cancelled else "withdrew"
        if self.said["left"]:
            return "left again"
        if self.offers:
            return f"offer: {words(self.offers)}"
        if self.said["entered"]:
            return "greeted"
        if self.place is Position.INSIDE:
            return "inside"
        if self.place is Position.WINDOW:
            return "at the window"
        return (
            "in the street"
            if self.place is Position.STREET
            else ("gone" if self.been_inside else "")
        )


class Scene:
    """Takes in messages and the passing of time; hands each happening to `tell`."""

    def __init__(
        self,
        people: Iterable[Person],
        clock: SimulatedClock,
        *,
        seconds: float,
        tell: Callable[[Happening], None],
    ) -> None:
        self.roles = {person.name: Role(person) for person in people}
        self.happenings: list[Happening] = []
        self.strays: Counter[str] = Counter()
        """What nobody of the story accounts for: events of unknown subjects, messages that cannot
        be read.
        """
        self._clock = clock
        self._seconds = seconds
        self._tell = tell
        self._subjects = {
            subject_of_day(role.person.pairwise_key, utc_day(clock.start.utc_s + offset_s)): role
            for role in self.roles.values()
            for offset_s in (0.0, seconds)
        }
        self._had: set[tuple[str, str]] = set()

    @property
    def now_s(self) -> float:
        """The time of the story."""
        return min(self._clock.elapsed_s, self._seconds)

    def look(self) -> None:
        """See where everybody is."""
        now_s = self.now_s
        for role in self.roles.values():
            before, role.place = role.place, place_of(role.person.walk().at(now_s))
            if role.place is before:
                continue
            name, permission = role.person.name, role.person.permission
            if role.place is Position.INSIDE:
                role.been_inside = True
                self.happened("walk", f"{name} comes in ({permission})")
            elif (
                role.place is Position.WINDOW
                and before is Position.STREET
                and not role.person.goes_in
            ):
                self.happened("walk", f"{name} stops at the window ({permission})")
            elif before is Position.INSIDE:
                self.happened("walk", f"{name} goes")

    def happened(self, kind: str, text: str) -> None:
        happening = Happening(self.now_s, kind, text)
        self.happenings.append(happening)
        self._tell(happening)

    def take(self, message: Message) -> None:
        """An event or an offer; the gateway's own state is no business of the play."""
        levels = message.topic.split("/")
        what = levels[-2] if len(levels) > 2 else ""
        if what not in ("evt", "offer"):
            return
        try:
            body = json.loads(message.payload)
            (self._event if what == "evt" else self._offer)(body)
        except (ValueError, KeyError, TypeError):
            self.strays["unreadable message"] += 1

    def _event(self, event: dict[str, Any]) -> None:
        key = (event["source"], event["id"])
        if key in self._had:
            return
        self._had.add(key)
        kind = event["type"].split(".")[1]
        role = self._subjects.get(event["subject"])
        if role is None:
            self.strays["event of an unknown subject"] += 1
            return
        role.said[kind] += 1
        name = role.person.name
        if kind == "entered":
            role.allow = tuple(event["data"]["allow"])
            answered = event["data"]["assurance"] == Assurance.CHALLENGE
            how = ", answered the doorbell" if answered else ""
            role.answered = role.answered or answered
            self.happened(kind, f"{name} entered{how}; may hear of {words(role.allow)}")
        elif kind == "withdrawn":
            self.happened(kind, f"{name} is taken back ({event['data']['reason']})")
        else:
            self.happened(kind, f"{name} left again (agreed to tell)")

    def _offer(self, offer: dict[str, Any]) -> None:
        role = self._subjects.get(offer["subject"])
        if role is None:
            self.strays["offer to an unknown subject"] += 1
        elif offer.get("cancelled"):
            role.cancelled += 1
            self.happened("cancelled", f"the offer to {role.person.name} is cancelled")
        else:
            role.offers.append(offer["category"])
            self.happened("offer", f"offer to {role.person.name}: {offer['text']}")


def words(categories: Iterable[str]) -> str:
    return " and ".join(CATEGORIES.get(category, category) for category in categories)

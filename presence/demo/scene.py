"""What the audience of the play knows: where the people of the story are, and what was said of
them.

Two sources, and no third: the simulated street (who walks where, whose phone hears the bell), and
the messages of the broker. Whose a message is, is found as an offer engine finds it, with the
subjects of the day. Nothing is asked of the gateway: see `presence.demo.knowledge`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from presence.core.event.cloudevent import Assurance, subject_of_day, utc_day
from presence.demo.story import CATEGORIES, Person
from presence.simulation import Phone, Position, SimulatedClock, SimulatedDoorbell
from presence.simulation.walks import place_of
from presence.simulation.watch import Message


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the play."""

    at_s: float
    kind: str
    """`walk`, `silent`, `bell`, `entered`, `left`, `withdrawn`, `offer`, `cancelled` or `list`."""
    text: str


@dataclass(slots=True)
class Role:
    """What is known of one person."""

    person: Person
    place: Position = Position.AWAY
    been_inside: bool = False
    asked: bool = False
    """For more, in the app, while the play runs."""
    hears_bell: bool = False
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
    def agreed(self) -> str:
        """At most 15 characters."""
        return words(self.person.allow) if self.asked else self.person.permission

    @property
    def status(self) -> str:
        """At most 15 characters: how it goes for them."""
        if self.said["withdrawn"]:
            return "offer withdrawn" if self.cancelled else "withdrew"
        if self.said["left"]:
            return "left again"
        if self.offers:
            return f"offer: {words(self.offers)}"
        if self.said["entered"]:
            return "entered"
        if self.hears_bell:
            return "hears the bell"
        if self.place is Position.AWAY:
            return "gone" if self.been_inside else ""
        return {
            Position.INSIDE: "inside",
            Position.WINDOW: "at the window",
            Position.STREET: "in the street",
        }[self.place]


class Scene:
    """Takes in messages and the passing of time; hands each happening to `tell`."""

    def __init__(
        self,
        people: Iterable[Person],
        customers: Mapping[str, bytes],
        clock: SimulatedClock,
        *,
        seconds: float,
        tell: Callable[[Happening], None],
    ) -> None:
        """`customers`: id → pairwise key, of those whom the offer engine knows."""
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
            subject_of_day(key, utc_day(clock.start.utc_s + offset_s)): role
            for role in self.roles.values()
            for key in filter(None, (customers.get(role.person.customer_id),))
            for offset_s in (0.0, seconds)
        }
        self._had: set[tuple[str, str]] = set()
        self._answers = 0
        self._answered: set[str] = set()
        self._stranger_inside: Phone | None = None
        self._stranger_told = False

    @property
    def now_s(self) -> float:
        """The time of the story."""
        return min(self._clock.elapsed_s, self._seconds)

    def look(self, strangers: Iterable[Phone], doorbell: SimulatedDoorbell) -> None:
        """See where everybody is, and whose phone the bell has reached."""
        now_s = self.now_s
        for role in self.roles.values():
            before, role.place = role.place, place_of(role.person.walk().at(now_s))
            if role.place is not before:
                self._moved(role, before)
        self._look_at_a_stranger(strangers, now_s)
        self._listen_at_the_bell(doorbell)

    def _moved(self, role: Role, before: Position) -> None:
        person = role.person
        if role.place is Position.INSIDE:
            role.been_inside = True
            self.happened("walk", f"{person.name} comes in ({role.agreed})")
        elif before is Position.INSIDE or (before is Position.WINDOW and not person.goes_in):
            self.happened("walk", f"{person.name} goes")
            if not role.said:
                why = person.remark or "not noticed at the door"
                self.happened("silent", f"{person.name}: {why} → nothing said")

    def _look_at_a_stranger(self, strangers: Iterable[Phone], now_s: float) -> None:
        """One speaks for all of them."""
        if self._stranger_told:
            return
        if self._stranger_inside is None:
            inside = (
                phone for phone in strangers if place_of(phone.walk.at(now_s)) is Position.INSIDE
            )
            self._stranger_inside = next(inside, None)
        elif place_of(self._stranger_inside.walk.at(now_s)) is not Position.INSIDE:
            self._stranger_told = True
            self.happened("silent", "a stranger: never asked for anything → nothing said")

    def _listen_at_the_bell(self, doorbell: SimulatedDoorbell) -> None:
        ringing = [role for role in self.roles.values() if role.person.rings]
        for role in ringing:
            if not role.hears_bell and role.person.name in doorbell.last_heard:
                role.hears_bell = True
                name = role.person.name
                self.happened("bell", f"{name}: the iPhone is locked and silent; it hears the bell")
        for answer in doorbell.answers[self._answers :]:
            whose = "nobody" if not answer.customer else ringing[0].person.name
            self._answers += 1
            if whose in self._answered:
                continue
            self._answered.add(whose)
            if answer.customer:
                self.happened("bell", f"{whose}: the iPhone answers the bell, proven by its key")
            else:
                self.happened("silent", "a stranger's phone answers the bell, too → nothing said")

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
            how = ", proven at the bell" if answered else ""
            role.answered = role.answered or answered
            text = f"{name} entered{how} → the engine may offer: {words(role.allow)}"
            self.happened(kind, text)
        elif kind == "withdrawn":
            self.happened(kind, f"{name}'s event is withdrawn")
        else:
            self.happened(kind, f"{name} left; agreed to tell that, too")

    def _offer(self, offer: dict[str, Any]) -> None:
        role = self._subjects.get(offer["subject"])
        if role is None:
            self.strays["offer to an unknown subject"] += 1
        elif offer.get("cancelled"):
            role.cancelled += 1
            self.happened("cancelled", f"{role.person.name}'s offer is cancelled")
        else:
            role.offers.append(offer["category"])
            self.happened("offer", f"{role.person.name} gets an offer: {offer['text']}")


def words(categories: Iterable[str]) -> str:
    return ", ".join(CATEGORIES.get(category, category) for category in categories)

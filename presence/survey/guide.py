"""What the technician is asked to do, act by act; and what was heard during each.

radio ─ phone ─ round 1: window, past, past, lookin, in, inside, leave ─ round 2 … ─ broker

One round of walking gives readings of every phone that is carried. Pockets change with each round,
so that no phone is always on the side of the body that faces the shop.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from presence.core.place import Place
from presence.core.visit.antennas import innermost
from presence.core.visit.walks import Trial, Walked, WalkReading
from presence.language import Joined, Sentence


class SurveyStep(StrEnum):
    """What `--steps` picks from, in this order; never translated, for it is typed."""

    RADIO = "radio"
    PHONE = "phone"
    WALK = "walk"
    BROKER = "broker"


class Doing(StrEnum):
    """What the phone does during an act; those of the walk are also the words of `--marks`."""

    RADIO = "radio"
    PHONE = "phone"
    WINDOW = "window"
    PAST = "past"
    LOOKIN = "lookin"
    IN = "in"
    INSIDE = "inside"
    LEAVE = "leave"
    BROKER = "broker"


class CarriedIn(StrEnum):
    """In which trouser pocket."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Act:
    """One recording of so many seconds."""

    doing: Doing
    seconds: float
    title: str
    ask: str = ""
    """What to do before the recording starts; empty where nothing has to be done."""
    number: int = 0
    """Which act of the walk it is, from 0."""
    from_s: float = 0.0
    """Where it begins in a capture."""
    round: int = 0
    """Which round of the walk it belongs to, from 0."""


_WALK: Final[Sequence[tuple[Doing, float, Sentence, str]]] = (
    (
        Doing.WINDOW,
        15,
        Sentence("at the window"),
        Sentence("Stand outside at the window, as somebody who looks at the goods."),
    ),
    (
        Doing.PAST,
        10,
        Sentence("walking past"),
        Sentence(
            "Outside again. From 10 m away walk past the shop, without a stop; at the next bell "
            "turn, and once more past it, the other way."
        ),
    ),
    (Doing.PAST, 10, Sentence("walking past"), ""),
    (
        Doing.LOOKIN,
        15,
        Sentence("looking in"),
        Sentence(
            "Outside again. From 10 m away step up to the open door and look in until the bell, a "
            "step outside the line: lean, turn, but do not cross."
        ),
    ),
    (
        Doing.IN,
        15,
        Sentence("coming in"),
        Sentence(
            "Outside again. From 10 m away come up and in, without a stop, 3 m further in; at the "
            "next bell go on as a customer does, also to the far corner; at the one after it go "
            "out, and away."
        ),
    ),
    (Doing.INSIDE, 15, Sentence("inside"), ""),
    (Doing.LEAVE, 10, Sentence("leaving"), ""),
)
READS_S: Final = 5.0
"""Between two parts: to read what is asked for and to press Enter."""


def radio_act(seconds: float) -> Act:
    return Act(Doing.RADIO, seconds, Sentence("listening"))


def phone_act(seconds: float, models: Sequence[str] = ()) -> Act:
    if len(models) > 1:
        ask = Sentence(
            "Start the app. Hold {first} near the gateway, {second} at arm's length: so they are "
            "told apart.",
            first=models[0],
            second=models[1],
        )
    elif models:
        ask = Sentence("Start the app. Hold {first} near the gateway.", first=models[0])
    else:
        ask = Sentence(
            "Start the app. Hold the test phone near the gateway, a second one, if you carry two, "
            "at arm's length: so they are told apart."
        )
    return Act(Doing.PHONE, seconds, Sentence("test phone"), ask)


def broker_act(seconds: float, expected: str = "") -> Act:
    """`expected`: how soon the entry may be, in words."""
    ask = Sentence("Outside again. From 10 m away come up and in when the bell rings, and stay.")
    if expected:
        ask = Joined(" ", (ask, Sentence("Have patience: {expected}.", expected=expected)))
    return Act(Doing.BROKER, seconds, Sentence("coming in"), ask)


MOST_ROUNDS: Final = 20


def walk_acts(rounds: int) -> Iterator[Act]:
    for number in range(rounds * len(_WALK)):
        in_round, of_round = divmod(number, len(_WALK))
        doing, seconds, title, ask = _WALK[of_round]
        yield Act(doing, seconds, title, ask, number, round=in_round)


def pocket(phone: int, in_round: int) -> CarriedIn:
    """Of a phone, from 1, in a round, from 0."""
    return CarriedIn.LEFT if (phone + in_round) % 2 else CarriedIn.RIGHT


def pockets_now(names: Sequence[str], in_round: int) -> Sentence:
    """`Pockets now: Pixel 7 left, iPhone 13 right.`"""
    each = (
        Sentence("{phone} left", phone=name)
        if pocket(number, in_round) is CarriedIn.LEFT
        else Sentence("{phone} right", phone=name)
        for number, name in enumerate(names, start=1)
    )
    return Sentence("Pockets now: {phones}.", phones=Joined(", ", each))


def planned_s(acts: Sequence[Act], ready_s: float) -> float:
    """How long the acts take, with the time to read and to get to the door."""
    return sum(act.seconds + (READS_S + ready_s if act.ask else 0.0) for act in acts)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An act, when it began by the clock of the source, and what was heard of each phone."""

    act: Act
    began_s: float
    phones: Mapping[int, tuple[WalkReading, ...]]


@dataclass(slots=True)
class Walks:
    """Everything that was recorded of the walk."""

    recorded: list[Recorded] = field(default_factory=list)
    places: Mapping[str, Place] = field(default_factory=dict)
    """Of the antennas that the settings name."""
    names: Sequence[str] = ()
    """Of the phones: their models, or `phone 1`."""
    models: Sequence[str] = ()
    """As far as the technician said them."""

    def name(self, phone: int) -> str:
        known = phone <= len(self.names)
        return self.names[phone - 1] if known else Sentence("phone {number}", number=phone)

    def hung(self) -> set[Place]:
        """Where there is an antenna, of the settings or not, that could hear the walks."""
        heard = {
            said.place for one in self.recorded for each in one.phones.values() for said in each
        }
        return heard | set(self.places.values())

    @property
    def within(self) -> Place:
        """Where the antennas hang that hear who is inside."""
        return innermost(self.hung())

    def phones(self) -> list[int]:
        """Those that were heard on any of the walks; the first, where none was."""
        heard = {phone for one in self.recorded for phone, said in one.phones.items() if said}
        return sorted(heard) or [1]

    def said(self, *doings: Doing) -> Iterator[list[WalkReading]]:
        """Of each act and phone, as heard innermost: what another antenna heard keeps nobody in."""
        within = self.within
        for one in self.recorded:
            if one.act.doing in doings:
                for readings in one.phones.values():
                    yield [reading for reading in readings if reading.place is within]

    def trials(self) -> list[Trial]:
        return [trial for phone in self.phones() for trial in self._trials_of(phone)]

    def _trials_of(self, phone: int) -> list[Trial]:
        """A stay inside goes on from the coming in before it: together they are one walk in.

        Time that passed between the two was not walked, and is taken out.
        """
        trials: list[Trial] = []
        for before, one in zip([None, *self.recorded], self.recorded, strict=False):
            readings = one.phones.get(phone, ())
            if (
                one.act.doing is Doing.INSIDE
                and before is not None
                and before.act.doing is Doing.IN
            ):
                coming = trials.pop()
                by_s = before.began_s + before.act.seconds - one.began_s
                readings = coming.readings + tuple(
                    reading._replace(at_s=reading.at_s + by_s) for reading in readings
                )
                trials.append(Trial(Walked.IN, coming.began_s, readings, phone, self.places))
            elif one.act.doing in _KINDS:
                kind = _KINDS[one.act.doing]
                trials.append(Trial(kind, one.began_s, readings, phone, self.places))
        return trials


DOING_WORDS: Final = {
    Doing.WINDOW: Sentence("window"),
    Doing.PAST: Sentence("past"),
    Doing.LOOKIN: Sentence("lookin"),
    Doing.IN: Sentence("in"),
    Doing.INSIDE: Sentence("inside"),
    Doing.LEAVE: Sentence("leave"),
}
"""One short word for each kind of walk, for the pictures."""
_KINDS: Final = {
    Doing.WINDOW: Walked.WINDOW,
    Doing.PAST: Walked.PAST,
    Doing.LOOKIN: Walked.LOOKIN,
    Doing.IN: Walked.IN,
}
OUTSIDE: Final = (Doing.WINDOW, Doing.PAST, Doing.LOOKIN)
WITHIN: Final = (Doing.INSIDE,)

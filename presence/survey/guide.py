"""What the technician is asked to do, act by act; and what was heard during each.

radio ─ phone ─ round 1: window, past, past, in, inside, leave ─ round 2 … ─ broker
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from presence.core.visit.walks import Trial, Walked, WalkReading
from presence.survey.hearing import Heard


class SurveyStep(StrEnum):
    """What `--steps` picks from, in this order."""

    RADIO = "radio"
    PHONE = "phone"
    WALK = "walk"
    BROKER = "broker"


class Doing(StrEnum):
    """What the phone does during an act; also the words of `--marks`."""

    RADIO = "radio"
    PHONE = "phone"
    WINDOW = "window"
    PAST = "past"
    IN = "in"
    INSIDE = "inside"
    LEAVE = "leave"
    BROKER = "broker"


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


_WALK: Final = (
    (
        Doing.WINDOW,
        20,
        "at the window",
        "Stand outside at the window, as somebody who looks at the goods.",
    ),
    (
        Doing.PAST,
        12,
        "walking past",
        "Outside again. From 10 m away walk past the shop, without a stop.",
    ),
    (
        Doing.PAST,
        12,
        "walking past",
        "Once more past the shop, the other way, the phone in another pocket.",
    ),
    (
        Doing.IN,
        12,
        "coming in",
        "Stand at the door, outside. Come in when the bar starts; go 3 m in.",
    ),
    (Doing.INSIDE, 20, "inside", "Move about inside as a customer does; also in the far corner."),
    (Doing.LEAVE, 12, "leaving", "Go out of the door when the bar starts, and away."),
)


def radio_act(seconds: float) -> Act:
    return Act(Doing.RADIO, seconds, "listening")


def phone_act(seconds: float) -> Act:
    return Act(
        Doing.PHONE,
        seconds,
        "test phone",
        "Start the app on the test phone and hold it near the gateway.",
    )


def broker_act(seconds: float) -> Act:
    return Act(
        Doing.BROKER,
        seconds,
        "coming in",
        "Stand outside at the door. Come in when the bar starts, and stay.",
    )


def walk_acts(rounds: int) -> Iterator[Act]:
    for number in range(rounds * len(_WALK)):
        doing, seconds, title, ask = _WALK[number % len(_WALK)]
        yield Act(doing, seconds, title, ask, number)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An act, when it began by the clock of the source, and what was heard of the test phone."""

    act: Act
    began_s: float
    readings: tuple[WalkReading, ...]


@dataclass(slots=True)
class Walks:
    """Everything that was recorded of the walk."""

    recorded: list[Recorded] = field(default_factory=list)

    def add(self, act: Act, heard: Heard) -> None:
        self.recorded.append(Recorded(act, heard.began_s, heard.readings))

    def readings(self, *doings: Doing) -> list[WalkReading]:
        """As heard inside: what an adapter at the door heard tells nothing about a threshold by
        itself.
        """
        within = (
            reading for one in self.recorded if one.act.doing in doings for reading in one.readings
        )
        return [reading for reading in within if not reading.at_door]

    def trials(self) -> list[Trial]:
        """A stay inside goes on from the coming in before it: together they are one walk in.

        The time that the technician took to press Enter between the two was not walked, and is
        taken out.
        """
        trials: list[Trial] = []
        for before, one in zip([None, *self.recorded], self.recorded, strict=False):
            if (
                one.act.doing is Doing.INSIDE
                and before is not None
                and before.act.doing is Doing.IN
            ):
                coming = trials.pop()
                by_s = before.began_s + before.act.seconds - one.began_s
                staying = tuple(
                    reading._replace(at_s=reading.at_s + by_s) for reading in one.readings
                )
                trials.append(Trial(Walked.IN, coming.began_s, coming.readings + staying))
            elif one.act.doing in _KINDS:
                trials.append(Trial(_KINDS[one.act.doing], one.began_s, one.readings))
        return trials


_KINDS: Final = {Doing.WINDOW: Walked.WINDOW, Doing.PAST: Walked.PAST, Doing.IN: Walked.IN}
OUTSIDE: Final = (Doing.WINDOW, Doing.PAST)
WITHIN: Final = (Doing.INSIDE,)

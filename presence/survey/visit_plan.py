"""What is asked of a visit: its steps and walks, the ways to them, and how long all may take."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from presence.config import Settings
from presence.survey.course import Course
from presence.survey.guide import (
    Act,
    SurveyStep,
    broker_act,
    phone_act,
    planned_s,
    radio_act,
)
from presence.survey.plans import ShopPlan


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked of this visit."""

    steps: Sequence[SurveyStep]
    radio_s: float = 10.0
    phone_s: float = 10.0
    broker_s: float = 45.0
    """At most: it ends with the event. How soon that may be: presence.survey.expecting."""
    walk: Sequence[Act] = ()
    models: Sequence[str] = ()
    """Of the phones that are carried, the first one first, where the technician said them."""
    shop: ShopPlan | None = None
    """What the technician says of front and antennas; None: as the antennas tell it."""
    ready_s: float = 0.0
    """Between the Enter and the bar: the way from the terminal to the door."""
    way_s: float = 0.0
    """The same as times are reckoned with: practice waits for nobody."""
    broker: Callable[[Settings], AbstractAsyncContextManager[Settings]] = nullcontext
    """Where the last step finds its broker."""

    @property
    def rounds(self) -> int:
        return max((act.round for act in self.walk), default=0) + 1

    def planned_s(self, step: SurveyStep, course: Course) -> float:
        """At most: with the time to read and to get to the door."""
        if step is SurveyStep.WALK:
            return course.left_s(self.way_s)
        acts = {
            SurveyStep.RADIO: radio_act(self.radio_s),
            SurveyStep.PHONE: phone_act(self.phone_s),
            SurveyStep.BROKER: broker_act(self.broker_s),
        }
        return planned_s([acts[step]], self.way_s)

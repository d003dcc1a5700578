"""What a visit was asked for: the options with which it goes on, and which of them contradict."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Self

from msgspec import Meta

from presence.edges.host.calibration import MOST_MONTHS
from presence.errors import UsageError
from presence.survey.carried import MOST
from presence.survey.guide import MOST_ROUNDS, SurveyStep
from presence.survey.plans import ShopPlan
from presence.survey.practice import PracticeDoor


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """By the names of the options; a path does not depend on the folder that one stands in."""

    simulated: bool
    steps: tuple[SurveyStep, ...] | None
    rounds: Annotated[int, Meta(ge=1, le=MOST_ROUNDS)]
    ready: Annotated[float, Meta(ge=0, le=3600)]
    phones: Annotated[tuple[str, ...], Meta(max_length=MOST)]
    plan: ShopPlan | None
    heights: Mapping[str, float]
    seed: int
    door: PracticeDoor | None
    apply: bool
    sign_off: str | None
    valid_months: Annotated[int, Meta(ge=1, le=MOST_MONTHS)]
    export_walks: Path | None
    report: Path | None

    @classmethod
    def of(cls, options: argparse.Namespace) -> Self:
        said = {each.name: _absolute(getattr(options, each.name)) for each in fields(cls)}
        return cls(**said)

    def go_on(self, options: argparse.Namespace) -> None:
        """Give them to a visit that goes on. Raises UsageError where the command line says
        otherwise.
        """
        if options.simulated != self.simulated:
            raise UsageError("--resume: say --simulated of practice, and of nothing else")
        for each in fields(self):
            said, before = _absolute(getattr(options, each.name)), getattr(self, each.name)
            if said not in (before, options.usual[each.name]):
                option = f"--{each.name.replace('_', '-')}"
                raise UsageError(
                    f"{option}: --resume goes on as the visit began: leave {option} out"
                )
            setattr(options, each.name, before)


def must_agree(options: argparse.Namespace) -> None:
    """Raises UsageError."""
    if options.apply and options.simulated:
        raise UsageError(
            "--apply: practice is not written into a file: walk this gateway's own door"
        )
    if options.door and not (options.simulated and options.plan in (None, ShopPlan.PAIR)):
        raise UsageError(
            "--door: good, middling and bad are doors of the pair to practise at: with "
            "--simulated, and without --plan"
        )
    if options.sign_off and not options.apply:
        raise UsageError("--sign-off: a record is signed off that --apply writes: say both")
    if options.replay and (options.resume or options.kept):
        raise UsageError("--resume, --kept: a capture is not cut off: leave them out")
    if options.simulated and options.resume and not options.kept:
        raise UsageError("--resume: practice is kept where --kept names a file: name it")


def _absolute(value: Any) -> Any:
    return value.absolute() if isinstance(value, Path) else value

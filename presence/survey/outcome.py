"""What a visit has come to: the result of each step, the walks, and how long it took."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from presence import __version__
from presence.diagnosis.findings import Verdict
from presence.edges.host.calibration import HungAntenna
from presence.language import Sentence
from presence.survey.guide import SurveyStep, Walks
from presence.survey.judging import Result
from presence.survey.walking import Tuning

STEP_NAMES: Final = {
    SurveyStep.RADIO: Sentence("radio"),
    SurveyStep.PHONE: Sentence("my phone"),
    SurveyStep.WALK: Sentence("walk the door"),
    SurveyStep.BROKER: Sentence("end to end"),
}
STEP_TITLES: Final = {
    SurveyStep.RADIO: Sentence("radio: can it hear?"),
    SurveyStep.PHONE: Sentence("my phone: is it recognised?"),
    SurveyStep.WALK: Sentence("walk the door: where is the threshold?"),
    SurveyStep.BROKER: Sentence("end to end: does the event arrive?"),
}


@dataclass(frozen=True, slots=True)
class InstalledSite:
    """What a commissioning record says of the installation."""

    machine: str = ""
    time_zone: str = "UTC"
    antennas: Sequence[HungAntenna] = ()
    settings_sha256: str = ""


@dataclass(slots=True)
class SurveyOutcome:
    """All that is known at the end; holds no identifier, and no address but our own antennas'."""

    source: str
    place: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    site: InstalledSite = field(default_factory=InstalledSite)
    results: dict[SurveyStep, Result] = field(default_factory=dict)
    walks: Walks = field(default_factory=Walks)
    tuned: Tuning | None = None
    applied: bool = False
    """The suggestion was written into the configuration."""
    signed_off_by: str = ""
    kept_at: Path | None = None
    """Where the visit is kept until it ends."""
    took_s: float = 0.0
    """As the plan reckons: the acts, the ways to them, and the time to read."""

    @property
    def verdict(self) -> Verdict:
        return max(
            (result.finding.verdict for result in self.results.values()), default=Verdict.FAIL
        )

    def as_dict(self) -> dict[str, object]:
        return {
            "presence": __version__,
            "at": f"{self.at:%Y-%m-%d %H:%M} UTC",
            "place": self.place,
            "source": self.source,
            "verdict": self.verdict.name,
            "took_s": round(self.took_s),
            "steps": {
                step.value: {**r.finding.as_dict(), **r.figures} for step, r in self.results.items()
            },
        }


def minutes(seconds: float) -> str:
    """`4:40`."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"

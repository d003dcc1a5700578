"""What antennas as these settings hang them can reach: who is found at the door, and how soon.

The figures are those of docs/entry.md, at one false enter per 1,000 outsiders or fewer, in a
simulated shop; each names the row of its table, and a test holds the two together. They say what a
set-up is worth, and nothing of this one door: `scan-test` measures that.
"""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from presence.config import Settings
from presence.config.antennas import places_in_use
from presence.core.place import Place
from presence.diagnosis.findings import Finding, Verdict


class Setup(StrEnum):
    ONE = "antennas inside alone"
    INSIDE_AND_DOOR = "antennas inside and at the door"
    PAIR = "a pair at the door, back to back"
    PAIR_AND_INSIDE = "a pair at the door, back to back, and antennas inside"


class Figure(NamedTuple):
    found_percent: float
    """Of those who come in, sooner or later."""
    median_s: float | None
    """From the threshold to the entry; None: half of them are never found."""
    row: str
    """Of docs/entry.md, its beginning."""


CALIBRATED: Final[Mapping[Setup, Figure]] = {
    Setup.ONE: Figure(
        70.1, 93, "| | **tuned: −85 dBm, 38 dB·s** | **0.9** | **29.9 %** | **93 s**"
    ),
}
"""What a door reaches that was walked and set. No figure: not measured yet."""
DEFAULT: Final[Mapping[Setup, Figure]] = {
    Setup.ONE: Figure(6.4, None, "| **ours, 1 adapter** | default | 0.0 | 93.6 % | never"),
}
"""What the safe default reaches, at a door that was never walked."""


def setup_of(places: Collection[Place]) -> Setup:
    if {Place.DOOR, Place.OUTSIDE} <= set(places):
        return Setup.PAIR_AND_INSIDE if Place.INSIDE in places else Setup.PAIR
    return Setup.ONE if set(places) == {Place.INSIDE} else Setup.INSIDE_AND_DOOR


def look_at_setup(settings: Settings) -> Iterator[Finding]:
    setup = setup_of(places_in_use(settings))
    reached = said(CALIBRATED.get(setup))
    yield Finding("set-up", Verdict.PASS, f"{setup}: once calibrated, {reached} (docs/entry.md)")


def without_calibration(settings: Settings) -> str:
    """What is reached meanwhile."""
    return f"until then the safe default: {said(DEFAULT.get(setup_of(places_in_use(settings))))}"


def said(figure: Figure | None) -> str:
    if figure is None:
        return "nobody has measured yet how many it finds"
    when = "half of them never" if figure.median_s is None else f"half within {figure.median_s:g} s"
    return f"it finds {figure.found_percent:.0f} % of who come in, {when}"

"""What antennas as these settings hang them can reach: who is found at the door, and how soon.

The figures are those of docs/entry.md, at one false enter per 1,000 outsiders or fewer, in a
simulated shop; each names the row of its table, and a test holds the two together. They say what a
set-up is worth, and nothing of this one door: `scan-test` measures that.
"""

from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from typing import Final, NamedTuple

from presence.config import Settings
from presence.config.antennas import places_in_use
from presence.core.place import Place
from presence.diagnosis.findings import Finding, Verdict
from presence.language import Sentence


class Setup(Enum):
    ONE = Sentence("antennas inside alone")
    INSIDE_AND_DOOR = Sentence("antennas inside and at the door")
    PAIR = Sentence("a pair at the door, back to back")
    PAIR_AND_INSIDE = Sentence("a pair at the door, back to back, and antennas inside")


class Figure(NamedTuple):
    found_percent: float
    """Of those who come in, sooner or later."""
    median_s: float | None
    """From the threshold to the entry; None: half of them are never found."""
    row: str
    """Of docs/entry.md, its beginning."""


PAIR: Final = Figure(
    96.8, 5.6, "| pair 10 dB | 0.90 (0.53–1.42) | 0.31 (0.10–0.73) | 96.8 % (95.6–97.7) | 5.6 s"
)
"""Calibrated or not: it asks for the same."""
CALIBRATED: Final[Mapping[Setup, Figure]] = {
    Setup.ONE: Figure(
        68.4, 83, "| gateway | 0.83 (0.27–1.94) | 0.21 (0.01–1.16) | 68.4 % (64.1–72.5) | 83 s"
    ),
    Setup.INSIDE_AND_DOOR: Figure(
        91.0,
        26,
        "| gateway + door | 0.95 (0.57–1.48) | 0.12 (0.01–0.45) | 91.0 % (89.2–92.6) | 26 s",
    ),
    Setup.PAIR: PAIR,
    Setup.PAIR_AND_INSIDE: Figure(
        98.5,
        5.2,
        "| pair 10 dB + gateway | 0.90 (0.53–1.42) | 0.06 (0.00–0.35) | 98.5 % (97.6–99.1) | 5.2 s",
    ),
}
"""What a door reaches that was walked and set."""
DEFAULT: Final[Mapping[Setup, Figure]] = {
    Setup.ONE: Figure(
        54.0, 186, "| gateway | 0.50 (0.10–1.46) | 0.00 (0.00–0.77) | 54.0 % (49.5–58.4) | 186 s"
    ),
    Setup.INSIDE_AND_DOOR: Figure(
        87.9,
        30,
        "| gateway + door | 0.45 (0.21–0.85) | 0.06 (0.00–0.35) | 87.9 % (85.9–89.7) | 30 s",
    ),
    Setup.PAIR: PAIR,
    Setup.PAIR_AND_INSIDE: Figure(
        98.0,
        6.5,
        "| pair 10 dB + gateway | 0.60 (0.31–1.05) | 0.00 (0.00–0.23) | 98.0 % (97.0–98.7) | 6.5 s",
    ),
}
"""What the safe default reaches, at a door that was never walked."""


def setup_of(places: Collection[Place]) -> Setup:
    if {Place.DOOR, Place.OUTSIDE} <= set(places):
        return Setup.PAIR_AND_INSIDE if Place.INSIDE in places else Setup.PAIR
    return Setup.ONE if set(places) == {Place.INSIDE} else Setup.INSIDE_AND_DOOR


def look_at_setup(settings: Settings) -> Iterator[Finding]:
    setup = setup_of(places_in_use(settings))
    found = Sentence(
        "{setup}: once calibrated, {reached} (docs/entry.md)",
        setup=setup.value,
        reached=said(CALIBRATED[setup]),
    )
    yield Finding("set-up", Verdict.PASS, found)


def without_calibration(settings: Settings) -> Sentence:
    """What is reached meanwhile."""
    reached = said(DEFAULT[setup_of(places_in_use(settings))])
    return Sentence("until then the safe default: {reached}", reached=reached)


def said(figure: Figure) -> Sentence:
    if figure.median_s is None:
        return Sentence(
            "it finds {percent:.0f} % of who come in, half of them never",
            percent=figure.found_percent,
        )
    return Sentence(
        "it finds {percent:.0f} % of who come in, half within {median_s:g} s",
        percent=figure.found_percent,
        median_s=figure.median_s,
    )

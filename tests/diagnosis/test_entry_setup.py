"""What `presence check` says that antennas can reach as these settings hang them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from presence.config import Settings, load_settings
from presence.config.settings import AntennaSettings, SatelliteAntenna
from presence.core.place import Place
from presence.diagnosis.entry import (
    CALIBRATED,
    DEFAULT,
    Figure,
    Setup,
    look_at_setup,
    said,
    setup_of,
    without_calibration,
)
from presence.diagnosis.findings import Verdict
from tests.support.paths import ROOT

INSIDE, DOOR, OUTSIDE = Place
PAGE = (ROOT / "docs" / "entry.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "figure", [*CALIBRATED.values(), *DEFAULT.values()], ids=lambda figure: figure.row
)
def test_a_figure_is_that_of_its_row_in_the_documents(figure: Figure) -> None:
    assert PAGE.count(f"\n{figure.row}") == 1
    percents = {float(number) for number in re.findall(r"([0-9.]+) %", figure.row)}
    assert percents & {figure.found_percent, round(100 - figure.found_percent, 1)}
    median = "never" if figure.median_s is None else f"{figure.median_s:g} s"
    assert median in figure.row


@pytest.mark.parametrize(
    ("places", "setup"),
    [
        ({INSIDE}, Setup.ONE),
        ({INSIDE, DOOR}, Setup.INSIDE_AND_DOOR),
        ({INSIDE, OUTSIDE}, Setup.INSIDE_AND_DOOR),
        ({DOOR, OUTSIDE}, Setup.PAIR),
        ({INSIDE, DOOR, OUTSIDE}, Setup.PAIR_AND_INSIDE),
    ],
)
def test_the_set_up_follows_from_the_places(places: set[Place], setup: Setup) -> None:
    assert setup_of(places) is setup


def hung(*places: Place, satellites: tuple[Place, ...] = ()) -> Settings:
    example = load_settings(ROOT / "config" / "presence.yaml")
    antennas = [
        AntennaSettings(adapter=f"usb:1-{number}", place=place)
        for number, place in enumerate(places)
    ]
    away = [
        SatelliteAntenna(name=f"s{number}", place=place, key_file=Path("s.key"))
        for number, place in enumerate(satellites)
    ]
    return replace(example, radio=replace(example.radio, antennas=antennas), satellites=away)


@pytest.mark.parametrize(
    ("settings", "setup"),
    [
        (hung(), Setup.ONE),
        (hung(INSIDE, INSIDE), Setup.ONE),
        (hung(INSIDE, DOOR), Setup.INSIDE_AND_DOOR),
        (hung(satellites=(DOOR, OUTSIDE)), Setup.PAIR_AND_INSIDE),
        (hung(DOOR, satellites=(OUTSIDE,)), Setup.PAIR),
    ],
)
def test_satellites_count_and_the_first_adapter_is_inside(settings: Settings, setup: Setup) -> None:
    [finding] = look_at_setup(settings)
    assert (finding.name, finding.verdict) == ("set-up", Verdict.PASS)
    assert finding.found.startswith(f"{setup.value}: once calibrated, ")
    assert said(CALIBRATED[setup]) in finding.found
    assert without_calibration(settings) == (f"until then the safe default: {said(DEFAULT[setup])}")


def test_a_figure_is_said_in_words() -> None:
    assert said(Figure(98.5, 3.0, "")) == "it finds 98 % of who come in, half within 3 s"
    assert said(Figure(32.0, None, "")) == "it finds 32 % of who come in, half of them never"

"""The page for the file: right on a phone, in the dark and on paper, and a commissioning record."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from presence.diagnosis.findings import Finding, Verdict
from presence.edges.host.calibration import HungAntenna
from presence.edges.host.machine import machine_model
from presence.survey.guide import SurveyStep
from presence.survey.judging import Result
from presence.survey.outcome import InstalledSite, SurveyOutcome
from presence.survey.report import page
from presence.survey.report_style import STYLE
from tests.support.surveys import a_tuning

AT = datetime(2026, 11, 30, 22, 5, tzinfo=UTC)
SITE = InstalledSite(
    "Raspberry Pi 4 Model B",
    "Europe/Helsinki",
    [
        HungAntenna("hci1", "00:1A:7D:DA:71:13", "outside"),
        HungAntenna("attic", "", "door"),
    ],
    "ab" * 32,
)


@pytest.fixture(scope="module")
def outcome() -> SurveyOutcome:
    tuned = a_tuning(rounds=1)
    finding = Finding("broker", Verdict.WARN, "seen on `test`", "add `<name>` to audiences")
    return SurveyOutcome(
        "radio", "acme/fi-0042 door-1", at=AT, site=SITE, walks=tuned.walks, tuned=tuned,
        results={SurveyStep.BROKER: Result(finding)},
    )  # fmt: skip


def test_a_phone_lays_it_out_in_its_own_width(outcome: SurveyOutcome) -> None:
    html = page(outcome)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "@media screen and (max-width: 40rem)" in html
    charts = html.count("<svg")
    assert charts == html.count('<div class="chart" tabindex="0"><svg') == 3, "wide ones scroll"


def test_in_the_dark_each_colour_has_another_and_paper_stays_light(outcome: SurveyOutcome) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE.split("@media print")[0], re.DOTALL)
    colours = [dict(re.findall(r"(--\w+): (#\w+)", block)) for block in (light, dark)]
    assert colours[0].keys() == colours[1].keys()
    assert all(colours[0][name] != colours[1][name] for name in colours[0])
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE
    body = page(outcome).partition("<body>")[2]
    assert not re.search(r"#[0-9a-f]{3}", body), "each colour of the page is one of the style"
    used = set(re.findall(r"var\((--\w+)\)", body + STYLE))
    assert used == colours[0].keys()


def test_what_is_code_on_the_terminal_is_code_on_the_page(outcome: SurveyOutcome) -> None:
    html = page(outcome)
    assert "`" not in html
    assert "seen on <code>test</code>" in html
    assert "add <code>&lt;name&gt;</code> to audiences" in html


def test_it_is_a_commissioning_record(outcome: SurveyOutcome) -> None:
    html = page(replace(outcome, signed_off_by="M. <b>Meikäläinen", applied=True))
    record = html.partition("Commissioning record")[2]
    for words in (
        "acme/fi-0042 door-1",
        "Raspberry Pi 4 Model B",
        "2026-12-01 00:05 EET, in Europe/Helsinki",
        "hci1: outside, <code>00:1A:7D:DA:71:13</code><br>attic: door",
        "Pixel 7, iPhone 13",
        f"<code>{SITE.settings_sha256}</code>",
        "written into the configuration by this visit",
        "M. &lt;b&gt;Meikäläinen",
        "Technician: name, date, signature",
        "For the shop: name, date, signature",
        "Height of each antenna, in metres",
        "Where each hangs, in words",
        "Photo of each: file or number",
    ):
        assert words in record, words
    assert "not written by this visit" in page(outcome)
    assert "<td>none</td>" in page(replace(outcome, tuned=None))


@pytest.mark.parametrize(
    ("files", "model"),
    [
        ({"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\0"},
         "Raspberry Pi 4 Model B Rev 1.5"),
        ({"sys/class/dmi/id/sys_vendor": "LENOVO\n", "sys/class/dmi/id/product_name": "M70q\n"},
         "LENOVO M70q"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_machine_is_called_as_its_maker_names_it(
    files: dict[str, str], model: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine_model(tmp_path) == model


def test_on_paper_rows_that_belong_together_stay_so_below_their_header(
    outcome: SurveyOutcome,
) -> None:
    html = page(outcome)
    rates = html.partition('<table class="rates">')[2].partition("</table>")[0]
    assert rates.startswith("<thead><tr><th></th>")
    assert rates.count("<tbody>") == rates.count("</tbody>") in (1, 2)
    assert ".rates, .record { break-inside: avoid; }" in html.partition("@media print")[2]

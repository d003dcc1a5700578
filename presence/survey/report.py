"""One page for the file: HTML with its pictures inside, for any browser and any printer, without a
network.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from presence import __version__
from presence.core.visit.calibration import Assessment
from presence.edges.host.files import replace_page
from presence.survey.charts import (
    COLOURS,
    ENTER_COLOUR,
    EXIT_COLOUR,
    IN_COLOUR,
    OUT_COLOUR,
    distributions,
    side_strip,
    strip,
)
from presence.survey.guide import SurveyStep
from presence.survey.outcome import STEPS_TITLE, SurveyOutcome
from presence.survey.report_style import STYLE
from presence.survey.walking import WORDS, Tuning, expected, share, value_words

VIEWPORT: Final = '<meta name="viewport" content="width=device-width, initial-scale=1">'
FOOT: Final = (
    '<p class="foot">Other people\'s devices appear here as a count and nowhere else: of no '
    "stranger anything was kept. The test phone carries a consent with the flag "
    "<code>test</code>.</p>"
)


def write_report(outcome: SurveyOutcome, path: Path) -> None:
    """Raises StorageError."""
    replace_page(path, page(outcome))


def page(outcome: SurveyOutcome) -> str:
    title = f"<title>Scan test, {escape(outcome.place)}</title>"
    return "\n".join(
        (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">{VIEWPORT}{title}'
            f"<style>{STYLE}</style></head>",
            "<body>",
            *_heading(outcome),
            *_steps(outcome),
            *_side(outcome.tuned),
            *_strengths(outcome.tuned),
            *_walk(outcome),
            *_record(outcome),
            FOOT,
            "</body></html>",
            "",
        )
    )


def _heading(outcome: SurveyOutcome) -> Iterator[str]:
    verdict = outcome.verdict.name
    yield (
        f'<div class="head"><h1>Scan test, {escape(outcome.place)}</h1>'
        f'<span class="{verdict}">{verdict}</span></div>'
    )
    yield f"<p>{_local(outcome)} · {_said(outcome.source)} · presence {__version__}</p>"


def _side(tuned: Tuning | None) -> Iterator[str]:
    if tuned is None or tuned.side is None:
        return
    side = tuned.side
    yield f"<h2>The side of the door: {side.side_db:.1f} dB (± {side.uncertain_db:.1f})</h2>"
    each = (
        f"{escape(tuned.walks.name(phone))} {side_db:.1f} dB"
        for phone, side_db in side.by_phone_db.items()
    )
    yield (
        f"<p>The antenna <b>{side.pairing.inner}</b> less the one <b>{side.pairing.outer}</b>, in "
        f"dB, over time: {_legend()}; the second phone dashed. By phone: {', '.join(each)}. The "
        f'<b style="color:{ENTER_COLOUR}">green line</b> ({side.offset_db:+.1f} dB) is neither in '
        "nor out. Below, as bars, the strongest moment at the door: of who comes in it is about "
        f'the <b style="color:{EXIT_COLOUR}">red line</b> ({side.near_dbm:.0f} dBm).</p>'
    )
    yield side_strip(tuned.walks, side)


def _legend() -> str:
    return " · ".join(f'<b style="color:{colour}">{doing}</b>' for doing, colour in COLOURS.items())


def _strengths(tuned: Tuning | None) -> Iterator[str]:
    if tuned is None:
        return
    yield "<h2>Strength outside and inside</h2>"
    yield (
        f'<p>Readings of the test phone in dBm: <b style="color:{OUT_COLOUR}">outside</b> (at the '
        f'window, walking past, looking in) above, <b style="color:{IN_COLOUR}">inside</b> below. '
        "The rule sees them smoothed.</p>"
    )
    yield distributions(tuned)
    yield "<h2>How often the rule would be wrong</h2>"
    yield from _rates(tuned)
    yield from _settings(tuned)


def _walk(outcome: SurveyOutcome) -> Iterator[str]:
    if not outcome.walks.recorded:
        return
    window_s = outcome.tuned.new.window_s if outcome.tuned is not None else 8.0
    yield "<h2>The walk</h2>"
    yield f"<p>{_legend()}; the line is the strength as the rule sees it.</p>"
    yield strip(outcome.walks, outcome.tuned, window_s)


def _steps(outcome: SurveyOutcome) -> Iterator[str]:
    yield '<h2>Result</h2><table class="steps">'
    for step in SurveyStep:
        if step not in outcome.results:
            yield f"<tr><td></td><td>{step.value}</td><td>not done</td></tr>"
            continue
        finding = outcome.results[step].finding
        title = STEPS_TITLE[step].partition(":")[0]
        following = (
            f'<br><span class="next">→ {_said(finding.next_step)}</span>'
            if finding.next_step
            else ""
        )
        verdict = finding.verdict.name
        yield (
            f'<tr><td><span class="{verdict}">{verdict}</span></td><td class="w">{title}</td>'
            f"<td>{_said(finding.found)}{following}</td></tr>"
        )
    yield "</table>"


def _rates(tuned: Tuning) -> Iterator[str]:
    yield (
        '<table><tr><th></th><th class="n">counted</th><th class="n">this phone</th><th '
        'class="n">any phone</th></tr>'
    )
    columns: list[tuple[str, Assessment]] = [("suggested", tuned.assessed_new)]
    if tuned.changes():
        columns.append(("present", tuned.assessed_now))
    for name, assessed in columns:
        for kind, rate in assessed.rates.items():
            cells = (
                f"{rate.wrong} of {rate.walks} (≤ {100 * rate.counted_at_most:.0f} %)",
                expected(rate),
                share(rate.any_phone),
            )
            numbers = "".join(f'<td class="n">{_figure(cell)}</td>' for cell in cells)
            yield f"<tr><td>{name}: {WORDS[kind]}</td>{numbers}</tr>"
        times = ", ".join(f"{seconds:.0f} s" for seconds in assessed.found_after_s) or "never"
        yield f"<tr><td>{name}: found after the bell</td>"
        yield f'<td class="n" colspan="3">{times}</td></tr>'
    yield "</table>"
    yield (
        "<p>Counted: wrong walks of all. (≤): 95 % sure that no more, for so few walks. Any "
        "phone: phones differ by "
        "some 4.5 dB, and a customer's is not the technician's.</p>"
    )


def _settings(tuned: Tuning) -> Iterator[str]:
    changes = tuned.changes()
    if not changes:
        yield "<p>The present settings are the suggested ones.</p>"
        return
    listed = ", ".join(
        f"<code>{escape(key)}: {new:g}</code> (was {value_words(old)})"
        for key, (old, new) in changes.items()
    )
    yield f"<p><b>Suggested for section <code>entry</code>:</b> {listed}</p>"


def _record(outcome: SurveyOutcome) -> Iterator[str]:
    """What a commissioning is filed with, and signed on."""
    site = outcome.site
    antennas = "<br>".join(
        f"{escape(name)}: {place}" + (f", <code>{escape(address)}</code>" if address else "")
        for name, address, place in site.antennas
    )
    rows = {
        "Gateway": escape(outcome.place),
        "Machine": escape(site.machine) or "not known",
        "Program": f"presence {__version__}",
        "Time": f"{_local(outcome)}, in {escape(site.time_zone)}",
        "Antennas": antennas or "the first adapter, inside",
        "Phones": escape(", ".join(outcome.walks.names)) or "none walked",
        "Settings": f"SHA-256 <code>{site.settings_sha256}</code>, of the section "
        "<code>entry</code> and the antennas, as they were walked",
        "Suggestion": _written(outcome),
    }
    yield '<h2>Commissioning record</h2><table class="record">'
    for name, value in rows.items():
        yield f"<tr><th>{name}</th><td>{value}</td></tr>"
    yield "</table>"
    yield (
        f'<div class="sign"><div><b>{escape(outcome.signed_off_by)}</b>Technician: name, date, '
        "signature</div><div>For the shop: name, date, signature</div></div>"
    )


def _written(outcome: SurveyOutcome) -> str:
    if outcome.applied:
        return "written into the configuration by this visit"
    if outcome.tuned is not None and outcome.tuned.changes():
        return "not written by this visit"
    return "none"


def _local(outcome: SurveyOutcome) -> str:
    """By the shop's clock."""
    there = outcome.at.astimezone(ZoneInfo(outcome.site.time_zone))
    return f"{there:%Y-%m-%d %H:%M} {there:%Z}"


def _figure(text: str) -> str:
    """Its unit stays beside it."""
    return escape(text).replace(" %", "\N{NO-BREAK SPACE}%").replace("≤ ", "≤\N{NO-BREAK SPACE}")


def _said(text: str) -> str:
    """What the terminal shows in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))

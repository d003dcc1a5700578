"""One page for the file: HTML with its pictures inside, for any browser and any printer, without a
network.

What a sentence holds in braces may be HTML here; the sentences themselves have no character that
HTML knows, and a test of the catalogs holds their translations to it.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from presence import __version__
from presence.core.visit.calibration import Assessment
from presence.edges.host.files import replace_page
from presence.language import ENGLISH, Language, Sentence
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
from presence.survey.guide import DOING_WORDS, SurveyStep
from presence.survey.outcome import STEP_NAMES, SurveyOutcome
from presence.survey.report_style import STYLE
from presence.survey.shares import counted, expected, found_after, share
from presence.survey.walking import WORDS, Tuning, value_words

BY_HAND: Final = (
    Sentence("Height of each antenna, in metres"),
    Sentence("Where each hangs, in words"),
    Sentence("Photo of each: file or number"),
)
"""What only whoever hung them knows; filled in on paper."""
VIEWPORT: Final = '<meta name="viewport" content="width=device-width, initial-scale=1">'


def write_report(outcome: SurveyOutcome, path: Path, language: Language = ENGLISH) -> None:
    """Raises StorageError."""
    replace_page(path, page(outcome, language))


def page(outcome: SurveyOutcome, language: Language = ENGLISH) -> str:
    title = escape(language.say(Sentence("Scan test, {place}", place=outcome.place)))
    return "\n".join(
        (
            f'<!DOCTYPE html>\n<html lang="{language.code}"><head><meta charset="utf-8">'
            f"{VIEWPORT}<title>{title}</title><style>{STYLE}</style></head>",
            "<body>",
            *_Page(outcome, language).parts(),
            "</body></html>",
            "",
        )
    )


class _Page:
    """What stands in the body."""

    def __init__(self, outcome: SurveyOutcome, language: Language) -> None:
        self._outcome = outcome
        self._tuned = outcome.tuned
        self._language = language

    def parts(self) -> Iterator[str]:
        yield from self._heading()
        yield from self._steps()
        if self._tuned is not None:
            yield from self._side(self._tuned)
            yield from self._strengths(self._tuned)
        yield from self._walk()
        yield from self._record()
        foot = Sentence(
            "Other people's devices appear here as a count and nowhere else: of no stranger "
            "anything was kept. The test phone carries a consent with the flag `test`."
        )
        yield f'<p class="foot">{self._html(foot)}</p>'

    def _heading(self) -> Iterator[str]:
        verdict = self._outcome.verdict.name
        title = self._text(Sentence("Scan test, {place}", place=self._outcome.place))
        yield f'<div class="head"><h1>{title}</h1><span class="{verdict}">{verdict}</span></div>'
        source = self._text(self._outcome.source)
        yield f"<p>{_local(self._outcome)} · {source} · presence {__version__}</p>"

    def _steps(self) -> Iterator[str]:
        title, not_done = self._html(Sentence("Result")), self._cell(Sentence("not done"))
        yield f'<h2>{title}</h2><table class="steps">'
        for step in SurveyStep:
            name = self._text(STEP_NAMES[step])
            if step not in self._outcome.results:
                yield f"<tr><td></td><td>{name}</td>{not_done}</tr>"
                continue
            finding = self._outcome.results[step].finding
            following = (
                f'<br><span class="next">→ {self._text(finding.next_step)}</span>'
                if finding.next_step
                else ""
            )
            verdict = finding.verdict.name
            yield (
                f'<tr><td><span class="{verdict}">{verdict}</span></td><td class="w">{name}</td>'
                f"<td>{self._text(finding.found)}{following}</td></tr>"
            )
        yield "</table>"

    def _side(self, tuned: Tuning) -> Iterator[str]:
        side = tuned.side
        if side is None:
            return
        title = Sentence(
            "The side of the door: {side_db:.1f} dB (± {uncertain_db:.1f})",
            side_db=side.side_db,
            uncertain_db=side.uncertain_db,
        )
        yield f"<h2>{self._html(title)}</h2>"
        each = (
            self._text(
                Sentence("{phone} {side_db:.1f} dB", phone=tuned.walks.name(phone), side_db=side_db)
            )
            for phone, side_db in side.by_phone_db.items()
        )
        inner, outer = (f"<b>{place}</b>" for place in side.pairing)
        green_line = self._coloured(Sentence("green line"), ENTER_COLOUR)
        red_line = self._coloured(Sentence("red line"), EXIT_COLOUR)
        note = Sentence(
            "The antenna {inner} less the one {outer}, in dB, over time: {legend}; the second "
            "phone dashed. By phone: {phones}. The {green_line} ({offset_db:+.1f} dB) is neither "
            "in nor out. Below, as bars, the strongest moment at the door: of who comes in it is "
            "about the {red_line} ({near_dbm:.0f} dBm).",
            inner=inner,
            outer=outer,
            legend=self._legend(),
            phones=", ".join(each),
            green_line=green_line,
            offset_db=side.offset_db,
            red_line=red_line,
            near_dbm=side.near_dbm,
        )
        yield f"<p>{self._html(note)}</p>"
        yield side_strip(tuned.walks, side, self._language)

    def _strengths(self, tuned: Tuning) -> Iterator[str]:
        outside, inside = Sentence("outside"), Sentence("inside")
        title = self._html(Sentence("Strength outside and inside"))
        yield f"<h2>{title}</h2>"
        note = Sentence(
            "Readings of the test phone in dBm: {outside} (at the window, walking past, looking "
            "in) above, {inside} below. The rule sees them smoothed.",
            outside=self._coloured(outside, OUT_COLOUR),
            inside=self._coloured(inside, IN_COLOUR),
        )
        yield f"<p>{self._html(note)}</p>"
        yield distributions(tuned, self._language)
        title = self._html(Sentence("How often the rule would be wrong"))
        yield f"<h2>{title}</h2>"
        yield from self._rates(tuned)
        yield from self._settings(tuned)

    def _rates(self, tuned: Tuning) -> Iterator[str]:
        heads = (Sentence("counted"), Sentence("this phone"), Sentence("any phone"))
        named = "".join(f'<th class="n">{self._text(head)}</th>' for head in heads)
        yield f'<table class="rates"><thead><tr><th></th>{named}</tr></thead>'
        columns: list[tuple[Sentence, Assessment]] = [(Sentence("suggested"), tuned.assessed_new)]
        if tuned.changes():
            columns.append((Sentence("present"), tuned.assessed_now))
        for name, assessed in columns:
            yield "<tbody>"
            for kind, rate in assessed.rates.items():
                row = Sentence("{settings}: {mistake}", settings=name, mistake=WORDS[kind])
                cells = (counted(rate), expected(rate), share(rate.any_phone))
                numbers = "".join(f'<td class="n">{self._figure(cell)}</td>' for cell in cells)
                yield f"<tr>{self._cell(row)}{numbers}</tr>"
            row = Sentence("{settings}: found after the bell", settings=name)
            times = self._text(found_after(assessed))
            yield f'<tr>{self._cell(row)}<td class="n" colspan="3">{times}</td></tr></tbody>'
        yield "</table>"
        note = Sentence(
            "Counted: wrong walks of all. (≤): 95 % sure that no more, for so few walks. Any "
            "phone: phones differ by some 4.5 dB, and a customer's is not the technician's."
        )
        yield f"<p>{self._html(note)}</p>"

    def _settings(self, tuned: Tuning) -> Iterator[str]:
        changes = tuned.changes()
        if not changes:
            same = Sentence("The present settings are the suggested ones.")
            yield f"<p>{self._html(same)}</p>"
            return
        listed = ", ".join(
            self._html(
                Sentence(
                    "`{key}: {new}` (was {old})",
                    key=key,
                    new=value_words(new),
                    old=value_words(old),
                )
            )
            for key, (old, new) in changes.items()
        )
        title = self._html(Sentence("Suggested for section `entry`:"))
        yield f"<p><b>{title}</b> {listed}</p>"

    def _walk(self) -> Iterator[str]:
        if not self._outcome.walks.recorded:
            return
        window_s = self._tuned.new.window_s if self._tuned is not None else 8.0
        title = self._html(Sentence("The walk"))
        yield f"<h2>{title}</h2>"
        note = Sentence(
            "{legend}; the line is the strength as the rule sees it.", legend=self._legend()
        )
        yield f"<p>{self._html(note)}</p>"
        yield strip(self._outcome.walks, self._tuned, window_s, self._language)

    def _record(self) -> Iterator[str]:
        """What a commissioning is filed with, and signed on."""
        title = self._html(Sentence("Commissioning record"))
        yield f'<h2>{title}</h2><table class="record">'
        for name, value in self._record_rows().items():
            yield f"<tr><th>{self._text(name)}</th><td>{value}</td></tr>"
        for name in BY_HAND:
            yield f'<tr class="hand"><th>{self._text(name)}</th><td></td></tr>'
        yield "</table>"
        technician = self._html(Sentence("Technician: name, date, signature"))
        shop = self._html(Sentence("For the shop: name, date, signature"))
        yield (
            f'<div class="sign"><div><b>{escape(self._outcome.signed_off_by)}</b>{technician}'
            f"</div><div>{shop}</div></div>"
        )

    def _record_rows(self) -> Mapping[Sentence, str]:
        site = self._outcome.site
        antennas = "<br>".join(
            f"{escape(name)}: {place}" + (f", <code>{escape(address)}</code>" if address else "")
            for name, address, place in site.antennas
        )
        time = Sentence(
            "{time}, in {time_zone}", time=_local(self._outcome), time_zone=site.time_zone
        )
        digest = Sentence(
            "SHA-256 `{digest}`, of the section `entry` and the antennas, as they were walked",
            digest=site.settings_sha256,
        )
        phones = ", ".join(map(self._text, self._outcome.walks.names))
        return {
            Sentence("Gateway"): escape(self._outcome.place),
            Sentence("Machine"): escape(site.machine) or self._html(Sentence("not known")),
            Sentence("Program"): f"presence {__version__}",
            Sentence("Time"): self._text(time),
            Sentence("Antennas"): antennas or self._html(Sentence("the first adapter, inside")),
            Sentence("Phones"): phones or self._html(Sentence("none walked")),
            Sentence("Settings"): self._html(digest),
            Sentence("Suggestion"): self._html(_written(self._outcome)),
        }

    def _legend(self) -> str:
        return " · ".join(
            self._coloured(DOING_WORDS[doing], colour) for doing, colour in COLOURS.items()
        )

    def _coloured(self, sentence: Sentence, colour: str) -> str:
        return f'<b style="color:{colour}">{self._html(sentence)}</b>'

    def _cell(self, text: str) -> str:
        return f"<td>{self._text(text)}</td>"

    def _figure(self, text: str) -> str:
        """Its unit stays beside it."""
        figure = self._text(text).replace(" %", "\N{NO-BREAK SPACE}%")
        return figure.replace("≤ ", "≤\N{NO-BREAK SPACE}")

    def _text(self, text: str) -> str:
        return _coded(escape(self._language.say(text)))

    def _html(self, sentence: Sentence) -> str:
        """A sentence of this page whose values are numbers, or HTML already."""
        return _coded(self._language.say(sentence))


def _written(outcome: SurveyOutcome) -> Sentence:
    if outcome.applied:
        return Sentence("written into the configuration by this visit")
    if outcome.tuned is not None and outcome.tuned.changes():
        return Sentence("not written by this visit")
    return Sentence("none")


def _local(outcome: SurveyOutcome) -> str:
    """By the shop's clock."""
    there = outcome.at.astimezone(ZoneInfo(outcome.site.time_zone))
    return f"{there:%Y-%m-%d %H:%M} {there:%Z}"


def _coded(text: str) -> str:
    """What the terminal shows in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)

"""One page for a person: HTML with all that it needs inside, for any browser and any printer,
without a network.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Final

from presence import __version__
from presence.accountability.processing import RecordPart
from presence.accountability.report import NOT_SHOWN, EvidenceReport
from presence.accountability.strangers import StrangerTest
from presence.counting import counted
from presence.diagnosis.findings import Finding
from presence.edges.host.files import replace_page

STYLE: Final = """
:root { color-scheme: light dark; --text: #1a1a1a; --quiet: #4a4a4a; --line: #dcdcdc;
  --paper: #ffffff; --box: #f4f4f2; --good: #15803d; --doubt: #a14400; --bad: #be123c; }
@media (prefers-color-scheme: dark) { :root { --text: #ececec; --quiet: #b4b4b4; --line: #3d3d3d;
  --paper: #161616; --box: #222222; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--text);
  background: var(--paper); max-width: 860px; margin: 0 auto; padding: 20px 16px 40px;
  overflow-wrap: break-word; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 32px 0 8px; }
h3 { font-size: 16px; margin: 20px 0 4px; }
p { margin: 6px 0; } .quiet, th { color: var(--quiet); }
code { font-size: 14px; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: 6px 12px 6px 0; vertical-align: top; text-align: left;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
td.name { width: 24%; font-weight: 600; }
td.mark { white-space: nowrap; width: 1%; }
td.n, th.n { text-align: right; white-space: nowrap; padding-left: 8px; }
td:last-child, th:last-child { padding-right: 0; }
td.found { min-width: 4em; overflow-wrap: anywhere; }
ul { margin: 6px 0; padding-left: 22px; }
.PASS, .WARN, .FAIL { font-weight: 700; font-size: 14px; padding: 1px 8px; border-radius: 3px;
  color: #fff; white-space: nowrap; }
.PASS { background: var(--good); } .WARN { background: var(--doubt); }
.FAIL { background: var(--bad); }
.head { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; }
.box { background: var(--box); padding: 10px 14px; border-radius: 4px; margin: 10px 0; }
.sign { margin-top: 32px; display: flex; gap: 24px; }
.sign span { flex: 1; border-top: 1px solid var(--quiet); padding-top: 4px; font-size: 14px; }
@media (max-width: 560px) {
  body { padding: 14px 14px 32px; }
  table.pairs tr { display: block; padding: 6px 0; border-bottom: 1px solid var(--line); }
  table.pairs td { display: block; border: 0; padding: 1px 0; }
  td, th { padding-right: 6px; } td.n, th.n { padding-left: 0; white-space: normal; }
  td.name, td.mark { width: auto; }
  table.pairs td.mark, table.pairs td.mark + td { display: inline; }
  table.pairs td.mark { padding-right: 8px; }
}
@media print {
  :root { --text: #000; --quiet: #333; --line: #bbb; --paper: #fff; --box: #f4f4f2; }
  body { font-size: 10.5pt; max-width: none; padding: 0; }
  code { font-size: 9pt; }
  h2, h2 + p, h3 { break-after: avoid; } tr, .box { break-inside: avoid; }
  .PASS, .WARN, .FAIL { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  @page { size: A4; margin: 16mm 15mm; }
}
"""


def write_page(report: EvidenceReport, path: Path) -> None:
    """Raises StorageError."""
    replace_page(path, page(report), option=" (--output)")


def page(report: EvidenceReport) -> str:
    title = f"Evidence: {escape(report.place)}"
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            *_heading(report, title),
            *_in_short(report.findings()),
            *_promises(report),
            *_stranger_test(report.strangers),
            *_looks(report),
            *_decisions(report),
            "<h2>Record of processing (GDPR article 30)</h2>",
            "<p>Made from the settings of this gateway. Letters are those of article 30(1).</p>",
            *_sections(report.processing()),
            "<h2>For the impact assessment (GDPR article 35)</h2>",
            "<p>What follows from the settings. It is no assessment yet: a person must write the "
            "last part.</p>",
            *_sections(report.impact()),
            "<h2>What this page cannot show</h2>",
            *_list(NOT_SHOWN),
            '<div class="sign"><span>Read by</span><span>Date</span><span>Signature</span></div>',
            "</body></html>",
            "",
        )
    )


def _heading(report: EvidenceReport, title: str) -> Iterator[str]:
    made = datetime.fromtimestamp(report.at_s, report.zone).strftime("%Y-%m-%d %H:%M")
    notice = report.settings.notice
    yield f'<div class="head"><h1>{title}</h1>{_badge(report.verdict.name)}</div>'
    yield (
        f'<p class="quiet">{made} ({escape(report.zone.key)}) · presence {__version__} · '
        f"{escape(notice.controller)} · data-protection officer: {escape(notice.dpo_contact)}</p>"
    )
    yield (
        "<p>This page shows what one gateway keeps of whom, and how that was tried. No customer "
        "stands on it.</p>"
    )


def _badge(verdict: str) -> str:
    return f'<span class="{verdict}">{verdict}</span>'


def _in_short(findings: Iterable[Finding]) -> Iterator[str]:
    yield '<h2>In short</h2><table class="pairs">'
    for finding in findings:
        step = "".join(f"<br>→ {_typed(line)}" for line in finding.next_step.splitlines())
        yield (
            f'<tr><td class="mark">{_badge(finding.verdict.name)}</td><td class="name">'
            f"{escape(finding.name.capitalize())}</td><td>{_sentence(finding.found)}{step}</td></tr>"
        )
    yield "</table>"


def _sentence(text: str) -> str:
    return f"{_typed(text[:1].upper() + text[1:])}."


def _typed(text: str) -> str:
    """As HTML; what stands in backticks is typed so."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _promises(report: EvidenceReport) -> Iterator[str]:
    yield '<h2>What was promised</h2><table class="pairs">'
    for number, sentence, shown in report.promised():
        yield (
            f'<tr><td class="mark">{number}</td><td>{escape(sentence)}</td>'
            f'<td class="quiet">{escape(shown)}</td></tr>'
        )
    yield "</table>"
    yield (
        '<p class="quiet">The numbers are those of docs/requirements.md, which names the tests.</p>'
    )


def _stranger_test(test: StrangerTest | None) -> Iterator[str]:
    yield "<h2>The stranger test</h2>"
    if test is None:
        yield "<p>It was left out.</p>"
        return
    yield (
        f"<p>{test.strangers} made-up strangers passed a gateway, and were heard "
        f"{test.advertisements} times. Then all that it left was searched for {test.marks} pieces "
        f"of what they had sent, each in {test.spellings} spellings.</p>"
        '<div class="box"><p><b>It was not the gateway that runs.</b> It was a second one, of the '
        "same code and the same settings, in the process that wrote this page. Nothing can be "
        "planted in the one that runs: such a way in would be a hole.</p><p>It differed:</p>"
    )
    yield from _list(test.differences)
    yield "</div>"
    yield '<table><tr><th>Searched</th><th class="n">How much</th><th class="n">Bytes</th>'
    yield "<th>Found</th></tr>"
    for each in test.searched:
        things = counted(each.things, each.unit.removesuffix("s"), each.unit)
        found = "<br>".join(map(escape, each.found)) or "nothing"
        verdict = f"{_badge('FAIL')} {found}" if each.found else found
        yield (
            f'<tr><td>{escape(each.area)}</td><td class="n">{things}</td>'
            f'<td class="n">{each.octets:,}</td><td class="found">{verdict}</td></tr>'
        )
    yield "</table>"
    yield "<p>The search must be able to find. A made-up customer came in among the strangers:</p>"
    yield from _list(
        f"In {where} they were {'found, as they must be' if seen else 'NOT found'}."
        for where, seen in test.seen.items()
    )
    if not test.broker:
        yield "<p>Messages were not searched: no broker program is installed here.</p>"


def _looks(report: EvidenceReport) -> Iterator[str]:
    yield "<h2>Who looked</h2>"
    looks = report.looks()
    if not looks:
        yield "<p>Nobody asked the gateway for more than its status, as far as the log goes.</p>"
        return
    yield '<table><tr><th>User number</th><th>Asked for</th><th class="n">Times</th>'
    yield '<th class="n">Last</th></tr>'
    for look in looks:
        yield (
            f"<tr><td>{escape(look['uid'])}</td><td>{escape(look['asked'])}</td>"
            f'<td class="n">{look["times"]:,}</td><td class="n">{report.local(look["last"])}</td>'
            "</tr>"
        )
    yield "</table>"
    yield '<p class="quiet"><code>id -nu NUMBER</code> names a user of this machine.</p>'


def _decisions(report: EvidenceReport) -> Iterator[str]:
    yield "<h2>What was decided</h2>"
    if report.chain is None:
        yield "<p>The audit log could not be read.</p>"
        return
    head = escape(report.head())
    yield (
        f'<div class="box"><p>Head of the audit log: <code>{head}</code></p><p>Note it elsewhere. '
        f"Later, <code>presence audit verify --head {head}</code> proves that no line up to it was "
        "changed.</p></div>"
    )
    yield '<table class="pairs">'
    for when, sentence in report.told():
        yield f'<tr><td class="name">{escape(when)}</td><td>{escape(sentence)}</td></tr>'
    yield "</table>"
    yield (
        '<p class="quiet">The last records, newest first. <code>presence audit show</code> tells '
        "all.</p>"
    )


def _sections(sections: Iterable[RecordPart]) -> Iterator[str]:
    for section in sections:
        yield f'<h3>{escape(section.title)}</h3><table class="pairs">'
        for subject, text in section.rows:
            yield f'<tr><td class="name">{escape(subject)}</td><td>{_typed(text)}</td></tr>'
        yield "</table>"


def _list(items: Iterable[str]) -> Iterator[str]:
    yield "<ul>"
    yield from (f"<li>{_typed(item)}</li>" for item in items)
    yield "</ul>"

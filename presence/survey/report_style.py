"""How the report looks: on a phone, on a screen, in the dark, and on A4."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark;
  --paper: #fff; --ink: #1a1a1a; --soft: #4b4b4b; --line: #e3e3e3; --shade: #f4f4f0;
  --window: #b45309; --past: #d98c1f; --lookin: #be123c; --in: #2b7bba; --inside: #14507f;
  --leave: #8a8f98; --enter: #15803d; --exit: #be123c; }
@media screen and (prefers-color-scheme: dark) { :root {
  --paper: #16181c; --ink: #ececec; --soft: #b3b6bd; --line: #3a3e46; --shade: #20242a;
  --window: #e8a04c; --past: #f0b95f; --lookin: #ff7a97; --in: #6fb6ef; --inside: #9ccdf5;
  --leave: #a2a8b3; --enter: #5fd38b; --exit: #ff7a97; } }
* { box-sizing: border-box; }
body { font: 0.875rem/1.45 system-ui, "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--paper); max-width: 49rem; margin: 1.25rem auto; padding: 0 1rem;
  overflow-wrap: break-word; }
h1 { font-size: 1.3rem; margin: 0; }
h2 { font-size: 1rem; margin: 1.1rem 0 0.25rem; break-after: avoid; }
p { margin: 0.15rem 0; color: var(--soft); }
code { font-size: 0.92em; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: 0.2rem 0.5rem 0.2rem 0; vertical-align: top; text-align: left;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); }
td.w { white-space: nowrap; }
td.n, th.n { text-align: right; white-space: nowrap; }
.hand th { padding-bottom: 0.7rem; }
.record th { width: 9rem; } .record code { overflow-wrap: anywhere; }
.PASS, .WARN, .FAIL { font-weight: 700; padding: 0 0.5rem; border-radius: 3px; color: #fff; }
.PASS { background: #15803d; } .WARN { background: #b45309; } .FAIL { background: #be123c; }
.head { display: flex; justify-content: space-between; align-items: baseline; gap: 0.75rem; }
.chart { overflow-x: auto; }
svg { width: 100%; height: auto; font: 11px system-ui, "DejaVu Sans", sans-serif; }
.next { color: var(--ink); } .foot { margin-top: 0.75rem; font-size: 0.8rem; }
.sign { display: flex; gap: 1.5rem; margin-top: 2.5rem; break-inside: avoid; }
.sign div { flex: 1; border-top: 1px solid var(--ink); padding-top: 0.2rem; color: var(--soft);
  font-size: 0.8rem; position: relative; }
.sign b { position: absolute; bottom: 100%; color: var(--ink); font-size: 0.9rem; }
@media screen and (max-width: 40rem) {
  body { font-size: 1rem; margin: 0.75rem auto; padding: 0 0.75rem; }
  svg { min-width: 44rem; }
  td.n, th.n { white-space: normal; }
  .steps tr { display: grid; grid-template-columns: auto 1fr; column-gap: 0.6rem;
    border-bottom: 1px solid var(--line); }
  .steps td { border: 0; } .steps td:last-child { grid-column: 1 / -1; }
  .record tr { display: block; border-bottom: 1px solid var(--line); }
  .record th, .record td { display: block; width: auto; border: 0; padding: 0.1rem 0; }
  .sign { flex-direction: column; gap: 3rem; }
}
@media print {
  :root { color-scheme: light; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { margin: 0; padding: 0; max-width: none; font-size: 11px; }
  td, th { padding-top: 2px; padding-bottom: 2px; }
  .record th { width: 15rem; } .sign { margin-top: 2rem; }
  .foot { margin-top: 0.4rem; font-size: 0.7rem; }
  tr, .chart, .rates, .record { break-inside: avoid; }
  @page { size: A4; margin: 13mm; }
}
"""

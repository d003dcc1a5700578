"""A finding as lines of a terminal: verdict, name, what was found; below it what to do next."""

import textwrap
from collections.abc import Iterator

from presence.diagnosis.findings import Finding


def finding_lines(finding: Finding, columns: int | None, *, names: int = 13) -> Iterator[str]:
    """`columns`: those of the terminal; None: whole lines, for other programs to search. `names`:
    the room that names have.
    """
    head = f"{finding.verdict.name:4}  {finding.name:{names}}  "
    yield from _filled(head, finding.found, columns)
    for step in finding.next_step.splitlines():
        yield from _filled(f"{'':{names + 8}}→ ", step, columns)


def _filled(head: str, text: str, columns: int | None) -> Iterator[str]:
    """`text` beside its head, and what has no room there under its own beginning."""
    indent = " " * len(head)
    found = (
        [head + text]
        if columns is None
        else textwrap.wrap(
            text,
            columns,
            initial_indent=head,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
    yield from found or [head.rstrip()]

"""A finding as lines of a terminal: verdict, name, what was found; below it what to do next."""

from collections.abc import Iterator

from presence.cli.command import filled
from presence.diagnosis.findings import Finding
from presence.language import ENGLISH, Language


def finding_lines(
    finding: Finding, columns: int | None, language: Language = ENGLISH, *, names: int = 13
) -> Iterator[str]:
    """`columns`: those of the terminal; None: whole lines, for other programs to search. `names`:
    the room that names have. A name is the same in every language: settings, documents and other
    findings call it so.
    """
    head = f"{finding.verdict.name:4}  {finding.name:{names}}  "
    yield from filled(language.say(finding.found), columns, head=head, indent=" " * len(head))
    for step in language.say(finding.next_step).splitlines():
        head = f"{'':{names + 8}}→ "
        yield from filled(step, columns, head=head, indent=" " * len(head))

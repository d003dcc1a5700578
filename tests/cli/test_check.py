"""How `presence check` writes what it found."""

from presence.cli.findings import finding_lines
from presence.diagnosis.findings import Finding, Verdict

LONG = Finding(
    "disk",
    Verdict.WARN,
    "3 MiB free in /var/lib/presence, and a day of a busy shop needs 20 MiB of it",
    "make room: `journalctl --vacuum-size=200M`, or give /var/lib/presence a disk of its own\n"
    "then look again",
)


def test_on_a_terminal_no_word_is_broken_and_what_follows_stands_under_its_beginning() -> None:
    assert list(finding_lines(LONG, 80)) == [
        "WARN  disk           3 MiB free in /var/lib/presence, and a day of a busy shop",
        "                     needs 20 MiB of it",
        "                     → make room: `journalctl --vacuum-size=200M`, or give",
        "                       /var/lib/presence a disk of its own",
        "                     → then look again",
    ]


def test_elsewhere_each_is_one_line_for_other_programs_to_search() -> None:
    assert len(list(finding_lines(LONG, None))) == 3


def test_what_has_no_word_to_say_is_a_line_all_the_same() -> None:
    bare = Finding("clock", Verdict.PASS, "")
    assert [line.rstrip() for line in finding_lines(bare, 80)] == ["PASS  clock"]

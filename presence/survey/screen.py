"""The technician's terminal: questions, bars, verdicts; 80 columns, over any SSH connection,
without a raw mode.

The terminal's own line mode does the reading, and nothing is switched that would have to be
switched back: Ctrl-C at any moment leaves it as it was. Where it is no terminal (a pipe, a file),
whole lines are written and no bars.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from presence.diagnosis.findings import Finding, Verdict
from presence.errors import HungUp, PresenceError
from presence.language import ENGLISH, Language, Sentence

WIDTH: Final = 78
READY: Final = Sentence("Enter when you are ready")
LEAVE: Final[Mapping[str, Sentence]] = {"q": Sentence("q quit")}
"""By the letter of the program: what is typed for it, in the language, and what it does."""
YES: Final = Sentence("y yes")
"""What else than in English is a yes."""
BAR: Final = 30
BESIDE_BAR: Final = 48
"""Title and note of a bar."""
WEAKEST_DBM: Final = -100
STRONGEST_DBM: Final = -40
COLOURS: Final = {Verdict.PASS: "32", Verdict.WARN: "33", Verdict.FAIL: "31"}


class NobodyAnswers(PresenceError):
    """The technician must be there, or must have said `--yes`."""


class LeftEarly(PresenceError):
    """The technician typed q: the visit ends here."""


class Screen:
    """Writes to `out` in a language; asks on standard input unless `yes`. All of it raises HungUp
    where the terminal is gone.
    """

    def __init__(self, out: TextIO, *, yes: bool, language: Language = ENGLISH) -> None:
        self.language = language
        self._out = out
        self._yes = yes
        self._on_terminal, self._asks_terminal = out.isatty(), os.isatty(0)
        self.live = self._on_terminal and os.environ.get("TERM", "dumb") != "dumb"
        self._colours = self.live and "NO_COLOR" not in os.environ
        plain = "utf" not in (getattr(out, "encoding", None) or "").lower()
        self.full, self.empty, self.line, self.arrow = (
            ("#", ".", "-", "->") if plain else ("█", "░", "─", "→")
        )
        self.dash = "-" if plain else "–"
        self.heights = ".:-=+*#%" if plain else "▁▂▃▄▅▆▇█"
        """Eight steps of a line that goes up and down, the lowest first."""

    @property
    def width(self) -> int:
        """Of a line for people; on a terminal that is narrower, as wide as that."""
        if not self._on_terminal:
            return WIDTH
        return max(40, min(WIDTH, shutil.get_terminal_size((WIDTH + 2, 24)).columns - 2))

    def no_questions(self) -> None:
        self._yes = True

    def say(self, text: str = "") -> None:
        self._put(f"{self._erase()}{self.language.say(text)}\n")

    def sentences(self, words: str) -> None:
        """Sentences, as wide as the rest."""
        for line in wrapped(self.language.say(words), self.width - 2):
            self.say(f"  {line}")

    def heading(self, text: str) -> None:
        self.say()
        title = f"{self.line * 2} {self.language.say(text)} "
        self.say(self._styled(title.ljust(self.width, self.line), "1"))

    def finding(self, finding: Finding) -> None:
        verdict = self._styled(f"{finding.verdict.name:4}", f"1;{COLOURS[finding.verdict]}")
        head, *rest = wrapped(self.language.say(finding.found), self.width - 17)
        self.say(f"{verdict}  {finding.name:9}  {head}")
        for line in rest:
            self.say(f"{'':17}{line}")
        step = wrapped(self.language.say(finding.next_step), self.width - 20)
        for number, line in enumerate(step):
            self.say(f"{'':17}{self.arrow if not number else '':2} {line}".rstrip())

    def moment(self, share: float, title: str, note: str) -> None:
        """The bar as it is now, in place of the one before."""
        if self.live:
            width = min(BAR, self.width - BESIDE_BAR) if self.width > BESIDE_BAR + 5 else 0
            filled = round(width * min(1.0, share))
            bar = self.full * filled + self.empty * (width - filled)
            line = f"  {self.language.say(title)[:13]:13} {bar}  {self.language.say(note)}"
            self._put(f"{self._erase()}{line[: self.width + 1]}")

    def reckons(self) -> None:
        self.moment(1.0, Sentence("reckoning"), Sentence("a few seconds"))

    def strength(self, rssi_dbm: int | None, width: int = 12) -> str:
        """A small bar of its own, for `moment`."""
        if rssi_dbm is None:
            return self.language.say(Sentence("not heard"))
        share = (rssi_dbm - WEAKEST_DBM) / (STRONGEST_DBM - WEAKEST_DBM)
        filled = max(0, min(width, round(width * share)))
        return f"{rssi_dbm:4} dBm {self.full * filled}{self.empty * (width - filled)}"

    def coloured(self, text: str, colour: int) -> str:
        """In one of the terminal's 256 colours, where it has any."""
        return self._styled(text, f"38;5;{colour}")

    def bell(self) -> None:
        """Heard at the door, where the screen is not seen."""
        if self.live:
            self._put("\a")

    async def ready(
        self,
        ask: str,
        keys: Mapping[str, Sentence] = LEAVE,
        *,
        left: str = "",
        go: Sentence = READY,
    ) -> str:
        """Wait for Enter, which is "", or one of these keys: by its letter in the language, or in
        English. Raises NobodyAnswers where standard input is at its end, and LeftEarly where q was
        typed.

        `keys`: see LEAVE; `left`: how long the visit may still take.
        """
        self.sentences(ask)
        if self._yes:
            return ""
        say = self.language.say
        offered = {say(key).split()[0]: letter for letter, key in keys.items()}
        meant = {"": ""} | offered | {letter: letter for letter in keys}
        listed = f"{', '.join(map(say, keys.values()))}."
        prompt = self._prompt(" ".join(filter(None, (say(left), listed))), say(go))
        while (answer := (await self._read(prompt)).strip().lower()) not in meant:
            self.sentences(Sentence("{answer} is none of these", answer=repr(answer)))
        if meant[answer] == "q":
            raise LeftEarly("left before the end")
        return meant[answer]

    def _prompt(self, offered: str, go: str) -> str:
        """One line where there is room for it; else what is offered has lines of its own."""
        if len(offered) + len(go) + 4 <= self.width:
            return f"  {offered} {go} "
        self.sentences(offered)
        return f"  {go} "

    async def agrees(self, question: Sentence) -> bool:
        """Asked of a person, whatever --yes says: that answers `ready` alone. Raises
        NobodyAnswers.
        """
        asked = self.language.say(Sentence("{question} [y/N]", question=question))
        try:
            answer = (await self._read(f"  {asked} ")).strip().lower()
        except NobodyAnswers:
            raise NobodyAnswers(
                "nobody answers, so nothing was written: type y, or pipe it in"
            ) from None
        return answer in (*YES.split(), *self.language.say(YES).split())

    async def _read(self, prompt: str) -> str:
        """A line of standard input, in the event loop, so that an interruption is heard at once."""
        self._put(f"{self._erase()}{prompt}")
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        try:
            loop.add_reader(sys.stdin.fileno(), readable.set)
        except PermissionError:  # a plain file is always readable, and epoll refuses it
            readable.set()
        try:
            await readable.wait()
        finally:
            loop.remove_reader(sys.stdin.fileno())
        try:
            answer = sys.stdin.readline()
        except OSError:
            raise HungUp from None
        if not answer and self._asks_terminal:
            raise HungUp
        if not answer:
            raise NobodyAnswers("standard input is at its end: run it on a terminal, or with --yes")
        return answer

    def _put(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:
            if self._on_terminal:
                raise HungUp from None
            raise

    def _erase(self) -> str:
        return "\r\x1b[K" if self.live else ""

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colours else text


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters; line breaks of the text stay."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        lines.append("")
        for word in paragraph.split():
            if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
                lines.append("")
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def columns(rows: Iterable[tuple[str, ...]], widths: tuple[int, ...]) -> list[str]:
    """A table with two spaces in front; the last column is not filled up."""
    return [
        "  " + "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]

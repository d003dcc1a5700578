"""The play in plain lines: one for each happening, with the time of the story; and the account at
the end.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO

from presence.counting import counted
from presence.demo.account import Account, Search
from presence.demo.canvas import ASCII
from presence.demo.scene import Happening, Role, words
from presence.demo.stage import Play, Spectator
from presence.demo.story import AUDIENCE, CAMPAIGNS, CHAIN, SECONDS, STORE


def clock_text(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def broker_text(kind: str, protocol: str) -> str:
    return f"{'mosquitto' if kind == 'mosquitto' else 'embedded broker'}, MQTT {protocol}"


class PlainLines(Spectator):
    """For pipes, logs, and terminals without a cursor or too small for the picture."""

    def __init__(self, stream: TextIO, *, ascii_only: bool = False) -> None:
        self._stream = stream
        self._ascii = ascii_only

    def begin(self, play: Play) -> None:
        broker = broker_text(play.broker.kind, play.broker.protocol.value)
        self.say(
            f"a shop of {SECONDS:.0f} s at speed {play.clock.speed:g}: {CHAIN}/{STORE}, {broker}, "
            f"seed {play.seed}"
        )
        for line in textwrap.wrap(play.broker.loses, 78):
            self.say(line)
        self.say(f"today's campaigns of {AUDIENCE}: {words(CAMPAIGNS)}\n")

    def show(self, happening: Happening) -> None:
        self.say(f"{clock_text(happening.at_s)}  {happening.kind:9}  {happening.text}")

    def account(self, lines: Iterable[str]) -> None:
        self.say("\n" + "\n".join(lines))

    def say(self, line: str) -> None:
        text = line.translate(ASCII) if self._ascii else line
        print(text, file=self._stream, flush=True)


def account_lines(account: Account) -> Iterator[str]:
    """At most 80 columns and, where all is well, 24 rows."""
    counts = account.counts
    broker = broker_text(account.broker, account.protocol)
    yield (
        f"THE PLAY IS OVER: {SECONDS:.0f} s at speed {account.speed:g}, seed {account.seed}, "
        f"{broker}"
    )
    yield from textwrap.wrap(account.loses, 78)
    yield from (_role_line(role) for role in account.roles)
    yield "PRIVACY ACCOUNT: measured, not claimed"
    yield _row(
        "heard", f"{counted(counts['heard'], 'advertisement')}, and {account.malformed} malformed"
    )
    yield _row(
        "nobody's",
        f"{account.of_strangers:,} of {account.devices} devices and of who is off the list: "
        "dropped",
    )
    yield _row("recognised", f"{counts['recognised']:,} of customers whose consent is in force")
    yield _row("refused", reasons(counts["refused"]))
    for_nothing = sum(counts["unanswered"].values())
    yield _row(
        "bell", f"{counts['answered']} answers of customers, {for_nothing} of a stranger: dropped"
    )
    kinds = ", ".join(f"{counts[name]} {name}" for name in ("entered", "left", "withdrawn"))
    withheld = f"; kept back: {reasons(counts['withheld'])}" if counts["withheld"] else ""
    yield _row("visits", f"{kinds}{withheld}")
    answers = f"{counted(account.offers, 'offer')}, {account.cancelled} cancelled"
    yield _row("published", f"{counted(counts['published'], 'event')}; answered by {answers}")
    yield from _stored(account)
    if not account.problems:
        yield _row("the story", "came true: who was to be greeted was, once; nobody else was")
    yield from (f"  FAIL {problem}" for problem in account.problems)
    yield from (f"    {line}" for line in account.log)


def _role_line(role: Role) -> str:
    person = role.person
    said = ", ".join(role.said) or "nothing"
    if role.answered:
        said += " (answered the bell)"
    if role.offers:
        said += f"; offer: {words(role.offers)}{', cancelled' if role.cancelled else ''}"
    elif person.remark:
        said += f": {person.remark}"
    return f"  {person.name:6} {role.agreed:16} {said}"


def _row(name: str, text: str) -> str:
    return f"  {name:12} {text}"


def reasons(refused: Mapping[str, int]) -> str:
    return (
        ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in refused.items())
        or "none"
    )


def _stored(account: Account) -> Iterator[str]:
    strangers, customers = account.strangers, account.customers
    places = (
        f"{strangers.files} files, {strangers.messages} messages, {strangers.log_lines} log lines"
    )
    yield f"  stored about strangers: {_found(strangers)}. Sought: {strangers.marks} pieces of what"
    yield f"    they sent, in {places}: {strangers.octets:,} bytes"
    yield (
        f"  stored by the gateway of customers' names, addresses, identity keys: "
        f"{_found(customers)}"
    )


def _found(search: Search) -> str:
    return f"{len(search.findings)} TRACES FOUND" if search.findings else "nothing"

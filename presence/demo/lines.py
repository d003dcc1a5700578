"""The play in plain lines: one for each happening, with the time of the story; and the account at
the end.
"""

import textwrap
from collections.abc import Iterator
from typing import Any, TextIO

from presence.demo.account import Account, Search
from presence.demo.scene import Happening, Role, words
from presence.demo.stage import Play, Spectator
from presence.demo.story import AUDIENCE, CAMPAIGNS, CHAIN, SECONDS, STORE


def clock_text(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def broker_text(kind: str, protocol: str) -> str:
    return f"{'mosquitto' if kind == 'mosquitto' else 'embedded broker'}, MQTT {protocol}"


class PlainLines(Spectator):
    """For pipes, logs, and terminals without a cursor."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, play: Play) -> None:
        broker = broker_text(play.broker.kind, play.broker.protocol.value)
        self._say(
            f"a shop of {SECONDS:.0f} s at speed {play.clock.speed:g}: {CHAIN}/{STORE}, {broker}, "
            f"seed {play.seed}"
        )
        for line in textwrap.wrap(play.broker.loses, 78):
            self._say(line)
        self._say(f"today's campaigns of {AUDIENCE}: {words(CAMPAIGNS)}\n")

    def show(self, happening: Happening) -> None:
        self._say(f"{clock_text(happening.at_s)}  {happening.kind:9}  {happening.text}")

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


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
    yield "PRIVACY ACCOUNT"
    yield _row("heard", f"{counts['heard']:,} advertisements, and {account.malformed} malformed")
    yield _row(
        "strangers",
        f"{account.of_strangers:,} of {account.devices} devices and of whoever withdrew: dropped",
    )
    yield _row(
        "recognised", f"{counts['recognised']:,} of customers whose consent is in force here"
    )
    yield _row("refused", reasons(counts["refused"]))
    for_nothing = sum(counts["unanswered"].values())
    yield _row(
        "doorbell",
        f"{counts['answered']} answers of customers, {for_nothing} of a stranger: dropped",
    )
    kinds = ", ".join(f"{counts[name]} {name}" for name in ("entered", "left", "withdrawn"))
    withheld = f"; kept silent: {reasons(counts['withheld'])}" if counts["withheld"] else ""
    yield _row("visits", f"{kinds}{withheld}")
    answers = f"{account.offers} offers, {account.cancelled} cancelled"
    yield _row("published", f"{counts['published']} events; answered by {answers}")
    yield from _stored(account)
    if not account.problems:
        yield _row("the story", "came true: who was to be greeted was, once; nobody else was")
    yield from (f"  ✗ {problem}" for problem in account.problems)
    yield from (f"    {line}" for line in account.log)


def _role_line(role: Role) -> str:
    person = role.person
    said = ", ".join(role.said) or "nothing"
    if role.answered:
        said += " (answered the doorbell)"
    if role.offers:
        said += f"; offer: {words(role.offers)}{', cancelled' if role.cancelled else ''}"
    elif person.remark:
        said += f": {person.remark}"
    return f"  {person.name:6} {person.permission:16} {said}"


def _row(name: str, text: str) -> str:
    return f"  {name:12} {text}"


def reasons(refused: dict[str, Any]) -> str:
    return (
        ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in refused.items())
        or "none"
    )


def _stored(account: Account) -> Iterator[str]:
    strangers, customers = account.strangers, account.customers
    places = (
        f"{strangers.files} files, {strangers.messages} messages, {strangers.log_lines} log lines"
    )
    yield (
        f"  stored about strangers: {_found(strangers)}. Of what they sent {strangers.marks} "
        "pieces were sought"
    )
    yield f"    in {places}: {strangers.octets:,} bytes"
    yield (
        f"  stored of customers' addresses, identifiers, keys: {_found(customers)}; "
        f"{customers.marks} sought"
    )


def _found(search: Search) -> str:
    return f"{len(search.findings)} TRACES FOUND" if search.findings else "nothing"

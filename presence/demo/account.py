"""The privacy account at the end: measured, not claimed.

1. Nothing that a stranger sent may stand in any file, message or log line: all of it is searched
   (see `marks`).
2. Nor may a customer's name, address, identifier or identity key, in what the gateway keeps and
   says. The offer engine knows its customers, and the publisher the chain's.
3. The search must be able to find: the pairwise keys of the signed list stand in our database, and
   are found there.
4. The story must have come true: everyone who had to be greeted was, exactly once, and nobody else.
5. The counts must add up: what the simulated receiver heard is what the pipeline counted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from presence.core.encoding import EID_BYTES
from presence.core.recognition.challenge import MAC_BYTES
from presence.demo.scene import Role
from presence.demo.stage import Play
from presence.demo.story import SECONDS
from presence.diagnosis import marks
from presence.diagnosis.marks import Trace
from presence.simulation.doorbell import Answered
from presence.simulation.watch import Message


@dataclass(frozen=True, slots=True)
class Traces:
    """All that the gateway, the engine and the broker left behind."""

    root: Path
    """Below it: `gateway`, `engine`, and `publisher`, which is the chain's."""
    messages: list[Message]
    log: str
    status: str

    def places(self, below: str = "") -> dict[str, bytes]:
        """By name; of the files those of one part alone, where one is named."""
        return {
            **marks.files_below(self.root / below),
            "MQTT messages": b"\n".join(message.octets for message in self.messages),
            "log lines": self.log.encode(),
            "status lines": self.status.encode(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How much was looked for, in how much, and what was found."""

    marks: int
    octets: int
    files: int
    messages: int
    log_lines: int
    findings: list[Trace]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Everything that is said at the end."""

    seed: int
    speed: float
    broker: str
    protocol: str
    loses: str
    counts: Mapping[str, Any]
    malformed: int
    devices: int
    roles: list[Role]
    strangers: Search
    customers: Search
    problems: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    """The last lines, for whoever must find out why there are problems."""

    @property
    def offers(self) -> int:
        return sum(len(role.offers) for role in self.roles)

    @property
    def cancelled(self) -> int:
        return sum(role.cancelled for role in self.roles)

    @property
    def of_strangers(self) -> int:
        return sum(int(self.counts[name]) for name in ("other_format", "unknown", "ambiguous"))


def close_the_books(play: Play, customers: Mapping[str, bytes], traces: Traces) -> Account:
    """`customers`: id → pairwise key, as the publisher has them."""
    said = play.shop.said
    strangers = marks.collect((s.address, s.payload) for s in said if not s.customer)
    theirs = marks.collect((s.address, s.payload) for s in said if s.customer)
    for answer in play.doorbell.answers:
        (theirs if answer.customer else strangers).update(_marks_of_answer(answer))
    theirs |= {person.identity_key: "identity key" for person in play.people}
    theirs |= {person.customer_id.encode(): "name" for person in play.people}
    of_strangers = _search(strangers, traces)
    of_customers = _search(theirs, traces, below="gateway")
    found = [*of_strangers.findings, *of_customers.findings]
    problems = [
        *(f"of a stranger: {each.kind} stands in {each.where}" for each in of_strangers.findings),
        *(f"of a customer: {each.kind} stands in {each.where}" for each in of_customers.findings),
        *_story(play),
        *_blindness(customers, traces),
    ]
    return Account(
        seed=play.seed,
        speed=play.clock.speed,
        broker=play.broker.kind,
        protocol=play.broker.protocol.value,
        loses=play.broker.loses,
        counts=play.gateway.pipeline.counts,
        malformed=play.shop.malformed,
        devices=sum(not phone.customer for phone in play.shop.phones),
        roles=list(play.scene.roles.values()),
        strangers=of_strangers,
        customers=of_customers,
        problems=problems,
        # Never where a trace was found: it may stand in these very lines.
        log=traces.log.splitlines()[-8:] if problems and not found else [],
    )


def _marks_of_answer(answer: Answered) -> dict[bytes, str]:
    """All marks of one connection at the doorbell: who came, what was asked, and each part of what
    was written.
    """
    written = answer.written
    identifier, code = written[1 : 1 + EID_BYTES], written[-MAC_BYTES:]
    return {
        answer.address: "address",
        answer.challenge[1:]: "challenge",
        written: "answer",
        identifier: "identifier",
        code: "code of an answer",
    }


def _story(play: Play) -> Iterator[str]:
    """Where the evening did not go as it is told."""
    for role in play.scene.roles.values():
        yield from story_problems(role)
    yield from (f"{count} × {what}" for what, count in play.scene.strays.items())
    yield from _sums(play)


def _blindness(customers: Mapping[str, bytes], traces: Traces) -> Iterator[str]:
    """A search that finds nothing must be one that could."""
    keys = dict.fromkeys(customers.values(), "pairwise key")
    if not marks.search(keys, traces.places("gateway")):
        yield "the search is blind: it does not even find the pairwise keys of the signed list"


def _search(wanted: Mapping[bytes, str], traces: Traces, *, below: str = "") -> Search:
    places = traces.places(below)
    return Search(
        marks=len(wanted),
        octets=sum(map(len, places.values())),
        files=sum(name.startswith("file ") for name in places),
        messages=len(traces.messages),
        log_lines=len(traces.log.splitlines()),
        findings=marks.search(wanted, places),
    )


def story_problems(role: Role) -> Iterator[str]:
    """What was said of one person and should not have been, or the other way round."""
    person = role.person
    for kind in sorted({*person.said, *role.said}):
        wanted, was = person.said.count(kind), role.said[kind]
        if wanted != was:
            yield f"{person.name} ({person.permission}): {was} × `{kind}`, the story has {wanted}"
    if role.answered != (person.rings and "entered" in person.said):
        yield (
            f"{person.name}: the event says that the doorbell was "
            f"{'' if role.answered else 'not '}answered"
        )
    if set(role.allow) != set(person.allow):
        yield f"{person.name}: the event allows {list(role.allow)}, the story {list(person.allow)}"
    if len(role.offers) != bool(person.allow) or not set(role.offers) <= set(person.allow):
        yield (
            f"{person.name}: offers of {role.offers}, the story has {int(bool(person.allow))} "
            f"of {list(person.allow)}"
        )
    if role.cancelled != person.withdraws:
        yield (
            f"{person.name}: {role.cancelled} offers cancelled, the story has "
            f"{int(person.withdraws)}"
        )


def _sums(play: Play) -> Iterator[str]:
    counts: Mapping[str, Any] = play.gateway.pipeline.counts
    rung = (counts["answered"], sum(counts["unanswered"].values()))
    answers = play.doorbell.answers
    wanted = (
        sum(answer.customer for answer in answers),
        sum(not answer.customer for answer in answers),
    )
    if rung != wanted:
        yield (
            f"at the doorbell {rung} answers of customers and of others were counted, {wanted} "
            "were given"
        )
    parts = [counts[name] for name in ("other_format", "unknown", "ambiguous", "recognised")]
    parts += counts["refused"].values()
    if sum(parts) != counts["heard"]:
        yield f"the counts do not add up: {counts['heard']} heard, {sum(parts)} accounted for"
    delivered = counts["heard"] + play.gateway.intake.dropped
    if delivered != play.shop.heard:
        yield f"the receiver heard {play.shop.heard} advertisements, the pipeline {delivered}"
    if play.gateway.intake.dropped:
        yield f"{play.gateway.intake.dropped} advertisements found no room: play slower (--speed)"


def as_dict(account: Account) -> dict[str, Any]:
    """The account as JSON."""
    counts = account.counts
    return {
        "ok": not account.problems,
        "seed": account.seed,
        "speed": account.speed,
        "seconds": SECONDS,
        "broker": {"kind": account.broker, "protocol": account.protocol, "loses": account.loses},
        "heard": counts["heard"],
        "malformed": account.malformed,
        "answered": counts["answered"],
        "unanswered": counts["unanswered"],
        "strangers": {"devices": account.devices, "heard": account.of_strangers},
        **{
            name: counts[name]
            for name in ("recognised", "refused", "entered", "left", "withdrawn", "withheld")
        },
        **{name: counts[name] for name in ("blocked", "dropped", "published")},
        "offers": account.offers,
        "offers_cancelled": account.cancelled,
        "people": [
            {
                "name": role.person.name,
                "permission": role.person.permission,
                "said": dict(role.said),
                "answered": role.answered,
                "allow": list(role.allow),
                "offers": role.offers,
                "cancelled": role.cancelled,
            }
            for role in account.roles
        ],
        "stored_about_strangers": _search_dict(account.strangers),
        "stored_of_customers_radio": _search_dict(account.customers),
        "problems": account.problems,
    }


def _search_dict(search: Search) -> dict[str, Any]:
    return {
        "found": [{"kind": finding.kind, "where": finding.where} for finding in search.findings],
        "marks": search.marks,
        "bytes": search.octets,
        "files": search.files,
        "messages": search.messages,
        "log_lines": search.log_lines,
    }

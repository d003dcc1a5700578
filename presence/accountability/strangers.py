"""The stranger test: strangers whose every mark is known have passed a gateway, and all that it
left is searched for them.

A search that finds nothing must be one that could: the made-up customer has to be found where a
customer's traces belong.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from presence.accountability.promises import STRANGERS
from presence.core.event.cloudevent import EventType
from presence.diagnosis import marks
from presence.diagnosis.findings import Finding, Verdict
from presence.simulation.passage import Passage

DIFFERENCES: Final = (
    "A script takes the place of the radios, satellites, bells and the people counter.",
    "Its list is signed by nobody and holds one made-up customer. Your list was not read.",
    "Its folders, its keys and its broker were made for the test, on this machine, and are gone.",
    "It was open at this hour, and logged all that it can log.",
)
"""How the second gateway differs from yours."""


@dataclass(frozen=True, slots=True)
class SearchedArea:
    """One place that was searched: so many things and bytes."""

    area: str
    things: int
    unit: str
    octets: int
    found: tuple[str, ...] = ()
    """Each a kind of mark with its spelling, and where it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangerTest:
    strangers: int
    advertisements: int
    """Of strangers, that were handed over."""
    marks: int
    spellings: int
    searched: tuple[SearchedArea, ...]
    seen: Mapping[str, bool]
    """Where the made-up customer had to be found → whether they were."""
    broker: str
    """Empty where there was none."""
    differences: Sequence[str] = DIFFERENCES

    @property
    def found(self) -> list[str]:
        return [f"{each.area}: {trace}" for each in self.searched for trace in each.found]

    def finding(self) -> Finding:
        found, blind = self.found, [where for where, seen in self.seen.items() if not seen]
        octets = sum(area.octets for area in self.searched)
        if found:
            return Finding(
                STRANGERS,
                Verdict.FAIL,
                f"{len(found)} traces of strangers were found: {'; '.join(found[:5])}",
                "stop the gateway, keep this page, and tell those who maintain presence: "
                "SECURITY.md",
            )
        if blind:
            return Finding(
                STRANGERS,
                Verdict.FAIL,
                f"the search is blind: the made-up customer is not in {', nor in '.join(blind)}",
                "run it again while this machine is less busy; then tell who maintains presence",
            )
        nothing = f"{self.strangers} strangers passed, and no trace of them is in {octets:,} bytes"
        if not self.broker:
            return Finding(
                STRANGERS,
                Verdict.WARN,
                f"{nothing}; messages were not searched, for there is no broker program here",
                "apt install mosquitto, and run it again",
            )
        return Finding(STRANGERS, Verdict.PASS, nothing)

    def as_dict(self) -> dict[str, Any]:
        return {
            "what": "a second gateway in the process of this command, not the one that runs",
            "differences": list(self.differences),
            "strangers": self.strangers,
            "advertisements": self.advertisements,
            "marks": self.marks,
            "spellings": self.spellings,
            "broker": self.broker,
            "searched": [
                {
                    "area": each.area,
                    "things": each.things,
                    "unit": each.unit,
                    "bytes": each.octets,
                    "found": list(each.found),
                }
                for each in self.searched
            ],
            "customer_found": dict(self.seen),
        }


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """All that a gateway left behind: its folders `state` and `run` and whatever else is below
    `root`, but for `ours`.
    """

    root: Path
    log: str
    metrics: str
    """The name of their file."""
    said: Sequence[str]
    """The status line, and what was answered at the status socket."""
    messages: Sequence[bytes]
    ours: Collection[str]

    def areas(self) -> Iterator[tuple[str, str, int, Mapping[str, bytes]]]:
        """Name, unit of its things, how many, and each with its content."""
        files = {
            path.relative_to(self.root): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.name not in self.ours
        }
        metrics = files.pop(Path(self.metrics), b"")
        for area, folder in (("state directory", "state"), ("runtime directory", "run")):
            below = {path: files.pop(path) for path in list(files) if path.parts[0] == folder}
            yield area, "files", len(below), _with_names(below)
        if files:
            yield "other files", "files", len(files), _with_names(files)
        log = self.log.encode()
        yield "log", "lines", self.log.count("\n"), {"a line": log}
        yield "metrics", "lines", metrics.count(b"\n"), {"a line": metrics}
        said = "\n".join(self.said).encode()
        yield "status", "answers", len(self.said), {"an answer": said}
        yield "MQTT", "messages", len(self.messages), {"a message": b"\n".join(self.messages)}


def _with_names(files: Mapping[Path, bytes]) -> dict[str, bytes]:
    """And all their names as one more place."""
    contents = {str(path): content for path, content in files.items()}
    return {**contents, "the names of the files": "\n".join(map(str, files)).encode()}


def searched(
    left: LeftBehind, source: Passage, ref: bytes, *, broker: str, told: bool
) -> StrangerTest:
    """`ref`: of the made-up customer; `told`: was an event about them sent?"""
    wanted, areas = marks.collect(source.strangers), list(left.areas())
    runtime = next(contents for area, _, _, contents in areas if area == "runtime directory")
    seen = {"the visits": ref in runtime.get("run/visits.sqlite", b"")}
    if broker:  # a gate that tells nobody of anybody still lets the gateway say how it is itself
        sign = EventType.ENTERED.value if told else "/gw/"
        seen["the messages"] = any(sign.encode() in message for message in left.messages)
    return StrangerTest(
        strangers=len(source.strangers),
        advertisements=source.handed_over,
        marks=len(wanted),
        spellings=sum(1 for _ in marks.spellings(bytes(marks.SHORTEST))),
        searched=tuple(
            SearchedArea(
                area,
                things,
                unit,
                sum(map(len, contents.values())),
                tuple(f"{each.kind} in {each.where}" for each in marks.search(wanted, contents)),
            )
            for area, unit, things, contents in areas
        ),
        seen=seen,
        broker=broker,
    )

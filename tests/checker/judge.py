"""The oracle: every event that leaves a gateway is held against what its customer wants.

At its release an `entered` or `left` needs a version of the register that the gateway must believe,
which grants presence, the audience's purpose, each category and that kind of subject. A `withdrawn`
follows one `entered`, once. And nobody who was told of is left standing: what is not granted any
more has been taken back.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from presence.core.event.cloudevent import STABLE_DAY, subject_of_day, utc_day
from presence.core.event.outbox import Announcement
from presence.ports import OutgoingMessage
from tests.checker.wills import PRESENCE, PROFILING, VISIT_END, History, Will

LEASE_S = 900
TOLERANCE_S = 6.0
"""Of the gateway's clock, and a tick of its engine."""


class Breach(AssertionError):
    """The promise is broken; the message says by which event and why."""


@dataclass
class Told:
    """An `entered` that somebody may have read."""

    name: str
    audience: str
    categories: frozenset[str]
    subject: str
    stable: bool
    valid_until_s: float


@dataclass
class Judge:
    """Of one store. `now_s` is the true time, whatever the gateway's clock says."""

    histories: Mapping[str, History]
    keys: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Customer → audience → pairwise key, as the consent service gave them out."""
    now_s: float = 0.0
    published_at_s: float = float("-inf")
    """When the list in force at the gateway was published."""
    told: dict[str, Told] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    handed_over: set[str] = field(default_factory=set)
    """Ids of what the broker was handed: the gateway cannot know of what was lost that nobody read
    it.
    """
    judged: Counter[str] = field(default_factory=Counter)

    def of(self, message: OutgoingMessage) -> None:
        self.judged[message.event_type] += 1
        event = json.loads(message.payload)
        audience, subject = event["data"]["audience"], event["subject"]
        kind = event["type"].split(".")[1]
        name, stable = self._whose(audience, subject)
        copy = event["id"] in self.seen
        self.seen.add(event["id"])
        if kind == "withdrawn":
            self._withdrawn(event, subject, copy=copy)
            return
        self._fresh(event["id"])
        will = self.histories[name].believed()
        if kind == "left":
            self._left(event, name, will, audience, subject, stable=stable)
            return
        if event["id"] in self.taken_back:
            raise Breach(f"{name}: an `entered` under an id that was withdrawn")
        allowed = will.allows(audience, self.now_s - TOLERANCE_S)
        said = frozenset(event["data"].get("allow", ()))
        if allowed is None or not said <= allowed:
            raise Breach(f"{name}: told {audience} of {sorted(said)}, granted is {allowed}")
        self._subject(name, will, stable=stable)
        self.told[event["id"]] = Told(
            name, audience, said, subject, stable, _seconds(event["data"]["valid_until"])
        )

    def adopted(self, name: str, announcement: Announcement) -> None:
        """A peer told this; the gateway must take it back like its own."""
        event_id, stable = (
            announcement.event_id,
            PROFILING in self.histories[name].believed().purposes,
        )
        subject, said = announcement.subject, frozenset(announcement.categories)
        self.told[event_id] = Told(
            name, announcement.audience, said, subject, stable, announcement.valid_until_s
        )

    def gateway_forgot(self) -> None:
        """What it told, and what of that it took back, was in memory (R-18). The audience knows
        still: an `entered` that is granted anew and comes under an id that was withdrawn is dropped
        there (docs/offer-engine.md#the-rules).
        """
        self.told.clear()
        self.handed_over.clear()
        self.taken_back.clear()

    def standing(self, *, stale: bool) -> None:
        """Called where everything that can go out has gone out: what was told is granted still, or
        was taken back.
        """
        for event_id, told in self.told.items():
            if event_id in self.taken_back or self.now_s >= told.valid_until_s - TOLERANCE_S:
                continue
            will = self.histories[told.name].believed()
            lived_s = self.now_s - TOLERANCE_S
            if stale and not (will.gone or will.objected or self.now_s < will.paused_until_s):
                # what ends by itself while nobody knows what is true is told when somebody does
                continue
            allowed = will.allows(told.audience, lived_s)
            if (
                allowed is None
                or not told.categories <= allowed
                or (told.stable and PROFILING not in will.purposes)
            ):
                raise Breach(
                    f"{told.name}: {told.audience} was told, {allowed} is granted, and nothing "
                    "was taken back"
                )

    def _withdrawn(self, event: Mapping[str, dict[str, str]], subject: str, *, copy: bool) -> None:
        entered_id = event["data"]["entered_id"]
        told = self.told.get(entered_id)
        if told is None:
            if entered_id not in self.handed_over:
                raise Breach("a `withdrawn` of something that nobody was told")
            self.taken_back.add(entered_id)
            return
        if told.subject and told.subject != subject:
            raise Breach(f"{told.name}: withdrawn under another subject than it was told")
        if entered_id in self.taken_back and not copy:
            raise Breach(f"{told.name}: withdrawn twice under two ids")
        self.taken_back.add(entered_id)

    def _left(
        self,
        event: Mapping[str, dict[str, str]],
        name: str,
        will: Will,
        audience: str,
        subject: str,
        *,
        stable: bool,
    ) -> None:
        entered_id = event["data"]["entered_id"]
        told = self.told.get(entered_id)
        if entered_id not in self.told.keys() | self.handed_over or entered_id in self.taken_back:
            raise Breach(f"{name}: a `left` of what was not told, or was taken back")
        if told is not None and told.subject and told.subject != subject:
            raise Breach(f"{name}: left under another subject than entered")
        if will.allows(audience, self.now_s - TOLERANCE_S) is None:
            raise Breach(f"{name}: a `left` to {audience}, which may be told nothing")
        if VISIT_END not in will.purposes or PRESENCE not in will.purposes:
            raise Breach(f"{name}: a `left` without the purpose visit_end")
        self._subject(name, will, stable=stable)

    def _subject(self, name: str, will: Will, *, stable: bool) -> None:
        if stable and PROFILING not in will.purposes:
            raise Breach(f"{name}: the stable subject without the purpose profiling")

    def _fresh(self, event_id: str) -> None:
        if self.now_s - self.published_at_s > LEASE_S + TOLERANCE_S:
            raise Breach(
                f"event {event_id} by a list that is {self.now_s - self.published_at_s:.0f} s old"
            )

    def _whose(self, audience: str, subject: str) -> tuple[str, bool]:
        """The customer behind a subject, and whether it is the one that joins days."""
        for name, keys in self.keys.items():
            if subject == subject_of_day(keys[audience], STABLE_DAY):
                return name, True
            for days in (0, 1):
                if subject == subject_of_day(keys[audience], utc_day(self.now_s - days * 86_400)):
                    return name, False
        raise Breach(f"{subject} is nobody of the register")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

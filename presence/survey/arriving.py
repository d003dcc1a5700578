"""The last step: the test phone comes in, and its event comes back from the broker, through the
daemon's own join.

Nothing is stored: the gateway that runs here has its visits in memory, knows test phones only,
tells the audience `test` only, and speaks to no other gateway. A daemon beside it is not disturbed;
where it tells the same entry, the event has the same id.
"""
# ruff: noqa: ARG002  (what keeps and tells nothing has no use for its arguments)

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from presence.config import Settings
from presence.config.settings import EntrySettings, MqttSettings, StoreSettings
from presence.core.consent.list_json import ConsentList
from presence.core.consent.model import TEST_AUDIENCE, Audience, Purpose
from presence.core.engine import index_list
from presence.core.event.cloudevent import subject_of_day, topic, utc_day
from presence.core.event.outbox import Step
from presence.core.rules import Rules
from presence.core.visit.opening_hours import OpeningHours
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.mqtt.publisher import MqttPublisher
from presence.gateway.gateway import Gateway
from presence.gateway.list_sync import ListPauses, ListSync
from presence.gateway.pipeline import Pipeline
from presence.language import Sentence
from presence.ports import Clock, OnAdvertisement, OutgoingMessage, Progress, Stored, VerifiedList
from presence.survey.expecting import AwaitedEntry
from presence.survey.judging import Result
from presence.telemetry import OperationalEvent

CONNECT_S: Final = 8.0


class InMemory:
    """A VisitStore, a ConsentSource's memory and a notifier: what the daemon keeps and tells, kept
    and told nowhere.
    """

    watchdog_s = 0.0

    def load(self) -> Stored:
        return Stored()

    def commit(self, *steps: Step) -> None:
        return

    def remove(self, *event_ids: str) -> None:
        return

    def keep_figures(self, figures: str) -> None:
        return

    def replace(self, stored: Stored) -> None:
        return

    def ready(self, status: str) -> None:
        return

    def status(self, status: str) -> None:
        return

    def alive(self) -> None:
        return


@dataclass(slots=True)
class Once:
    """A ConsentSource that has its list already."""

    consents: ConsentList | None
    last_signed_s: float = 0.0
    progress: Progress | None = None

    def read(self) -> VerifiedList | None:
        consents, self.consents = self.consents, None
        if consents is None:
            return None
        entries = len(consents.entries)
        return VerifiedList(consents.header, index_list(consents), entries, consents.refused)

    def settle(self) -> None:
        """Nothing is kept."""

    def give_up(self) -> None:
        """It never hangs."""

    def forget_keys(self) -> None:
        return


class Fed:
    """An AdvertisementSource that somebody else feeds, until `over` is set."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.listening = asyncio.Event()
        self.hear: OnAdvertisement = lambda _advertisement: None

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        self.hear = on_advertisement
        self.listening.set()
        await self.over.wait()


class TimedPublisher(MqttPublisher):
    """Knows when the first event was handed over."""

    sent_s: float | None = None

    def publish(self, message: OutgoingMessage) -> Awaitable[None]:
        if self.sent_s is None:
            self.sent_s = time.monotonic()
        return super().publish(message)


@dataclass(slots=True)
class Arrival:
    """One try; `seen` is set when the event of a test phone came back."""

    gateway: Gateway
    fed: Fed
    publisher: TimedPublisher
    subjects: frozenset[str]
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    seen_s: float | None = None
    told: list[str] = field(default_factory=list)

    def take(self, _topic: str, payload: bytes, retained: bool) -> None:
        """A message of the audience `test`."""
        try:
            event: dict[str, Any] = json.loads(payload)
            ours = event["subject"] in self.subjects and event["type"].startswith(
                "presence.entered."
            )
        except (ValueError, KeyError, TypeError):
            return
        if ours and not retained and not self.seen.is_set():
            self.seen_s = time.monotonic()
            self.seen.set()

    @property
    def round_trip_s(self) -> float | None:
        sent_s = self.publisher.sent_s
        return None if sent_s is None or self.seen_s is None else max(0.0, self.seen_s - sent_s)


@asynccontextmanager
async def arrival(
    settings: Settings, rules: Rules, entry: EntrySettings, consents: ConsentList, clock: Clock
) -> AsyncIterator[Arrival]:
    """A gateway that listens and is connected, or has given up to be. `consents`: of test phones
    only.
    """
    publisher = TimedPublisher(
        settings.mqtt, settings.store, role="scan-test", emit=lambda _event: None
    )
    one = _arrival(settings, _test_rules(rules, entry, consents), consents, clock, publisher)
    await publisher.subscribe(topic(rules.site, TEST_AUDIENCE), one.take)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(one.gateway.run())
        try:
            await one.fed.listening.wait()
            try:
                async with asyncio.timeout(CONNECT_S):
                    await publisher.connected()
            except TimeoutError:
                pass
            yield one
        finally:
            running.cancel()


def _arrival(
    settings: Settings, rules: Rules, consents: ConsentList, clock: Clock, publisher: TimedPublisher
) -> Arrival:
    fed, memory = Fed(), InMemory()
    day = utc_day(clock.now().utc_s)
    keys = (entry.consent.pairwise_keys.get(TEST_AUDIENCE) for entry in consents.entries.values())
    told: list[str] = []

    def emit(event: OperationalEvent) -> None:
        told.append(f"{event.name}: {event.fields().get('reason', '')}")

    consent = settings.consent
    gateway = Gateway(
        sources=[fed],
        pipeline=Pipeline(rules, memory, emit=emit),
        list_sync=ListSync(source=Once(consents), clock=clock, emit=emit, lease_s=consent.lease_s),
        publisher=publisher,
        clock=clock,
        notifier=memory,
        emit=emit,
        pauses=ListPauses(lambda _errors: consent.poll_s),
    )
    subjects = frozenset(subject_of_day(key, day) for key in keys if key is not None)
    return Arrival(gateway, fed, publisher, subjects, told=told)


def _test_rules(rules: Rules, entry: EntrySettings, consents: ConsentList) -> Rules:
    """The audience `test` alone, at any hour: technicians come before the doors open."""
    audience = rules.audience(TEST_AUDIENCE)
    if audience is None:
        purposes = {
            purpose for each in consents.entries.values() for purpose in each.consent.purposes
        }
        purpose = Purpose.SERVICE if Purpose.SERVICE in purposes else Purpose.OFFERS
        campaigns = {category for each in rules.audiences for category in each.campaigns}
        audience = Audience(TEST_AUDIENCE, purpose, frozenset(campaigns))
    return replace(rules, audiences=(audience,), entry=entry, hours=OpeningHours())


def judge_broker(
    one: Arrival,
    mqtt: MqttSettings,
    store: StoreSettings,
    *,
    decided_s: float | None,
    heard: int,
    configured: bool,
    awaited: AwaitedEntry,
) -> Result:
    """`decided_s`: from coming in to the entry, by the rule; `configured`: the daemon has the
    audience, too.
    """
    where, trip_s, expected = mqtt.where, one.round_trip_s, awaited.expected
    figures = {
        "broker": where,
        "decided_after_s": None if decided_s is None else round(decided_s, 1),
        "round_trip_s": None if trip_s is None else round(trip_s, 3),
        "expected_s": {"half": expected.half_s, "nine_of_ten": expected.nine_of_ten_s},
    }
    if trip_s is None:
        return Result(_not_seen(one, where, store, heard=heard, awaited=awaited), figures)
    found = _seen(where, 1000 * trip_s, decided_s)
    if not configured:
        step = Sentence(
            "the daemon itself has no audience `test`: add `- {{name: test, purpose: service}}` "
            "to audiences"
        )
        return Result(Finding("broker", Verdict.WARN, found, step), figures)
    return Result(Finding("broker", Verdict.PASS, found), figures)


def _seen(where: str, trip_ms: float, decided_s: float | None) -> Sentence:
    if decided_s is None:
        return Sentence(
            "event on audience `test` received back from {broker} {trip_ms:.0f} ms later",
            broker=where,
            trip_ms=trip_ms,
        )
    return Sentence(
        "entered {decided_s:.1f} s after the start, event on audience `test` received back from "
        "{broker} {trip_ms:.0f} ms later",
        broker=where,
        trip_ms=trip_ms,
        decided_s=decided_s,
    )


def _not_seen(
    one: Arrival, where: str, store: StoreSettings, *, heard: int, awaited: AwaitedEntry
) -> Finding:
    """A fault, or only slow."""
    if not one.publisher.is_connected:
        trouble = one.publisher.trouble or Sentence("no answer")
        found = Sentence("{broker} is not reached", broker=where)
        return Finding("broker", Verdict.FAIL, found, trouble)
    counts: dict[str, Any] = dict(one.gateway.pipeline.counts)
    if heard and not counts["refused"] and not counts["entered"] and not awaited.is_fault:
        found = Sentence(
            "heard, but not found to have entered within {waited_s:.0f} s: {expected}",
            waited_s=awaited.waited_s,
            expected=awaited.expected.words,
        )
        return Finding("broker", Verdict.WARN, found, awaited.next_step)
    gone_wrong, step = _gone_wrong(one, where, store, heard=heard, awaited=awaited)
    return Finding("broker", Verdict.FAIL, gone_wrong, step)


def _gone_wrong(
    one: Arrival, where: str, store: StoreSettings, *, heard: int, awaited: AwaitedEntry
) -> tuple[Sentence, Sentence]:
    """What was found, and what to do; from the first part of the way on which it went wrong."""
    counts: dict[str, Any] = dict(one.gateway.pipeline.counts)
    if not heard:
        return Sentence("the test phone was not heard"), Sentence("see step `phone`")
    if counts["refused"]:
        reasons = ", ".join(sorted(counts["refused"]))
        return (
            Sentence("heard, but its consent is not in force: {reasons}", reasons=reasons),
            Sentence("ask the consent service for a fresh list"),
        )
    if not counts["entered"]:
        return (
            Sentence(
                "heard, but not found to have entered, and {expected}",
                expected=awaited.expected.words,
            ),
            Sentence("come further in, and stay there; or the door is not fitted yet: step `walk`"),
        )
    if counts["withheld"]:
        reasons = ", ".join(sorted(counts["withheld"]))
        return (
            Sentence("entered, but audience `test` may not be told: {reasons}", reasons=reasons),
            Sentence(
                "the entry of the test phone needs a key (pk) and the purpose of the audience "
                "`test`"
            ),
        )
    name = f"presence/v1/{store.chain}/{store.store}/evt/{TEST_AUDIENCE}"
    complaint = one.told[-1] if one.told else Sentence("no word from it")
    return (
        Sentence("entered, but the event did not come back from {broker}", broker=where),
        Sentence(
            "may this gateway's user write and read {topic}? The last that was told: {complaint}",
            topic=name,
            complaint=complaint,
        ),
    )

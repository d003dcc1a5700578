"""What was looked at, and what was found: the values that the page and the JSON are made of.
Nothing in it is about a person.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from presence import __version__
from presence.accountability.processing import RecordPart, impact_assessment, record_of_processing
from presence.accountability.promises import (
    ARMED,
    AUDIT,
    BY_TESTS,
    LIST,
    NOT_TOLD,
    SETTINGS,
    STRANGERS,
    promises,
)
from presence.accountability.strangers import StrangerTest
from presence.assembly import settings_digest
from presence.config import Settings
from presence.core.consent.freshness import PUBLISHING
from presence.core.operations.audit_chain import ChainVerdict
from presence.core.operations.audit_words import in_words
from presence.core.timestamps import duration, rfc3339
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.host.clock import local_time

SHOWN: Final = 20
"""Of the audit log's records, the last; `presence audit show` tells all."""
ASKED: Final = "technician.asked"

NOT_SHOWN: Final = (
    "What other programs keep: the broker, the offer engines and the consent service have records "
    "of their own.",
    "What bluetoothd remembers: it forgets a device 30 s after it was last heard, as we set it.",
    "The memory of the program that runs. The stranger test searches files, messages, log, metrics "
    "and answers.",
    "Who asked for `presence status`: it shows no customer, and is not recorded. Nor is who read "
    "the folders as root, or wrote a page like this one.",
    "A log that somebody wrote anew as a whole. Note the head of the chain elsewhere: it proves "
    "each line up to it.",
)


@dataclass(frozen=True, kw_only=True)
class EvidenceReport:
    """All that stands on the page."""

    settings: Settings
    lines: Mapping[str, int] = field(repr=False)
    """Where the file has which setting."""
    at_s: float
    status: Mapping[str, Any] | None
    """As `presence status --json` has it; None where nothing answers."""
    status_trouble: str = ""
    chain: ChainVerdict | None = None
    """None where the audit log cannot be read."""
    chain_trouble: str = ""
    records: Sequence[Mapping[str, Any]] = ()
    """Of the audit log, oldest first."""
    strangers: StrangerTest | None = None
    """None where the test was left out."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.store.time_zone)

    @property
    def place(self) -> str:
        store = self.settings.store
        return f"{store.chain}, store {store.store}, gateway {store.gateway}"

    @property
    def verdict(self) -> Verdict:
        return max(finding.verdict for finding in self.findings())

    def findings(self) -> list[Finding]:
        return [self._strangers(), *self._running(), *self._audit_log()]

    def head(self) -> str:
        """Number and hash of the audit log's last line."""
        return "" if self.chain is None else f"{self.chain.last.n}:{self.chain.last.digest}"

    def looks(self) -> list[dict[str, Any]]:
        """Who asked for more than the status: user number, what, how often and when last."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for record in self.records:
            if record["what"] == ASKED:
                uid, what = str(record.get("uid")), str(record.get("asked"))
                look = found.setdefault((uid, what), {"uid": uid, "asked": what, "times": 0})
                look |= {"times": look["times"] + 1, "last": record["at"]}
        return list(found.values())

    def told(self) -> list[tuple[str, str]]:
        """The last records, newest first: when, of the shop's clock, and a sentence."""
        last = [record for record in self.records if record["what"] != ASKED][-SHOWN:]
        return [(self.local(record["at"]), in_words(record)) for record in reversed(last)]

    def local(self, text: str) -> str:
        """A time of the audit log by the shop's clock."""
        return local_time(text, self.zone, "%Y-%m-%d %H:%M")

    def promised(self) -> Iterator[tuple[str, str, str]]:
        """Number, sentence, and how it is shown."""
        found = {finding.name: finding for finding in self.findings()}
        for promise in promises(self.settings):
            finding = found.get(promise.finding)
            shown = NOT_TOLD if promise.finding else BY_TESTS
            if finding is not None:
                shown = f"On this page, {finding.name}: {finding.verdict.name}"
            yield promise.requirement, promise.sentence, shown

    def processing(self) -> tuple[RecordPart, ...]:
        return record_of_processing(self.settings)

    def impact(self) -> tuple[RecordPart, ...]:
        return impact_assessment(self.settings, self.lines)

    def as_dict(self) -> dict[str, Any]:
        """docs/evidence.schema.json"""
        store, notice = self.settings.store, self.settings.notice
        return {
            "v": 1,
            "version": __version__,
            "at": rfc3339(self.at_s),
            "verdict": self.verdict.name,
            "gateway": {"chain": store.chain, "store": store.store, "gateway": store.gateway},
            "controller": notice.controller,
            "dpo_contact": notice.dpo_contact,
            "findings": [finding.as_dict() for finding in self.findings()],
            "promises": [
                {"requirement": number, "promise": sentence, "shown": shown}
                for number, sentence, shown in self.promised()
            ],
            "stranger_test": None if self.strangers is None else self.strangers.as_dict(),
            "looks": self.looks(),
            "audit": {"lines": len(self.records), "head": self.head()},
            "record_of_processing": [section.as_dict() for section in self.processing()],
            "impact_assessment": [section.as_dict() for section in self.impact()],
            "not_shown": list(NOT_SHOWN),
        }

    def _strangers(self) -> Finding:
        if self.strangers is not None:
            return self.strangers.finding()
        return Finding(
            STRANGERS, Verdict.WARN, "the test was left out", "run it: no --no-strangers"
        )

    def _running(self) -> Iterator[Finding]:
        status = self.status
        if status is None:
            yield Finding("gateway", Verdict.FAIL, "it does not answer", self.status_trouble)
            return
        runs = f"runs since {self.local(status['since'])}, version {status['version']}"
        yield Finding("gateway", Verdict.PASS, runs)
        yield self._armed(bool(status["armed"]), bool(status["open"]))
        yield _list(status["list"], _step(status, "list: "))
        alarms = {name: count for name, count in status["alarms"].items() if count}
        said = ", ".join(f"{name} {count}" for name, count in alarms.items())
        yield Finding(
            "alarms",
            Verdict.WARN if alarms else Verdict.PASS,
            f"since the start: {said or 'none'}",
            _step(status, "alarm "),
        )

    def _armed(self, armed: bool, is_open: bool) -> Finding:
        notice = self.settings.notice
        review = f"notice {notice.id} is to be reviewed by {notice.review_by}"
        if armed:
            return Finding(
                ARMED,
                Verdict.PASS,
                f"armed, the shop is {'open' if is_open else 'closed'}; {review}",
            )
        return Finding(
            ARMED,
            Verdict.WARN,
            f"disarmed, so nobody is heard; {review}",
            "review the sign at the door, then set notice.id and notice.review_by",
        )

    def _audit_log(self) -> Iterator[Finding]:
        if self.chain is None:
            yield Finding(AUDIT, Verdict.FAIL, "it cannot be read", self.chain_trouble)
            return
        if self.chain.problem:
            step = "keep a copy of the folder, and ask who had access: docs/operations.md"
            yield Finding(AUDIT, Verdict.FAIL, self.chain.problem, step)
        elif not self.chain.lines:
            step = "no gateway has run here, or somebody took it away: ask who had access"
            yield Finding(AUDIT, Verdict.WARN, "there is none", step)
        else:
            yield Finding(AUDIT, Verdict.PASS, f"whole, {self.chain.lines:,} lines")
        yield self._same_settings()
        looks = self.looks()
        times, people = sum(look["times"] for look in looks), len({look["uid"] for look in looks})
        yield Finding(
            "looks",
            Verdict.PASS,
            f"users of this machine: {people}; times that they asked for more than the status: "
            f"{times:,}"
            if looks
            else "nobody asked for more than the status",
        )

    def _same_settings(self) -> Finding:
        """Is what follows from the file true of what runs? The audit log has the digest."""
        applied = [each for each in self.records if each["what"] == "config.applied"]
        if not applied:
            said, step = "no gateway has recorded here which are in force", "start the gateway"
            return Finding(SETTINGS, Verdict.FAIL, said, step)
        if applied[-1].get("digest") == settings_digest(self.settings):
            since = self.local(applied[-1]["at"])
            return Finding(SETTINGS, Verdict.PASS, f"those of the file are in force since {since}")
        return Finding(
            SETTINGS,
            Verdict.FAIL,
            "those of the file are not those in force, so this page tells of others",
            "`systemctl reload presence`, then write the page anew, as the same user",
        )


def _step(status: Mapping[str, Any], beginning: str) -> str:
    steps = (step for step in status["next_steps"] if step.startswith(beginning))
    return "\n".join(step.removeprefix(beginning) for step in steps)


def _list(found: Mapping[str, Any], step: str) -> Finding:
    age = "never proven" if found["age_s"] is None else f"proven {duration(found['age_s'])} ago"
    said = (
        f"{found['freshness']}: number {found['seq']}, {age}, {found['entries_rounded']} entries "
        "to the nearest hundred"
    )
    if found["freshness"] in PUBLISHING:
        return Finding(LIST, Verdict.WARN if step else Verdict.PASS, said, step)
    return Finding(LIST, Verdict.WARN, f"{said}; nobody is told of anybody", step)

"""What was walked, in a file until the visit ends: a lost line loses the walk under way and no more
(`scan-test --resume`).

    SHA-256 of the second line, in hex
    {"presence": version, "gateway": …, "settings_sha256": …, "asked": {…}, "state": {…},
     "results": {…}}

1. It tells of test phones alone: their refs in the consent list, and what each antenna heard of
   them; once step `phone` has found the technician's own, of those alone. The radio step is not in
   it, for it counts strangers; it is done again.
2. It is written as a whole, for its owner alone, and goes when the visit ends. Where nobody goes on
   with it, the next scan-test and the daemon erase it (presence.edges.host.survey_file).
3. Whoever wrote it, it is taken for anybody's: what is not of the user who asks, has not the form
   below or does not fit this gateway is refused, with a sentence. Where it can never be used again,
   it goes.
4. What was found is kept taken apart (presence.language): it is shown in the language of whoever
   goes on, and nothing else than sentences of this program is.
"""

import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from presence import __version__
from presence.config import Settings
from presence.core.consent.record import UNREADABLE
from presence.core.place import Place
from presence.core.visit.walks import WalkReading
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.host.calibration import settings_digest
from presence.edges.host.files import replace_file
from presence.edges.host.survey_file import KEPT_FOR_S, erase
from presence.errors import StorageError, reason_of
from presence.language import put_together, taken_apart
from presence.survey.asked import Asked
from presence.survey.course import Part
from presence.survey.guide import SurveyStep
from presence.survey.hearing import Heard, TestPhones
from presence.survey.judging import Result

KEPT_STEPS: Final = (SurveyStep.PHONE, SurveyStep.BROKER)
"""Whose results are kept: that of the walk follows from what was walked."""
MOST_BYTES: Final = 1 << 25
"""Twenty rounds of two phones at six antennas take a third of it."""
_SLACK_S: Final = 60.0
"""A reading may be so much before its act or after it: no clock of a radio is further off."""
_RSSI_DBM: Final = range(-200, 100)
"""Also of a phone whose loudness was taken off."""

Number = Annotated[int, Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class WalkedAct:
    """What was heard of test phones during one act, by ref."""

    began_s: float
    phones: dict[bytes, list[WalkReading]] = field(default_factory=dict, repr=False)

    def heard(self) -> Heard:
        return Heard(self.began_s, phones=self.phones)


@dataclass(frozen=True, slots=True)
class VisitState:
    """How far a visit has come."""

    began: Annotated[datetime, Meta(tz=True)] = field(default_factory=lambda: datetime.now(UTC))
    acts: Number = 0
    """That were recorded, those of the radio step left out."""
    results: Mapping[SurveyStep, Result] = field(default_factory=dict)
    """Of KEPT_STEPS; in the file they stand beside the state, as _KeptResult."""
    refs: tuple[bytes, ...] = field(default=(), repr=False)
    """Of the phones that are carried, in the technician's order."""
    walked: Mapping[int, tuple[WalkedAct, ...]] = field(default_factory=dict, repr=False)
    """By the number of the part."""
    left_out: frozenset[Number] = frozenset()
    spared: frozenset[Number] = frozenset()
    looked: frozenset[Number] = frozenset()
    """After these rounds."""
    took_s: float = 0.0

    def phones(self) -> set[bytes]:
        """All that it tells of."""
        heard = (ref for acts in self.walked.values() for act in acts for ref in act.phones)
        return {*self.refs, *heard}


def walked_acts(
    walked: Mapping[int, Sequence[Heard]], carried: Collection[bytes]
) -> dict[int, tuple[WalkedAct, ...]]:
    """Without other test phones than the technician's own, as soon as those are known."""
    return {
        number: tuple(
            WalkedAct(
                heard.began_s,
                {ref: said for ref, said in heard.phones.items() if ref in carried or not carried},
            )
            for heard in acts
        )
        for number, acts in walked.items()
    }


@dataclass(frozen=True, slots=True)
class _KeptResult:
    verdict: Verdict
    found: Any
    """See presence.language.taken_apart; also the next step."""
    next_step: Any
    figures: Mapping[str, object]

    @classmethod
    def of(cls, result: Result) -> "_KeptResult":
        said = result.finding
        found, next_step = taken_apart(said.found), taken_apart(said.next_step)
        return cls(said.verdict, found, next_step, result.figures)

    def result(self, step: SurveyStep) -> Result:
        """Raises ValueError where a sentence is none of ours."""
        found, next_step = put_together(self.found), put_together(self.next_step)
        return Result(Finding(step.value, self.verdict, found, next_step), self.figures)


@dataclass(frozen=True, slots=True)
class _Content:
    """The second line."""

    presence: str
    gateway: str
    settings_sha256: str
    asked: Asked
    state: VisitState
    results: Mapping[SurveyStep, _KeptResult]


@dataclass(frozen=True, slots=True)
class _Version:
    """What is read of any version's."""

    presence: str


@dataclass(frozen=True, slots=True)
class KeptVisit:
    """What the file holds; `asked`: what the visit began with."""

    path: Path
    gateway: str
    settings_sha256: str
    asked: Asked
    state: VisitState = field(default_factory=VisitState)

    def keep(self, state: VisitState) -> None:
        """Raises StorageError."""
        results = {step: _KeptResult.of(result) for step, result in state.results.items()}
        content = _Content(
            __version__,
            self.gateway,
            self.settings_sha256,
            self.asked,
            replace(state, results={}),
            results,
        )
        try:
            body = msgspec.json.encode(content, enc_hook=str)
            replace_file(self.path, b"%s\n%s" % (_digest(body), body))
        except (OSError, ValueError, OverflowError) as error:
            raise StorageError(f"{self.path}: {reason_of(error)}") from error

    def must_fit(self, settings: Settings, phones: TestPhones, parts: Sequence[Part]) -> None:
        """Raises StorageError where it is not of this gateway, these phones or this walk."""
        if self.gateway != gateway_of(settings):
            raise refused(f"{self.path} is of another gateway, {self.gateway}")
        if self.settings_sha256 != settings_digest(settings):
            raise refused(
                f"the entry settings or the antennas have changed since {self.path} was written"
            )
        if not self.state.phones() <= phones.consents.entries.keys():
            remove(self.path)
            raise refused(f"a phone of that visit is no test phone any more; {self.path} is gone")
        if not _is_of(self.state, parts, phones.places):
            raise refused(f"{self.path} does not fit the walk that it says was asked for")


def gateway_of(settings: Settings) -> str:
    store = settings.store
    return f"{store.chain}/{store.store} {store.gateway}"


def _is_of(state: VisitState, parts: Sequence[Part], places: Mapping[str, Place]) -> bool:
    if not {*state.walked, *state.left_out, *state.spared} <= set(range(len(parts))):
        return False
    if not state.results.keys() <= set(KEPT_STEPS):
        return False
    return all(
        len(acts) == len(parts[number])
        and all(
            abs(reading.at_s - act.began_s - asked.seconds / 2) <= asked.seconds / 2 + _SLACK_S
            and reading.rssi_dbm in _RSSI_DBM
            and reading.place is places.get(reading.antenna, Place.INSIDE)
            for act, asked in zip(acts, parts[number], strict=True)
            for readings in act.phones.values()
            for reading in readings
        )
        for number, acts in state.walked.items()
    )


def read_visit(path: Path) -> KeptVisit:
    """Raises StorageError."""
    digest, _, body = _own_file(path).partition(b"\n")
    try:
        whole = digest == _digest(body)
        version = msgspec.json.decode(body, type=_Version).presence if whole else __version__
        if version != __version__:
            raise refused(f"{path} is of another version, {version}")
        if not whole:
            raise ValueError
        content = msgspec.json.decode(body, type=_Content, dec_hook=_path)
        results = {step: each.result(step) for step, each in content.results.items()}
    except UNREADABLE:
        raise refused(f"{path} is damaged, or no file of scan-test") from None
    if not timedelta(0) <= datetime.now(UTC) - content.state.began <= timedelta(seconds=KEPT_FOR_S):
        remove(path)
        raise refused(f"the visit did not begin within the last 12 hours; {path} is removed")
    state = replace(content.state, results=results)
    return KeptVisit(path, content.gateway, content.settings_sha256, content.asked, state)


def _own_file(path: Path) -> bytes:
    """Its content, if it is a plain file of the user who asks. Root would else write where a file
    of the daemon's says (`--report`). Raises StorageError.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise StorageError(
            f"--resume: no visit was cut off here ({path} is not there): leave --resume out"
        ) from None
    except PermissionError:
        raise _of_another(path) from None
    except OSError as error:
        raise refused(f"{path} is no file of scan-test ({reason_of(error)})") from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
            raise refused(f"{path} is no file of scan-test")
        if found.st_uid != os.geteuid():
            raise _of_another(path)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def _of_another(path: Path) -> StorageError:
    return StorageError(f"--resume: {path} is another user's: go on as the user who began")


def _path(kind: type, value: Any) -> Any:
    """What JSON has no form for; the rest as it is."""
    return Path(value) if kind is Path else value


def is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that we may not look into; `keep` says so
        return False


def remove(path: Path) -> None:
    """The visit has ended. Raises StorageError."""
    try:
        erase(path)
    except OSError as error:
        raise StorageError(f"{path}: {reason_of(error)}: remove it yourself") from error


def refused(why: str) -> StorageError:
    return StorageError(f"--resume: {why}: walk anew, without --resume")


def _digest(body: bytes) -> bytes:
    return sha256(body).hexdigest().encode()

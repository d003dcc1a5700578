"""Radio and test phone: from what was heard to a verdict with the next step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from presence.core.visit.walks import WalkReading
from presence.diagnosis.findings import Finding, Verdict
from presence.language import Joined, Sentence
from presence.survey.carried import Carried
from presence.survey.ears import Ear
from presence.survey.hearing import (
    Heard,
    TestPhones,
    at_best_antenna,
    longest_gap_s,
    repeats_of,
    without_keys,
)

GAP_S: Final = 4.0
"""An active scan without DuplicateData pauses for 5 s in every 16 (docs/design.md#radio)."""
SLOW_PER_S: Final = 1.0
"""An Android app in balanced mode sends four a second; half of them may be lost."""
DEAF_PER_S: Final = 0.25
WEAK_DBM: Final = -80


@dataclass(frozen=True, slots=True)
class Result:
    """One step: its verdict, and its figures for JSON and report."""

    finding: Finding
    figures: Mapping[str, object] = field(default_factory=dict)


NO_PROOF_STEP: Final = Sentence(
    "strangers stay inside bluetoothd, so silence is no proof: hold the test phone near and go on "
    "to the step `phone`; as root (sudo) this step counts what is on air"
)
DEAF_STEP: Final = Sentence(
    "the radio is deaf: take the adapter out and in again, or restart: `systemctl restart "
    "bluetooth`"
)
PAUSES_STEP: Final = Sentence(
    "few devices, or a scan that pauses: set radio.mode to active, and look at the gaps of `phone`"
)
NO_REPEATS_STEP: Final = Sentence(
    "repeats do not arrive, and without them nobody is found: set radio.mode to active; see `btmon`"
)
SELDOM_STEP: Final = Sentence(
    "seldom heard: entries are found late. Is the app in front? Is the gateway in a cupboard?"
)
ONE_MISSING_STEP: Final = Sentence(
    "the other phone: is its app in front, its entry in the list, with the flag `test`?"
)
WEAK_STEP: Final = Sentence(
    "weak for a phone that is near: hang the gateway higher, away from metal, or turn its aerial"
)


def judge_radio(ear: Ear, heard: Heard, seconds: float, on_air: int | None) -> Result:
    """Does the radio hear at all, and without pauses?"""
    per_s = heard.number / seconds if seconds else 0.0
    figures = {
        "source": ear.what,
        "seconds": round(seconds, 1),
        "advertisements": heard.number,
        "strangers": heard.strangers,
        "per_second": round(per_s, 1),
        "on_air": on_air,
        "longest_gap_s": round(heard.longest_gap_s, 1),
        "test_phone_repeats": heard.repeats,
    }
    found: Sentence = Sentence(
        "{source}: {per_s:.1f} advertisements/s, {strangers} of strangers",
        source=ear.what,
        per_s=per_s,
        strangers=heard.strangers,
    )
    if on_air is not None:
        on_air_per_s = on_air / max(seconds, 0.1)
        found = Joined("; ", (found, Sentence("{per_s:.0f}/s on air", per_s=on_air_per_s)))
    if heard.number:
        return Result(_hears(ear, heard, found), figures)
    if ear.fault:
        deaf = Sentence("{source}: does not listen", source=ear.what)
        return Result(_radio(Verdict.FAIL, deaf, ear.fault), figures)
    if on_air:
        found = Joined("; ", (found, Sentence("none of ours")))
        return Result(_radio(Verdict.PASS, found), figures)
    silent = Sentence(
        "{source}: scans, but nothing was heard in {seconds:.0f} s",
        source=ear.what,
        seconds=seconds,
    )
    if on_air is None:
        return Result(_radio(Verdict.WARN, silent, NO_PROOF_STEP), figures)
    return Result(_radio(Verdict.FAIL, silent, DEAF_STEP), figures)


def _hears(ear: Ear, heard: Heard, found: Sentence) -> Finding:
    if ear.fault:
        return _radio(Verdict.WARN, found, ear.fault)
    if heard.longest_gap_s > GAP_S:
        gap = Sentence("longest gap {gap_s:.1f} s", gap_s=heard.longest_gap_s)
        return _radio(Verdict.WARN, Joined("; ", (found, gap)), PAUSES_STEP)
    return _radio(Verdict.PASS, found)


def _radio(verdict: Verdict, found: str, step: str = "") -> Finding:
    return Finding("radio", verdict, found, step)


def judge_phone(
    phones: TestPhones,
    heard: Heard,
    carried: Carried,
    seconds: float,
    utc_s: float,
    *,
    fault: str = "",
) -> Result:
    """Are the test phones recognised, often enough, and each time that they send? The worst of
    them decides. Strong must be the first alone: the others are held at arm's length.
    """
    said = {number: list(each) for number, each in carried.readings(heard.phones).items()}
    looks = [
        _look(carried.name(number), each, seconds, near=number == 1)
        for number, each in said.items()
    ]
    figures: dict[str, object] = {
        "test_phones_in_list": len(phones),
        "test_phones_heard": len(heard.phones),
        "formats": sorted(heard.formats),
        "phones": [look.figures for look in looks],
        "antennas": _by_antenna([reading for each in said.values() for reading in each]),
    }
    if not looks:
        return Result(Finding("phone", Verdict.FAIL, *_unheard(phones, utc_s, fault)), figures)
    worst = max(looks, key=lambda look: look.verdict)
    verdict, step = worst.verdict, worst.step
    found: Sentence = Sentence(
        "{formats}: {phones}",
        formats=", ".join(sorted(heard.formats)),
        phones=Joined("; ", (look.words for look in looks)),
    )
    if len(looks) < len(carried.models):
        verdict, step = max(verdict, Verdict.WARN), step or ONE_MISSING_STEP
        fewer = Sentence(
            "{heard} of the {carried} phones heard", heard=len(looks), carried=len(carried.models)
        )
        found = Joined("; ", (found, fewer))
    return Result(Finding("phone", verdict, found, step), figures)


@dataclass(frozen=True, slots=True)
class _Look:
    """At one test phone, as the antenna that hears it best does."""

    verdict: Verdict
    step: str
    words: str
    figures: Mapping[str, object]


def _look(name: str, everything: Sequence[WalkReading], seconds: float, *, near: bool) -> _Look:
    readings = at_best_antenna(everything)
    per_s = len(readings) / seconds if seconds else 0.0
    strength = round(median(reading.rssi_dbm for reading in readings))
    repeats, gap_s = repeats_of(readings), longest_gap_s(readings)
    verdict, step = Verdict.PASS, ""
    if not repeats or per_s < DEAF_PER_S:
        verdict, step = Verdict.FAIL, NO_REPEATS_STEP
    elif per_s < SLOW_PER_S or gap_s > GAP_S:
        verdict, step = Verdict.WARN, SELDOM_STEP
    elif near and strength < WEAK_DBM:
        verdict, step = Verdict.WARN, WEAK_STEP
    figures = {
        "name": name,
        "per_second": round(per_s, 2),
        "median_rssi_dbm": strength,
        "repeats": repeats,
        "longest_gap_s": round(gap_s, 1),
    }
    words = Sentence(
        "{phone} {per_s:.1f}/s, median {strength} dBm, longest gap {gap_s:.1f} s",
        phone=name,
        per_s=per_s,
        strength=strength,
        gap_s=gap_s,
    )
    return _Look(verdict, step, words, figures)


def _by_antenna(readings: Sequence[WalkReading]) -> dict[str, dict[str, object]]:
    heard: dict[str, list[WalkReading]] = {}
    for reading in readings:
        heard.setdefault(reading.antenna or "default", []).append(reading)
    return {
        name: {
            "place": said[0].place.value,
            "readings": len(said),
            "median_rssi_dbm": round(median(each.rssi_dbm for each in said)),
        }
        for name, said in sorted(heard.items())
    }


def _unheard(phones: TestPhones, utc_s: float, fault: str) -> tuple[str, str]:
    """What was found, and what to do."""
    if not phones:
        return (
            Sentence("no test phone in the consent list"),
            Sentence("ask the consent service for an entry with the flag `test`"),
        )
    if without_keys(phones.consents, utc_s) == len(phones):
        return (
            Sentence("the list has no key of a test phone for these hours"),
            Sentence(
                "is the clock right (`timedatectl`)? Then ask the consent service for this "
                "window's keys"
            ),
        )
    if fault:
        return Sentence("not heard, because the radio does not listen"), fault
    return (
        Sentence("the test phone was not heard"),
        Sentence(
            "is the app running and in front, Bluetooth on, the clock of phone and gateway right? "
            "Hold it 1 m away. The identifier is believed for 17 minutes only"
        ),
    )

"""Radio and test phone: from what was heard to a verdict with the next step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from presence.core.visit.walks import WalkReading
from presence.diagnosis.findings import Finding, Verdict
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


NO_PROOF_STEP: Final = (
    "strangers stay inside bluetoothd, so silence is no proof: hold the test phone near and go on "
    "to the step `phone`; as root (sudo) this step counts what is on air"
)
DEAF_STEP: Final = (
    "the radio is deaf: take the adapter out and in again, or restart: `systemctl restart "
    "bluetooth`"
)
PAUSES_STEP: Final = (
    "few devices, or a scan that pauses: set radio.mode to active, and look at the gaps of `phone`"
)
NO_REPEATS_STEP: Final = (
    "repeats do not arrive, and without them nobody is found: set radio.mode to active; see `btmon`"
)
SELDOM_STEP: Final = (
    "seldom heard: entries are found late. Is the app in front? Is the gateway in a cupboard?"
)
ONE_MISSING_STEP: Final = (
    "the other phone: is its app in front, its entry in the list, with the flag `test`?"
)
WEAK_STEP: Final = (
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
    found = f"{ear.what}: {per_s:.1f} advertisements/s, {heard.strangers} of strangers"
    if on_air is not None:
        found += f"; {on_air / max(seconds, 0.1):.0f}/s on air"
    if ear.fault and not heard.number:
        finding = _radio(Verdict.FAIL, f"{ear.what}: does not listen", ear.fault)
    elif ear.fault:
        finding = _radio(Verdict.WARN, found, ear.fault)
    elif heard.number and heard.longest_gap_s > GAP_S:
        finding = _radio(
            Verdict.WARN, f"{found}; longest gap {heard.longest_gap_s:.1f} s", PAUSES_STEP
        )
    elif heard.number:
        finding = _radio(Verdict.PASS, found)
    elif on_air:
        finding = _radio(Verdict.PASS, f"{found}; none of ours")
    else:
        silent = f"{ear.what}: scans, but nothing was heard in {seconds:.0f} s"
        finding = (
            _radio(Verdict.WARN, silent, NO_PROOF_STEP)
            if on_air is None
            else _radio(Verdict.FAIL, silent, DEAF_STEP)
        )
    return Result(finding, figures)


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
    them decides.
    """
    said = {number: list(each) for number, each in carried.readings(heard.phones).items()}
    looks = [_look(carried.name(number), each, seconds) for number, each in said.items()]
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
    found = f"{', '.join(sorted(heard.formats))}: {'; '.join(look.words for look in looks)}"
    if len(looks) < len(carried.models):
        verdict, step = max(verdict, Verdict.WARN), step or ONE_MISSING_STEP
        found += f"; {len(looks)} of the {len(carried.models)} phones heard"
    return Result(Finding("phone", verdict, found, step), figures)


@dataclass(frozen=True, slots=True)
class _Look:
    """At one test phone, as the antenna that hears it best does."""

    verdict: Verdict
    step: str
    words: str
    figures: Mapping[str, object]


def _look(name: str, everything: Sequence[WalkReading], seconds: float) -> _Look:
    readings = at_best_antenna(everything)
    per_s = len(readings) / seconds if seconds else 0.0
    strength = round(median(reading.rssi_dbm for reading in readings))
    repeats, gap_s = repeats_of(readings), longest_gap_s(readings)
    verdict, step = Verdict.PASS, ""
    if not repeats or per_s < DEAF_PER_S:
        verdict, step = Verdict.FAIL, NO_REPEATS_STEP
    elif per_s < SLOW_PER_S or gap_s > GAP_S:
        verdict, step = Verdict.WARN, SELDOM_STEP
    elif strength < WEAK_DBM:
        verdict, step = Verdict.WARN, WEAK_STEP
    figures = {
        "name": name,
        "per_second": round(per_s, 2),
        "median_rssi_dbm": strength,
        "repeats": repeats,
        "longest_gap_s": round(gap_s, 1),
    }
    words = f"{name} {per_s:.1f}/s, {strength} dBm in the middle, longest gap {gap_s:.1f} s"
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
            "no test phone in the consent list",
            "ask the consent service for an entry with the flag `test`",
        )
    if without_keys(phones.consents, utc_s) == len(phones):
        return (
            "the list has no key of a test phone for these hours",
            (
                "is the clock right (`timedatectl`)? Then ask the consent service for this "
                "window's "
                "keys"
            ),
        )
    if fault:
        return "not heard, because the radio does not listen", fault
    return (
        "the test phone was not heard",
        "is the app running and in front, Bluetooth on, the clock of phone and gateway right? "
        "Hold it 1 m away. "
        "The identifier is believed for 17 minutes only",
    )

"""Radio and test phone: from what was heard to a verdict with the next step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from presence.diagnosis.findings import Finding, Verdict
from presence.survey.ears import Ear
from presence.survey.hearing import Heard, TestPhones, without_keys

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
    verdict, step = Verdict.PASS, ""
    if ear.fault:
        verdict = Verdict.WARN if heard.number else Verdict.FAIL
        found = found if heard.number else f"{ear.what}: does not listen"
        step = ear.fault
    elif not heard.number and on_air:
        found += "; none of ours"
    elif not heard.number:
        verdict = Verdict.FAIL if on_air == 0 else Verdict.WARN
        found = f"{ear.what}: scans, but nothing was heard in {seconds:.0f} s"
        step = (
            "strangers stay inside bluetoothd, so silence is no proof: hold the test phone near "
            "and go on to the "
            "step `phone`; as root (sudo) this step counts what is on air"
            if on_air is None
            else (
                "the radio is deaf: take the adapter out and in again, or restart: `systemctl "
                "restart bluetooth`"
            )
        )
    elif heard.longest_gap_s > GAP_S:
        verdict = Verdict.WARN
        found += f"; longest gap {heard.longest_gap_s:.1f} s"
        step = (
            "few devices, or a scan that pauses: set radio.mode to active, and look at the "
            "gaps of `phone`"
        )
    return Result(Finding("radio", verdict, found, step), figures)


def judge_phone(
    phones: TestPhones, heard: Heard, seconds: float, utc_s: float, *, fault: str = ""
) -> Result:
    """Is the test phone recognised, often enough, and each time that it sends?"""
    readings = heard.readings
    per_s = len(readings) / seconds if seconds else 0.0
    strength = round(median(r.rssi_dbm for r in readings)) if readings else None
    figures = {
        "test_phones_in_list": len(phones),
        "test_phones_heard": len(heard.phones),
        "formats": sorted(heard.formats),
        "per_second": round(per_s, 2),
        "median_rssi_dbm": strength,
        "repeats": heard.repeats,
        "longest_gap_s": round(heard.longest_phone_gap_s, 1),
    }
    if strength is None:
        return Result(Finding("phone", Verdict.FAIL, *_unheard(phones, utc_s, fault)), figures)
    found = (
        f"{', '.join(sorted(heard.formats))}: {per_s:.1f}/s, {strength} dBm in the middle, "
        f"longest gap {heard.longest_phone_gap_s:.1f} s"
    )
    if not heard.repeats or per_s < DEAF_PER_S:
        step = (
            "repeats do not arrive, and without them nobody is found: set radio.mode to "
            "active; see `btmon`"
        )
        return Result(Finding("phone", Verdict.FAIL, found, step), figures)
    if per_s < SLOW_PER_S or heard.longest_phone_gap_s > GAP_S:
        step = (
            "seldom heard: entries are found late. Is the app in front? Is the gateway in a "
            "cupboard?"
        )
        return Result(Finding("phone", Verdict.WARN, found, step), figures)
    if strength < WEAK_DBM:
        step = (
            "weak for a phone that is near: hang the gateway higher, away from metal, or turn "
            "its aerial"
        )
        return Result(Finding("phone", Verdict.WARN, found, step), figures)
    return Result(Finding("phone", Verdict.PASS, found), figures)


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

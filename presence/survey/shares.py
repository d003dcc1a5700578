"""Which share of the walks went wrong, or may go wrong, in words."""

from presence.core.visit.calibration import Assessment, Rate
from presence.language import Sentence


def share(value: float) -> Sentence:
    """`0.4 %`; below a thousandth it says so, for nothing here proves less."""
    if value < 0.001:
        return Sentence("<{percent:.1f} %", percent=0.1)
    if value < 0.0995:
        return Sentence("{percent:.1f} %", percent=100 * value)
    return Sentence("{percent:.0f} %", percent=100 * value)


def expected(rate: Rate) -> Sentence:
    """`0.4 % (≤ 5.4 %)`: the estimate with its limit."""
    limit = share(max(rate.at_most, 0.001))
    return Sentence("{share} (≤ {limit})", share=share(rate.expected), limit=limit)


def counted(rate: Rate) -> Sentence:
    """`1 of 6 (≤ 58 %)`: the walks that went wrong, and what their share may still be."""
    return Sentence(
        "{wrong} of {walks} (≤ {percent:.0f} %)",
        wrong=rate.wrong,
        walks=rate.walks,
        percent=100 * rate.counted_at_most,
    )


def found_after(assessed: Assessment) -> Sentence:
    """Of each walk in on which the phone was found: `9, 12 s`."""
    if not assessed.found_after_s:
        return Sentence("never")
    times = ", ".join(f"{seconds:.0f}" for seconds in assessed.found_after_s)
    return Sentence("{times} s", times=times)

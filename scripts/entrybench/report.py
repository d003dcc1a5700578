"""The table and the figures as text, and everything as JSON."""

import json
from dataclasses import asdict
from math import isfinite
from typing import Any

from scripts.entrybench.bodies import Fit
from scripts.entrybench.contest import OURS_TWO, Result, Row
from scripts.entrybench.trial import Score


def table(result: Result) -> str:
    lines = [
        "| rule | settings | false enters per 1,000: training | test | missed, test | median | "
        "p90 | before the line"
        " | flaps per visit |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result.rows:
        test = row.testing
        lines.append(
            f"| {row.rule} | {settings(row)} | {row.training.false_per_1000:.1f} | "
            f"{test.false_per_1000:.1f}"
            f" | {test.missed_percent:.1f} % | {seconds(test.median_s)} | {seconds(test.p90_s)}"
            f" | {100 * test.early:.1f} % | {row.flaps:.2f} |"
        )
    return "\n".join(lines)


def settings(row: Row) -> str:
    if row.note:
        return f"{row.tuning}: {row.note}, {row.threshold:.0f} dB·s"
    return f"{row.tuning}: {f'{row.threshold:.0f} dBm' if row.threshold > -200 else 'none'}"


def seconds(value: float) -> str:
    return f"{value:.0f} s" if isfinite(value) else "never"


def breakdown(result: Result) -> str:
    """False enters by kind of outsider, tuned: for those who know another mix of people."""
    kinds = sorted({kind for found in result.kinds.values() for kind in found})
    lines = ["| rule, tuned | " + " | ".join(kinds) + " |", "|---|" + "---:|" * len(kinds)]
    for rule, found in result.kinds.items():
        cells = [f"{found[kind][0]} of {found[kind][1]}" for kind in kinds]
        lines.append(f"| {rule} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def equal_time(result: Result) -> str:
    ours = result.row(OURS_TWO).testing
    best, false = result.others_false_at(ours.median_s)
    return (
        f"At a median of {ours.median_s:.0f} s ours with two adapters has "
        f"{ours.false_per_1000:.2f} false enters per"
        f" 1,000, the best of the others ({best}) {false:.1f}."
    )


def places(elsewhere: dict[str, dict[str, Score]]) -> str:
    """The same shop with one thing changed, each rule tuned again there."""
    lines = [
        "| what is different | rule | false enters per 1,000 | missed | median | p90 |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for what, scores in elsewhere.items():
        for rule, score in scores.items():
            tuned = rule if "ours" in rule else f"{rule}, tuned"
            lines.append(
                f"| {what} | {tuned} | {score.false_per_1000:.1f} | {score.missed_percent:.1f} %"
                f" | {seconds(score.median_s)} | {seconds(score.p90_s)} |"
            )
    return "\n".join(lines)


def whole(fit: Fit, shop: Result, walks: Result, elsewhere: dict[str, dict[str, Score]]) -> str:
    radio = "\n".join(f"* {name}: {value:.2f}" for name, value in asdict(fit.radio).items())
    return (
        f"# Entered, or only walked past?\n\n## The radio, fitted\n{radio}\n\n## The simulated "
        f"shop\n{table(shop)}\n\n"
        f"{equal_time(shop)}\n\n{breakdown(shop)}\n\n"
        f"## Other places and powers\n{places(elsewhere)}\n\n"
        f"## The recorded walks (3 to tune on, 3 to test)\n{table(walks)}\n"
    )


def as_json(fit: Fit, shop: Result, walks: Result, elsewhere: dict[str, dict[str, Score]]) -> str:
    def rows(result: Result) -> list[dict[str, Any]]:
        return [
            {
                "rule": row.rule,
                "tuning": row.tuning,
                "threshold": finite(row.threshold),
                "note": row.note,
                "training": numbers(row.training),
                "testing": numbers(row.testing),
                "flaps_per_visit": row.flaps,
            }
            for row in result.rows
        ]

    content = {
        "radio": asdict(fit.radio),
        "shop": rows(shop),
        "walks": rows(walks),
        "kinds": shop.kinds,
    }
    content["elsewhere"] = {
        what: {r: numbers(s) for r, s in scores.items()} for what, scores in elsewhere.items()
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def numbers(score: Score) -> dict[str, float | None]:
    return {name: finite(value) for name, value in asdict(score).items()}


def finite(value: float) -> float | None:
    return round(value, 4) if isfinite(value) and abs(value) < 1e8 else None

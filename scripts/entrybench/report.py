"""The figures as tables; those of docs/entry.md stand between marks and are put there by the
bench, so that no number is typed.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from scripts.entrybench.antennas import PAIR_10_GATEWAY as RECOMMENDED
from scripts.entrybench.contest import (
    DEFAULT,
    EARLIER,
    FEWER,
    GOALS,
    NEAR_OPTIMUM,
    OURS,
    UNCALIBRATED_PERCENT,
    WITHIN,
)
from scripts.entrybench.contest import MAX_PER_1000 as MOST
from scripts.entrybench.figures import Tree

MARKED: Final = re.compile(
    r"(<!-- bench: (?P<name>[a-z-]+) -->\n).*?(<!-- bench ends -->\n)", re.DOTALL
)

CURVES: Final = (
    "![False enters against detection time, for each set-up](pictures/entry-curves.png)\n"
)
FACADES: Final = "![Median by what the front takes](pictures/entry-facades.png)\n"


def blocks(figures: Tree) -> dict[str, str]:
    """What stands between the marks of docs/entry.md, by the name in the mark."""
    return {name: made(figures) for name, made in BLOCKS.items()}


def filled(page: str, figures: Tree) -> str:
    """The page with its marked parts made anew."""
    of = blocks(figures)
    return MARKED.sub(lambda mark: f"{mark[1]}{of[mark['name']]}{mark[3]}", page)


def whole(figures: Tree) -> str:
    """Everything, for the terminal."""
    return "\n".join(f"## {name}\n\n{text}" for name, text in blocks(figures).items() if text)


def run(figures: Tree) -> str:
    of = figures["run"]
    quick = " A quick run: few people, rates to 1 in 100 only." if of["quick"] else ""
    correlation = abs(figures["shadowing_correlation"])
    later = of.get("gone_on")
    since = f"; what it had not played was on {later['date']} at {later['commit']}" if later else ""
    told = [shop["rules"][OURS]["fresh"] for shop in figures["shops"].values()]
    outsiders = max((row["false"][1] for row in told), default=0)
    entries = max((row["entries"] for row in told), default=0)
    return (
        f"Run of {of['date']} at commit {of['commit']}{since}. For each set-up up to {outsiders:,} "
        f"outsiders and {entries:,} who come in are told of, of seed {of['testing_seed']}, which "
        f"follows from date and commit; tuned on others, of seed {of['training_seed']}.{quick} "
        f"Correlation of the shadowing of two antennas on the recorded walks: {correlation:.2f}.\n"
    )


def goals(figures: Tree) -> str:
    lines = [
        "| set-up | false enters per 1,000 | of pure walk-pasts | found | median | p90 | "
        "near-optimum's median | ours over it | goal | |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for name, shop in figures["shops"].items():
        if ":" in name:
            continue
        row, optimum = shop["rules"][OURS]["fresh"], shop["rules"][NEAR_OPTIMUM]["even"]
        lines.append(
            f"| {name} | {rate(row)} | {passers(row)} | {share(row)} | {seconds(row, 'median')} | "
            f"{seconds(row, 'p90')} | {second(optimum['median_s'])} | "
            f"{times(shop['times_the_optimum'])} | {wanted(name)} | {judged(shop, name)} |"
        )
    return "\n".join([*lines, "", *_fewer(figures), CURVES])


def wanted(name: str) -> str:
    goal = GOALS.get(name)
    if goal is None:
        return "none"
    p90 = "" if goal.p90_s is None else f", p90 ≤ {goal.p90_s:g} s"
    return f"≥ {goal.found_percent:g} %, ≤ {goal.median_s:g} s{p90}"


def judged(shop: Tree, name: str) -> str:
    if name not in GOALS:
        return "–"
    return " · ".join(missed(shop, name)) or "met"


def missed(shop: Tree, name: str) -> list[str]:
    """Which goals this set-up does not reach."""
    row, goal = shop["rules"][OURS]["fresh"], GOALS[name]
    over = shop["times_the_optimum"]
    checks = {
        "false enters": row["false_per_1000"] <= MOST,
        "found": row["found_percent"] >= goal.found_percent,
        "median": _at_most(row["median_s"], goal.median_s),
        "p90": goal.p90_s is None or _at_most(row["p90_s"], goal.p90_s),
        f"{WITHIN:g}× the near-optimum": _at_most(over, WITHIN),
    }
    return [f"{what} MISSED" for what, met in checks.items() if not met]


def _at_most(value: float | None, most: float) -> bool:
    return value is not None and value <= most


def _fewer(figures: Tree) -> Iterator[str]:
    for name, shop in figures["shops"].items():
        if name not in GOALS:
            continue
        if "fewer" not in shop:
            yield f"* {name}: ours finds fewer than half: there is no equal time (MISSED).\n"
            continue
        of = shop["fewer"]
        if of["times"] is None:
            yield f"* {name}: none of the others is as quick, whatever it lets in.\n"
        else:
            met = "met" if of["times"] >= FEWER else "MISSED"
            yield (
                f"* {name}: when as quick as ours, the best of the others ({of['rival']}) has "
                f"{of['theirs']:.1f} false enters per 1,000, ours {of['ours']:.2f}: "
                f"{of['times']:.0f} times as many (goal ≥ {FEWER:g}: {met}).\n"
            )


def rules(figures: Tree) -> str:
    """Everyone at equal errors on the same people."""
    most = f"{figures['run']['most_per_1000']:g} per 1,000"
    lines = [
        f"| set-up | rule | as published: false per 1,000, found, median | at {most}: found | "
        f"median | p90 | at {most} walk-pasts: found, median |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    for name, shop in figures["shops"].items():
        if ":" in name:
            continue
        for number, rule in enumerate(_in_order(shop["rules"])):
            row = shop["rules"][rule]
            even, pure = row["even"], row["even_passers"]
            bold = "**" if rule == OURS else ""
            lines.append(
                f"| {name if number == 0 else ''} | {bold}{rule}{bold} | {_shipped(row)} | "
                f"{even['found_percent']:.1f} % | {second(even['median_s'])} | "
                f"{second(even['p90_s'])} | {pure['found_percent']:.1f} %, "
                f"{second(pure['median_s'])} |"
            )
    return "\n".join([*lines, ""])


def _in_order(of: Tree) -> list[str]:
    ahead = [rule for rule in (NEAR_OPTIMUM, OURS, *EARLIER) if rule in of]
    return ahead + [rule for rule in of if rule not in ahead and rule != DEFAULT]


def _shipped(row: Tree) -> str:
    of = row["shipped"]
    if of is None:
        return "–"
    return f"{of['false_per_1000']:.1f}, {of['found_percent']:.1f} %, {second(of['median_s'])}"


def default(figures: Tree) -> str:
    lines = [
        "| set-up, not calibrated | false enters per 1,000 | of pure walk-pasts | found | median | "
        "goal |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, shop in figures["shops"].items():
        row = shop["rules"][DEFAULT]["shipped"]
        goal = ""
        if name == RECOMMENDED.name:
            kept = row["false_per_1000"] <= MOST and row["found_percent"] >= UNCALIBRATED_PERCENT
            wanted = f"≥ {UNCALIBRATED_PERCENT:g} % at ≤ {MOST:g}"
            goal = f"{wanted}: {'met' if kept else 'MISSED'}"
        lines.append(
            f"| {name} | {rate(row)} | {passers(row)} | {share(row)} | {seconds(row, 'median')} | "
            f"{goal} |"
        )
    return "\n".join([*lines, ""])


def kinds(figures: Tree) -> str:
    """False enters of ours by kind of outsider, for those who know another mix of people."""
    shops = {name: shop for name, shop in figures["shops"].items() if ":" not in name}
    names = sorted({kind for shop in shops.values() for kind in shop["rules"][OURS]["kinds"]})
    lines = ["| ours | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for name, shop in shops.items():
        of = shop["rules"][OURS]["kinds"]
        cells = [f"{of[kind][0]} of {of[kind][1]:,}" if kind in of else "–" for kind in names]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def changes(figures: Tree) -> str:
    lines = [
        "| what is different | false enters per 1,000 | of pure walk-pasts | found | median | p90 |"
        " near-optimum, at equal errors |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for name, shop in figures["shops"].items():
        if ":" not in name:
            continue
        row, optimum = shop["rules"][OURS]["fresh"], shop["rules"][NEAR_OPTIMUM]["even"]
        lines.append(
            f"| {name} | {rate(row)} | {passers(row)} | {share(row)} | {seconds(row, 'median')} | "
            f"{second(row['p90_s'])} | {optimum['found_percent']:.1f} %, "
            f"{second(optimum['median_s'])} |"
        )
    return "\n".join([*lines, "", FACADES]) if len(lines) > 2 else ""


def walks(figures: Tree) -> str:
    of = figures["walks"]["rules"]
    lines = [
        "| rule | walk-pasts let in | found | median |",
        "|---|---:|---:|---:|",
    ]
    for rule in _in_order(of):
        row = of[rule]["fresh"] or of[rule]["even"]
        hindsight = "" if of[rule]["fresh"] else ", with hindsight"
        lines.append(
            f"| {rule}{hindsight} | {row['false'][0]} of {row['false'][1]} | {share(row)} | "
            f"{seconds(row, 'median')} |"
        )
    return "\n".join([*lines, ""])


def rate(row: Tree) -> str:
    low, high = row["false_within"]
    return f"{row['false_per_1000']:.2f} ({low:.2f}–{high:.2f})"


def passers(row: Tree) -> str:
    low, high = row["passers_within"]
    return f"{row['passers_per_1000']:.2f} ({low:.2f}–{high:.2f})"


def share(row: Tree) -> str:
    low, high = row["found_within"]
    return f"{row['found_percent']:.1f} % ({low:.1f}–{high:.1f})"


def seconds(row: Tree, what: str) -> str:
    low, high = row[f"{what}_within_s"]
    if row[f"{what}_s"] is None:
        return "never"
    return f"{second(row[f'{what}_s'])} ({second(low)}–{second(high)})".replace(" s–", "–")


def second(value: float | None) -> str:
    if value is None:
        return "never"
    return f"{value:.1f} s" if abs(value) < 9.95 else f"{value:.0f} s"


def times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"


BLOCKS: Final[dict[str, Callable[[Tree], str]]] = {
    "run": run,
    "goals": goals,
    "rules": rules,
    "default": default,
    "kinds": kinds,
    "changes": changes,
    "walks": walks,
}
"""In the order of the page."""

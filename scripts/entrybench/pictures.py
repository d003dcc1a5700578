"""The pictures: the fit beside the data, the shop, and false enters against detection time."""

from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from scripts.entrybench import bodies, shop, trial
from scripts.entrybench.bodies import Fit
from scripts.entrybench.contest import DEFAULT, OURS_ONE, OURS_TWO, Result

EDGES_M: Final = (0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10)
FEWEST: Final = 40
COLOURS: Final = {
    "first packet": "#999999",
    "8 in a row": "#b07aa1",
    "ESPresense": "#f28e2b",
    "Kalman": "#76b7b2",
    "Kalman, nearest of 2": "#4e9a8f",
    OURS_ONE: "#7aa6e0",
    OURS_TWO: "#1f4e9c",
}
GOAL_PER_1000: Final = 1.0
GOAL_S: Final = 8.0
SHOWN_FOR_NONE: Final = 0.04
"""A logarithm has no place for 0."""


def save_fit(fit: Fit, path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), sharey=True)
    for axis, scenario in zip(axes, bodies.FITTED + bodies.SHOWN, strict=True):
        _fit_panel(axis, fit, scenario)
    axes[0].set_ylabel("RSSI, dBm (as heard)")
    axes[0].legend(loc="upper right", fontsize=8)
    figure.suptitle("Phones on bodies: recorded (median, 10–90 %) and the fitted model")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _fit_panel(axis: Axes, fit: Fit, scenario: str) -> None:
    heard = bodies.load(scenario)
    middles, found = [], []
    for low, high in pairwise(EDGES_M):
        rows = (heard.distance_m >= low) & (heard.distance_m < high)
        if rows.sum() >= FEWEST:
            middles.append(float(np.median(heard.distance_m[rows])))
            found.append(np.percentile(heard.rssi_dbm[rows], [10, 50, 90]))
    data = np.array(found)
    distance = np.linspace(0.5, 10, 60)
    model = np.array([fit.percentiles_dbm(float(d)) for d in distance])
    axis.fill_between(distance, model[:, 0], model[:, 2], color="#c9d8ef", label="model, 10–90 %")
    axis.plot(distance, model[:, 1], color="#1f4e9c", label="model, median")
    spread = [data[:, 1] - data[:, 0], data[:, 2] - data[:, 1]]
    axis.errorbar(middles, data[:, 1], spread, fmt="o", color="#d1495b", capsize=3, label="data")
    used = "fitted" if scenario in bodies.FITTED else "not fitted"
    axis.set_title(f"{scenario} ({used}, {len(heard.at_s):,} readings)", fontsize=10)
    axis.set_xlabel("distance, m")
    axis.grid(alpha=0.3)


def save_curves(result: Result, path: Path, title: str, *, goals: bool = True) -> None:
    figure, axis = plt.subplots(figsize=(9, 6))
    _draw_curves(axis, result)
    if goals:
        _draw_goal(axis)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(0.4, 300)
    axis.set_xlabel(
        "median detection time from crossing the line, s (those before it at 0.5 s; missed ones "
        "count)"
    )
    axis.set_ylabel("false enters per 1,000 walk-pasts, test half")
    axis.set_title(
        f"{title}\n● default   ★ tuned on the training half (none at {SHOWN_FOR_NONE}; no median: "
        "absent)"
    )
    axis.grid(which="both", alpha=0.25)
    axis.legend(fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_curves(axis: Axes, result: Result) -> None:
    for rule, sweep in result.curves.items():
        points = [
            (s.median_s, s.false_per_1000)
            for _, s in trial.curve(result.testing, sweep)
            if isfinite(s.median_s)
        ]
        shown = [(max(seconds, 0.5), false) for seconds, false in points]
        axis.plot(
            *zip(*shown, strict=True),
            color=COLOURS[rule],
            linewidth=2.4 if "ours" in rule else 1.6,
            label=rule,
        )
    for row in result.rows:
        score = row.testing
        if isfinite(score.median_s):
            marker, size = ("o", 55) if row.tuning == DEFAULT else ("*", 160)
            place = max(score.median_s, 0.5), max(score.false_per_1000, SHOWN_FOR_NONE)
            axis.scatter(
                *place, s=size, marker=marker, color=COLOURS[row.rule], edgecolor="black", zorder=3
            )


def _draw_goal(axis: Axes) -> None:
    axis.add_patch(
        Rectangle((0.4, 0.03), GOAL_S - 0.4, GOAL_PER_1000 - 0.03, color="#8fbf7f", alpha=0.25)
    )
    axis.text(
        0.6,
        0.04,
        f"goal: ≤ {GOAL_PER_1000:g} per 1,000 in ≤ {GOAL_S:g} s",
        fontsize=9,
        color="#386a2b",
    )
    axis.set_ylim(0.03, 1000)


def save_shop(path: Path, seed: int = 5) -> None:
    """A few people of each kind on the ground plan."""
    figure, axis = plt.subplots(figsize=(8, 7.5))
    colours = {kind: f"C{number}" for number, kind in enumerate(shop.WALKS)}
    rng = np.random.default_rng(seed)
    for kind, walk_of in shop.WALKS.items():
        for number in range(2):
            walk = walk_of(rng)
            axis.plot(
                walk.x_m,
                walk.y_m,
                color=colours[kind],
                alpha=0.7,
                label=kind if number == 0 else None,
            )
    wide, deep, door = shop.HALF_WIDTH_M, shop.DEPTH_M, shop.HALF_DOOR_M
    axis.plot(
        [-door, -wide, -wide, wide, wide, door],
        [0, 0, deep, deep, 0, 0],
        color="black",
        linewidth=2,
    )
    axis.scatter(*shop.ADVISED.gateway, marker="^", s=140, color="black", zorder=4, label="gateway")
    axis.scatter(
        *shop.ADVISED.door, marker="v", s=110, color="black", zorder=4, label="adapter at the door"
    )
    axis.set_xlim(-12, 12)
    axis.set_ylim(-5, deep + 1)
    axis.set_aspect("equal")
    axis.set_xlabel("m")
    axis.set_title("The simulated shop: two people of each kind")
    axis.legend(fontsize=8, loc="upper right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)

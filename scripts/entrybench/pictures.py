"""The pictures: the fit beside the data, the plan with its antennas, false enters against detection
time, and the median by facade. Small enough to stand in the documents.
"""

from itertools import pairwise
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle

from scripts.entrybench import antennas, bodies, shop
from scripts.entrybench.antennas import SetUp
from scripts.entrybench.bodies import Fit
from scripts.entrybench.contest import DEFAULT, GOALS, MAX_PER_1000, NEAR_OPTIMUM, OURS
from scripts.entrybench.figures import Tree

EDGES_M: Final = (0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10)
FEWEST: Final = 40
COLOURS: Final = {
    NEAR_OPTIMUM: "#333333",
    OURS: "#1f4e9c",
    "gate": "#7aa6e0",
    "before places": "#9c755f",
    "first packet": "#aaaaaa",
    "8 in a row": "#b07aa1",
    "ESPresense": "#f28e2b",
    "room-assistant": "#4e9a8f",
    "Bermuda": "#d1495b",
}
SHOWN_FOR_NONE: Final = 0.04
"""A logarithm has no place for 0."""
SOONEST_S: Final = 0.5
TONES: Final = 200


def save(figure: Drawing, path: Path) -> None:
    """With few tones, as lines and words need no more."""
    from PIL import Image  # noqa: PLC0415  # comes with matplotlib, and is needed but here

    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(TONES)
    few.save(path, optimize=True)


def save_curves(figures: Tree, path: Path) -> None:
    """One panel for each set-up with a goal; those told before the line stand at the left edge."""
    names = [name for name in GOALS if name in figures["shops"]]
    drawing, axes = plt.subplots(
        (len(names) + 1) // 2, 2, figsize=(11, 4.3 * ((len(names) + 1) // 2)), squeeze=False
    )
    for axis, name in zip(axes.flat, names, strict=False):
        _draw_curves(axis, figures["shops"][name])
        goal = GOALS[name]
        axis.add_patch(
            Rectangle(
                (0.4, 0.03), goal.median_s - 0.4, MAX_PER_1000 - 0.03, color="#8fbf7f", alpha=0.3
            )
        )
        axis.set(xscale="log", yscale="log", xlim=(0.4, 240), ylim=(0.03, 1000), title=name)
        axis.grid(which="major", alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("median after the line, s (missed ones count)")
    for axis in axes[:, 0]:
        axis.set_ylabel("false enters per 1,000 outsiders")
    axes[0, 0].legend(fontsize=8, loc="upper right")
    save(drawing, path)


def _draw_curves(axis: Axes, shop_of: Tree) -> None:
    for rule, row in shop_of["rules"].items():
        if rule == DEFAULT:
            continue
        points = [
            (max(median_s, SOONEST_S), max(false, SHOWN_FOR_NONE))
            for median_s, false in row["curve"]
            if median_s is not None
        ]
        if points:
            width = 2.4 if rule in (OURS, NEAR_OPTIMUM) else 1.4
            style = "--" if rule == NEAR_OPTIMUM else "-"
            axis.plot(
                *zip(*points, strict=True), style, color=COLOURS[rule], linewidth=width, label=rule
            )
        told = row["fresh"]
        if told is not None and told["median_s"] is not None:
            place = max(told["median_s"], SOONEST_S), max(told["false_per_1000"], SHOWN_FOR_NONE)
            axis.scatter(
                *place, s=130, marker="*", color=COLOURS[rule], edgecolor="black", zorder=3
            )


def save_facades(figures: Tree, path: Path) -> None:
    """Median, ours and the near-optimum's, by what the front takes."""
    drawing, axis = plt.subplots(figsize=(7, 4))
    for set_up, colour in ((antennas.PAIR_10_GATEWAY, "#1f4e9c"), (antennas.AS_SHIPPED, "#d1495b")):
        if set_up.name not in figures["shops"]:
            continue
        at = _by_facade(figures, set_up.name)
        for rule, style, which in ((OURS, "-o", "fresh"), (NEAR_OPTIMUM, "--", "even")):
            rows = [figures["shops"][at[db]]["rules"][rule][which] for db in sorted(at)]
            medians = [np.nan if row["median_s"] is None else row["median_s"] for row in rows]
            label = f"{set_up.name}: {rule}"
            axis.plot(sorted(at), medians, style, color=colour, label=label)
    axis.set_xlabel("loss of the front, dB (the door stands open)")
    axis.set_ylabel("median after the line, s")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    save(drawing, path)


def _by_facade(figures: Tree, set_up: str) -> dict[float, str]:
    found = {shop.GLASS_DB: set_up}
    for name in figures["shops"]:
        if name.startswith(f"{set_up}: front "):
            found[float(name.split()[-2])] = name
    return found


def save_plan(path: Path, seed: int = 5) -> None:
    """One of each kind of people on the ground plan, and where antennas hang."""
    drawing, axis = plt.subplots(figsize=(7, 6))
    rng = np.random.default_rng(seed)
    for number, (kind, walk_of) in enumerate(shop.WALKS.items()):
        walk = walk_of(rng)
        axis.plot(walk.x_m, walk.y_m, color=f"C{number}", alpha=0.8, linewidth=1, label=kind)
    wide, deep, door = shop.HALF_WIDTH_M, shop.DEPTH_M, shop.HALF_DOOR_M
    walls = [-door, -wide, -wide, wide, wide, door], [0, 0, deep, deep, 0, 0]
    axis.plot(*walls, color="black", linewidth=2)
    _draw_antennas(axis, antennas.FOUR_PAIR_10)
    axis.set(xlim=(-11, 9), ylim=(-4.5, deep + 0.5), aspect="equal", xlabel="m")
    axis.legend(fontsize=8, loc="upper right")
    save(drawing, path)


def _draw_antennas(axis: Axes, set_up: SetUp) -> None:
    for antenna in set_up.antennas:
        axis.scatter(antenna.x_m, antenna.y_m, marker="^", s=90, color="black", zorder=4)
        axis.annotate(
            antenna.name,
            (antenna.x_m, antenna.y_m),
            (18, 3 if antenna.y_m > 0 else -9),
            textcoords="offset points",
            fontsize=9,
        )
        if antenna.facing_rad is not None:
            turn = np.linspace(-np.pi, np.pi, 60)
            reach = 0.2 + 0.6 * (1 + np.cos(turn)) / 2
            axis.plot(
                antenna.x_m + reach * np.cos(turn + antenna.facing_rad),
                antenna.y_m + reach * np.sin(turn + antenna.facing_rad),
                color="black",
                linewidth=1,
            )


def save_fit(fit: Fit, path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), sharey=True)
    for axis, scenario in zip(axes, bodies.FITTED + bodies.SHOWN, strict=True):
        _fit_panel(axis, fit, scenario)
    axes[0].set_ylabel("RSSI, dBm (as heard)")
    axes[0].legend(loc="upper right", fontsize=8)
    figure.suptitle("Phones on bodies: recorded (median, 10–90 %) and the fitted model")
    save(figure, path)


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

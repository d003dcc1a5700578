"""The dashboard shows what the gateway tells: every name in it exists, and Prometheus takes every
question.
"""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from presence.core.operations.metrics import families
from presence.core.visit.entry_figures import FiguresRule
from presence.edges.host.metrics import Exposition
from tests.support.builders import rules
from tests.support.paths import ROOT
from tests.support.watched import Watched

DASHBOARD: dict[str, Any] = json.loads(
    (ROOT / "config" / "grafana" / "presence.json").read_text(encoding="utf-8")
)
PANELS: list[dict[str, Any]] = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
VARIABLES = {"instance": ".*"}
ALWAYS_THERE = {"instance", "job"}
"""Labels that Prometheus adds."""


def expressions() -> Iterator[str]:
    for panel in PANELS:
        for target in panel["targets"]:
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(f"${name}", value)
            yield text


def watched() -> Watched:
    return Watched(rules=rules(figures=FiguresRule(counter_window_s=5)))


def told() -> dict[str, set[str]]:
    """The names of the series that a gateway tells, with the labels of each."""
    exposition = Exposition()
    exposition.snapshot = watched().monitor.look()
    labels: dict[str, set[str]] = {}
    for line in exposition.text().decode().splitlines():
        if not line.startswith("#"):
            name, _, rest = line.partition("{")
            labels[name.split(" ")[0]] = set(re.findall(r"(\w+)=\"", rest))
    return labels


@pytest.mark.requirement("R-69")
def test_every_metric_of_the_dashboard_is_told_with_the_labels_that_are_asked_for() -> None:
    labels = told()
    named = 0
    for text in expressions():
        for name, asked in re.findall(r"(presence_\w+)(?:\{([^}]*)\})?", text):
            assert name in labels, text
            wanted = set(re.findall(r"(\w+)\s*=", asked)) - ALWAYS_THERE
            assert wanted <= labels[name], text
            named += 1
    assert named > 30


def test_legends_speak_of_labels_that_are_there() -> None:
    labels = told()
    for panel in PANELS:
        for target in panel["targets"]:
            known = set().union(*(labels[n] for n in re.findall(r"presence_\w+", target["expr"])))
            asked = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert asked <= known | ALWAYS_THERE, panel["title"]


def test_every_figure_of_the_door_is_on_the_dashboard() -> None:
    shown = " ".join(expressions())
    names = [each.full_name for each in families(watched().monitor.look())]
    door = [name for name in names if name.startswith(("presence_entry_", "presence_counter_"))]

    assert [name for name in door if name not in shown] == []
    assert len(door) > 10


@pytest.mark.requirement("R-69")
@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: apt install prometheus")
def test_prometheus_takes_every_question(tmp_path: Path) -> None:
    records = [
        {"record": f"dashboard:question_{n}", "expr": text} for n, text in enumerate(expressions())
    ]
    file = tmp_path / "questions.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))

    said = subprocess.run(
        ["promtool", "check", "rules", file], capture_output=True, text=True, check=False
    )

    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{len(records)} rules found" in said.stdout


def test_panels_have_numbers_of_their_own_and_lie_beside_one_another() -> None:
    everything = DASHBOARD["panels"]
    assert max(Counter(each["id"] for each in everything).values()) == 1
    for each in everything:
        place = each["gridPos"]
        assert place["x"] + place["w"] <= 24
    for one, other in combinations([each["gridPos"] for each in everything], 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )


def test_every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() -> None:
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource", *VARIABLES}
    for panel in PANELS:
        assert re.search(r"\w+ \w+.*\.$", panel["description"]), panel["title"]
        assert panel["targets"]
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert '{instance=~"$instance"' in target["expr"]

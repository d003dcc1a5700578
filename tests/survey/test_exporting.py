"""The walks as an open file: complete, as the schema has it, and without a trace of who walked."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from presence.core.place import Place
from presence.core.visit.walks import WalkReading
from presence.errors import StorageError
from presence.survey.exporting import walk_rows, write_walks
from presence.survey.guide import Recorded, Walks, walk_acts
from presence.survey.plans import ShopPlan
from tests.support.paths import ROOT
from tests.support.surveys import scan_test, simulated

SCHEMA = json.loads((ROOT / "docs" / "walks.schema.json").read_text())
ADDRESS = "00:1A:7D:DA:71:13"
PLACES = {ADDRESS: Place.DOOR, "pavement": Place.OUTSIDE}


def walks() -> Walks:
    recorded = [
        Recorded(
            act,
            5_000.0 + 100 * n,
            {1: (WalkReading(5_000.25 + 100 * n, -70, Place.DOOR, ADDRESS),), 2: ()},
        )
        for n, act in enumerate(walk_acts(2))
    ]
    recorded[0].phones[2] = (  # type: ignore[index]
        WalkReading(5_001.0, -80, Place.OUTSIDE, "pavement"),
    )
    return Walks(recorded, PLACES, ("Pixel 7", "phone 2"), ("Pixel 7",))


def rows(**options: Any) -> list[dict[str, Any]]:
    given = {"source": "radio", "plan": None, "heights_m": {"pavement": 2.2}, **options}
    return json.loads(json.dumps(list(walk_rows(walks(), **given))))


def test_each_line_is_as_the_schema_has_it() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for line in rows():
        jsonschema.validate(line, SCHEMA)
    broken = rows()[1] | {"ref": "a1b2"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)


def test_the_example_in_the_documents_is_as_the_schema_has_it() -> None:
    text = (ROOT / "docs" / "recordings.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("{")]
    assert len(lines) == 2
    for line in lines:
        jsonschema.validate(json.loads(line), SCHEMA)


def test_the_header_says_what_hung_where_and_which_models_were_carried() -> None:
    header = rows()[0]
    assert header["plan"] == "pair"
    assert rows(plan=ShopPlan.LOW_E)[0]["plan"] == "low-e"
    assert header["antennas"] == [
        {"id": "a1", "place": "door", "height_m": None},
        {"id": "a2", "place": "outside", "height_m": 2.2},
    ]
    assert header["phones"] == [{"id": "p1", "model": "Pixel 7"}, {"id": "p2", "model": None}]


def test_every_act_has_a_line_for_each_phone_with_its_pocket_and_times_of_its_own() -> None:
    _, *lines = rows()
    assert len(lines) == 2 * 14
    first, second, *_ = lines
    assert (first["walk"], first["kind"], first["phone"], first["pocket"]) == (
        1, "window", "p1", "left",
    )  # fmt: skip
    assert first["readings"] == [[0.25, "a1", -70]]
    assert (second["phone"], second["pocket"]) == ("p2", "right")
    assert second["readings"] == [[1.0, "a2", -80]]
    assert lines[14]["pocket"] == "right"
    assert {line["kind"] for line in lines} == {
        "window", "past", "lookin", "in", "inside", "leave",
    }  # fmt: skip


@pytest.mark.requirement("R-01", "R-03")
def test_no_address_name_of_a_store_or_moment_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "walks.jsonl"
    write_walks(walks(), path, source="radio")
    text = path.read_text()
    for trace in (ADDRESS, "pavement", "5000", "phone 2"):
        assert trace not in text
    assert path.stat().st_mode & 0o077 == 0
    practised = tmp_path / "practised.jsonl"
    done = simulated(
        "--steps", "walk", "--rounds", "1", "--export-walks", practised, "--phones", "Pixel 7"
    )
    assert done.returncode in (0, 1), done.stderr
    written = practised.read_text()
    for trace in ("acme", "practice", "door-1", "gateway", "inner", "phone 2"):
        assert trace not in written
    for line in written.splitlines():
        jsonschema.validate(json.loads(line), SCHEMA)


def test_a_file_that_cannot_be_written_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="name a file in a folder"):
        write_walks(walks(), tmp_path / "nowhere" / "walks.jsonl", source="radio")


@pytest.mark.parametrize("text", ["hci0", "=2.4", "hci0=tall", "hci0=0", "hci0=99"])
def test_heights_that_are_none_are_refused_in_words(text: str) -> None:
    done = scan_test("--simulated", "--heights", text)
    assert done.returncode == 64
    assert "is not like hci0=2.4" in done.stderr

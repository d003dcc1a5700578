"""Walks that shops contribute are read as episodes of the bench."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from presence.core.place import Place
from scripts.entrybench.contributed import CROSSED_S, UnreadableWalks, read_walks
from tests.support.surveys import simulated

HEADER = {
    "format": "presence-walks",
    "v": 1,
    "source": "radio",
    "plan": "pair",
    "antennas": [
        {"id": "a1", "place": "door", "height_m": 2.2},
        {"id": "a2", "place": "outside", "height_m": None},
    ],
    "phones": [{"id": "p1", "model": "Pixel 7"}],
}


def row(walk: int, kind: str, *readings: tuple[float, str, int], phone: str = "p1") -> Any:
    return {
        "walk": walk, "round": 1, "kind": kind, "phone": phone, "pocket": "left", "seconds": 10,
        "readings": [list(reading) for reading in readings],
    }  # fmt: skip


def a_file(folder: Path, *rows: Any, header: Any = HEADER) -> Path:
    path = folder / "walks.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in (header, *rows)))
    return path


def test_readings_of_one_packet_are_one_row_and_silence_is_seen(tmp_path: Path) -> None:
    readings = ((0.1, "a2", -70), (0.12, "a1", -80), (0.4, "a2", -71))
    (episode,) = read_walks(a_file(tmp_path, row(1, "lookin", *readings))).episodes
    assert (episode.kind, episode.is_entry) == ("doorway", False)
    assert episode.at_s.tolist() == [0.1, 0.4]
    assert np.array_equal(episode.rssi_dbm, [[-80, -70], [np.nan, -71]], equal_nan=True)


def test_one_antenna_never_hears_one_packet_twice(tmp_path: Path) -> None:
    readings = ((0.10, "a1", -70), (0.11, "a1", -72))
    (episode,) = read_walks(a_file(tmp_path, row(1, "past", *readings))).episodes
    assert len(episode.at_s) == 2


def test_a_stay_goes_on_from_the_coming_in_and_leaving_is_no_episode(tmp_path: Path) -> None:
    read = read_walks(
        a_file(
            tmp_path,
            row(1, "past"),
            row(2, "in", (0.5, "a1", -70)),
            row(3, "inside", (0.5, "a1", -60)),
            row(4, "leave", (0.5, "a1", -70)),
        )
    )
    past, entry = read.episodes
    assert past.rssi_dbm.shape == (0, 2), "a walk that was not heard is a walk, too"
    assert (entry.kind, entry.entered_at_s, entry.left_at_s) == ("customer", CROSSED_S, 20)
    assert entry.at_s.tolist() == [0.5, 10.5]
    assert (read.places, read.models) == ((Place.DOOR, Place.OUTSIDE), ("Pixel 7",))


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        ({**HEADER, "v": 2}, (), "line 1: not presence-walks of version 1"),
        ({"format": "presence-walks", "v": 1}, (), "walks.schema.json"),
        (HEADER, ([],), "line 2: no object"),
        (HEADER, (row(1, "past", (0.1, "a9", -70)),), "a9"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_words(
    header: Any, rows: tuple[Any, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableWalks, match=words):
        read_walks(a_file(tmp_path, *rows, header=header))


def test_what_scan_test_exports_is_read_with_all_of_its_walks(tmp_path: Path) -> None:
    path = tmp_path / "walks.jsonl"
    done = simulated("--steps", "walk", "--rounds", "1", "--export-walks", path)
    assert done.returncode in (0, 1), done.stderr
    read = read_walks(path)
    assert (read.source, read.plan) == ("simulated", "pair")
    assert set(read.places) == set(Place)
    kinds = [episode.kind for episode in read.episodes]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "window": 2, "passer": 4, "doorway": 2, "customer": 2,
    }, "a first round walks every kind with both phones"  # fmt: skip
    entries = [episode for episode in read.episodes if episode.is_entry]
    assert all(len(entry.at_s) > 20 and entry.left_at_s == 30 for entry in entries)

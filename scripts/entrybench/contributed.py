"""Walks at real doors, as `scan-test --export-walks` writes them (docs/recordings.md): read into
episodes of the bench.

A walk in is the act `in` with the `inside` that follows; the technician crosses the line some
CROSSED_S after it began, which nobody measures. How loud a phone is beside the mean phone is not
known, so no rule that is told it can be tried on these.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, Final

import numpy as np

from presence.core.place import Place
from scripts.entrybench.phones import Phone
from scripts.entrybench.world import Episode

FORMAT: Final = "presence-walks"
VERSION: Final = 1
CROSSED_S: Final = 9.0
"""From 10 m away to the line, at 1.2 m/s, after the bell."""
ONE_PACKET_S: Final = 0.05
"""Antennas hear a packet within some milliseconds; the quickest phones send each 100 ms."""
KINDS: Final = {"past": "passer", "window": "window", "lookin": "doorway", "in": "customer"}
"""Of the file → of the bench. `leave` begins inside, and is no episode."""


class UnreadableWalks(Exception):
    """The message names file and line."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One file. `episodes[i].rssi_dbm` has a column for each of `places`."""

    source: str
    plan: str
    places: tuple[Place, ...]
    models: tuple[str | None, ...]
    episodes: tuple[Episode, ...]


def read_walks(path: Path) -> Contribution:
    """Raises UnreadableWalks."""
    rows = list(_rows(path))
    if not rows:
        raise UnreadableWalks(f"{path}: is empty")
    header, walks = rows[0], rows[1:]
    if header.get("format") != FORMAT or header.get("v") != VERSION:
        raise UnreadableWalks(f"{path}: line 1: not {FORMAT} of version {VERSION}")
    try:
        columns = {each["id"]: n for n, each in enumerate(header["antennas"])}
        return Contribution(
            source=header["source"],
            plan=header["plan"],
            places=tuple(Place(each["place"]) for each in header["antennas"]),
            models=tuple(each["model"] for each in header["phones"]),
            episodes=tuple(_episodes(walks, columns)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableWalks(f"{path}: not as docs/walks.schema.json has it: {error!r}") from error


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UnreadableWalks(f"{path}: line {number}: {error}") from error
            if not isinstance(row, dict):
                raise UnreadableWalks(f"{path}: line {number}: no object")
            yield row


def _episodes(walks: list[dict[str, Any]], columns: dict[str, int]) -> Iterator[Episode]:
    """Acts of one phone, in their order."""
    stays = {(row["phone"], row["walk"]): row for row in walks if row["kind"] == "inside"}
    for row in walks:
        if row["kind"] not in KINDS:
            continue
        readings, end_s = list(row["readings"]), float(row["seconds"])
        came_in = row["kind"] == "in"
        stay = stays.get((row["phone"], row["walk"] + 1)) if came_in else None
        if stay is not None:
            readings += [[at_s + end_s, *rest] for at_s, *rest in stay["readings"]]
            end_s += stay["seconds"]
        yield _episode(KINDS[row["kind"]], readings, columns, end_s if came_in else None)


def _episode(
    kind: str, readings: list[list[Any]], columns: dict[str, int], left_s: float | None
) -> Episode:
    packets: list[tuple[float, list[float]]] = []
    for at_s, antenna, rssi_dbm in sorted(readings, key=lambda reading: float(reading[0])):
        column = columns[antenna]
        if (
            not packets
            or at_s - packets[-1][0] > ONE_PACKET_S
            or not np.isnan(packets[-1][1][column])
        ):
            packets.append((float(at_s), [nan] * len(columns)))
        packets[-1][1][column] = float(rssi_dbm)
    return Episode(
        kind=kind,
        at_s=np.array([at_s for at_s, _ in packets]),
        rssi_dbm=np.array([levels for _, levels in packets]).reshape(-1, len(columns)),
        entered_at_s=None if left_s is None else CROSSED_S,
        left_at_s=left_s,
        phone=Phone("pocket", nan, nan, 1.0, ahead=False),
    )

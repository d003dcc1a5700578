"""The walks as an open file, for whoever wants to try a rule on a real door: docs/recordings.md.

    {"format": "presence-walks", "v": 1, …}        what hung where, which phones were carried
    {"walk": 1, "kind": "window", "phone": "p1", …}    one line for each act and phone

Of test phones only, whose owners carry them for this. No identifier, address, ref or name of a
store is in it: antennas and phones are numbered anew, times are seconds from the beginning of each
walk, and the day is left out.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from presence.core.place import Place
from presence.edges.host.files import replace_file
from presence.errors import StorageError
from presence.survey.guide import Recorded, Walks, pocket
from presence.survey.plans import ShopPlan, plan_of

FORMAT: Final = "presence-walks"
VERSION: Final = 1


def write_walks(
    walks: Walks,
    path: Path,
    *,
    source: str,
    plan: ShopPlan | None = None,
    heights_m: Mapping[str, float] | None = None,
) -> None:
    """`source`: radio, capture or simulated. Raises StorageError. Only its owner may read it."""
    text = "".join(
        json.dumps(line, ensure_ascii=False) + "\n"
        for line in walk_rows(walks, source=source, plan=plan, heights_m=heights_m or {})
    )
    try:
        replace_file(path, text.encode(), durable=False)
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror}: name a file in a folder where you may write"
        ) from error


def walk_rows(
    walks: Walks, *, source: str, plan: ShopPlan | None, heights_m: Mapping[str, float]
) -> Iterator[dict[str, object]]:
    antennas = _antennas(walks)
    numbers = {hung: f"a{n}" for n, hung in enumerate(antennas, start=1)}
    phones = walks.phones()
    yield {
        "format": FORMAT,
        "v": VERSION,
        "source": source,
        "plan": (plan or plan_of(walks.hung())).value,
        "antennas": [
            {"id": numbers[place, name], "place": place.value, "height_m": heights_m.get(name)}
            for place, name in antennas
        ],
        "phones": [{"id": f"p{phone}", "model": _model(walks, phone)} for phone in phones],
    }
    for number, one in enumerate(walks.recorded, start=1):
        for phone in phones:
            yield _row(number, one, phone, numbers)


def _row(
    number: int, one: Recorded, phone: int, antennas: Mapping[tuple[Place, str], str]
) -> dict[str, object]:
    return {
        "walk": number,
        "round": one.act.round + 1,
        "kind": one.act.doing.value,
        "phone": f"p{phone}",
        "pocket": pocket(phone, one.act.round).value,
        "seconds": one.act.seconds,
        "readings": [
            [round(said.at_s - one.began_s, 2), antennas[said.place, said.antenna], said.rssi_dbm]
            for said in one.phones.get(phone, ())
        ],
    }


def _antennas(walks: Walks) -> list[tuple[Place, str]]:
    """Those of the settings, and those that were heard; in an order that tells nothing of their
    names.
    """
    named = {(place, name) for name, place in walks.places.items()}
    heard = {
        (said.place, said.antenna)
        for one in walks.recorded
        for readings in one.phones.values()
        for said in readings
    }
    return sorted(named | heard, key=lambda hung: (list(Place).index(hung[0]), hung[1]))


def _model(walks: Walks, phone: int) -> str | None:
    """As the technician typed it; None where they did not."""
    return walks.models[phone - 1] if phone <= len(walks.models) else None

"""How often an honest phone is taken for a replay by its strengths or its rate (docs/replay.md).

The people of the simulated shop (scripts/entrybench), each for up to four minutes after the line,
at three antennas, louder phones than were recorded, an open front and one that takes 30 dB; and the
recorded walks of a beacon past twelve receivers, which come from no model.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from presence.core.recognition.advertisement import Advertisement
from presence.core.recognition.doubt import Doubt
from presence.core.recognition.replay_guard import ReplayGuard
from presence.core.timestamps import Moment
from scripts.benchmarks.figure import Figure
from scripts.entrybench import bodies, shop, walks
from scripts.entrybench.antennas import PAIR_10_GATEWAY
from scripts.entrybench.world import Episode, World, people

SEED: Final = 20_261_129
"""Not one of those on which SWING_DB, FORGOTTEN_DB_PER_S and MAX_SWINGS_DB were chosen."""
PEOPLE: Final = 4_000
INSIDERS: Final = {kind: share / 2 for kind, share in shop.INSIDERS.items()}
OUTSIDERS: Final = {kind: share / 2 for kind, share in shop.OUTSIDERS.items()}
GOAL_PERCENT: Final = 0.1
ADDRESS: Final = bytes(6)
Packets = Iterable[tuple[float, int, str]]
"""Seconds, dBm and antenna."""


def signs(packets: Packets) -> set[Doubt]:
    """For what the guard takes one phone whose packets these are."""
    guard, found = ReplayGuard(), set()
    for at_s, rssi_dbm, antenna in packets:
        heard = Advertisement(Moment(at_s, at_s), ADDRESS, rssi_dbm, antenna=antenna)
        doubt = guard.doubt(b"somebody", 0, None, heard)
        if doubt is not None:
            found.add(doubt)
    return found


def packets_of(episode: Episode) -> Iterator[tuple[float, int, str]]:
    for at_s, readings in zip(episode.at_s.tolist(), episode.rssi_dbm.tolist(), strict=True):
        for antenna, rssi_dbm in enumerate(readings):
            if not np.isnan(rssi_dbm):
                yield at_s, int(rssi_dbm), str(antenna)


def figures() -> Iterator[Figure]:
    radio = bodies.fit().radio
    for glass_db in (0.0, 30.0):
        world = World(radio, PAIR_10_GATEWAY, glass_db=glass_db)
        suspect = sum(
            bool(signs(packets_of(episode)))
            for episode in people({**INSIDERS, **OUTSIDERS}, PEOPLE, world, SEED)
        )
        yield Figure(
            f"replay_honest.front.{glass_db:.0f}dB",
            100 * suspect / PEOPLE,
            "% of people suspect",
            GOAL_PERCENT,
            note=f"{suspect} of {PEOPLE:,}, three antennas",
        )
    names = sorted(path.stem for path in walks.WALKS.glob("*.csv") if path.stem != "receivers")
    recorded = [signs(_recorded(name)) for name in names]
    yield Figure(
        "replay_honest.recorded",
        sum(map(bool, recorded)),
        f"of {len(names)} recorded walks suspect",
        0,
        note="twelve receivers each, as antennas",
    )


def _recorded(name: str) -> list[tuple[float, int, str]]:
    return sorted(
        (at_s, int(rssi_dbm), receiver)
        for receiver, series in walks.load(name).items()
        for at_s, rssi_dbm in zip(series.at_s.tolist(), series.rssi_dbm.tolist(), strict=True)
    )

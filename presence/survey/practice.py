"""The shop to practise in: settings, key, antennas, broker and the consents of two test phones,
made up on the spot; and three doors, each of which shows a verdict.
"""

import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from presence.config import Settings, parse_settings
from presence.config.rules import read_store_key, rules_of
from presence.config.settings import EntrySettings
from presence.core.consent.entry_rules import FORMAT_VERSION
from presence.core.consent.list_json import ConsentList, assemble, parse_entry, parse_header
from presence.core.consent.model import TEST_AUDIENCE
from presence.core.encoding import encode_base64url
from presence.core.place import Place
from presence.core.recognition.identifiers import WINDOW_S, window_at
from presence.core.rules import Rules
from presence.diagnosis.findings import Verdict
from presence.edges.host.files import new_key_file
from presence.language import Sentence
from presence.simulation import Air, SimulatedAntenna, Spot
from presence.simulation.identity_keys import window_key
from presence.simulation.local_broker import LocalBroker
from presence.survey.plans import ShopPlan

DAY_S: Final = 86_400
PHONES: Final = 2
_INSIDE: Final = (SimulatedAntenna("gateway", Spot(1.0, 6.0)), Place.INSIDE)
_PAIR: Final = (
    (SimulatedAntenna("inner", Spot(0.4, 0.1), looks_in=1, back_db=10), Place.DOOR),
    (SimulatedAntenna("outer", Spot(0.4, -0.1), looks_in=-1, back_db=10), Place.OUTSIDE),
)
ANTENNAS: Final[Mapping[ShopPlan, tuple[tuple[SimulatedAntenna, Place], ...]]] = {
    ShopPlan.ONE: (_INSIDE,),
    ShopPlan.TWO: (_INSIDE, (SimulatedAntenna("door", Spot(0.9, 0.3)), Place.DOOR)),
    ShopPlan.PAIR: (_INSIDE, *_PAIR),
    ShopPlan.LOW_E: (_INSIDE, *_PAIR),
    ShopPlan.MALL: (_INSIDE, *_PAIR),
}
AIR: Final[Mapping[ShopPlan, Air]] = {
    ShopPlan.LOW_E: Air(front_loss_db=25, open_door_m=0.7),
    ShopPlan.MALL: Air(front_loss_db=0),
}


class PracticeDoor(StrEnum):
    """The words of `--door`."""

    GOOD = "good"
    MIDDLING = "middling"
    BAD = "bad"


class Lesson(NamedTuple):
    """A pair at a practice door, and what its walk shows."""

    back_db: float
    """What the metal between the two antennas takes."""
    verdict: Verdict
    because: Sentence


CALM_DB: Final = 0.6
"""Shadowing at a practice door, a quarter of a shop's: so chance does not change the lesson."""
LESSONS: Final[Mapping[PracticeDoor, Lesson]] = {
    PracticeDoor.GOOD: Lesson(
        26.0,
        Verdict.PASS,
        Sentence("a pane of low-E glass between the pair: the side is far above 10 dB"),
    ),
    PracticeDoor.MIDDLING: Lesson(
        6.5,
        Verdict.WARN,
        Sentence("a small plate: the side is below 10 dB, or not surely above 6"),
    ),
    PracticeDoor.BAD: Lesson(
        1.0,
        Verdict.FAIL,
        Sentence("no plate, so both antennas hear the same: the side is below 6 dB"),
    ),
}
TEMPLATE: Final = """\
store: {{chain: acme, store: practice, gateway: door-1, key_file: "{key_file}"}}
notice:
  {{id: practice, controller: Acme Oy, dpo_contact: privacy@acme.example, review_by: 2099-01-01}}
consent: {{directory: ., list: acme/practice}}
audiences: [{{name: test, purpose: service}}]
"""


@dataclass(frozen=True, slots=True)
class Practice:
    """What the simulated step needs in place of files in /etc."""

    settings: Settings
    antennas: tuple[SimulatedAntenna, ...]
    air: Air
    places: Mapping[str, Place]
    identity_keys: tuple[bytes, ...] = field(repr=False)
    pairwise_keys: tuple[bytes, ...] = field(repr=False)

    @property
    def rules(self) -> Rules:
        store_key = read_store_key(self.settings.store.key_file)
        return replace(rules_of(self.settings, store_key), places=self.places)

    def consents(self, utc_s: float) -> ConsentList:
        """A list of two test phones, published now."""
        now_s = int(utc_s)
        header = {
            "v": FORMAT_VERSION,
            "list": self.settings.consent.list,
            "seq": 1,
            "published_at": now_s,
            "suppression_checked_at": now_s,
            "count": len(self.identity_keys),
        }
        pairs = zip(self.identity_keys, self.pairwise_keys, strict=True)
        entries = [
            parse_entry(
                self._entry(identity, pairwise, now_s), max_span_s=self.settings.consent.max_span_s
            )
            for identity, pairwise in pairs
        ]
        return assemble(parse_header(header), entries, {})

    def _entry(self, identity_key: bytes, pairwise_key: bytes, now_s: int) -> dict[str, object]:
        window = window_at(now_s)
        keys = [window_key(identity_key, number * WINDOW_S) for number in (window, window + 1)]
        return {
            "ref": _text(pairwise_key[:8]),
            "ver": 1,
            "pk": {TEST_AUDIENCE: _text(pairwise_key)},
            "win": {
                "start": window * WINDOW_S,
                "len": WINDOW_S,
                "keys": [_text(key) for key in keys],
            },
            "purposes": ["presence", "service"],
            "flags": ["test"],
            "nb": now_s - DAY_S,
            "na": now_s + DAY_S,
            "scope": {"type": "store", "id": self.settings.store.store},
        }


@contextmanager
def practice(
    seed: int,
    entry: EntrySettings | None,
    plan: ShopPlan = ShopPlan.PAIR,
    door: PracticeDoor | None = None,
) -> Iterator[Practice]:
    """`entry`: of the operator's own file, where there is one. `door`: of plans with a pair."""
    chance = Random(f"{seed}/practice")
    with tempfile.TemporaryDirectory(prefix="presence-scan-test-") as folder:
        key_file = Path(folder) / "store.key"
        new_key_file(key_file)
        settings = parse_settings(
            TEMPLATE.format(key_file=key_file), name=str(Path(folder) / "presence.yaml")
        )
        if entry is not None:
            settings = replace(settings, entry=entry)
        keys = [chance.randbytes(16) for _ in range(2 * PHONES)]
        hung, air = ANTENNAS[plan], AIR.get(plan, Air(open_door_m=0.7))
        yield Practice(
            settings,
            tuple(_as_hung(antenna, door) for antenna, _ in hung),
            air if door is None else replace(air, shadowing_db=CALM_DB),
            {antenna.name: place for antenna, place in hung},
            identity_keys=tuple(keys[:PHONES]),
            pairwise_keys=tuple(keys[PHONES:]),
        )


def _as_hung(antenna: SimulatedAntenna, door: PracticeDoor | None) -> SimulatedAntenna:
    if door is None or not antenna.looks_in:
        return antenna
    return replace(antenna, back_db=LESSONS[door].back_db)


@asynccontextmanager
async def with_broker(settings: Settings) -> AsyncIterator[Settings]:
    """The same settings at a broker of our own on this machine. Raises BrokerError where none is
    installed.
    """
    async with LocalBroker.start() as broker:
        yield replace(
            settings,
            mqtt=replace(
                settings.mqtt, host=broker.host, port=broker.port, protocol=broker.protocol
            ),
        )


def _text(value: bytes) -> str:
    return encode_base64url(value)

"""Phones: how each is carried, and how loud its model is."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from presence.core.consent.entry_rules import LOUDNESS_STEP_DB
from scripts.entrybench.radio import Floats


class Carried(NamedTuple):
    """One way to carry a phone."""

    share: float
    level_db: float
    """Beside the mean phone; bag and pocket take some, the open hand none."""
    body: float
    """Share of `Radio.body_db` that the carrier's body takes between front and back."""
    ahead: bool
    """Held before the body: it faces where its carrier walks, not to a side of its own."""


CARRIED: Final = {
    "hand": Carried(0.25, 2.5, 1.0, ahead=True),
    "pocket": Carried(0.5, -0.75, 1.0, ahead=False),
    "bag": Carried(0.25, -1.0, 0.6, ahead=False),
}
"""Assumed. Leith and Farrell (arXiv 2006.06822, abstract) say that body and bag change strength
"substantially" and give no single figure; a bag stands off the body, so it is shaded less.
"""


@dataclass(frozen=True, slots=True)
class Phones:
    """A population of phones."""

    name: str
    model_db: float | None
    """Standard deviation between models. None: what is left of the recorded spread between phones
    (`Radio.phone_db`, pockets included) once the ways of carrying are taken out.
    """
    carried: dict[str, Carried]

    def spread_of_models_db(self, phone_db: float) -> float:
        if self.model_db is not None:
            return self.model_db
        shares = np.array([way.share for way in self.carried.values()])
        levels = np.array([way.level_db for way in self.carried.values()])
        ways = shares @ (levels - shares @ levels) ** 2
        return float(np.sqrt(max(phone_db**2 - ways, 0.0)))


@dataclass(frozen=True, slots=True)
class Phone:
    carried: str
    model_db: float
    """Louder than the mean phone; what the app's maker can measure, once per model."""
    level_db: float
    """Louder than the mean phone, the way of carrying included."""
    body: float
    ahead: bool


MIXED: Final = Phones("hand, pocket, bag", None, CARRIED)
AS_RECORDED: Final = Phones("as recorded", None, {"pocket": Carried(1.0, 0.0, 1.0, ahead=False)})
"""One way to carry, with the recorded spread: what the figures before places had."""
WIDER: Final = Phones("models 5 dB apart", 5.0, CARRIED)
"""Google measured the transmit side of 551 Android models (en-calibration-2020-12-14, as in microG
GmsCore 9a206ae, `DeviceInfo.kt`): 4.9 dB between 510 of them. The other 41, most of them old, are
some 20 dB louder, and are not in here.
"""


def draw(phones: Phones, phone_db: float, rng: np.random.Generator) -> Phone:
    ways = list(phones.carried)
    name = ways[int(rng.choice(len(ways), p=[phones.carried[way].share for way in ways]))]
    way = phones.carried[name]
    model_db = phones.spread_of_models_db(phone_db) * float(rng.standard_normal())
    return Phone(name, model_db, model_db + way.level_db, way.body, way.ahead)


def told_loudness_db(phone: Phone) -> int:
    """As the list has it (docs/consent-list.md): in steps, and never a quiet model's."""
    return LOUDNESS_STEP_DB * round(max(phone.model_db, 0) / LOUDNESS_STEP_DB)


def facing_rad(phone: Phone, heading_rad: Floats, rng: np.random.Generator) -> Floats:
    """The side of the body that the phone is on."""
    side = rng.normal(0, 0.3) if phone.ahead else rng.uniform(0, 2 * np.pi)
    return heading_rad + side

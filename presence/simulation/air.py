"""What becomes of an advertisement between a pocket and an antenna of the shop.

    RSSI = P(1 m) − body − 10 n log10(d) − front − back − shadowing + fading     (log-distance path
                                                                                  loss)

* Shadowing is log-normal and lasts while somebody stands in between: an AR(1) process in time, a
  few seconds long.
* Fading is Rician and new for each advertisement: the three advertising channels fade
  independently.
* Front: from one side of it to the other. Who stands in line with an open door loses nothing.
* Back: an antenna with metal behind it hears less of what comes from there.
* Lost are advertisements near the receiver's sensitivity, and a share of the others: collisions,
  and the receiver listening on another channel.

The numbers lie near recordings of phones on bodies (DP-3T/bt-measurements exp34: medians −79 dBm
below 1 m, −83 at 1–2 m, −87 at 2–4 m, −91 at 5–8 m, two bodies in the way); our receiver hangs
free, so one body less is in the way.
"""

from dataclasses import dataclass
from math import exp, hypot, log10, sqrt
from random import Random
from typing import Final

from presence.simulation.walks import Spot

GATEWAY: Final = Spot(0.0, 1.5)
MIN_M: Final = 0.5


@dataclass(frozen=True, slots=True)
class SimulatedAntenna:
    """One ear of the shop. Each has its own shadowing, as the recorded walks show it."""

    name: str
    spot: Spot
    looks_in: float = 0.0
    """1: into the shop; −1: at the street; 0: it hears all around."""
    back_db: float = 0.0
    """So much weaker is what comes from behind it; half as much from beside it."""

    def back_loss_db(self, spot: Spot, distance_m: float) -> float:
        ahead = self.looks_in * (spot.y_m - self.spot.y_m) / distance_m
        return self.back_db * (1 - ahead) / 2


OVER_THE_COUNTER: Final = SimulatedAntenna("sim0", GATEWAY)


@dataclass(frozen=True, slots=True)
class Air:
    """The shop's propagation; the same for all phones."""

    height_m: float = 1.2
    """Between a pocket and the receiver."""
    exponent: float = 2.0
    front_loss_db: float = 9.0
    """Window glass and the wall beside it, between outside and inside."""
    open_door_m: float = 0.0
    """Half the width of a door that stands open around x = 0; 0: it is shut."""
    shadowing_db: float = 2.5
    shadowing_s: float = 4.0
    """After this long the shadowing has half forgotten itself (1/e)."""
    rice_factor: float = 3.0
    """Power of the direct path over that of all echoes."""
    sensitivity_dbm: float = -95.0
    """Half of the advertisements this weak are lost."""
    lost_share: float = 0.12

    def mean_dbm(
        self, spot: Spot, power_dbm: float, antenna: SimulatedAntenna = OVER_THE_COUNTER
    ) -> float:
        """Without chance. `power_dbm` is what arrives over 1 m."""
        there = antenna.spot
        distance_m = max(MIN_M, hypot(spot.x_m - there.x_m, spot.y_m - there.y_m, self.height_m))
        return (
            power_dbm
            - 10 * self.exponent * log10(distance_m)
            - (self.front_loss_db if self._is_behind_the_front(spot, there) else 0.0)
            - antenna.back_loss_db(spot, distance_m)
        )

    def _is_behind_the_front(self, spot: Spot, there: Spot) -> bool:
        if (spot.y_m < 0) == (there.y_m < 0):
            return False
        share = spot.y_m / (spot.y_m - there.y_m)  # of the way, where it crosses the front
        through_m = spot.x_m + share * (there.x_m - spot.x_m)
        return abs(through_m) >= self.open_door_m


class RadioPath:
    """One phone's way to one antenna; holds its shadowing, and its own chance."""

    def __init__(
        self, air: Air, chance: Random, antenna: SimulatedAntenna = OVER_THE_COUNTER
    ) -> None:
        self._air = air
        self._antenna = antenna
        self._chance = chance
        self._shadow_db = chance.gauss(0, air.shadowing_db)
        self._at_s = 0.0

    def receive(self, at_s: float, spot: Spot, power_dbm: float) -> int | None:
        """The RSSI in dBm, or None where the advertisement is lost."""
        air, chance = self._air, self._chance
        kept = exp(-(at_s - self._at_s) / air.shadowing_s) if at_s > self._at_s else 1.0
        self._at_s = at_s
        self._shadow_db = kept * self._shadow_db + chance.gauss(
            0, air.shadowing_db * sqrt(1 - kept * kept)
        )
        mean_dbm = air.mean_dbm(spot, power_dbm, self._antenna)
        rssi_dbm = mean_dbm + self._shadow_db + self._fading_db()
        heard_share = (1 - air.lost_share) / (1 + exp((air.sensitivity_dbm - rssi_dbm) / 1.5))
        return round(rssi_dbm) if chance.random() < heard_share else None

    def _fading_db(self) -> float:
        k = self._air.rice_factor
        echo = sqrt(1 / (2 * (k + 1)))
        real = sqrt(k / (k + 1)) + self._chance.gauss(0, echo)
        imaginary = self._chance.gauss(0, echo)
        return 10 * log10(max(1e-4, real * real + imaginary * imaginary))

"""A shop without a radio: people walk, phones advertise raw payloads, antennas hear some.

    walks ──► where ─────────────────┐
    broadcasts ──► payload, address ─┼─► air: RSSI or lost ─► shop: an AdvertisementSource with a
    phones: interval, power ─────────┘                        clock of its own

What the source hands over went through `advertisement_from_payload` like a capture's reports. One
seed gives one day: who, when, where and how strong follow from it alone; identifiers and keys
follow the clock, as they must.

Imports: presence.core, presence.config, presence.ports; of the edges mqtt, for its broker.
"""

from presence.simulation.air import OVER_THE_COUNTER, Air, SimulatedAntenna
from presence.simulation.broadcasts import Broadcast, CustomerBroadcast, StrangerBroadcast
from presence.simulation.clock import SimulatedClock
from presence.simulation.crowd import crowd
from presence.simulation.doorbell import Pocket, SimulatedDoorbell
from presence.simulation.phones import Phone
from presence.simulation.shop import Said, SimulatedShop
from presence.simulation.walks import Position, Spot, Walk, passing, visiting

__all__ = [
    "OVER_THE_COUNTER",
    "Air",
    "Broadcast",
    "CustomerBroadcast",
    "Phone",
    "Pocket",
    "Position",
    "Said",
    "SimulatedAntenna",
    "SimulatedClock",
    "SimulatedDoorbell",
    "SimulatedShop",
    "Spot",
    "StrangerBroadcast",
    "Walk",
    "crowd",
    "passing",
    "visiting",
]

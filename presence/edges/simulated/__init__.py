"""A shop without a radio: people with phones walk, phones advertise raw payloads, the door's receiver hears some.

    walks ──► where ─┐
    broadcasts ──► payload, address ─┼─► air: RSSI or lost ─► shop: an AdvertisementSource with its own clock
    phones: interval, power ─────────┘

What the source hands over went through `advertisement_from_payload` like a capture's reports. One seed gives one day:
who, when, where and how strong follow from it alone; identifiers and keys follow the clock, as they must.
"""

from presence.edges.simulated.air import Air
from presence.edges.simulated.broadcasts import Broadcast, CustomerBroadcast, StrangerBroadcast
from presence.edges.simulated.clock import SimulatedClock
from presence.edges.simulated.crowd import crowd
from presence.edges.simulated.doorbell import Pocket, SimulatedDoorbell
from presence.edges.simulated.phones import Phone
from presence.edges.simulated.shop import Said, SimulatedShop
from presence.edges.simulated.walks import Place, Spot, Walk, passing, visiting

__all__ = [
    "Air",
    "Broadcast",
    "CustomerBroadcast",
    "Phone",
    "Place",
    "Pocket",
    "Said",
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

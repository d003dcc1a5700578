"""What is called for each advertisement that BlueZ tells of."""

from collections.abc import Collection, Mapping
from typing import Final

from presence.core.recognition.advertisement import Advertisement, plausible_rssi_dbm
from presence.edges.bluez.choice import ScanPolicy
from presence.edges.bluez.scans import Take
from presence.edges.host.clock import BatchClock
from presence.edges.radio.tally import Tally
from presence.ports import Clock, OnAdvertisement

GOING_DBM: Final = -127
"""What bleak says where BlueZ took the RSSI back: the device is going, and nothing was heard."""

new: Final = tuple.__new__
"""Of a NamedTuple: half the time of a call of its class."""


def taker(
    policy: ScanPolicy,
    tally: Tally,
    on_advertisement: OnAdvertisement,
    *,
    clock: Clock,
    antenna: str,
    removed: Collection[str],
) -> Take:
    """With its parts at hand, for it is called more often than anything else."""
    note, hear, heard_at = tally.add, on_advertisement, BatchClock(clock).now
    leaves_out = policy.leaves_out
    uuids, companies = policy.places

    def take(
        address: str,
        rssi_dbm: int,
        service_data: Mapping[str, bytes],
        manufacturer_data: Mapping[int, bytes],
    ) -> None:
        if rssi_dbm == GOING_DBM or removed:
            return
        # What carries nothing is no sign of life: a broken controller reports such for ever.
        if service_data or manufacturer_data:
            note(address)
        # Of those that cannot be ours nothing is made: they are most of all.
        if (
            leaves_out
            and uuids.isdisjoint(service_data)
            and companies.isdisjoint(manufacturer_data)
        ):
            return
        strength_dbm = plausible_rssi_dbm(rssi_dbm)
        heard = heard_at(), address, strength_dbm, service_data, manufacturer_data, antenna
        hear(new(Advertisement, heard))

    return take

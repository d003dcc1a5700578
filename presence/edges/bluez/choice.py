"""Which scan it is to be, on this adapter and with this BlueZ.

    active   ► bleak, with a filter
    passive  ► a monitor of our own, or a RadioError that says why it cannot serve
    auto     ► passive where it hears every advertisement, for it sends nothing; else active,
               with the reason

A passive scan cannot serve where BlueZ is too old, spells patterns wrongly or can be killed by one,
where bluetoothd offers no monitors or the kernel refuses ours, or where the controller filters by
itself and reports each device once. Addresses of test phones (R1) come with any payload, so that
no pattern finds them.
"""

import asyncio
from dataclasses import dataclass

from presence.config.settings import RadioMode
from presence.core.recognition.beacons import FORMATS, ScanFilter
from presence.edges.bluez.connection import Bluez
from presence.edges.bluez.host import THIS_MACHINE, BluezHost
from presence.edges.bluez.modes import patterns, why_everything
from presence.edges.bluez.monitor import MonitorScan
from presence.edges.bluez.pace import PACE, Pace
from presence.edges.bluez.scans import BleakScan, Scan
from presence.edges.bluez.version import BluezVersion
from presence.errors import RadioError, RadioFault

FILTERS_ITSELF = "controller-patterns"
"""In SupportedFeatures of AdvertisementMonitorManager1: patterns are handed to the controller."""


@dataclass(frozen=True, kw_only=True)
class ScanPolicy:
    """How to listen, and for whom."""

    mode: RadioMode
    filters: tuple[ScanFilter, ...] = tuple(each.scan_filter for each in FORMATS)
    """Of all formats that are to be heard."""
    everybody: bool = False
    """Hand over also what is of none of them: to a survey, which counts strangers."""
    matches_nobody: bool = False
    """What is heard comes another way (presence.edges.bluez.kernel_path)."""

    @property
    def places(self) -> tuple[frozenset[str], frozenset[int]]:
        """UUIDs and companies in whose data the formats stand."""
        return (
            frozenset[str]().union(*(each.service_data_of for each in self.filters)),
            frozenset[int]().union(*(each.manufacturer_data_of for each in self.filters)),
        )

    @property
    def leaves_out(self) -> bool:
        """Whether advertisements are left out that stand in other service and manufacturer data."""
        return not self.everybody and all(each.tells_by_data for each in self.filters)


@dataclass(frozen=True, slots=True)
class Choice:
    mode: RadioMode
    """`active` or `passive`."""
    scan: Scan
    hindrance: RadioError | None = None
    """Why `auto` has come down to active."""
    exposure: str | None = None
    """Why bystanders reach this process, where they do."""


async def choose(
    policy: ScanPolicy,
    bluez: Bluez,
    adapter: str,
    *,
    hides_repeats: bool = False,
    refusal: RadioError | None = None,
    pace: Pace = PACE,
    host: BluezHost = THIS_MACHINE,
) -> Choice:
    """`hides_repeats`: repeats were missing here lately; `refusal`: the kernel did not take our
    monitor.

    Raises RadioError where the mode cannot be had.
    """
    version = await asyncio.to_thread(host.version)
    if policy.mode is not RadioMode.ACTIVE:
        hindrance = await _hindrance(policy, version, bluez, adapter) or refusal
        # Nothing says so beforehand: the repeats that are missing show it (radio_health, rule 6).
        if hindrance is None and hides_repeats and policy.mode is RadioMode.AUTO:
            hindrance = RadioError(
                RadioFault.CONTROLLER_FILTERS, "repeats were missing in a passive scan"
            )
        if hindrance is None:
            return Choice(RadioMode.PASSIVE, MonitorScan(patterns(version, policy.filters), pace))
        if policy.mode is not RadioMode.AUTO:
            raise hindrance
    else:
        hindrance = None
    exposure = None if policy.matches_nobody else why_everything(version, policy.filters)
    uuids = {uuid for each in policy.filters for uuid in each.service_uuids}
    scan = BleakScan(sorted(uuids) if exposure is None else [], pace)
    return Choice(RadioMode.ACTIVE, scan, hindrance, exposure)


async def _hindrance(
    policy: ScanPolicy, version: BluezVersion | None, bluez: Bluez, adapter: str
) -> RadioError | None:
    try:  # a BlueZ that is too old, or that a pattern of ours could kill
        patterns(version, policy.filters)
    except RadioError as error:
        return error
    features = await bluez.monitor_features(adapter)
    if features is None:
        return RadioError(RadioFault.UNSUPPORTED, "bluetoothd offers no advertisement monitors")
    # It would tell of each device once, and evidence for an entry needs the repeats.
    if FILTERS_ITSELF in features:
        return RadioError(
            RadioFault.CONTROLLER_FILTERS, f"{adapter} filters advertisements by itself"
        )
    return None

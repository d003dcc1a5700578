"""What BlueZ is asked for in each radio mode, so that bluetoothd itself leaves bystanders out.

`active`: UUID filter, DuplicateData, and an RSSI that everybody has.
* Without DuplicateData an active scan pauses for 5 s in every 16 (measured: docs/design.md#radio).
* Only UUIDs in the *list* of UUIDs count for the filter; service data alone does not.
* After 5.87 (commit e004414a1) a filter without an RSSI or path-loss term gets changes of RSSI from
  8 dB on only. The lowest value that src/adapter.c (parse_rssi) takes is -127: by it neither
  bluetoothd nor the kernel (mgmt.c, is_filter_match) drops anything but reports without any
  strength, which are of no use to us. Read in 5.66 … 5.87.
* 5.87 dies of a UUID filter: there it is left out, and the engine drops bystanders.

`passive`: patterns. How the bytes of one for service data are compared depends on the version of
BlueZ (docs/design.md#radio):

| BlueZ       | compared with                                 | our pattern |
|-------------|-----------------------------------------------|-------------|
| up to 5.68  | the raw AD structure, the UUID first          | `aa fe 30`  |
| 5.69, 5.70  | nothing: it never matches                     | refused     |
| from 5.71   | the service data without the UUID, of any     | `30`        |

From 5.71 on a bystander whose service data begins with `30` matches too, whatever its UUID; the
engine drops it. Manufacturer data is compared with the company first in all of them; 5.76 to 5.82
can be killed where such a pattern is set. Where the version is not known, both spellings are given
(the wrong one matches little, and the engine drops it), and no pattern for manufacturer data. Never
more than seven patterns: of eight and more bluetoothd computes a size that does not fit into its 8
bits, and writes past the end of its memory (bluez/bluez pull request 2398).
"""

from typing import Any, Final

from bleak.args.bluez import BlueZDiscoveryFilters, BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType

from presence.core.recognition.beacons import eddystone, ibeacon
from presence.edges.bluez.version import (
    DIES_OF_MANUFACTURER_PATTERNS,
    DIES_OF_UUID_FILTERS,
    MATCHES_NO_SERVICE_DATA,
    BluezVersion,
)
from presence.errors import RadioError, RadioFault

RAW_UP_TO: Final = BluezVersion(5, 68)
EVERY_RSSI_DBM: Final = -127
STRIPPED_FROM: Final = BluezVersion(5, 71)
MONITORS_FROM: Final = BluezVersion(5, 56)

_UUID_LITTLE_ENDIAN: Final = b"\xaa\xfe"
_E1: Final = b"\x30"
"""The first byte of an Eddystone-EID frame."""


def patterns(version: BluezVersion | None, ibeacon_prefix: bytes | None = None) -> list[OrPattern]:
    """What a passive scan matches. Raises RadioError where this BlueZ cannot."""
    if version is not None and version < MONITORS_FROM:
        raise RadioError(RadioFault.UNSUPPORTED, f"BlueZ {version} knows no passive scan")
    if MATCHES_NO_SERVICE_DATA.of(version):
        raise RadioError(RadioFault.BROKEN_PATTERNS, f"BlueZ {version}")
    if ibeacon_prefix is not None and (
        version is None or DIES_OF_MANUFACTURER_PATTERNS.of(version)
    ):
        which = (
            f"BlueZ {version} dies"
            if version
            else "BlueZ, whose version is not known here, may die"
        )
        detail = (
            f"{which} of a pattern for iBeacons (identity.ibeacon_prefix) when a long "
            "advertisement comes"
        )
        raise RadioError(RadioFault.CRASHING_PATTERNS, detail)
    spelt = []
    if version is None or version <= RAW_UP_TO:
        spelt.append(_UUID_LITTLE_ENDIAN + _E1)
    if version is None or version >= STRIPPED_FROM:
        spelt.append(_E1)
    found = [OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, content) for content in spelt]
    if ibeacon_prefix is not None:
        head = ibeacon.COMPANY.to_bytes(2, "little") + b"\x02\x15" + ibeacon_prefix
        found.append(OrPattern(0, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, head))
    return found


ANYBODY: Final = tuple(
    OrPattern(0, AdvertisementDataType.FLAGS, bytes([flags]))
    for flags in (0x1A, 0x06, 0x02, 0x04, 0x05, 0x18, 0x1B)
)
"""What a passive probe matches: the flags that phones, watches and things of the house advertise
with, in every BlueZ. Whoever advertises without flags, as some beacons do, is not found by it.
"""


def active_arguments(adapter: str, *, everything: bool = False) -> dict[str, Any]:
    """What bleak is told. `everything`: without the filter for our UUID."""
    filters: BlueZDiscoveryFilters = {"DuplicateData": True, "RSSI": EVERY_RSSI_DBM}
    bluez: BlueZScannerArgs = {"adapter": adapter, "filters": filters}
    uuids = None if everything else [eddystone.SERVICE_UUID]
    return {"scanning_mode": "active", "service_uuids": uuids, "bluez": bluez}


def why_everything(
    version: BluezVersion | None, *, ibeacon_prefix: bytes | None = None, addresses: bool = False
) -> str | None:
    """Why an active scan cannot leave bystanders out of this process, so that the engine drops
    them; None: it can.

    iBeacons carry no service UUID, and a resolvable address comes with any payload.
    """
    if addresses:
        return "addresses come with any payload (identity.irk_file)"
    if ibeacon_prefix is not None:
        return "iBeacons have no UUID to filter by (identity.ibeacon_prefix)"
    if DIES_OF_UUID_FILTERS.of(version):
        return f"BlueZ {version} dies of UUID filters, so none is set: upgrade it"
    return None

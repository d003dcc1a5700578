"""What BlueZ is asked for in each radio mode, so that bluetoothd itself leaves bystanders out.

`active`: UUID filter and DuplicateData. Without DuplicateData an active scan pauses for 5 s in every 16 (measured:
DESIGN.md §5). Only UUIDs in the *list* of UUIDs count for the filter; service data alone does not.

`passive`: patterns. How the bytes of one for service data are compared depends on the version of BlueZ (DESIGN.md §5):

| BlueZ       | compared with                                 | our pattern |
|-------------|-----------------------------------------------|-------------|
| up to 5.68  | the raw AD structure, the UUID first          | `aa fe 30`  |
| 5.69, 5.70  | nothing: it never matches                     | refused     |
| from 5.71   | the service data without the UUID             | `30`        |

Manufacturer data is compared with the company first in all of them. Where the version is not known, both spellings
are given: the wrong one matches little, and the engine drops it.
"""

from typing import Any, Final

from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType

from presence.core.beacons import eddystone, ibeacon
from presence.edges.bluez.version import BluezVersion
from presence.errors import RadioError, RadioFault

RAW_UP_TO: Final = BluezVersion(5, 68)
STRIPPED_FROM: Final = BluezVersion(5, 71)
MONITORS_FROM: Final = BluezVersion(5, 56)

_UUID_LITTLE_ENDIAN: Final = b"\xaa\xfe"
_E1: Final = b"\x30"
"""The first byte of an Eddystone-EID frame."""


def patterns(version: BluezVersion | None, ibeacon_prefix: bytes | None = None) -> list[OrPattern]:
    """What a passive scan matches. Raises RadioError where this BlueZ cannot."""
    if version is not None and version < MONITORS_FROM:
        raise RadioError(RadioFault.UNSUPPORTED, f"BlueZ {version} knows no passive scan")
    if version is not None and RAW_UP_TO < version < STRIPPED_FROM:
        raise RadioError(RadioFault.BROKEN_PATTERNS, f"BlueZ {version}")
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


def active_arguments(adapter: str, *, everything: bool = False) -> dict[str, Any]:
    """What bleak is told.

    iBeacons carry no service UUID, and a resolvable address comes with any payload: where either is wanted
    (`everything`), BlueZ cannot leave bystanders out of an active scan, and the engine drops them.
    """
    bluez: BlueZScannerArgs = {"adapter": adapter, "filters": {"DuplicateData": True}}
    uuids = None if everything else [eddystone.SERVICE_UUID]
    return {"scanning_mode": "active", "service_uuids": uuids, "bluez": bluez}

"""What BlueZ is asked for in each radio mode, so that bluetoothd itself leaves bystanders out: the
scan filters of the formats (presence.core.recognition.beacons.format), in BlueZ's spelling.

`active`: UUID filter, DuplicateData, and an RSSI that everybody has.
* Without DuplicateData an active scan pauses for 5 s in every 16 (measured: docs/design.md#radio).
* Only UUIDs in the *list* of UUIDs count for the filter; service data alone does not.
* After 5.87 (commit e004414a1) a filter without an RSSI or path-loss term gets changes of RSSI from
  8 dB on only. The lowest value that src/adapter.c (parse_rssi) takes is -127: by it neither
  bluetoothd nor the kernel (mgmt.c, is_filter_match) drops anything but reports without any
  strength, which are of no use to us. Read in 5.66 … 5.87.
* 5.87 dies of a UUID filter: there it is left out, and the engine drops bystanders. So it is where
  a format has no service UUID.

`passive`: patterns. How the bytes of one for service data are compared depends on the version of
BlueZ (docs/design.md#radio):

| BlueZ       | compared with                                 | of Eddystone |
|-------------|-----------------------------------------------|--------------|
| up to 5.68  | the raw AD structure, the UUID first          | `aa fe 30`   |
| 5.69, 5.70  | nothing: it never matches                     | refused      |
| from 5.71   | the service data without the UUID, of any     | `30`         |

From 5.71 on a bystander whose service data begins with `30` matches too, whatever its UUID; the
engine drops it. Manufacturer data is compared with the company first in all of them; 5.76 to 5.82
can be killed where such a pattern is set. Where the version is not known, both spellings are given
(the wrong one matches little, and the engine drops it), and no pattern for manufacturer data. Never
more than seven patterns: of eight and more bluetoothd computes a size that does not fit into its 8
bits, and writes past the end of its memory (bluez/bluez pull request 2398).
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

from bleak.args.bluez import BlueZDiscoveryFilters, BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType

from presence.core.recognition.advertisement import (
    AD_MANUFACTURER_DATA,
    UUID_BYTES,
)
from presence.core.recognition.beacons import Pattern, ScanFilter
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
MAX_PATTERNS: Final = 7


def patterns(version: BluezVersion | None, filters: Sequence[ScanFilter]) -> list[OrPattern]:
    """What a passive scan matches. Raises RadioError where this BlueZ cannot."""
    for each in filters:
        _require_passive(version, each)
    if version is not None and version < MONITORS_FROM:
        raise RadioError(RadioFault.UNSUPPORTED, f"BlueZ {version} knows no passive scan")
    wanted = [pattern for each in filters for pattern in each.patterns]
    spelt = dict.fromkeys(chain.from_iterable(_spellings(version, each) for each in wanted))
    if not all(content for _, _, content in spelt):
        detail = f"BlueZ {version or ''} compares service data without its UUID: nothing is left"
        raise RadioError(RadioFault.UNSUPPORTED, detail)
    if len(spelt) > MAX_PATTERNS:
        detail = f"{len(spelt)} patterns overflow bluetoothd, which bears {MAX_PATTERNS}"
        raise RadioError(RadioFault.UNSUPPORTED, detail)
    return list(spelt)


def _require_passive(version: BluezVersion | None, wanted: ScanFilter) -> None:
    """Raises RadioError where this BlueZ cannot find the format by its patterns."""
    what, by = wanted.what, f" ({wanted.setting})" if wanted.setting else ""
    if wanted.needs_active_scan:
        raise RadioError(RadioFault.UNSUPPORTED, f"a passive scan finds no {what}{by}")
    types = {pattern.ad_type for pattern in wanted.patterns}
    if types & UUID_BYTES.keys() and MATCHES_NO_SERVICE_DATA.of(version):
        raise RadioError(RadioFault.BROKEN_PATTERNS, f"BlueZ {version}")
    if AD_MANUFACTURER_DATA in types and (
        version is None or DIES_OF_MANUFACTURER_PATTERNS.of(version)
    ):
        which = (
            f"BlueZ {version} dies"
            if version
            else "BlueZ, whose version is not known here, may die"
        )
        detail = f"{which} of a pattern for {what}{by} when a long advertisement comes"
        raise RadioError(RadioFault.CRASHING_PATTERNS, detail)


def _spellings(version: BluezVersion | None, pattern: Pattern) -> Iterator[OrPattern]:
    """As this BlueZ compares it; both ways where the version is not known."""
    ad_type = AdvertisementDataType(pattern.ad_type)
    content, offset = pattern.content, pattern.offset
    uuid_bytes = UUID_BYTES.get(ad_type, 0)  # without which BlueZ compares from 5.71 on
    if not uuid_bytes or version is None or version <= RAW_UP_TO:
        yield OrPattern(offset, ad_type, content)
    if uuid_bytes and (version is None or version >= STRIPPED_FROM):
        beyond = content[max(0, uuid_bytes - offset) :]
        yield OrPattern(max(0, offset - uuid_bytes), ad_type, beyond)


ANYBODY: Final = tuple(
    OrPattern(0, AdvertisementDataType.FLAGS, bytes([flags]))
    for flags in (0x1A, 0x06, 0x02, 0x04, 0x05, 0x18, 0x1B)
)
"""What a passive probe matches: the flags that phones, watches and things of the house advertise
with, in every BlueZ. It does not find devices that advertise without flags, as some beacons do.
"""


def active_arguments(adapter: str, service_uuids: Sequence[str]) -> dict[str, Any]:
    """What bleak is told. `service_uuids`: empty where everybody is to be heard."""
    filters: BlueZDiscoveryFilters = {"DuplicateData": True, "RSSI": EVERY_RSSI_DBM}
    bluez: BlueZScannerArgs = {"adapter": adapter, "filters": filters}
    return {
        "scanning_mode": "active",
        "service_uuids": list(service_uuids) or None,
        "bluez": bluez,
    }


def why_everything(version: BluezVersion | None, filters: Sequence[ScanFilter]) -> str | None:
    """Why an active scan cannot leave bystanders out of this process, so that the engine drops
    them; None: it can.
    """
    for each in filters:
        if each.hides_among_bystanders:
            by = f" ({each.setting})" if each.setting else ""
            return f"{each.what} have no UUID to filter by{by}"
    if DIES_OF_UUID_FILTERS.of(version):
        return f"BlueZ {version} dies of UUID filters, so none is set: upgrade it"
    return None

"""What a format is: how its advertisements are read, and what a radio must be asked for to hear
them and nobody else.

A format is a value. It knows nothing of BlueZ: an edge translates its `ScanFilter` into what its
radio understands (presence.edges.bluez.modes), and falls back where it cannot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from presence.core.recognition.advertisement import (
    AD_MANUFACTURER_DATA,
    UUID_BYTES,
    Advertisement,
    uuid_of,
)


class Pattern(NamedTuple):
    """Bytes that an AD structure must hold, as on air: UUID or company identifier first."""

    ad_type: int
    """Assigned Numbers §2.3, e.g. `AD_SERVICE_DATA_16`."""
    content: bytes
    offset: int = 0
    """Of the content, counted from the byte after the type."""
    lengths: frozenset[int] = frozenset()
    """Of the whole structure without its type, where others are not ours; empty: any. BlueZ cannot
    ask for it, a filter in the kernel can (presence.core.hci.report_filter), and so for `besides`.
    """
    besides: tuple[tuple[int, bytes], ...] = ()
    """What else it must hold: offset, as above, and bytes."""


@dataclass(frozen=True, kw_only=True)
class ScanFilter:
    """By what a radio can tell these advertisements from those of bystanders."""

    what: str
    """In the plural, for the reasons that an operator reads: `iBeacons`."""
    setting: str = ""
    """The configuration key that switches it on; empty where it is always on."""
    service_uuids: tuple[str, ...] = ()
    """One of them is in the *list* of UUIDs of each advertisement; service data alone does not
    count.
    """
    patterns: tuple[Pattern, ...] = ()
    """At least one of them is in each advertisement."""

    @property
    def service_data_of(self) -> frozenset[str]:
        """The UUIDs of the service data in which it stands."""
        return frozenset(
            uuid_of(each.content[: UUID_BYTES[each.ad_type]])
            for each in self.patterns
            if each.ad_type in UUID_BYTES
        )

    @property
    def manufacturer_data_of(self) -> frozenset[int]:
        """The companies in whose data it stands."""
        return frozenset(
            int.from_bytes(each.content[:2], "little")
            for each in self.patterns
            if each.ad_type == AD_MANUFACTURER_DATA
        )

    @property
    def tells_by_data(self) -> bool:
        """Whether whatever stands in none of these is none of it."""
        types = {each.ad_type for each in self.patterns}
        return bool(types) and types <= {*UUID_BYTES, AD_MANUFACTURER_DATA}

    @property
    def hides_among_bystanders(self) -> bool:
        """An active scan filters by service UUID: without one, everybody must be heard."""
        return not self.service_uuids

    @property
    def needs_active_scan(self) -> bool:
        """A passive scan filters by pattern, and hears nothing else."""
        return not self.patterns


@dataclass(frozen=True, kw_only=True)
class Format:
    """One way in which a phone says "it's me"."""

    name: str
    """For the technician."""
    place: str | int
    """Its frame is the service data of this UUID, or the manufacturer data of this company."""
    identifier_in: Callable[[bytes], bytes | None]
    """The rotating identifier (8 bytes), with what seals it behind it, if anything; or None where
    this is no frame of the format. Raises nothing, keeps nothing, and looks at nothing else: it is
    called for each advertisement that is heard.
    """
    scan_filter: ScanFilter
    power_in: Callable[[bytes], int | None] | None = None
    """The power that the phone says it sends with, as received at 0 m, of a frame that has an
    identifier. Raises nothing. None where the format has no word for it.
    """

    def frame(self, advertisement: Advertisement) -> bytes | None:
        """What stands where a frame of this format would."""
        if isinstance(self.place, str):
            return advertisement.service_data.get(self.place)
        return advertisement.manufacturer_data.get(self.place)

    def identify(self, advertisement: Advertisement) -> bytes | None:
        """Its identifier, or None where it is of no such format."""
        frame = self.frame(advertisement)
        return None if frame is None else self.identifier_in(frame)

    def power_dbm(self, advertisement: Advertisement) -> int | None:
        """What it says of its power, or None where it is of no such format, or says nothing."""
        frame = self.frame(advertisement)
        if frame is None or self.power_in is None or self.identifier_in(frame) is None:
            return None
        return self.power_in(frame)

"""What a format is: how its advertisements are read, and what a radio must be asked for to hear
them and nobody else.

A format is a value. It knows nothing of BlueZ: an edge translates its `ScanFilter` into what its
radio understands (presence.edges.bluez.modes), and falls back where it cannot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from presence.core.recognition.advertisement import Advertisement


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
    identify: Callable[[Advertisement], bytes | None]
    """The rotating identifier (8 bytes), with what seals it behind it, if anything; or None where
    the advertisement is of no such format. Raises nothing and keeps nothing: it is called for
    each advertisement that is heard.
    """
    scan_filter: ScanFilter
    power_dbm: Callable[[Advertisement], int | None] | None = None
    """The power that the phone says it sends with, as received at 0 m, or None where the
    advertisement is of no such format. Raises nothing. None where the format has no word for it.
    """

"""What the parts of the capture edge hand to one another.

    container (btsnoop, pcap, pcapng) ─ Record ► Decode of its data link ─ Report ► reader
                                                               reader ─ Advertisement ► replay

Plain tuples of offsets into the file: one is made for each record, and a day has millions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from presence.edges.capture.counts import CaptureCounts
from presence.errors import CaptureError

Report = tuple[bytes, int, bytes, str]
"""Address (most significant byte first), RSSI in dBm as read (127: unknown), payload, adapter
(`hci0`, or empty).
"""

Decode = Callable[[bytes, int, int, int], Sequence[Report]]
"""The reports in data[start:stop], given (data, start, stop, flags); flags are btsnoop's, 0
elsewhere. Never raises.
"""

Record = tuple[float, Decode, int, int, int]
"""UTC in seconds, the decoder of the record's data link, start, stop, flags."""

NO_REPORTS: Final[Sequence[Report]] = ()

MAX_CAPTURE_BYTES: Final = 1 << 30
"""A capture is read in one go; 1 GiB holds about ten million records, a week of a crowded shop."""
MAX_RECORD_BYTES: Final = 262_144
"""libpcap's MAXIMUM_SNAPLEN; an HCI packet has at most 65,540 bytes. A longer record is a damaged
length.
"""

CUT_SHORT: Final = (
    "copy the file again, or keep to what was read: everything before this byte is sound"
)
DAMAGED: Final = (
    "everything before this byte was read; record again, or copy the file again if "
    "its origin is sound"
)


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """The bytes of a capture, and the name to call it by in messages."""

    name: str
    data: bytes

    def fault(self, offset: int, finding: str, remedy: str) -> CaptureError:
        """The error to raise. `finding` must not quote the file: a broken length may be a piece of
        an address.
        """
        return CaptureError(f"{self.name}, byte {offset}: {finding}; {remedy}", offset=offset)


class Container(Protocol):
    """A file format that holds records."""

    @property
    def format(self) -> str:
        """For people, e.g. `btsnoop, data link 1002 (HCI UART, H4)`."""

    def records(self, counts: CaptureCounts) -> Iterator[Record]:
        """The records in file order; raises CaptureError after the last whole one where the file
        breaks off.
        """


def load_capture(path: Path) -> CaptureFile:
    """Read a whole capture; raises CaptureError where that cannot be done."""
    try:
        if path.stat().st_size > MAX_CAPTURE_BYTES:
            raise CaptureError(
                (
                    f"{path.name}: more than {MAX_CAPTURE_BYTES >> 20} MiB; cut it into pieces, "
                    "e.g. "
                    "with `editcap -c`"
                ),
                offset=0,
            )
        return CaptureFile(path.name, path.read_bytes())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CaptureError(
            f"{path.name}: {reason}; name a capture that this user may read", offset=0
        ) from error

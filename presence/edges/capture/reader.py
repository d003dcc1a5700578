"""A capture, read from its first advertisement to its last.

Time is the capture's own: both readings of a moment are the record's UTC, except that the monotonic
one stands still where the recorder's clock was set back.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from presence.core.recognition.advertisement import (
    RSSI_UNAVAILABLE_DBM,
    Advertisement,
    MalformedPayload,
    advertisement_from_payload,
)
from presence.core.timestamps import Moment
from presence.edges.capture import btsnoop, pcap, pcapng
from presence.edges.capture.counts import CaptureCounts
from presence.edges.capture.records import DAMAGED, CaptureFile, Container, load_capture

END_OF_DATES_UTC_S: Final = 253_402_300_800.0
"""9999-12-31T24:00:00Z, the last that RFC 3339 can write; a later (or negative) time stamp is a
damaged one.
"""

_CONTAINERS: Final[dict[bytes, Callable[[CaptureFile], Container]]] = {
    btsnoop.MAGIC: btsnoop.BtsnoopCapture,
    pcapng.MAGIC: pcapng.PcapngCapture,
    **dict.fromkeys(pcap.VARIANTS, pcap.PcapCapture),
}
"""By the bytes that a file begins with."""


def _open_container(file: CaptureFile) -> Container:
    for magic, container in _CONTAINERS.items():
        if file.data.startswith(magic):
            return container(file)
    raise file.fault(
        0,
        "expected btsnoop, pcap or pcapng",
        (
            "record with `btmon -w`, Android's HCI snoop log, or Wireshark; unpack it first if "
            "it is "
            "compressed"
        ),
    )


class CaptureReader:
    """Reads one capture; no advertisement is kept once it was handed on.

    Raises CaptureError at once where the file is of a kind that we do not read, and from
    `advertisements` where it breaks off, after all that could be read before.
    """

    def __init__(self, path: Path) -> None:
        self._file = load_capture(path)
        self._container = _open_container(self._file)
        self.counts = CaptureCounts()
        """Of the latest reading; it grows while `advertisements` is consumed."""

    @property
    def format(self) -> str:
        """What the file is, for people, e.g. `btsnoop, data link 1002 (HCI UART, H4)`."""
        return self._container.format

    def advertisements(self) -> Iterator[Advertisement]:
        """All advertisements in file order. A second call reads the file anew, and counts anew."""
        counts = self.counts = CaptureCounts()
        data = self._file.data
        monotonic_s = 0.0
        for utc_s, decode, start, stop, flags in self._container.records(counts):
            reports = decode(data, start, stop, flags)
            if not reports:
                continue
            if not 0.0 <= utc_s < END_OF_DATES_UTC_S:
                raise self._file.fault(
                    start, "the record before this byte has an impossible date", DAMAGED
                )
            monotonic_s = max(monotonic_s, utc_s)
            at = Moment(monotonic_s, utc_s)
            for address, rssi_dbm, payload, adapter in reports:
                try:
                    heard = advertisement_from_payload(
                        at, address, rssi_dbm, payload, antenna=adapter
                    )
                except MalformedPayload:
                    counts.malformed_payloads += 1
                    continue
                if heard.rssi_dbm is None:
                    if rssi_dbm == RSSI_UNAVAILABLE_DBM:
                        counts.rssi_unknown += 1
                    else:
                        counts.rssi_impossible += 1
                yield heard

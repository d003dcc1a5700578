"""The way past D-Bus (`radio.path: kernel`): bluetoothd scans for nobody, and what it so brings the
controller to report is read from the kernel, through a filter that is locked there.

    radio ► kernel ──► bluetoothd: matches nothing, so no device objects and no word on D-Bus
                └────► filter ► monitor channel ► here: our formats and nobody else's

Whoever cares for the radio (powered, watched, recovered) does not change. A scan for nobody:

* active: a service UUID made up for this scan. The kernel compares it itself (mgmt.c,
  is_filter_match), so nothing reaches bluetoothd, whose 5.87 dies of matches only.
* passive: a monitor for flags that nobody can have. bluetoothd compares patterns, so it sees
  everybody, as with any monitor of ours, and goes on with nobody.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final
from uuid import uuid4

from presence.config.settings import HearingPath
from presence.core.recognition.beacons import Pattern, ScanFilter
from presence.edges.bluez.choice import ScanPolicy
from presence.edges.kernel.descriptor import Descriptor
from presence.edges.kernel.monitor_channel import MonitorChannel, TakeReport
from presence.errors import RadioError
from presence.ports import Clock
from presence.telemetry import Emit, RadioPathRefused

Ask = Callable[[str], Awaitable[Descriptor]]
"""A descriptor for `hci0`; raises RadioError."""

AD_FLAGS: Final = 0x01
NO_FLAGS: Final = b"\xff" * 8
"""Reserved bits, in more bytes than anybody's flags have (Supplement to the Core, Part A §1.3)."""


def for_nobody(policy: ScanPolicy) -> ScanPolicy:
    """A scan in the same mode that matches no advertisement."""
    nobody = ScanFilter(
        what="advertisements of nobody",
        service_uuids=(str(uuid4()),),
        patterns=(Pattern(AD_FLAGS, NO_FLAGS),),
    )
    return replace(policy, filters=(nobody,), matches_nobody=True)


@asynccontextmanager
async def opened(ask: Ask, hci: str, clock: Clock) -> AsyncIterator[MonitorChannel]:
    """Closed at the end of the block. Raises RadioError."""
    channel = MonitorChannel(await ask(hci), clock)
    try:
        yield channel
    finally:
        channel.close()


class WayPastDbus:
    """Of one radio: is the scan that runs now heard past D-Bus, and why not, where it is wanted?"""

    def __init__(self, ask: Ask | None, antenna: str, *, clock: Clock, emit: Emit) -> None:
        """`ask`: None where it is not wanted."""
        self.path = HearingPath.BLUEZ
        """How the scan that runs now is heard."""
        self._ask = ask
        self._antenna = antenna
        self._clock = clock
        self._emit = emit
        self._refused: RadioError | None = None
        """As it was told."""

    @property
    def trouble(self) -> str:
        """Why it is heard by BlueZ, where the settings want the kernel; else empty."""
        return self._refused.detail if self._refused else ""

    async def begin(self, hci: str, scans: AsyncExitStack, take: TakeReport) -> bool:
        """Whether reports come to `take` from now on, until `scans` end."""
        self.path = HearingPath.BLUEZ
        if self._ask is None:
            return False
        try:
            channel = await scans.enter_async_context(opened(self._ask, hci, self._clock))
        except RadioError as error:
            self._told(error)
            return False
        scans.enter_context(channel.read_by(take))
        self.path, self._refused = HearingPath.KERNEL, None
        return True

    def _told(self, error: RadioError) -> None:
        """Once, until it is the kernel's or another reason."""
        if self.trouble != error.detail:
            self._emit(
                RadioPathRefused(
                    adapter=self._antenna, reason=error.detail, next_step=error.fault.value
                )
            )
        self._refused = error

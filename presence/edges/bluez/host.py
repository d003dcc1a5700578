"""What the machine says of bluetoothd beside D-Bus: version, mounts, command line, main.conf."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from presence.edges.bluez.duty import passive_share
from presence.edges.bluez.traces import command_of, mounts_of
from presence.edges.bluez.version import BluezVersion, bluez_version
from presence.edges.host.usb import usb_path_of
from presence.edges.kernel.descriptor import SOCKET


@dataclass(frozen=True, kw_only=True)
class BluezHost:
    """This machine, where nothing else is said; all of it reads files, and blocks for a moment."""

    version: Callable[[], BluezVersion | None] = bluez_version
    mounts_of: Callable[[int], str | None] = mounts_of
    command_of: Callable[[int], list[str] | None] = command_of
    passive_share: Callable[[Path], float] = passive_share
    usb_path_of: Callable[[str], str] = usb_path_of
    radio_helper: Path = SOCKET
    """Where it gives out descriptors past BlueZ (presence.edges.kernel)."""


THIS_MACHINE: Final = BluezHost()

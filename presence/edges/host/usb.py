"""The USB path of an adapter: in which socket it is, whatever number the kernel gave it today.

/sys/class/bluetooth/hci0/device is a link to the interface of a USB device, `…/1-1.4:1.0`: bus 1,
and from its root the ports 1 and 4 (Linux, Documentation/admin-guide/devices.rst and
drivers/usb/core/hub.c). The path stays as long as the stick stays in its socket; another stick in
that socket has it, too.
"""

import re
from pathlib import Path
from typing import Final

CLASS: Final = Path("/sys/class/bluetooth")
_INTERFACE: Final = re.compile(r"([0-9]+-[0-9]+(?:\.[0-9]+)*):[0-9]+\.[0-9]+")


def usb_path_of(adapter: str, folder: Path = CLASS) -> str:
    """Of `hci0`: `usb:1-1.4`; empty where it is not on USB, or is not there."""
    try:
        device = (folder / adapter / "device").readlink()
    except OSError:
        return ""
    interface = _INTERFACE.fullmatch(device.name)
    return f"usb:{interface[1]}" if interface else ""

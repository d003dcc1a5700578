"""Takes a USB adapter off its bus and puts it back, as pulling it out and plugging it in would.

    /sys/class/bluetooth/hci0/device → …/1-1.4/1-1.4:1.0        …/1-1.4/authorized: 0, then 1

Only root may write there, so that under our unit this step is declined (docs/operations.md).
"""

import asyncio
from pathlib import Path
from typing import Final

SYSFS: Final = Path("/sys")
OFF_S: Final = 1.0


class Declined(Exception):
    """A step cannot be taken here; the text says why, and what would make it possible."""


def usb_device(adapter: str, sysfs: Path = SYSFS) -> Path:
    """The folder of the device that the adapter's interface belongs to. Raises Declined."""
    interface = (sysfs / "class/bluetooth" / adapter / "device").resolve()
    for folder in (interface, *interface.parents):
        if (folder / "authorized").exists() and (folder / "idVendor").exists():
            return folder
    raise Declined("the adapter is not on USB")


async def reset_usb(adapter: str, sysfs: Path = SYSFS, off_s: float = OFF_S) -> None:
    """Raises Declined."""
    switch = usb_device(adapter, sysfs) / "authorized"
    try:
        switch.write_text("0")
        try:
            await asyncio.sleep(off_s)
        finally:
            switch.write_text("1")
    except OSError as error:
        raise Declined(f"{error.strerror}: only root may reset USB; the unit gives us no such right") from None

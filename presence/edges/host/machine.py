"""Which machine this is, as its maker names it."""

from pathlib import Path
from typing import Final

MODEL_FILES: Final = (
    "proc/device-tree/model",
    "sys/class/dmi/id/sys_vendor",
    "sys/class/dmi/id/product_name",
)
"""Of boards (a device tree), and of PCs (DMI). Serial numbers are in others, and are not read."""


def machine_model(root: Path = Path("/")) -> str:
    """`Raspberry Pi 4 Model B Rev 1.5`; empty where the kernel does not say."""
    words = []
    for name in MODEL_FILES:
        try:
            words.append((root / name).read_text(errors="replace").strip("\0 \n"))
        except OSError:  # another kind of machine
            continue
    return " ".join(filter(None, words))

"""`presence check`, memory: do window keys and visits stay there, or may they be written to a swap?

The unit says `MemorySwapMax=0`, which is a word to the kernel's memory controller. Raspberry Pi OS
starts its kernel without that controller (`cgroup_disable=memory`) and with swap on the card: there
the word has no effect, silently.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from presence.diagnosis.findings import Finding, Verdict
from presence.language import Joined, Sentence

NAME: Final = "memory"
CGROUPS: Final = "sys/fs/cgroup"
UNIT: Final = Path("system.slice/presence.service")
SWAP_OFF: Final = Sentence(
    "turn swap off: Raspberry Pi OS 13: `Mechanism=none` below `[Main]` in /etc/rpi/swap.conf, "
    "then restart; 12: "
    "`sudo systemctl disable --now dphys-swapfile`; elsewhere: `sudo swapoff -a`, and out of "
    "/etc/fstab"
)
CONTROLLER_ON: Final = Sentence(
    "give the unit's limits effect: the kernel wants `cgroup_enable=memory` on its command line "
    "(Raspberry Pi: /boot/firmware/cmdline.txt, with a current kernel, raspberrypi/linux #6980; "
    "elsewhere: GRUB_CMDLINE_LINUX in /etc/default/grub, then `sudo update-grub`); restart, and "
    "see `memory` in /sys/fs/cgroup/cgroup.controllers"
)
UNIT_LIMIT: Final = Sentence(
    "leave `MemorySwapMax=0` in the unit: look into its drop-ins (`systemctl cat presence`)"
)


def is_limited(root: Path = Path("/")) -> bool:
    """Whether the unit's limits have effect: the kernel has its memory controller on."""
    return "memory" in _read(root / CGROUPS / "cgroup.controllers").split()


def look_at_memory(root: Path = Path("/")) -> Iterator[Finding]:
    """`root`: where the kernel's files are."""
    limited = is_limited(root)
    swap_max = _read(root / CGROUPS / _unit(root) / "memory.swap.max").strip()
    swaps = _swaps(root)
    if swaps == ():
        yield _without_swap(limited=limited)
        return
    where = Sentence("swap cannot be seen from here")
    if swaps is not None:
        where = Sentence("swap is on ({swaps})", swaps=", ".join(swaps))
    if limited and swap_max in ("", "0"):
        found = Sentence("{swap}; the unit is kept out of it (MemorySwapMax=0)", swap=where)
        yield Finding(NAME, Verdict.PASS, found)
    elif limited:
        found = Sentence("{swap}, and the unit may be written to it", swap=where)
        yield Finding(NAME, Verdict.FAIL, found, UNIT_LIMIT)
    elif swaps is not None and all(_stays_in_memory(root, name) for name in swaps):
        found = Sentence(
            "{swap}: zram, which stays in memory; but the kernel's memory controller is off: "
            "MemoryMax is no limit",
            swap=where,
        )
        yield Finding(NAME, Verdict.WARN, found, CONTROLLER_ON)
    else:
        found = Sentence(
            "{swap}, and the kernel's memory controller is off: window keys and visits may be "
            "written to it",
            swap=where,
        )
        yield Finding(NAME, Verdict.FAIL, found, Joined("\n", (SWAP_OFF, CONTROLLER_ON)))


def _without_swap(*, limited: bool) -> Finding:
    if limited:
        found = Sentence("no swap: window keys and visits stay in memory")
        return Finding(NAME, Verdict.PASS, found)
    found = Sentence("no swap, but the kernel's memory controller is off: MemoryMax is no limit")
    return Finding(NAME, Verdict.WARN, found, CONTROLLER_ON)


def _unit(root: Path) -> Path:
    """Our own group where we are in the unit's sandbox (`check --inside` has it under another
    name).
    """
    own = _read(root / "proc/self/cgroup").rpartition("::/")[2].strip()
    return Path(own) if own.startswith("system.slice/presence") else UNIT


def _swaps(root: Path) -> tuple[str, ...] | None:
    """What is swapped to; None where /proc does not show it, as in the sandbox (ProcSubset=pid)."""
    lines = _read(root / "proc/swaps").splitlines()
    return tuple(line.split()[0] for line in lines[1:] if line.strip()) if lines else None


def _stays_in_memory(root: Path, name: str) -> bool:
    """A zram that writes nothing back: Raspberry Pi OS gives its own a file on the card."""
    device = Path(name).name
    return (
        device.startswith("zram")
        and _read(root / f"sys/block/{device}/backing_dev").strip() == "none"
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:  # not to be seen from here, or not this kernel's
        return ""

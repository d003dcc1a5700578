"""Does BlueZ itself keep what we promise not to? Its cache on a disk, its plug-ins for phones.

bluetoothd writes the name of every device that advertises one to
/var/lib/bluetooth/<adapter>/cache/<address>, and many of its plug-ins answer phones that connect.
Our installation gives it a tmpfs there and leaves those plug-ins out.

What counts is bluetoothd as it runs: its own mounts (/proc/PID/mountinfo, which every user may
read: a drop-in of its unit may have given it a /var/lib/bluetooth of its own) and its own command
line. src/plugin.c of BlueZ: what `--noplugin` names is left out, and where `--plugin` is given,
whatever it does not name; both are lists of patterns.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

STATE: Final = PurePosixPath("/var/lib/bluetooth")
IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
PHONE_PLUGINS: Final = (
    "a2dp",
    "asha",
    "audio",
    "autopair",
    "avrcp",
    "bap",
    "bass",
    "battery",
    "ccp",
    "csip",
    "deviceinfo",
    "gap",
    "gatt",
    "gmap",
    "health",
    "hfp",
    "hog",
    "input",
    "mcp",
    "micp",
    "midi",
    "neard",
    "network",
    "rap",
    "sap",
    "scanparam",
    "sixaxis",
    "tmap",
    "vcp",
    "wiimote",
)
"""Profiles and pairing helpers: each opens a door to phones. Not in it: `hostname` and `policy`
(which powers the adapter on).
"""

_OPTION: Final = re.compile(r"(?:--(plugin|noplugin)(?:=|$)|-([pP]))(.*)")


def filesystem_of(path: PurePosixPath, mountinfo: str) -> str:
    """The kind of filesystem that holds the path, by proc_pid_mountinfo(5); empty where the text
    does not tell.
    """
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        mounted = PurePosixPath(
            re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
        )
        if (path == mounted or mounted in path.parents) and len(
            mounted.parts
        ) >= best:  # a later mount hides earlier
            best, kind = len(mounted.parts), after.split(" ")[0]
    return kind


def caches_on_disk(addresses: Iterable[str], mountinfo: str) -> list[str]:
    """The kinds of disk that hold a cache of one of these adapters; empty where all are in
    memory.
    """
    found = {filesystem_of(STATE / address.upper() / "cache", mountinfo) for address in addresses}
    return sorted(kind or "an unknown filesystem" for kind in found - IN_MEMORY)


def phone_plugins(command: Sequence[str]) -> list[str]:
    """Of the plug-ins that touch phones, those that bluetoothd with this command line may load."""
    wanted: list[str] = []
    unwanted: list[str] = []
    words = iter(command[1:])
    for word in words:
        option = _OPTION.fullmatch(word)
        if option is None:
            continue
        names = option[3] or ("" if word.endswith("=") else next(words, ""))
        (wanted if (option[1] or option[2]) in ("plugin", "p") else unwanted).extend(
            re.split("[ ,]+", names.strip())
        )
    return [
        name
        for name in PHONE_PLUGINS
        if not any(fnmatchcase(name, pattern) for pattern in unwanted)
        and (not wanted or any(fnmatchcase(name, pattern) for pattern in wanted))
    ]


def mounts_of(process: int, proc: Path = Path("/proc")) -> str | None:
    """None where we may not see it."""
    try:
        return (proc / str(process) / "mountinfo").read_text("utf-8", "replace")
    except OSError:
        return None


def command_of(process: int, proc: Path = Path("/proc")) -> list[str] | None:
    try:
        text = (proc / str(process) / "cmdline").read_text("utf-8", "replace")
    except OSError:
        return None
    return text.rstrip("\0").split("\0") if text else None

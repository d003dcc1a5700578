"""How much of the time a passive scan listens: the kernel's half, or what main.conf of BlueZ says.

    [LE]
    ScanIntervalAdvMonitor=96      in 0.625 ms: 60 ms
    ScanWindowAdvMonitor=96        the same: listen all the time

Without it the kernel takes 60 ms and 30 ms (DISCOV_LE_SCAN_INT_CONN … of Linux), and half of all
advertisements fall into the gaps. An active scan always listens all the time. bluetoothd 5.82 calls
both keys unknown, and heeds them.
"""

import configparser
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

MAIN_CONF: Final = Path("/etc/bluetooth/main.conf")
KERNELS_SHARE: Final = 0.5


def listening_share(text: str) -> float:
    """Of the time, 0 to 1, by the text of main.conf."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        parser.read_string(text)
        section = parser["LE"]
        interval, window = (
            int(section[f"Scan{part}AdvMonitor"], 0) for part in ("Interval", "Window")
        )
    except (configparser.Error, KeyError, ValueError, TypeError):
        return KERNELS_SHARE
    return min(1.0, window / interval) if interval > 0 else KERNELS_SHARE


def main_conf_of(command: Sequence[str]) -> Path:
    """The file that bluetoothd with this command line reads: `-f FILE`, `--configfile=FILE`, or the
    usual one.
    """
    for word, following in zip_longest(command, command[1:], fillvalue=""):
        if word in ("-f", "--configfile"):
            return Path(following)
        if word.startswith("--configfile="):
            return Path(word.partition("=")[2])
    return MAIN_CONF


def passive_share(main_conf: Path = MAIN_CONF) -> float:
    try:
        return listening_share(main_conf.read_text("utf-8", "replace"))
    except OSError:
        return KERNELS_SHARE

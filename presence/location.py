"""Where a gateway's settings are looked for: the file that --config names, else the one that
PRESENCE_CONFIG names, else the usual one. Every command asks here.
"""

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "PRESENCE_CONFIG"
SETTINGS: Final = Path("/etc/presence/presence.yaml")
SATELLITE: Final = Path("/etc/presence/satellite.yaml")
"""A satellite's file, which is another kind: PRESENCE_CONFIG does not concern it."""


def settings_file() -> Path:
    """Where --config names none."""
    return Path(os.environ.get(VARIABLE) or SETTINGS)


def as_option(path: Path) -> str:
    """What a command that we advise needs to find this file, after a blank; `sudo` drops the
    variable, so only the usual place needs no word.
    """
    return "" if path == SETTINGS else f" --config {path}"


def how_found(path: Path) -> str:
    """Why it was looked for there: words in brackets after a blank, for a file that is missing."""
    if os.environ.get(VARIABLE) == str(path):
        return f" ({VARIABLE} names it)"
    if path == SETTINGS:
        return f" (the usual place; neither --config nor {VARIABLE} names another)"
    return ""

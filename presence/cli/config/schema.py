"""`presence config schema`: the JSON Schema of a file of settings, for editors and other tools."""

import argparse
from importlib.resources import files
from pathlib import Path
from typing import Final

INSTALLED: Final = Path("/usr/share/doc/presence/presence.schema.json")
"""Where scripts/install puts it; it stays there when the program's Python changes."""
OF_A_GATEWAY, OF_A_SATELLITE = "presence.schema.json", "satellite.schema.json"


def start(options: argparse.Namespace) -> int:
    name = OF_A_SATELLITE if options.satellite else OF_A_GATEWAY
    print(files("presence.config").joinpath(name).read_text(encoding="utf-8"), end="")
    return 0


def schema_for_editors() -> str:
    """What a file names in its first line."""
    own = str(files("presence.config").joinpath(OF_A_GATEWAY))
    return str(INSTALLED) if INSTALLED.exists() else own

"""How much room is left."""

import os
from pathlib import Path


def free_bytes(directory: Path) -> int | None:
    """For a user without privileges; None where the folder cannot be asked."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize

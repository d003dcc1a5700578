"""What can be asked of a disk without writing to it."""

import os
from collections.abc import Callable
from pathlib import Path


def free_bytes(directory: Path) -> int | None:
    """For a user without privileges; None where the folder cannot be asked."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def is_read_only(directory: Path, ask: Callable[[Path], os.statvfs_result] = os.statvfs) -> bool:
    """Whether nothing can be written there, for instance because the kernel no longer trusts a
    card.
    """
    try:
        return bool(ask(directory).f_flag & os.ST_RDONLY)
    except OSError:
        return False

"""Opens what is a file for sure: no pipe, no device and no window into the kernel, which may keep a
reader for ever.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

SPECIAL: Final = (Path("/proc"), Path("/sys"), Path("/dev"))
"""Some files here say that they are regular, and block all the same (/proc/kmsg)."""
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - an ordinary tmpfs in spite of its name


def open_regular(path: Path) -> BinaryIO:
    """For reading; links are followed. Raises OSError, also where it is no file to be read."""
    try:
        whole = path.resolve(strict=True)
    except RuntimeError:  # a loop of links, before Python 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
    if not whole.is_relative_to(MEMORY) and any(whole.is_relative_to(place) for place in SPECIAL):
        raise _no_file(path)
    handle = os.open(whole, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _no_file(path)
    return os.fdopen(handle, "rb")


def _no_file(path: Path) -> OSError:
    return OSError(errno.EINVAL, "not a regular file", str(path))

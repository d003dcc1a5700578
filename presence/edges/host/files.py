"""Files that are there as a whole or not at all."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """A reader sees the old file or the new one, never half of one; raises OSError.

    `durable`: so it is where the power fails, too. The new file is made beside the old one and by
    nobody else: in a folder of another user no link leads our content elsewhere.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask says
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)

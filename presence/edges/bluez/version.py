"""Which BlueZ runs here: how a pattern must be spelt depends on it, and D-Bus does not tell."""

import re
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

BLUETOOTHD: Final = (
    Path("/usr/libexec/bluetooth/bluetoothd"),
    Path("/usr/lib/bluetooth/bluetoothd"),
    Path("/usr/sbin/bluetoothd"),
    Path("/usr/local/libexec/bluetooth/bluetoothd"),
)
DPKG_STATUS: Final = Path("/var/lib/dpkg/status")
_PACKAGE: Final = re.compile(r"^Package: bluez\n(?:.+\n)*?Version: (?:\d+:)?(\d+\.\d+)", re.MULTILINE)
_PATIENCE_S: Final = 5.0


class BluezVersion(NamedTuple):
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def parse_version(text: str) -> BluezVersion | None:
    """Of `bluetoothd --version`, or of Debian's package: `5.82-1.1`."""
    found = re.match(r"\s*(\d{1,3})\.(\d{1,3})", text)
    return BluezVersion(int(found[1]), int(found[2])) if found else None


def bluez_version(programs: tuple[Path, ...] = BLUETOOTHD, status: Path = DPKG_STATUS) -> BluezVersion | None:
    """None where it cannot be told. Blocks for some milliseconds: call it in a worker thread.

    Our unit may not start what lies in /usr/libexec; there the package's version has to do.
    """
    for program in programs:
        if not program.exists():
            continue
        try:
            done = subprocess.run(  # noqa: S603 - a path of ours, no words of anybody else's
                [program, "--version"], capture_output=True, text=True, timeout=_PATIENCE_S, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue
        version = parse_version(done.stdout)
        if version:
            return version
    try:
        package = _PACKAGE.search(status.read_text("utf-8", "replace"))
    except OSError:
        return None
    return parse_version(package[1]) if package else None

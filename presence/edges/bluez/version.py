"""Which BlueZ runs here, and what is wrong with it: D-Bus tells neither.

| BlueZ     | flaw                                             | from … mended by (bluez/bluez)    |
|-----------|--------------------------------------------------|-----------------------------------|
| 5.69–5.70 | patterns match no service data                   | bc2ab4ba3 … b0656c2cf, issue 652  |
| 5.76–5.82 | a pattern for manufacturer data, and a long      | f40c5857d … 1be17107d, issue 1169 |
|           | advertisement of anybody, write past the end of  |                                   |
|           | a buffer: bluetoothd dies                        |                                   |
| 5.87      | a UUID filter, and an advertisement that matches | 91c340d35 … 82af2beaf, issue 2282 |
|           | it: bluetoothd dies                              |                                   |

Debian's 5.82-1.1 has the second (tried in a virtual machine on 2026-11-29). Whether a distribution
has mended one of its own is not told by the number: a version in the table counts as flawed.
"""

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
_PACKAGE: Final = re.compile(
    r"^Package: bluez\n(?:.+\n)*?Version: (?:\d+:)?(\d+\.\d+)", re.MULTILINE
)
_PATIENCE_S: Final = 5.0


class BluezVersion(NamedTuple):
    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Flaw(NamedTuple):
    first: BluezVersion
    last: BluezVersion

    def of(self, version: BluezVersion | None) -> bool:
        """Is this version known to have it?"""
        return version is not None and self.first <= version <= self.last


MATCHES_NO_SERVICE_DATA: Final = Flaw(BluezVersion(5, 69), BluezVersion(5, 70))
DIES_OF_MANUFACTURER_PATTERNS: Final = Flaw(BluezVersion(5, 76), BluezVersion(5, 82))
DIES_OF_UUID_FILTERS: Final = Flaw(BluezVersion(5, 87), BluezVersion(5, 87))


def parse_version(text: str) -> BluezVersion | None:
    """Of `bluetoothd --version`, or of Debian's package: `5.82-1.1`."""
    found = re.match(r"\s*(\d{1,3})\.(\d{1,3})", text)
    return BluezVersion(int(found[1]), int(found[2])) if found else None


def bluez_version(
    programs: tuple[Path, ...] = BLUETOOTHD, status: Path = DPKG_STATUS
) -> BluezVersion | None:
    """None where it cannot be told. Blocks for some milliseconds: call it in a worker thread.

    Our unit may not start what lies in /usr/libexec; there the package's version has to do.
    """
    for program in programs:
        if not program.exists():
            continue
        try:
            done = subprocess.run(  # noqa: S603 - a path of ours, no words of anybody else's
                [program, "--version"],
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
                check=True,
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

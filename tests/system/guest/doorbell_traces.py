"""Where something of a stranger could be found on this machine."""

import contextlib
import os
import re
from pathlib import Path

from doorbell_phone import CANARY
from gateway import sh


def traces() -> dict[str, list[str]]:
    """Where a stranger's address is found on this machine: files, journal, D-Bus."""
    digits = "[:_-]?".join(f"{byte:02x}" for byte in CANARY[1:])
    printed = f"(?i)[c4]{CANARY[0] & 0x0F:x}[:_-]?{digits}".encode()
    first, rest = CANARY[0], CANARY[1:]
    raw = b"|".join(
        re.escape(each) for top in (first, first & 0x3F | 0x40)
        for each in (bytes((top,)) + rest, rest[::-1] + bytes((top,)))
    )  # fmt: skip
    pattern = re.compile(printed + b"|" + raw)
    on_dbus = sh("busctl tree org.bluez --list", check=False)
    found = []
    for root in ("/var", "/run", "/etc", "/tmp", "/root", "/home"):  # noqa: S108 - to be searched
        for folder, _, names in os.walk(root):
            for path in (Path(folder) / name for name in names):
                with contextlib.suppress(OSError):
                    if (
                        path.is_file()
                        and not path.is_symlink()
                        and pattern.search(path.read_bytes())
                    ):
                        found.append(str(path))
    sh("sync; journalctl --sync; journalctl --namespace=presence --sync", check=False)
    said = sh(
        "journalctl -b -o export --all; journalctl -b --namespace=presence -o export --all",
        check=False,
    )
    return {
        "files": found,
        "journal": [line[:200] for line in said.splitlines() if pattern.search(line.encode())][:5],
        "dbus": [line for line in on_dbus.splitlines() if pattern.search(line.encode())][:5],
        "bluetooth": sh("find /var/lib/bluetooth -type f", check=False).splitlines(),
        "metrics": ["found"] if pattern.search(metrics().encode()) else [],
    }


def metrics() -> str:
    return sh(
        "/opt/presence/bin/python -c 'import urllib.request as u; "
        'print(u.urlopen("http://127.0.0.1:9464/metrics").read().decode())\'',
        check=False,
    )

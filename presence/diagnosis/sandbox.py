"""`presence check --inside`: the check as the installed service would make it, in the service's own
sandbox.

What a person's shell may do the unit may not: outside, a check passes where the daemon is denied.
So the unit's text, as systemd has it now with all drop-ins (`systemctl cat`), is given to systemd
once more under another name, with `check` in place of `run` and with what belongs to a service that
stays taken out. Nothing is listed twice, so nothing drifts. What the sandbox hides from the daemon
itself is asked outside, as root.
"""

import asyncio
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from presence.config import load_settings
from presence.diagnosis.findings import Finding, Verdict
from presence.diagnosis.memory import is_limited, look_at_memory
from presence.edges.bluez.diagnosis import RadioVerdict, diagnose_bluetoothd
from presence.errors import ConfigurationError, InstallationError

UNIT: Final = "presence.service"
UNITS: Final = Path("/run/systemd/system")
MAX_RUN_S: Final = 300
CONFIGURATION: Final = "configuration"
"""The finding that names the file of settings, by whatever way the unit found it."""
HIDDEN: Final = "bluez traces"
"""What the sandbox cannot see: another user's process."""
_RUN: Final = re.compile(
    r"^ExecStart=(?P<before>\S.*\s-m presence )run(?P<after>(\s.*)?)$", re.MULTILINE
)

_ONCE: Final = """
[Service]
Type=oneshot
ExecStart=
ExecStart={command}
ExecReload=
Restart=no
WatchdogSec=0
TimeoutStartSec={longest_s}
# The daemon's own folder: it may be running.
RuntimeDirectoryPreserve=yes
SuccessExitStatus=1 2 64 69 70 75 78
StandardInput=null
StandardOutput=truncate:{folder}/findings
StandardError=truncate:{folder}/complaint
"""


def findings_inside(command: str = "systemctl", units: Path = UNITS) -> list[Finding]:
    """Raises InstallationError where systemd does not let us, or the unit is not ours."""
    if os.geteuid() != 0:
        raise InstallationError(
            "--inside: only root may ask systemd for the unit's sandbox: sudo presence check "
            "--inside"
        )
    with tempfile.TemporaryDirectory(prefix="presence-check-", dir=units.parent.parent) as name:
        folder = Path(name)
        text = once(_ask(command, "cat", "--no-pager", UNIT), folder)
        with _unit(command, units, text) as unit:
            _ask(command, "start", unit)
        inside = _said(folder)
    outside = asyncio.run(_outside(inside))
    # Where the unit's limits have no effect, it counts whether there is a swap, and that root alone
    # sees.
    outside += [] if is_limited() else look_at_memory()
    names = {each.name for each in outside} | (
        {HIDDEN} if any(each.name == "adapters" for each in outside) else set()
    )
    return [*(each for each in inside if each.name not in names), *outside]


def once(text: str, folder: Path) -> str:
    """The unit's text with `check` in place of `run`. Raises InstallationError."""
    found = list(_RUN.finditer(text))
    if not found:
        raise InstallationError(
            f"{UNIT}: no line `ExecStart=… -m presence run`: install it anew "
            "(scripts/install), and look "
            f"into its drop-ins (`systemctl cat {UNIT}`)"
        )
    command = f"{found[-1]['before']}check --json --apart{found[-1]['after']}"
    return text + _ONCE.format(command=command, longest_s=MAX_RUN_S, folder=folder)


@contextmanager
def _unit(command: str, units: Path, text: str) -> Iterator[str]:
    name = f"presence-check-{os.getpid()}.service"
    units.mkdir(parents=True, exist_ok=True)
    (units / name).write_text(text, encoding="utf-8")
    try:
        _ask(command, "daemon-reload")
        yield name
    finally:
        (units / name).unlink()
        _ask(command, "daemon-reload")


def _ask(command: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - systemctl, with words of ours
        [command, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise InstallationError(
            f"--inside: systemctl {arguments[0]}: {done.stderr.strip() or 'failed'}"
        )
    return done.stdout


def _said(folder: Path) -> list[Finding]:
    try:
        answer = json.loads((folder / "findings").read_text(encoding="utf-8"))
        return [Finding.put_together(each) for each in answer["findings"]]
    except (OSError, ValueError, LookupError, TypeError):
        complaint = folder / "complaint"
        said = (
            complaint.read_text(encoding="utf-8", errors="replace")[-2000:]
            if complaint.exists()
            else ""
        )
        raise InstallationError(
            "--inside: the check did not come to its end in the sandbox: "
            f"{said.strip() or 'no word'}; "
            "`journalctl --namespace=presence` may tell more"
        ) from None


async def _outside(inside: Iterable[Finding]) -> list[Finding]:
    """bluetoothd's mode, mounts and options, which root sees."""
    files = (each.found for each in inside if each.name == CONFIGURATION and not each.verdict)
    file = next(files, None)
    if file is None:  # the check inside has said why it cannot be used
        return []
    try:
        settings = load_settings(Path(file))
    except ConfigurationError:  # such as a credential, which only the unit has
        return []
    verdicts = {RadioVerdict.GOOD: Verdict.PASS, RadioVerdict.DOUBTFUL: Verdict.WARN}
    return [
        Finding(
            answer.question,
            verdicts.get(answer.verdict, Verdict.FAIL),
            answer.found,
            answer.next_step,
        )
        for answer in await diagnose_bluetoothd(settings)
    ]

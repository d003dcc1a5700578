"""`presence status`: how the running gateway does, asked over its socket."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from presence.cli.command import print_lines
from presence.cli.exit_codes import ExitCode
from presence.cli.folders import folders_of
from presence.core.operations.status import as_lines
from presence.edges.host.status_socket import FILE_NAME, ask
from presence.errors import PresenceError, reason_of


def socket_of(options: argparse.Namespace) -> Path:
    if options.socket is not None:
        return Path(options.socket)
    return folders_of(options.config)[0].runtime_dir / FILE_NAME


def start(options: argparse.Namespace) -> int:
    path = socket_of(options)
    try:
        status = asked(path)
    except StatusUnanswered as trouble:
        if options.json:
            print(json.dumps({"running": trouble.running, "next_steps": [str(trouble)]}))
        print_lines(f"presence status: {trouble}", sys.stderr)
        return ExitCode.NOT_ANSWERING if trouble.running else ExitCode.NOT_RUNNING
    if options.json:
        print(json.dumps({"running": True, **status}))
    elif not options.quiet:
        print_lines("\n".join(as_lines(status)))
    return ExitCode.OK if status["well"] else ExitCode.WARN


class StatusUnanswered(PresenceError):
    """The gateway cannot be asked; the message says why and what to do. `running`: as far as we can
    tell.
    """

    def __init__(self, message: str, *, running: bool | None) -> None:
        super().__init__(message)
        self.running = running


def asked(path: Path) -> dict[str, Any]:
    """Raises NoAnswer."""
    try:
        answer = ask(path, "status")
    except (FileNotFoundError, ConnectionRefusedError):
        raise StatusUnanswered(
            f"no gateway answers at {path}: `systemctl status presence`; its last words: "
            "`journalctl --namespace=presence -n 20`; then `presence check`",
            running=False,
        ) from None
    except PermissionError:
        raise StatusUnanswered(
            f"{path} is not for this user: become a member of status.group, or ask with sudo",
            running=True,
        ) from None
    except OSError as error:
        raise StatusUnanswered(
            f"{path}: {reason_of(error)}: does it hang? the watchdog of systemd ends that",
            running=True,
        ) from None
    try:
        status = json.loads(answer)
    except ValueError:
        raise StatusUnanswered(
            f"{path}: turned away; others ask too: try again in a moment", running=True
        ) from None
    if not isinstance(status, dict):
        raise StatusUnanswered(
            f"{path}: not a gateway's answer: is another program there?", running=True
        )
    return status

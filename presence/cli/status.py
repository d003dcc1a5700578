"""`presence status`: how the running gateway does, asked over its socket."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from presence.config import load_settings
from presence.core.operations.status import as_lines
from presence.edges.host.status_socket import FILE_NAME, ask
from presence.errors import PresenceError

DEFAULT_SOCKET: Final = Path("/run/presence") / FILE_NAME
NOT_RUNNING: Final = 3
"""As `systemctl status` says it."""
NOT_ANSWERED: Final = 4

EPILOG: Final = """No identifier of a customer is shown, and no number that one customer could change.

exit codes: 0 running and all is well, 1 running and something is to be done, 3 not running, 4 it does not answer us,
78 the configuration cannot be used"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "status",
        help="how does the running gateway do, and what is the next step?",
        description=(
            "Asks the running gateway over its socket in the runtime directory. Changes nothing."
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_where(command)
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    command.set_defaults(start=start)


def add_where(command: argparse.ArgumentParser) -> None:
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--socket",
        type=Path,
        default=DEFAULT_SOCKET,
        metavar="PATH",
        help=f"default {DEFAULT_SOCKET}",
    )
    where.add_argument(
        "--config", type=Path, metavar="FILE", help="take storage.runtime_dir from there"
    )


def socket_of(options: argparse.Namespace) -> Path:
    if options.config is None:
        return Path(options.socket)
    return load_settings(options.config).storage.runtime_dir / FILE_NAME


def start(options: argparse.Namespace) -> int:
    path = socket_of(options)
    try:
        status = asked(path)
    except StatusUnanswered as trouble:
        if options.json:
            print(json.dumps({"running": trouble.running, "next_steps": [str(trouble)]}))
        print(f"presence status: {trouble}", file=sys.stderr)
        return NOT_ANSWERED if trouble.running else NOT_RUNNING
    print(json.dumps({"running": True, **status}) if options.json else "\n".join(as_lines(status)))
    return 0 if status["well"] else 1


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
            f"{path}: {error}: does it hang? the watchdog of systemd ends that", running=True
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

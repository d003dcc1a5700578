"""What `presence satellite` takes."""

from pathlib import Path
from typing import Final

from presence.cli.command import Commands
from presence.cli.exit_codes import ExitCode
from presence.location import SATELLITE

DESCRIPTION: Final = """\
Makes this computer an antenna of a gateway elsewhere: it listens with one
Bluetooth adapter, and tells the gateway over the broker which identifiers it
heard, how strongly and when. Nothing else of anybody leaves it: no address, no
name. It knows no customer, holds no list and no window key, and it listens only
while the gateway asks it to: in opening hours, while the gateway runs.

Runs until SIGTERM. The service is systemd/presence-satellite.service.

Set it up in four steps (docs/satellites.md):
  1. openssl rand -hex 32: one key, in a file here and in one on the gateway
  2. the broker: a user of its own, which may write its own topic only
  3. the gateway: name, place and key file under `satellites`; reload
  4. here: config/satellite.yaml, as /etc/presence/satellite.yaml

`presence status` on the gateway says whether it is heard.
"""

EXAMPLES: Final = (
    "presence satellite --config /etc/presence/satellite.yaml",
    "sudo systemctl enable --now presence-satellite   # as a service",
)
EXITS: Final = {
    ExitCode.OK: "stopped by SIGTERM or Ctrl-C",
    ExitCode.UNAVAILABLE: "the disk, or another satellite of the same folder, is in the way",
    ExitCode.TEMPFAIL: "the radio is deaf and only a start anew is left to try",
    ExitCode.CONFIG: "the configuration cannot be used",
}


def add(commands: Commands) -> None:
    command = commands.add(
        "satellite",
        "presence.cli.satellite:start",
        summary="an antenna elsewhere: hears for a gateway, and knows nobody",
        description=DESCRIPTION,
        examples=EXAMPLES,
        exits=EXITS,
    )
    command.add_argument(
        "-c",
        "--config",
        type=Path,
        default=SATELLITE,
        metavar="FILE",
        help=f"the satellite's own settings ({SATELLITE})",
    )

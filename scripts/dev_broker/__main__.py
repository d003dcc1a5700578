"""`scripts/dev-broker`: a store's broker on this machine, for developers of gateways and offer
engines.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from presence.cli.command import Parser
from presence.cli.exit_codes import ExitCode
from presence.errors import reason_of
from presence.simulation.local_broker import (
    answers,
    ending_with_us,
    find_mosquitto,
    free_port,
    log_tail,
    stop,
)
from scripts.dev_broker.store import AUDIENCE, CHAIN, ENGINE, GATEWAY, STORE, lay_out

DESCRIPTION = f"""\
Starts the mosquitto of store {STORE} on a port of this machine as
config/mosquitto shows it, with TLS, an authority made on the spot, a
certificate for each client, and the access list. Beside it lie a gateway's
presence.yaml with a consent list of one customer, and what an offer engine
needs. Prints the commands that go with it. Ctrl-C ends it, and removes
everything; with --keep it stays.
"""
EXAMPLES = ("scripts/dev-broker", "scripts/dev-broker --port 8883 --keep broker")
EXITS = {
    ExitCode.OK: "stopped by Ctrl-C or SIGTERM",
    ExitCode.UNAVAILABLE: "mosquitto is not here, does not start, or ended by itself",
}

READY = """\
broker       127.0.0.1:{port}, TLS, only with a certificate of {folder}
gateway      {folder}/presence.yaml; in a configuration of your own:
               mqtt:
                 host: 127.0.0.1
                 port: {port}
                 tls:
                   ca_file: {folder}/ca.pem
                   certificate_file: {folder}/{gateway}.pem
                   key_file: {folder}/{gateway}.key

offer engine, in a second terminal:
  .venv/bin/python scripts/offer_engine.py --port {port} --tls-ca {folder}/ca.pem \\
    --tls-cert {folder}/{engine}.pem --tls-key {folder}/{engine}.key \\
    --chain {chain} --store {store} --audience {audience} --customers {folder}/customers.jsonl

a customer who walks in, in a third:
  scripts/app-emulator capture {folder}/walk.btsnoop \\
    --identity-key $(cat {folder}/dana.identity-key) --seconds 30
  .venv/bin/presence replay {folder}/walk.btsnoop --config {folder}/presence.yaml --publish

the state of the gateways:
  mosquitto_sub -h 127.0.0.1 -p {port} --cafile {folder}/ca.pem \\
    --cert {folder}/monitor.pem --key {folder}/monitor.key \\
    -V 5 -v -t presence/v1/{chain}/{store}/gw/+/state
"""

CUT_OFF = """
a stolen gateway, cut off at once:
  mosquitto_ctrl -h 127.0.0.1 -p {port} --cafile {folder}/ca.pem \\
    --cert {folder}/admin.pem --key {folder}/admin.key dynsec deleteClient {gateway}
"""


def main(arguments: list[str] | None = None) -> int:
    options = make_parser().parse_args(arguments)
    with ExitStack() as stack:
        name = str(
            options.keep
            or stack.enter_context(tempfile.TemporaryDirectory(prefix="presence-dev-broker-"))
        )
        return asyncio.run(serve(Path(name).resolve(), options))


def make_parser() -> Parser:
    parser = Parser(
        prog="scripts/dev-broker", description=DESCRIPTION, examples=EXAMPLES, exits=EXITS
    )
    parser.add_argument("--port", type=int, help="to listen on (default: one that is free)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="lay everything out there, and leave it there"
    )
    parser.add_argument(
        "--dynamic-security",
        action="store_true",
        help="rights by mosquitto's plugin in place of the access list",
    )
    return parser


async def serve(folder: Path, options: argparse.Namespace) -> int:
    """Until SIGINT or SIGTERM; UNAVAILABLE where the broker does not start, or ends by itself."""
    mosquitto, port = find_mosquitto(), options.port or free_port()
    if mosquitto is None:
        print("dev-broker: mosquitto is not installed: apt install mosquitto", file=sys.stderr)
        return ExitCode.UNAVAILABLE
    try:
        lay_out(folder, port, dynamic_security=options.dynamic_security)
    except OSError as error:
        print(f"dev-broker: {error.filename or folder}: {reason_of(error)}", file=sys.stderr)
        return ExitCode.UNAVAILABLE
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    log = folder / "mosquitto.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *ending_with_us(), mosquitto, "-c", folder / "mosquitto.conf",
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        if await answers(process, port):
            print(_ready(folder, port, dynamic=options.dynamic_security), flush=True)
            async with asyncio.TaskGroup() as tasks:
                ended = tasks.create_task(process.wait())
                ended.add_done_callback(lambda _: asked.set())
                await asked.wait()
                by_itself = ended.done()
                await stop(process)
            # with which code does not matter: a mosquitto just started has no handler for SIGTERM
            # yet
            if not by_itself:
                return 0
        print(f"dev-broker: mosquitto ended:\n{log_tail(log)}", file=sys.stderr)
        return ExitCode.UNAVAILABLE
    finally:
        await stop(process)


def _ready(folder: Path, port: int, *, dynamic: bool) -> str:
    names = {"folder": folder, "port": port, "gateway": GATEWAY, "engine": ENGINE}
    text = READY + CUT_OFF if dynamic else READY
    return text.format(**names, chain=CHAIN, store=STORE, audience=AUDIENCE)


if __name__ == "__main__":
    sys.exit(main())

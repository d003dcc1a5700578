"""Three nodes of NATS with JetStream: it speaks MQTT 3.1.1 only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.cluster.machine import MACHINE, Node, address, port_answers, start, tell

NUMBERS = (1, 2, 3)
BOOT_S = 30.0
CONFIG = """
server_name: n{number}
listen: 127.0.0.1:{client_port}
cluster {{
  name: chain, listen: "{address}:6222"
  routes: [{routes}]
}}
jetstream {{ store_dir: "{inside}/data" }}
mqtt {{ listen: "127.0.0.1:{port}", stream_replicas: 3, consumer_replicas: 3 }}
"""


@contextlib.asynccontextmanager
async def nats(folder: Path) -> AsyncIterator[list[Node]]:
    """A cluster of three; gone when the block is left."""
    tell("NATS: three nodes begin")
    nodes, processes = [Node(n, 1883 + n) for n in NUMBERS], []
    try:
        for node in nodes:
            inside = f"/tmp/nats{node.number}"  # noqa: S108 - of the Debian, which nobody else has
            home = MACHINE / inside.lstrip("/")
            home.mkdir()
            routes = [
                f'"nats://{address(other)}:6222"' for other in NUMBERS if other != node.number
            ]
            config = CONFIG.format(
                number=node.number,
                client_port=4222 + node.number,
                address=address(node.number),
                routes=", ".join(routes),
                inside=inside,
                port=node.port,
            )
            (home / "nats.conf").write_text(config)
            log = folder / f"nats{node.number}.log"
            process = await start("nats-server", "-c", f"{inside}/nats.conf", log=log)
            node.pid = process.pid
            processes.append(process)
        for node in nodes:
            await port_answers(node.port, BOOT_S)
        tell("NATS: three nodes answer")
        yield nodes
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(*(process.wait() for process in processes))

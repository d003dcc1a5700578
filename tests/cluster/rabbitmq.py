"""Three nodes of RabbitMQ 4 with MQTT 5, each with its own address among its own."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from tests.cluster.machine import (
    MACHINE,
    Node,
    address,
    port_answers,
    port_closes,
    run,
    start,
    tell,
)

NUMBERS = (1, 2, 3)
BOOT_S = 120.0
CONFIG = """
listeners.tcp.1 = {address}:5672
mqtt.listeners.tcp.1 = 127.0.0.1:{port}
mqtt.allow_anonymous = true
anonymous_login_user = guest
anonymous_login_pass = guest
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = rabbit1@n1
cluster_formation.classic_config.nodes.2 = rabbit2@n2
cluster_formation.classic_config.nodes.3 = rabbit3@n3
cluster_name = chain
log.file = false
log.console = true
log.console.level = info
"""
CHAIN = (
    "cluster_partition_handling = pause_minority; net_ticktime = 8; "
    "mqtt.durable_queue_type = quorum"
)
"""What docs/scaling.md tells a chain to set."""
ERLANG = (
    "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none "
    "-kernel inet_dist_use_interface {{{tuple}}} "
    "-kernel inet_dist_connect_options [{{ip,{{{tuple}}}}}]"
)


class RabbitNode(Node):
    def __init__(self, number: int, settings: str, log: Path) -> None:
        super().__init__(number, 1883 + number)
        self.name = f"rabbit{number}@n{number}"
        self._settings, self._log = settings, log
        self._inside = f"/tmp/n{number}"  # noqa: S108 - of the Debian, which nobody else has
        self.folder = MACHINE / self._inside.lstrip("/")

    def environment(self) -> dict[str, str]:
        inside = self._inside
        return {
            "HOME": inside,
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_CONFIG_FILE": f"{inside}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{inside}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{inside}/data",
            "RABBITMQ_LOG_BASE": f"{inside}/log",
            "RABBITMQ_PID_FILE": f"{inside}/pid",
            "RABBITMQ_DIST_PORT": str(25671 + self.number),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG.format(
                tuple=address(self.number).replace(".", ",")
            ),
        }

    async def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        config = CONFIG.format(address=address(self.number), port=self.port)
        config += self._settings.replace(";", "\n")
        (self.folder / "rabbitmq.conf").write_text(config)
        (self.folder / "plugins").write_text("[rabbitmq_mqtt].\n")
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text("PRESENCE")
            cookie.chmod(0o400)
        (self.folder / "pid").unlink(missing_ok=True)
        self._process = await start(
            "/usr/lib/rabbitmq/bin/rabbitmq-server", log=self._log, environment=self.environment()
        )

    async def ready(self) -> None:
        await port_answers(self.port, BOOT_S)
        self.pid = int((self.folder / "pid").read_text())

    async def ctl(self, *arguments: str) -> None:
        await run(
            "/usr/lib/rabbitmq/bin/rabbitmqctl",
            "-n",
            self.name,
            *arguments,
            log=self._log,
            environment=self.environment(),
            within_s=BOOT_S,
        )

    async def stop(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                Node.kill(self)
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await port_closes(self.port, BOOT_S)  # or the next cluster's test would take it for ready


async def whole(nodes: list[RabbitNode]) -> None:
    """Return once all are one cluster, and let clients in."""
    await asyncio.gather(*(port_answers(node.port, BOOT_S) for node in nodes))
    await nodes[-1].ctl("await_online_nodes", str(len(nodes)))
    tell("RabbitMQ: three nodes know each other")


@contextlib.asynccontextmanager
async def rabbitmq(folder: Path, settings: str) -> AsyncIterator[list[RabbitNode]]:
    """A cluster that knows its three nodes; gone when the block is left."""
    tell("RabbitMQ: three nodes begin")
    nodes = [RabbitNode(n, settings, folder / f"n{n}.log") for n in NUMBERS]
    try:
        for node in nodes:
            await node.start()
        await asyncio.gather(*(node.ready() for node in nodes))
        await whole(nodes)
        yield nodes
    finally:
        for node in nodes:
            await node.stop()

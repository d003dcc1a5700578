"""The broker of the demo where mosquitto is not installed: `python -m
presence.simulation.embedded_broker PORT`.

amqtt on the loopback interface, for anybody on this machine, in a process of its own: its event
loop, its logs and its warnings stay there. It ends when its standard input does, so that it never
outlives whoever started it.
"""

import asyncio
import contextlib
import logging
import sys
import warnings


async def serve(port: int) -> None:
    """Until standard input ends."""
    from amqtt.broker import Broker  # noqa: PLC0415 - only installed with the extra `demo`

    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": anonymous,
        }
    )
    await broker.start()
    await asyncio.to_thread(sys.stdin.buffer.read)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await broker.shutdown()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve(int(sys.argv[1])))

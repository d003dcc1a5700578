"""The server of the trial (docs/recordings.md#trial), where the host handed it over, to be
measured beside ours.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

PROGRAM: Final = Path("/src/trial/gw.py")
AVAILABLE: Final = PROGRAM.exists()
SERVICE: Final = "d00bbe11-0000-4000-8000-000000000001"
CHALLENGE: Final = "d00bbe11-0000-4000-8000-000000000002"
ANSWER: Final = "d00bbe11-0000-4000-8000-000000000003"


@asynccontextmanager
async def serving(adapter: str) -> AsyncIterator[None]:
    """From its first advertisement on."""
    server = await asyncio.create_subprocess_exec(
        "/opt/presence/bin/python",
        str(PROGRAM),
        "--adapter",
        adapter,
        "--readvert",
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    async with asyncio.timeout(60):
        while json.loads(await server.stdout.readline())["ev"] != "ready":
            pass
    reading = asyncio.create_task(server.stdout.read())
    try:
        yield
    finally:
        server.terminate()
        await server.wait()
        await reading

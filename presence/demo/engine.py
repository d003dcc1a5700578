"""The reference offer engine in a process of its own, as a chain would run it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import presence
from presence.demo.story import AUDIENCE, CARS, CHAIN, GARDEN, STORE
from presence.errors import BrokerError
from presence.simulation.local_broker import START_S, LocalBroker, ending_with_us, stop

OFFERS: Final = {CARS: "a free wheel change this week", GARDEN: "tulip bulbs, two bags for one"}


def script() -> Path:
    """Where it lies: in the installed package, or in the checkout that this is."""
    package = Path(presence.__file__).parent
    for place in (
        package / "data" / "offer_engine.py",
        package.parent / "scripts" / "offer_engine.py",
    ):
        if place.is_file():
            return place
    raise BrokerError("offer_engine.py is missing from this installation: install presence anew")


@asynccontextmanager
async def offer_engine(
    broker: LocalBroker, folder: Path, customers: Mapping[str, bytes]
) -> AsyncIterator[None]:
    """It listens when the block is entered, and is gone when it is left. Its files stay in
    `folder`. `customers`: id → pairwise key.
    """
    folder.mkdir()  # noqa: ASYNC240 - three small files before anything runs
    known, offers = folder / "customers.jsonl", folder / "offers.json"
    lines = (
        json.dumps({"customer": each, "pairwise_key": key.hex()}) for each, key in customers.items()
    )
    known.write_text("\n".join(lines), encoding="utf-8")
    offers.write_text(json.dumps(OFFERS), encoding="utf-8")
    command = [sys.executable, str(script()), "--host", broker.host, "--port", str(broker.port)]
    command += [
        "--protocol",
        broker.protocol.value,
        "--chain",
        CHAIN,
        "--store",
        STORE,
        "--audience",
        AUDIENCE,
    ]
    command += ["--customers", str(known), "--offers", str(offers), "--json"]
    out, err = folder / "offers.log", folder / "errors.log"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *ending_with_us(),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        await _listens(process, err)
        yield
    finally:
        await stop(process)


async def _listens(process: asyncio.subprocess.Process, err: Path) -> None:
    for _ in range(int(START_S / 0.02)):
        said = err.read_text(encoding="utf-8", errors="replace")  # noqa: ASYNC240 - one line
        if "listening" in said:
            return
        if process.returncode is not None:
            break
        await asyncio.sleep(0.02)
    raise BrokerError(
        f"the offer engine did not start:\n{said.strip()[-1000:] or '(it said nothing)'}"
    )

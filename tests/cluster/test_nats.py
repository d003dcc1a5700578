"""NATS, three nodes: gateways and engine that speak MQTT 3.1.1 (R-53)."""

from pathlib import Path

import pytest

from scripts.stores.store import Counted
from tests.cluster.chain import play
from tests.cluster.nats import nats

pytestmark = [pytest.mark.slow, pytest.mark.requirement("R-53")]


async def test_one_node_of_nats_is_killed_and_every_visit_is_acted_on_once(tmp_path: Path) -> None:
    async with nats(tmp_path) as nodes:

        async def faults(counted: Counted) -> None:
            await counted.offered(20, within_s=60)
            nodes[0].kill()

        verdict = await play(
            "NATS, a node killed (-9)",
            tmp_path,
            nodes,
            faults,
            visits=60,
            mqtt='protocol: "3.1.1"',
            v5=False,
        )
    assert verdict.wrong == {}

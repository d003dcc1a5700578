"""RabbitMQ 4, MQTT 5, three nodes: each visit is acted on once, whatever a node does (R-53).

One cluster for all of them, so the death of a node comes last.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from scripts.stores.store import Counted
from tests.cluster.chain import play
from tests.cluster.machine import cut_off, mend
from tests.cluster.rabbitmq import RabbitNode, rabbitmq, whole

pytestmark = [
    pytest.mark.slow,
    pytest.mark.requirement("R-53"),
    pytest.mark.asyncio(loop_scope="module"),
]
VISITS, P99_S = 200, 5.0
"""The goal of a chain: so many visits while a node dies, and how late one may be."""
LATE_S = 20.0
"""While a node says nothing and nobody may take it for dead."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> AsyncIterator[list[RabbitNode]]:
    folder = tmp_path_factory.mktemp("rabbitmq")
    async with rabbitmq(folder, pytestconfig.getoption("--rabbitmq")) as cluster:
        yield cluster


@pytest.fixture
def mqtt(pytestconfig: pytest.Config) -> str:
    return f"{pytestconfig.getoption('--mqtt')}"


async def test_a_node_is_cut_off_from_the_others_and_joined_again(
    nodes: list[RabbitNode], mqtt: str, tmp_path: Path
) -> None:
    async def faults(counted: Counted) -> None:
        await counted.offered(10, within_s=30)
        cut_off(1, [2, 3])
        await asyncio.sleep(15)
        mend(1, [2, 3])

    await whole(nodes)
    verdict = await play("a node cut off for 15 s", tmp_path, nodes, faults, visits=60, mqtt=mqtt)
    assert verdict.wrong == {}
    assert verdict.longest_s <= LATE_S


async def test_a_node_falls_asleep_and_wakes(
    nodes: list[RabbitNode], mqtt: str, tmp_path: Path
) -> None:
    async def faults(counted: Counted) -> None:
        await counted.offered(10, within_s=30)
        nodes[0].pause()
        await asyncio.sleep(15)
        nodes[0].resume()

    await whole(nodes)
    verdict = await play("a node asleep for 15 s", tmp_path, nodes, faults, visits=60, mqtt=mqtt)
    assert verdict.wrong == {}
    assert verdict.longest_s <= LATE_S


async def test_one_node_of_three_is_killed_and_every_visit_is_acted_on_once(
    nodes: list[RabbitNode], mqtt: str, tmp_path: Path
) -> None:
    async def faults(counted: Counted) -> None:
        await counted.offered(60, within_s=60)
        nodes[0].kill()

    await whole(nodes)
    verdict = await play("a node killed (-9)", tmp_path, nodes, faults, visits=VISITS, mqtt=mqtt)
    assert verdict.wrong == {}
    assert verdict.p99_s <= P99_S

"""The signed list by size, on all its way: the gateway's side."""

from collections.abc import Iterator

from scripts.benchmarks import list_size_gateway
from scripts.benchmarks.figure import Figure


def figures() -> Iterator[Figure]:
    yield from list_size_gateway.figures()

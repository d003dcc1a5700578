"""The signed list by size, on all its way: from the publisher over a bad line into the gateway."""

from collections.abc import Iterator

from scripts.benchmarks import list_size_fetch, list_size_gateway, list_size_publisher
from scripts.benchmarks.figure import Figure


def figures() -> Iterator[Figure]:
    yield from list_size_publisher.figures()
    yield from list_size_fetch.figures()
    yield from list_size_gateway.figures()

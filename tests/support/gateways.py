"""A store of several gateways, as scripts.stores plays it, with the contract checked."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from scripts.stores import store
from tests.support.brokers import listener


def engine(
    ports: Iterable[int], guests: list[store.Visitor]
) -> AbstractAsyncContextManager[store.Counted]:
    """The reference engine; a message that breaks the contract fails the test."""
    return store.engine(ports, guests, subscribe=listener)

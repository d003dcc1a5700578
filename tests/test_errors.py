"""Errors, as they come out of groups of tasks."""

from presence.errors import BrokerError, StorageError, leaves


def test_the_errors_in_groups_of_groups_come_one_by_one_in_their_order() -> None:
    first, second, third = BrokerError("away"), StorageError("full"), BrokerError("denied")
    group = ExceptionGroup("tasks", [ExceptionGroup("more tasks", [first, second]), third])
    assert list(leaves(group)) == [first, second, third]

"""Errors, as they come out of groups of tasks."""

import asyncio

import pytest

from presence.errors import BrokerError, StorageError, leaves, ungrouped


def test_the_errors_in_groups_of_groups_come_one_by_one_in_their_order() -> None:
    first, second, third = BrokerError("away"), StorageError("full"), BrokerError("denied")
    group = ExceptionGroup("tasks", [ExceptionGroup("more tasks", [first, second]), third])
    assert list(leaves(group)) == [first, second, third]


async def fail(error: Exception) -> None:
    raise error


async def fail_together(*errors: Exception) -> None:
    with ungrouped():
        async with asyncio.TaskGroup() as tasks:
            for error in errors:
                tasks.create_task(fail(error))


async def test_an_error_of_ours_comes_out_of_its_group_by_itself() -> None:
    with pytest.raises(BrokerError, match="away"):
        await fail_together(BrokerError("away"))


async def test_beside_an_error_that_is_not_ours_none_is_left_out() -> None:
    with pytest.raises(ExceptionGroup) as found:
        await fail_together(BrokerError("away"), ValueError("a fault of ours"))

    assert {type(each) for each in leaves(found.value)} == {BrokerError, ValueError}


def test_what_comes_in_no_group_stays_as_it_is() -> None:
    with pytest.raises(StorageError, match="full"), ungrouped():
        raise StorageError("full")

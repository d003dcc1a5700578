"""Errors, as they come out of groups of tasks."""

import asyncio
import errno
import os

import pytest

from presence.errors import BrokerError, StorageError, leaves, reason_of, ungrouped


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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/x"),
            "no such file or directory",
        ),
        (OSError(errno.EIO, "I/O error"), "I/O error"),
        (ValueError("it is no JSON"), "it is no JSON"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_why_the_system_refused_is_told_without_its_number(error: Exception, said: str) -> None:
    assert reason_of(error) == said

"""What is remembered of the operational events: alarms, and which stores cannot be written."""

from presence.gateway.alarm_counters import AlarmCounters
from presence.telemetry import StorageFailed, StorageRecovered


def test_one_store_that_recovers_says_nothing_of_another() -> None:
    counters = AlarmCounters()
    counters.note(StorageFailed(what="visits", reason="full"))
    counters.note(StorageFailed(what="withdrawn", reason="full"))
    counters.note(StorageRecovered(what="visits"))
    assert counters.storage_failing
    counters.note(StorageRecovered(what="withdrawn"))
    assert not counters.storage_failing

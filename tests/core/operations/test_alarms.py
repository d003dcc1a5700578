"""What is remembered of the told events: alarms, and which stores cannot be written."""

from presence.core.operations.alarms import Noticed


def test_one_store_that_recovers_says_nothing_of_another() -> None:
    noticed = Noticed()
    for event, what in (("failed", "visits"), ("failed", "withdrawn"), ("recovered", "visits")):
        noticed.note(f"storage.{event}", {"what": what})
    assert noticed.storage_failing
    noticed.note("storage.recovered", {"what": "withdrawn"})
    assert not noticed.storage_failing

"""The way of an advertisement and of an event stays short: its calls are counted."""

from scripts.benchmarks import trace

MAX_COUNTS = {
    "trace.deciding.calls": 40,
    "trace.deciding.files": 15,
    "trace.inside.calls": 12,
    "trace.sent.calls": 65,
}
"""The first and the third are goals; the others are what was reached, with a little air."""


def test_the_way_of_an_advertisement_and_of_an_event_stays_short() -> None:
    values = {figure.name: figure.value for figure in trace.figures()}

    assert {name: values[name] for name, most in MAX_COUNTS.items() if values[name] > most} == {}

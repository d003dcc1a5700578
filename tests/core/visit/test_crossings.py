"""What a people counter may say, when it is believed, and that a dead one contradicts nobody."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.visit.crossings import (
    ALIVE_S,
    GAP_S,
    KEEP_S,
    PATIENCE_S,
    CounterRefusal,
    Crossing,
    Crossings,
    CrossingVerdicts,
    decode_crossing,
)

NOW: int = 1_795_442_707
WINDOW_S = 5.0


def told(at_s: int, inward: int = 0, outward: int = 0) -> bytes:
    return json.dumps({"t": at_s, "in": inward, "out": outward}).encode()


def living(until_s: int, *, since_s: int = NOW - 300, crossed: tuple[int, ...] = ()) -> Crossings:
    """A counter that told something each minute, and of who crossed inward."""
    crossings = Crossings(window_s=WINDOW_S)
    for second in sorted({*range(since_s, until_s + 1, 60), until_s, *crossed}):
        message = told(second, int(second in crossed))
        assert isinstance(crossings.receive(message, second), Crossing)
    return crossings


def test_a_message_is_three_whole_numbers() -> None:
    assert decode_crossing(b'{"t":1795442707,"in":2,"out":1}') == Crossing(NOW, 2, 1)


@pytest.mark.requirement("R-01")
@pytest.mark.parametrize(
    "value",
    [
        {"t": NOW, "in": 1},
        {"t": NOW, "in": 1, "out": 0, "height_cm": 183},
        {"t": NOW, "in": 1, "out": 0, "name": "Anna"},
        {"t": NOW + 0.5, "in": 1, "out": 0},
        {"t": NOW, "in": True, "out": 0},
        {"t": NOW, "in": -1, "out": 0},
        {"t": NOW, "in": 100, "out": 0},
        {"t": str(NOW), "in": 1, "out": 0},
        {"t": -1, "in": 1, "out": 0},
        {"t": 1 << 40, "in": 1, "out": 0},
        [NOW, 1, 0],
        NOW,
        None,
    ],
)
def test_anything_else_is_malformed(value: Any) -> None:
    message = json.dumps(value).encode()

    assert Crossings(window_s=5).receive(message, NOW) is CounterRefusal.MALFORMED


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"t":1,"t":2,"in":0,"out":0}',
        told(NOW) + b" " * 128,
        b"[" * 120,
    ],
)
def test_what_is_no_json_object_of_ours_is_malformed(message: bytes) -> None:
    assert decode_crossing(message) is None


@given(st.binary(max_size=200))
def test_no_bytes_of_any_kind_raise(message: bytes) -> None:
    crossings = Crossings(window_s=5)

    assert isinstance(crossings.receive(message, NOW), Crossing | CounterRefusal)


@pytest.mark.parametrize(
    ("at_s", "retained", "refusal"),
    [
        (NOW - 11, False, CounterRefusal.UNTIMELY),
        (NOW + 11, False, CounterRefusal.UNTIMELY),
        (NOW, True, CounterRefusal.RETAINED),
    ],
)
def test_what_was_not_told_just_now_has_no_effect(
    at_s: int, retained: bool, refusal: CounterRefusal
) -> None:
    crossings = Crossings(window_s=5)

    assert crossings.receive(told(at_s), NOW, retained=retained) is refusal


def test_a_second_is_told_once() -> None:
    crossings = Crossings(window_s=5)
    crossings.receive(told(NOW, 1), NOW)

    assert crossings.receive(told(NOW, 1), NOW) is CounterRefusal.COPY
    assert crossings.receive(told(NOW - 1, 1), NOW) is CounterRefusal.COPY


def test_a_device_that_faces_the_other_way_is_read_the_other_way() -> None:
    crossings = Crossings(window_s=5, faces_out=True)

    assert crossings.receive(told(NOW, inward=3, outward=1), NOW) == Crossing(NOW, 1, 3)


def test_an_entry_at_whose_second_somebody_crossed_is_confirmed() -> None:
    crossings = living(NOW - 60, crossed=(NOW - 62,))
    crossings.ask(NOW - 60.5, NOW - 55)
    crossings.receive(told(NOW), NOW)

    assert crossings.judge(NOW) == CrossingVerdicts(1, 0)
    assert crossings.judge(NOW) == CrossingVerdicts(0, 0), "once"


@pytest.mark.parametrize(
    ("crossed_s", "contradicted"), [(NOW - 67, 1), (NOW - 66, 0), (NOW - 56, 0), (NOW - 55, 1)]
)
def test_an_entry_at_whose_second_nobody_crossed_is_contradicted(
    crossed_s: int, contradicted: int
) -> None:
    crossings = living(NOW, crossed=(crossed_s,))
    crossings.ask(NOW - 60.5, NOW - 50)

    assert crossings.judge(NOW) == CrossingVerdicts(1, contradicted)


def test_somebody_who_went_out_at_that_second_is_nobody_who_came_in() -> None:
    crossings = living(NOW - 61)
    crossings.receive(told(NOW - 60, outward=1), NOW - 60)
    crossings.ask(NOW - 60, NOW - 50)
    crossings.receive(told(NOW), NOW)

    assert crossings.judge(NOW) == CrossingVerdicts(1, 1)


def test_nobody_is_judged_before_the_counter_has_spoken_of_that_second() -> None:
    crossings = living(NOW)
    crossings.ask(NOW - 2, NOW)

    assert crossings.judge(NOW + 1) == CrossingVerdicts(0, 0)
    crossings.receive(told(NOW + 3), NOW + 3)
    assert crossings.judge(NOW + 3) == CrossingVerdicts(1, 1)


@pytest.mark.parametrize(
    ("since_s", "until_s"),
    [(NOW - 58, NOW), (NOW - 300, NOW - 62)],
    ids=["it began to speak after it", "it fell silent before it"],
)
def test_a_counter_that_was_not_there_contradicts_nobody(since_s: int, until_s: int) -> None:
    crossings = living(until_s, since_s=since_s)
    crossings.ask(NOW - 60, NOW - 50)

    assert crossings.judge(NOW - 50) == CrossingVerdicts(0, 0)
    later = NOW + int(PATIENCE_S)
    crossings.receive(told(later), later)
    assert crossings.judge(later) == CrossingVerdicts(0, 0)


def test_a_counter_that_paused_meanwhile_contradicts_nobody() -> None:
    crossings = living(NOW - 64)
    crossings.ask(NOW - 60, NOW - 55)
    later = NOW - 64 + int(GAP_S) + 1
    crossings.receive(told(later), later)

    assert crossings.judge(later) == CrossingVerdicts(0, 0)


def test_an_entry_that_came_to_light_long_after_the_door_is_not_asked_about() -> None:
    crossings = living(NOW)
    crossings.ask(NOW - KEEP_S, NOW)
    crossings.ask(NOW + 1, NOW)
    crossings.receive(told(NOW + 9), NOW + 9)

    assert crossings.judge(NOW + 9) == CrossingVerdicts(0, 0)


def test_a_clock_that_was_set_back_begins_anew() -> None:
    crossings = living(NOW)
    crossings.ask(NOW - 2, NOW)
    earlier = NOW - 3600

    assert crossings.receive(told(earlier, 1), earlier) == Crossing(earlier, 1, 0)
    assert crossings.judge(earlier) == CrossingVerdicts(0, 0)


def test_it_is_alive_when_it_has_told_something_each_minute_for_a_while() -> None:
    crossings = living(NOW, since_s=NOW - int(ALIVE_S))

    assert crossings.is_alive(NOW + 60)
    assert not crossings.is_alive(NOW + PATIENCE_S + 1)
    assert not living(NOW, since_s=NOW - int(ALIVE_S) + 1).is_alive(NOW)
    assert not Crossings(window_s=5).is_alive(NOW)


@pytest.mark.requirement("R-23")
def test_a_counter_that_tells_crossings_only_does_not_show_one_customer_by_living() -> None:
    crossings = Crossings(window_s=5)
    for second in (NOW, NOW + 400):  # comes, and goes
        crossings.receive(told(second, 1), second)
        assert not crossings.is_alive(second)


@given(st.lists(st.integers(0, 5000), max_size=400))
def test_what_is_kept_is_bounded(seconds: list[int]) -> None:
    crossings = Crossings(window_s=5)
    for second in seconds:
        crossings.receive(told(NOW + second, 1), NOW + second)
        crossings.ask(NOW + second, NOW + second)
        crossings.judge(NOW + second)

    assert len(crossings._inward) <= KEEP_S + 1
    assert all(NOW <= asked <= NOW + 5000 for asked in crossings._asked)


# ---------------------------------------------------------------- at the borders


@pytest.mark.parametrize("at_s", [NOW - 10, NOW + 10])
def test_ten_seconds_off_our_clock_is_soon_enough(at_s: int) -> None:
    assert Crossings(window_s=5).receive(told(at_s, 99, 99), NOW) == Crossing(at_s, 99, 99)


@pytest.mark.parametrize(("since_s", "judged"), [(NOW - 65, 1), (NOW - 64, 0)])
def test_it_must_have_spoken_from_the_beginning_of_the_window(since_s: int, judged: int) -> None:
    crossings = living(NOW, since_s=since_s)
    crossings.ask(NOW - 60, NOW - 50)

    assert crossings.judge(NOW).judged == judged


@pytest.mark.parametrize(("pause_s", "judged"), [(int(GAP_S), 1), (int(GAP_S) + 1, 0)])
def test_a_pause_up_to_the_gap_is_none(pause_s: int, judged: int) -> None:
    crossings = Crossings(window_s=WINDOW_S)
    for second in (NOW, NOW + pause_s):
        crossings.receive(told(second), second)
    crossings.ask(NOW + 10, NOW + 20)

    assert crossings.judge(NOW + pause_s).judged == judged


@pytest.mark.parametrize(("more_s", "waits"), [(0, True), (1, False)])
def test_an_entry_waits_for_the_counter_only_so_long(more_s: int, waits: bool) -> None:
    crossings = living(NOW)
    crossings.ask(NOW, NOW)
    latest_s = NOW + int(WINDOW_S + PATIENCE_S) + more_s
    crossings.judge(latest_s)

    assert bool(crossings._asked) is waits


def test_an_entry_is_asked_about_while_its_second_is_still_known_at_its_judgement() -> None:
    oldest_s = NOW - KEEP_S + PATIENCE_S + WINDOW_S
    crossings = living(NOW)
    for at_s in (NOW, oldest_s, oldest_s - 1):
        crossings.ask(at_s, NOW)

    assert list(crossings._asked) == [NOW, oldest_s]


@pytest.mark.parametrize(
    ("later_s", "alive"), [(int(PATIENCE_S), True), (int(PATIENCE_S) + 1, False)]
)
def test_it_lives_until_its_patience_is_over(later_s: int, alive: bool) -> None:
    assert living(NOW, since_s=NOW - 900).is_alive(NOW + later_s) is alive


def test_a_crossing_is_known_for_as_long_as_it_is_kept() -> None:
    crossings = Crossings(window_s=WINDOW_S)
    for second in (NOW, NOW + int(KEEP_S), NOW + int(KEEP_S) + 1):
        crossings.receive(told(second, 1), second)

    assert list(crossings._inward) == [NOW + int(KEEP_S), NOW + int(KEEP_S) + 1]

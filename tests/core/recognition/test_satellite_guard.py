"""A recording of a satellite is worth nothing: within a nonce, after it, and over a restart."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.recognition.satellite_guard import (
    LATE_S,
    MAX_SESSIONS,
    MESSAGES_AT_ONCE,
    SatelliteGuard,
)
from presence.core.recognition.satellite_message import SatelliteMessage, SatelliteRefusal

FIRST, SECOND, THIRD = (bytes([number]) * 8 for number in (1, 2, 3))
SESSION, NEXT = b"session1", b"session2"
START_S = 5000.0


def guard(*nonces: bytes) -> SatelliteGuard:
    made = SatelliteGuard()
    for nonce in nonces or (FIRST,):
        made.give(nonce)
    return made


def heard(sent_s: float, *, nonce: bytes = FIRST, session: bytes = SESSION) -> SatelliteMessage:
    return SatelliteMessage(nonce, session, round(sent_s * 1000))


def admit(
    to: SatelliteGuard, message: SatelliteMessage, *, way_s: float = 0.05
) -> SatelliteRefusal | None:
    """It takes so long on its way; the satellite started with START_S."""
    return to.admit(message, START_S + message.sent_ms / 1000 + way_s)


def test_messages_in_order_are_new() -> None:
    gateway = guard()
    assert [admit(gateway, heard(second)) for second in (0, 1, 2)] == [None] * 3


def test_the_nonce_before_counts_still_and_the_one_before_that_does_not() -> None:
    gateway = guard(FIRST, SECOND)
    assert admit(gateway, heard(1, nonce=FIRST)) is None
    assert admit(gateway, heard(2, nonce=SECOND)) is None
    gateway.give(THIRD)
    assert admit(gateway, heard(3, nonce=FIRST)) is SatelliteRefusal.STALE
    assert admit(gateway, heard(4, nonce=SECOND)) is None


def test_before_the_first_nonce_nothing_counts() -> None:
    assert admit(SatelliteGuard(), heard(1, nonce=bytes(8))) is SatelliteRefusal.STALE
    assert admit(SatelliteGuard(), heard(1, nonce=b"")) is SatelliteRefusal.STALE


@pytest.mark.requirement("T-01", "T-27")
def test_a_recording_is_stale_after_a_restart_of_the_gateway_too() -> None:
    recorded = heard(1)
    assert admit(guard(FIRST), recorded) is None
    restarted = guard(SECOND)
    assert restarted.admit(recorded, START_S + 1.1) is SatelliteRefusal.STALE


@pytest.mark.requirement("T-01", "T-27")
def test_a_message_counts_once_and_never_after_a_later_one() -> None:
    gateway = guard()
    assert admit(gateway, heard(1)) is None
    assert admit(gateway, heard(1)) is SatelliteRefusal.COPY
    assert admit(gateway, heard(2)) is None
    assert admit(gateway, heard(1.5)) is SatelliteRefusal.COPY


def test_a_satellite_that_starts_anew_is_heard_and_its_old_session_is_over() -> None:
    gateway = guard()
    assert admit(gateway, heard(100)) is None
    assert gateway.admit(heard(0, session=NEXT), START_S + 101) is None
    assert gateway.admit(heard(100.5), START_S + 101.5) is SatelliteRefusal.OVER
    assert gateway.admit(heard(1, session=NEXT), START_S + 102) is None


def test_a_session_that_is_over_stays_so_for_as_long_as_its_nonces_count() -> None:
    gateway = guard()
    admit(gateway, heard(1))
    admit(gateway, heard(2, session=NEXT))
    gateway.give(SECOND)
    assert admit(gateway, heard(3)) is SatelliteRefusal.OVER
    gateway.give(THIRD)
    assert admit(gateway, heard(4)) is SatelliteRefusal.STALE


def test_many_starts_in_a_row_take_no_more_memory() -> None:
    gateway = guard()
    for number in range(100):
        gateway.admit(heard(1, session=number.to_bytes(8, "big")), START_S + number)
    assert len(gateway._over) == MAX_SESSIONS


@pytest.mark.requirement("T-27")
def test_a_message_that_was_held_up_is_late() -> None:
    gateway = guard()
    assert admit(gateway, heard(1)) is None
    assert admit(gateway, heard(2), way_s=0.05 + LATE_S + 0.1) is SatelliteRefusal.LATE
    assert admit(gateway, heard(3), way_s=0.05 + LATE_S - 0.1) is None


def test_a_first_message_may_be_held_up_and_the_next_shows_the_way() -> None:
    gateway = guard()
    assert admit(gateway, heard(1), way_s=4) is None
    assert admit(gateway, heard(2), way_s=0.05) is None
    assert admit(gateway, heard(3), way_s=4) is SatelliteRefusal.LATE


@pytest.mark.parametrize("drift", [100e-6, -100e-6], ids=["slow", "fast"])
def test_a_crystal_that_drifts_for_a_month_makes_nobody_late(drift: float) -> None:
    gateway = guard()
    for hour in range(24 * 31):
        sent_s = hour * 3600.0
        assert gateway.admit(heard(sent_s), START_S + sent_s * (1 + drift)) is None


def test_a_flood_is_cut_and_what_is_refused_changes_nothing() -> None:
    gateway = guard()
    answers = [gateway.admit(heard(n / 1000), START_S) for n in range(MESSAGES_AT_ONCE + 10)]
    assert answers[:MESSAGES_AT_ONCE] == [None] * MESSAGES_AT_ONCE
    assert set(answers[MESSAGES_AT_ONCE:]) == {SatelliteRefusal.FLOOD}
    assert gateway.admit(heard(1), START_S + 1) is None


def test_what_is_refused_begins_no_session() -> None:
    gateway = guard()
    assert admit(gateway, heard(1)) is None
    assert admit(gateway, heard(2, nonce=THIRD, session=NEXT)) is SatelliteRefusal.STALE
    assert admit(gateway, heard(3)) is None


steps = st.lists(
    st.one_of(
        st.just("nonce"),
        st.just("start"),
        st.tuples(st.integers(0, 30), st.floats(0, 12)),
        st.floats(0.01, 3),
    ),
    max_size=60,
)


@pytest.mark.requirement("T-27")
@given(steps)
def test_no_message_is_ever_taken_twice(script: list[object]) -> None:
    """The satellite speaks, starts anew, nonces change; an attacker plays any old message at any
    time.
    """
    gateway, numbers = guard(), itertools.count(1)
    nonce, session, sent_s, now_s = FIRST, SESSION, 0.0, START_S
    recorded: list[SatelliteMessage] = []
    taken: set[tuple[bytes, int]] = set()
    for step in script:
        if step == "nonce":
            nonce = next(numbers).to_bytes(8, "big")
            gateway.give(nonce)
            continue
        if step == "start":
            session, sent_s = next(numbers).to_bytes(8, "little"), 0.0
            continue
        if isinstance(step, float):
            now_s, sent_s = now_s + step, sent_s + step
            recorded.append(heard(sent_s, nonce=nonce, session=session))
            message = recorded[-1]
        else:
            number, later_s = step  # type: ignore[misc]
            if not recorded:
                continue
            now_s += later_s
            message = recorded[number % len(recorded)]
        if gateway.admit(message, now_s) is None:
            assert (message.session, message.sent_ms) not in taken
            taken.add((message.session, message.sent_ms))

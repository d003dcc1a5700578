"""The outbox and what was told, record by record: what is dropped, what is remembered, and in which
order.
"""

import math
from dataclasses import fields
from typing import Any

import pytest

from presence.core.consent.gate import Reason
from presence.core.consent.model import Purpose
from presence.core.engine import Engine
from presence.core.event.cloudevent import EventType
from presence.core.event.outbox import Announced, Draft, Pending, Step, TakenBack
from tests.support.builders import (
    ANNA,
    BERIT,
    CARL,
    CARS,
    START_S,
    a_list,
    an_engine,
    announcement,
    consent,
    grant,
    moment,
    outgoing,
    restarted,
    rules,
    send_all,
    standing,
    visit,
    walk_in,
)
from tests.support.small import SmallEngine

PROFILED = frozenset(Purpose)
ALL = PROFILED - {Purpose.PROFILING}


def both_came_in(**changes: Any) -> Engine:
    engine = an_engine(consent(purposes=ALL), consent(ref=BERIT, purposes=ALL), **changes)
    for ref in (ANNA, BERIT):
        walk_in(engine, ref=ref)
    return engine


def knowing(**changes: Any) -> Engine:
    """A gateway that knows of Anna what it stored, and nothing else."""
    engine = SmallEngine(rules(), **changes)
    engine.admissions.trust(standing())
    return engine


# ---------------------------------------------------------------- what is counted, in events and in
# persons


@pytest.mark.requirement("R-23")
def test_visits_are_counted_and_so_are_their_persons() -> None:
    engine = an_engine(
        consent(purposes=ALL, grants=()), consent(ref=BERIT, purposes=ALL, grants=())
    )
    for ref in (ANNA, BERIT):
        walk_in(engine, ref=ref)
    engine.advance(moment(400))

    counts = engine.counts
    assert (counts.entered, counts.left, counts.withheld) == (2, 2, {Reason.NO_CATEGORY: 2})
    assert counts.persons.take() == {"recognised": 2, "entered": 2, "left": 2}


@pytest.mark.requirement("R-23")
def test_events_that_nobody_took_in_time_are_counted_and_so_are_their_persons() -> None:
    engine = both_came_in()
    engine.counts.persons.take()

    assert send_all(engine, moment(200)) == []

    assert engine.counts.expired == 2
    assert engine.counts.persons.take() == {"expired": 2}


@pytest.mark.requirement("R-23")
def test_events_that_the_gate_stopped_are_counted_by_reason_and_so_are_their_persons() -> None:
    engine = restarted(both_came_in(), consent(), consent(ref=BERIT), at=moment(8), audiences=())

    assert send_all(engine, moment(8)) == []

    assert engine.counts.blocked == {Reason.NO_PURPOSE: 2}
    assert engine.counts.persons.take() == {"blocked": 2}


@pytest.mark.requirement("R-23")
def test_withdrawals_are_counted_and_so_are_their_persons() -> None:
    engine = both_came_in()
    send_all(engine, moment(8))
    engine.counts.persons.take()

    engine.apply(a_list(), moment(20))

    assert engine.counts.withdrawn == 2
    assert engine.counts.persons.take() == {"withdrawn": 2}


@pytest.mark.requirement("R-23")
def test_events_that_found_no_room_are_counted_and_so_are_their_persons() -> None:
    engine = an_engine(*(consent(ref=ref) for ref in (ANNA, BERIT, CARL)), outbox_length=1)
    for ref in (ANNA, BERIT, CARL):
        walk_in(engine, ref=ref)

    assert [waiting.ref for waiting in engine.outbox.pending] == [CARL]
    assert engine.counts.dropped == 2
    assert engine.counts.persons.take()["dropped"] == 2


# ---------------------------------------------------------------- what is known of somebody who is
# not here


@pytest.mark.requirement("R-09")
def test_somebody_who_was_told_of_and_is_not_here_any_more_is_taken_back_as_well() -> None:
    engine = knowing(announcements=[announcement()])

    step = engine.apply(a_list(), moment(60))

    assert [each.type for each in step.queued] == [EventType.WITHDRAWN]
    assert step.retracted == (announcement().event_id,)


@pytest.mark.requirement("R-09")
def test_what_waits_of_somebody_who_is_not_here_any_more_goes_with_the_consent() -> None:
    engine = knowing(pending=[outgoing()])

    step = engine.apply(a_list(), moment(60))

    assert step.cancelled == (outgoing().id,)
    assert tuple(engine.outbox.pending) == ()


@pytest.mark.requirement("R-18", "R-24")
def test_what_was_told_before_a_restart_is_forgotten_once_nobody_may_act_on_it() -> None:
    engine = knowing(announcements=[announcement()])
    engine.apply(a_list(consent()), moment(60))

    assert engine.advance(moment(1799)).retracted == ()
    assert engine.advance(moment(1800)).retracted == (announcement().event_id,)
    assert tuple(engine.outbox.announced) == ()


# ---------------------------------------------------------------- taking back


@pytest.mark.requirement("R-09")
@pytest.mark.parametrize(("after_s", "told"), [(1799.9, 1), (1800, 0), (1860, 0)])
def test_a_withdrawal_is_told_only_while_somebody_might_act(after_s: float, told: int) -> None:
    engine = knowing(announcements=[announcement()])

    step = engine.apply(a_list(consent(version=2, objected=True)), moment(after_s))

    assert len(step.queued) == told
    assert tuple(engine.outbox.announced) == ()


@pytest.mark.requirement("R-09")
@pytest.mark.parametrize(("after_s", "told"), [(100, 1), (219.9, 1), (220, 0)])
def test_a_consent_that_ran_out_is_told_of_as_long_as_an_event_waits(
    after_s: float, told: int
) -> None:
    engine = knowing(announcements=[announcement(valid_until_s=START_S + 100)])

    step = engine.apply(a_list(consent(version=2, not_after_s=START_S + 100)), moment(after_s))

    assert len(step.queued) == told


@pytest.mark.requirement("R-09")
def test_a_withdrawal_waits_as_long_as_somebody_might_act_and_no_longer() -> None:
    engine = knowing(announcements=[announcement()])

    [withdrawn] = engine.apply(a_list(), moment(60)).queued

    assert withdrawn.expires_s == moment(1800).monotonic_s


def test_a_left_carries_no_reason() -> None:
    engine = both_came_in()
    send_all(engine, moment(8))

    queued = engine.advance(moment(400)).queued

    assert [(each.type, each.reason) for each in queued] == [(EventType.LEFT, "")] * 2


@pytest.mark.requirement("R-22", "R-34")
@pytest.mark.parametrize(
    ("later", "why"),
    [({"grants": (grant(CARS),)}, Reason.NO_CATEGORY), ({"purposes": ALL}, Reason.NO_PURPOSE)],
    ids=["a category less", "no profiling"],
)
def test_an_event_that_says_more_than_is_allowed_now_is_stopped_by_its_reason(
    later: dict[str, Any], why: Reason
) -> None:
    """The list was stale as it came, and nobody looked again before the event was sent once
    more.
    """
    engine = an_engine(consent(purposes=PROFILED))
    walk_in(engine)
    send_all(engine, moment(8), acknowledged=False)
    engine.admissions.trust(standing(publishing=False))
    engine.apply(a_list(consent(**{"version": 2, "purposes": PROFILED, **later})), moment(20))
    engine.admissions.trust(standing())

    assert send_all(engine, moment(21)) == []
    assert engine.counts.blocked == {why: 1}


@pytest.mark.requirement("R-05", "R-08")
def test_a_left_whose_purpose_ended_does_not_wait_for_the_list_to_be_proven() -> None:
    engine = an_engine(consent(purposes=ALL))
    walk_in(engine)
    send_all(engine, moment(8))
    engine.advance(moment(400))
    engine.admissions.trust(standing(publishing=False))
    engine.apply(a_list(consent(version=2, purposes=ALL - {Purpose.VISIT_END})), moment(401))

    assert send_all(engine, moment(402)) == []
    assert tuple(engine.outbox.pending) == ()
    assert engine.counts.blocked == {Reason.NO_PURPOSE: 1}


@pytest.mark.requirement("R-09", "R-53")
def test_an_event_is_sent_with_what_is_to_be_stored_of_it() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    released = engine.dispatcher.release(next(iter(engine.outbox.pending)), moment(8))

    assert isinstance(released, tuple)
    assert released[1] == Step(announced=tuple(engine.outbox.announced))


@pytest.mark.requirement("R-09", "R-53")
def test_what_was_taken_back_can_be_read_to_be_stored() -> None:
    engine = both_came_in()
    send_all(engine, moment(8))

    step = engine.apply(a_list(), moment(20))

    assert engine.outbox.announced.taken_back == step.taken_back
    assert [each.until_s for each in step.taken_back] == [moment(20 + 900).monotonic_s] * 2


def test_what_is_taken_back_once_more_is_remembered_longer_and_holds_up_nothing_older() -> None:
    told = Announced([], [TakenBack("a", 10), TakenBack("b", 20)])
    told.take_back(announcement(event_id="a"), 30, Draft())

    draft = Draft()
    told.let_go(moment(20)._replace(monotonic_s=20), draft)

    assert draft.let_go == ["b"]
    assert told.is_taken_back("a")


@pytest.mark.requirement("R-05")
def test_a_left_of_an_entry_that_nobody_remembers_is_stopped() -> None:
    engine = knowing(pending=[outgoing(type=EventType.LEFT, entered_id="forgotten", subject="p_")])
    engine.apply(a_list(consent(purposes=ALL)), moment(60))

    assert send_all(engine, moment(61)) == []
    assert engine.counts.blocked == {Reason.UNKNOWN: 1}


def test_an_event_that_a_peer_told_leaves_the_store_and_a_left_is_no_announcement() -> None:
    engine = an_engine(consent(purposes=ALL))
    walk_in(engine)
    [entered] = engine.outbox.pending
    step = engine.dispatcher.adopt(entered, entered.id, moment(8))
    assert (step.cancelled, [each.event_id for each in step.announced]) == (
        (entered.id,),
        [entered.id],
    )

    [left] = engine.advance(moment(400)).queued
    assert engine.dispatcher.adopt(left, left.id, moment(401)) == Step(cancelled=(left.id,))
    assert [each.event_id for each in engine.outbox.announced] == [entered.id]


# ---------------------------------------------------------------- records


SOMETHING_OF_EACH: dict[str, tuple[Any, ...]] = {
    "saved": (visit(),),
    "heard": ((ANNA, moment()),),
    "forgotten": (ANNA,),
    "queued": (outgoing(),),
    "cancelled": ("id",),
    "announced": (announcement(),),
    "retracted": ("id",),
    "taken_back": (TakenBack("id", 1),),
    "let_go": ("id",),
}


def test_a_step_with_anything_in_it_is_one_to_be_stored() -> None:
    assert set(SOMETHING_OF_EACH) == {each.name for each in fields(Step)}
    assert [name for name, value in SOMETHING_OF_EACH.items() if not Step(**{name: value})] == []
    assert not Step()


def test_what_is_not_held_can_be_let_go_of() -> None:
    assert Pending([]).pop("nothing") is None
    assert Announced([], []).pop("nothing") is None


def test_only_a_left_of_the_very_entry_is_its_left() -> None:
    its, other = (
        outgoing(id=f"left of {of}", type=EventType.LEFT, entered_id=of) for of in ("one", "two")
    )
    withdrawn = outgoing(id="withdrawn of one", type=EventType.WITHDRAWN, entered_id="one")

    assert Pending([withdrawn, other, its]).left_of(announcement(event_id="one")) == [its]


def test_what_waits_is_held_by_its_id_until_it_is_cancelled() -> None:
    held, draft = outgoing(id="held"), Draft()
    pending = Pending([held])
    assert pending.records == {"held": held}

    pending.queue(queued := outgoing(id="queued"), 2, draft)
    assert pending.records == {"held": held, "queued": queued}
    pending.cancel(held, draft)

    assert (pending.records, draft.cancelled) == ({"queued": queued}, ["held"])


def test_what_is_dropped_for_a_newer_event_leaves_the_store_too() -> None:
    pending, draft = Pending([outgoing(id="old")]), Draft()

    [dropped] = pending.queue(outgoing(id="new"), 1, draft)

    assert (dropped.id, draft.cancelled, [each.id for each in draft.queued]) == (
        "old",
        ["old"],
        ["new"],
    )


def test_what_rests_is_passed_over_until_the_time_of_the_first_and_wakes_in_its_place() -> None:
    one, two, three = (outgoing(id=name, ref=name.encode()) for name in ("one", "two", "three"))
    pending = Pending([one, two, three])

    pending.rest(one, 10.0)
    pending.rest(two, 20.0)

    assert (list(pending.awake), list(pending)) == ([three], [one, two, three])
    assert (pending.wake(9.0), list(pending.awake)) == (1.0, [three])
    assert pending.wake(10.0) == math.inf
    assert list(pending.awake) == [one, two, three]


def test_what_rests_behind_an_event_of_its_subject_wakes_when_that_is_gone() -> None:
    first, behind = outgoing(id="first"), outgoing(id="behind")
    to_another = outgoing(id="to another", audience="pick-up")
    pending = Pending([first, behind, to_another])
    pending.rest(first, 10.0)

    assert pending.rests_behind(behind)
    assert not pending.rests_behind(to_another)
    pending.rest(behind, math.inf)
    pending.pop("first")

    assert not pending.rests_behind(behind)
    assert set(pending.awake) == {behind, to_another}


def test_what_is_gone_rests_no_more() -> None:
    pending = Pending([outgoing(id="one")])
    pending.rest(outgoing(id="one"), 10.0)

    pending.pop("one")

    assert pending.wake(0.0) == math.inf
    assert list(pending.awake) == []

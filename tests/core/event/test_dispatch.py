"""Who is told what: the gate asked again at the moment of sending, and withdrawals after what was
said.
"""

import math
from typing import Any

import pytest

from presence.core.consent.gate import Denied, Reason
from presence.core.consent.model import Audience, Flag, Purpose, Scope
from presence.core.consent.revocation import RevokedRights
from presence.core.consent.revocations import HeldRevocation, Revocations
from presence.core.engine import Engine
from presence.core.event.cloudevent import STABLE_DAY, EventType, subject_of_day
from presence.core.timestamps import Moment
from scripts.stores.customers import pairwise_key
from tests.support.builders import (
    ANNA,
    BERIT,
    CARS,
    DAY_S,
    GARDEN,
    HOUR_S,
    OFFERS,
    PICK_UP,
    START_S,
    a_list,
    advertisement,
    an_engine,
    announcement,
    consent,
    grant,
    header,
    moment,
    outgoing,
    restarted,
    rules,
    send_all,
    standing,
    stay,
    visit,
    walk_in,
)
from tests.support.revocations import revocation
from tests.support.small import SmallEngine

ALL = frozenset(Purpose) - {Purpose.PROFILING}
PRESENCE_AND_OFFERS = frozenset({Purpose.PRESENCE, Purpose.OFFERS})
SENT_S = 8.0


def entered_and_told(**changes: Any) -> Engine:
    """Anna came in, and the audience was told."""
    engine = an_engine(consent(**changes))
    walk_in(engine)
    [event] = send_all(engine, moment(SENT_S))
    assert event["type"] == "presence.entered.v1"
    return engine


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


# ---------------------------------------------------------------- between entry and sending

LAPSED = [
    pytest.param(None, id="withdrawn"),
    pytest.param({"not_after_s": START_S + 10}, id="expired"),
    pytest.param({"not_before_s": START_S + 60}, id="not yet valid"),
    pytest.param({"paused_until_s": START_S + HOUR_S}, id="paused"),
    pytest.param({"paused_until_s": math.inf}, id="pause unreadable"),
    pytest.param({"objected": True}, id="objected"),
    pytest.param({"scope": Scope(frozenset({"fi-0001"}))}, id="out of scope"),
    pytest.param({"purposes": frozenset({Purpose.OFFERS})}, id="no presence"),
    pytest.param({"purposes": frozenset({Purpose.PRESENCE})}, id="no purpose"),
    pytest.param({"grants": ()}, id="no category"),
    pytest.param(
        {"grants": (grant(CARS, end_s=START_S + 10), grant(GARDEN, end_s=START_S + 10))},
        id="grants over",
    ),
    pytest.param({"refused_categories": frozenset({CARS, GARDEN})}, id="categories refused"),
    pytest.param({"pairwise_keys": {}}, id="no pairwise key"),
    pytest.param({"flags": frozenset({Flag.TEST})}, id="a test phone"),
    pytest.param({"flags": frozenset({Flag.NO_PROFILING})}, id="a minor"),
]


@pytest.mark.requirement("R-05", "R-06", "R-08", "R-09", "R-10", "R-11")
@pytest.mark.parametrize("change", LAPSED)
def test_a_consent_that_lapses_between_entry_and_sending_publishes_nothing(
    change: dict[str, Any] | None,
) -> None:
    engine = an_engine(consent())
    assert walk_in(engine).queued

    engine.apply(a_list() if change is None else a_list(consent(**change)), moment(10))

    assert send_all(engine, moment(10)) == []
    engine.advance(moment(400))
    assert send_all(engine, moment(400)) == []
    assert tuple(engine.outbox.pending) == ()
    assert tuple(engine.outbox.announced) == ()


@pytest.mark.requirement("R-05", "R-06", "R-10", "R-11")
@pytest.mark.parametrize("change", LAPSED)
def test_a_consent_that_does_not_hold_at_the_entry_publishes_nothing(
    change: dict[str, Any] | None,
) -> None:
    engine = an_engine(*([] if change is None else [consent(**change)]), at=moment(20))

    assert walk_in(engine, start=moment(20)).queued == ()
    assert send_all(engine, moment(30)) == []


@pytest.mark.requirement("R-06", "R-35")
@pytest.mark.parametrize(
    "change",
    [{"not_after_s": START_S + 10}, {"grants": (grant(CARS, end_s=START_S + 10),)}],
    ids=["the consent", "its only grant"],
)
def test_an_end_that_comes_while_an_event_waits_stops_it_at_that_second(
    change: dict[str, Any],
) -> None:
    """Nobody told the engine of the time: the gate asks for itself."""
    on_time, too_late = an_engine(consent(**change)), an_engine(consent(**change))
    walk_in(on_time)
    walk_in(too_late)

    assert len(send_all(on_time, moment(9.999))) == 1
    assert send_all(too_late, moment(10)) == []


@pytest.mark.requirement("R-34", "R-35")
def test_narrowing_between_entry_and_sending_narrows_what_is_allowed() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    engine.apply(a_list(consent(version=2, grants=(grant(GARDEN),))), moment(8))

    assert send_all(engine, moment(9))[0]["data"]["allow"] == [GARDEN]


@pytest.mark.requirement("R-35")
def test_a_grant_that_ends_between_entry_and_sending_is_not_named() -> None:
    engine = an_engine(consent(grants=(grant(CARS, end_s=START_S + 9), grant(GARDEN))))
    walk_in(engine)

    assert send_all(engine, moment(9))[0]["data"]["allow"] == [GARDEN]


def test_a_campaign_that_ends_between_entry_and_sending_is_not_named() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    only_cars = Audience(OFFERS.name, Purpose.OFFERS, frozenset({CARS}))
    engine = restarted(engine, consent(), at=moment(8), audiences=(only_cars,))

    assert send_all(engine, moment(9))[0]["data"]["allow"] == [CARS]


def test_an_audience_that_is_taken_away_hears_nothing_more() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    engine = restarted(engine, consent(), at=moment(8), audiences=())

    assert send_all(engine, moment(9)) == []
    assert engine.counts.blocked == {Reason.NO_PURPOSE: 1}


# ---------------------------------------------------------------- valid_until


def test_an_offer_may_be_acted_on_for_half_an_hour_told_to_the_minute() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    assert send_all(engine, moment(60))[0]["data"]["valid_until"] == "2026-11-23T14:35:00Z"


@pytest.mark.requirement("R-06", "R-35")
def test_an_offer_may_be_acted_on_no_longer_than_the_consent_and_its_grants_hold() -> None:
    for change in (
        {"not_after_s": START_S + 100},
        {"grants": (grant(CARS, end_s=START_S + 100), grant(GARDEN))},
    ):
        engine = an_engine(consent(**change))
        walk_in(engine)

        assert send_all(engine, moment(60))[0]["data"]["valid_until"] == "2026-11-23T14:06:47Z"


def test_an_event_on_which_nobody_may_act_any_more_is_not_sent() -> None:
    """Cut to the minute, a minute of validity may be over a second after the entry."""
    engine = an_engine(consent(), valid_for_s=60, expiry_s=120)
    walk_in(engine, start=moment(45))  # in at 14:05:59

    assert send_all(engine, moment(53)) == []  # 14:06:00


# ---------------------------------------------------------------- waiting


@pytest.mark.requirement("R-18", "R-49")
def test_an_event_that_waited_too_long_is_not_sent() -> None:
    in_time, too_late = an_engine(consent()), an_engine(consent())
    walk_in(in_time)
    walk_in(too_late)

    assert len(send_all(in_time, moment(7 + 119.9))) == 1
    assert send_all(too_late, moment(7 + 120)) == []
    assert tuple(too_late.outbox.pending) == ()


@pytest.mark.requirement("R-08")
def test_while_the_list_is_stale_events_wait_and_go_out_once_it_is_proven() -> None:
    engine = an_engine(consent())
    walk_in(engine)
    engine.admissions.trust(standing(publishing=False))

    [waiting] = engine.outbox.pending
    assert engine.dispatcher.release(waiting, moment(10)) == Denied(Reason.LIST_STALE)
    assert tuple(engine.outbox.pending) == (waiting,)
    assert engine.counts.blocked == {}

    engine.admissions.trust(standing())
    assert types(send_all(engine, moment(20))) == ["presence.entered.v1"]


@pytest.mark.requirement("R-18")
def test_an_event_that_waits_for_a_list_expires_too() -> None:
    engine = an_engine(consent())
    walk_in(engine)
    engine.admissions.trust(standing(publishing=False))

    assert send_all(engine, moment(200)) == []
    assert tuple(engine.outbox.pending) == ()


@pytest.mark.requirement("R-18", "T-04")
def test_a_full_outbox_drops_the_oldest_and_counts_it() -> None:
    refs = [bytes([n]) * 8 for n in range(5)]
    engine = an_engine(*(consent(ref=ref) for ref in refs), outbox_length=3)
    for ref in refs:
        walk_in(engine, ref=ref)

    assert [waiting.ref for waiting in engine.outbox.pending] == refs[2:]
    assert engine.counts.dropped == 2


def told_of(refs: list[bytes], **changes: Any) -> Engine:
    """All of them came in, and the audience was told of each."""
    engine = an_engine(*(consent(ref=ref, purposes=ALL) for ref in [*refs, BERIT]), **changes)
    for ref in refs:
        walk_in(engine, ref=ref)
        send_all(engine, moment(SENT_S))
    return engine


@pytest.mark.requirement("R-09", "T-04")
def test_a_withdrawal_is_never_dropped_for_an_entry() -> None:
    refs = [bytes([n]) * 8 for n in range(3)]
    engine = told_of(refs, outbox_length=3)
    engine.apply(a_list(consent(ref=BERIT)), moment(20))

    step = walk_in(engine, ref=BERIT, start=moment(21))

    assert (step.queued, engine.counts.dropped) == ((), 1)
    assert sorted((waiting.ref, waiting.type) for waiting in engine.outbox.pending) == [
        (ref, EventType.WITHDRAWN) for ref in refs
    ]
    assert types(send_all(engine, moment(30))) == ["presence.withdrawn.v1"] * 3


@pytest.mark.requirement("R-09")
def test_a_withdrawal_is_never_dropped_for_a_left() -> None:
    refs = [bytes([n]) * 8 for n in range(3)]
    engine = told_of([*refs, BERIT], outbox_length=3)
    engine.apply(a_list(consent(ref=BERIT, purposes=ALL)), moment(20))

    assert engine.advance(moment(400)).queued == ()

    assert engine.counts.left == 1
    assert types(send_all(engine, moment(401))) == ["presence.withdrawn.v1"] * 3


@pytest.mark.requirement("R-09")
def test_a_withdrawal_takes_the_place_of_the_oldest_entry_that_waits() -> None:
    told, first, second = (bytes([n]) * 8 for n in range(3))
    engine = an_engine(*(consent(ref=ref) for ref in (told, first, second)), outbox_length=2)
    walk_in(engine, ref=told)
    send_all(engine, moment(SENT_S))
    for ref in (first, second):
        walk_in(engine, ref=ref, start=moment(10))

    engine.apply(a_list(consent(ref=first), consent(ref=second)), moment(30))

    assert [(waiting.ref, waiting.type) for waiting in engine.outbox.pending] == [
        (second, EventType.ENTERED),
        (told, EventType.WITHDRAWN),
    ]
    assert engine.counts.dropped == 1


@pytest.mark.requirement("R-09")
@pytest.mark.parametrize("by", ["a notice", "a list"])
def test_more_withdrawals_at_once_than_the_outbox_is_long_are_all_told(by: str) -> None:
    refs = [bytes([n]) * 8 for n in range(7)]
    engine = told_of(refs, outbox_length=3)

    if by == "a notice":
        step = engine.revoke(
            revocation(*(RevokedRights(ref, 1, removed=True) for ref in refs)), moment(20)
        )[1]
    else:
        step = engine.apply(a_list(), moment(20))

    assert len(step.queued) == 7
    assert step.cancelled == ()
    assert types(send_all(engine, moment(21))) == ["presence.withdrawn.v1"] * 7
    assert engine.counts.dropped == 0


# ---------------------------------------------------------------- taking back

REASONS = [
    pytest.param(None, "withdrawn", id="taken off the list"),
    pytest.param({"not_after_s": START_S + 60}, "expired", id="expired"),
    pytest.param({"objected": True}, "objected", id="objected"),
    pytest.param({"paused_until_s": START_S + HOUR_S}, "paused", id="paused"),
    pytest.param({"paused_until_s": math.inf}, "paused", id="pause unreadable"),
    pytest.param({"scope": Scope(frozenset({"fi-0001"}))}, "unspecified", id="out of scope"),
    pytest.param({"purposes": frozenset({Purpose.OFFERS})}, "unspecified", id="no presence"),
    pytest.param(
        {"purposes": frozenset({Purpose.PRESENCE, Purpose.VISIT_END})},
        "unspecified",
        id="no purpose",
    ),
    pytest.param({"grants": (grant(CARS),)}, "unspecified", id="narrowed"),
    pytest.param({"grants": ()}, "unspecified", id="no category"),
]


@pytest.mark.requirement("R-08", "R-09", "R-10", "R-11", "R-34")
@pytest.mark.parametrize(("change", "reason"), REASONS)
def test_a_right_that_ends_during_a_visit_gives_one_withdrawn_and_then_silence(
    change: dict[str, Any] | None, reason: str
) -> None:
    engine = an_engine(consent(purposes=ALL))
    walk_in(engine)
    [entered] = send_all(engine, moment(SENT_S))
    lapsed = () if change is None else (consent(**{"purposes": ALL, "version": 2, **change}),)

    engine.apply(a_list(*lapsed), moment(60))
    told = send_all(engine, moment(60))
    stay(engine, moment(61), moment(200))
    engine.apply(a_list(*lapsed), moment(201))
    told += send_all(engine, moment(201))
    engine.advance(moment(1000))
    told += [
        event
        for event in send_all(engine, moment(1000))
        if reason != "unspecified" or "left" not in event["type"]
    ]

    assert len(told) == 1
    assert told[0]["type"] == "presence.withdrawn.v1"
    assert told[0]["subject"] == entered["subject"]
    assert told[0]["data"] == {
        "audience": OFFERS.name,
        "store": "fi-0042",
        "entered_id": entered["id"],
        "reason": reason,
    }
    assert tuple(engine.outbox.announced) == ()


@pytest.mark.requirement("R-09")
def test_after_a_withdrawn_no_left_is_told() -> None:
    for change in (None, {"grants": (grant(CARS),)}):
        engine = an_engine(consent(purposes=ALL))
        walk_in(engine)
        send_all(engine, moment(SENT_S))
        engine.apply(
            a_list(*(() if change is None else (consent(purposes=ALL, **change),))), moment(60)
        )
        send_all(engine, moment(60))

        engine.advance(moment(1000))

        assert send_all(engine, moment(1000)) == []


@pytest.mark.requirement("R-06", "R-09")
def test_a_consent_that_runs_out_by_itself_is_taken_back_at_that_second() -> None:
    engine = entered_and_told(not_after_s=START_S + 100)

    assert engine.advance(moment(99.9)).queued == ()
    engine.advance(moment(100))

    [withdrawn] = send_all(engine, moment(100))
    assert withdrawn["data"]["reason"] == "expired"


@pytest.mark.requirement("R-09")
def test_an_event_on_its_way_that_may_have_been_read_is_taken_back_and_not_sent_again() -> None:
    """Handed over, not acknowledged: the connection was lost."""
    for later in (a_list(), a_list(consent(grants=(grant(CARS),)))):
        engine = an_engine(consent())
        walk_in(engine)
        [entered] = send_all(engine, moment(SENT_S), acknowledged=False)

        engine.apply(later, moment(60))

        [told] = send_all(engine, moment(60))
        assert told["type"] == "presence.withdrawn.v1"
        assert told["data"]["entered_id"] == entered["id"]


@pytest.mark.requirement("R-09", "R-12")
def test_what_was_never_sent_is_never_taken_back() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    step = engine.apply(a_list(), moment(60))

    assert step.queued == ()
    assert len(step.cancelled) == 1
    assert step.forgotten == (ANNA,)
    assert (tuple(engine.outbox.pending), tuple(engine.visits), tuple(engine.outbox.announced)) == (
        (),
        (),
        (),
    )


@pytest.mark.requirement("R-09", "R-53")
def test_whoever_was_taken_back_and_comes_in_again_at_once_is_not_announced_under_the_old_id() -> (
    None
):
    """A pause of a minute: the new visit falls into the bucket of the old one, and readers know its
    id as over.
    """
    engine = entered_and_told()
    engine.apply(a_list(), moment(20))
    assert types(send_all(engine, moment(20))) == ["presence.withdrawn.v1"]
    engine.apply(a_list(consent(version=2)), moment(30))

    walk_in(engine, start=moment(31))
    assert send_all(engine, moment(40)) == []

    engine.advance(moment(40 + 900))
    walk_in(engine, start=moment(40 + 900))
    assert types(send_all(engine, moment(950))) == ["presence.entered.v1"]


@pytest.mark.requirement("R-09", "R-53")
def test_what_was_taken_back_stays_so_through_a_restart() -> None:
    before = entered_and_told()
    step = before.apply(a_list(), moment(20))
    after = SmallEngine(
        rules(),
        visits=tuple(before.visits),
        pending=tuple(before.outbox.pending),
        taken_back=step.taken_back,
    )
    after.admissions.trust(standing())
    after.apply(a_list(consent(version=2)), moment(30))

    walk_in(after, start=moment(31))
    assert types(send_all(after, moment(40))) == ["presence.withdrawn.v1"]

    let_go = after.advance(moment(40 + 900)).let_go
    assert let_go == tuple(each.event_id for each in step.taken_back)
    assert after.outbox.announced.taken_back == ()
    walk_in(after, start=moment(40 + 900))
    assert types(send_all(after, moment(950))) == ["presence.entered.v1"]


@pytest.mark.requirement("R-09")
def test_the_word_of_a_peer_does_not_announce_again_what_was_taken_back_here() -> None:
    engine = an_engine(consent())
    walk_in(engine)
    [waiting] = engine.outbox.pending
    send_all(engine, moment(SENT_S))
    engine.apply(a_list(), moment(20))
    send_all(engine, moment(20))
    engine.apply(a_list(consent(version=2)), moment(30))
    walk_in(
        engine, start=moment(600)
    )  # in the next bucket, and a peer told it under the id of the one before
    [new] = engine.outbox.pending
    assert new.id != waiting.id

    step = engine.dispatcher.adopt(new, waiting.id, moment(610))

    assert (step.cancelled, step.announced) == ((new.id,), ())
    assert tuple(engine.outbox.announced) == ()


@pytest.mark.requirement("R-11")
def test_what_a_peer_told_of_who_has_paused_meanwhile_leaves_the_outbox_and_is_not_known() -> None:
    """The list came while nobody may believe it: nothing was taken back yet."""
    engine = an_engine(consent())
    walk_in(engine)
    [waiting] = engine.outbox.pending
    engine.admissions.trust(standing(publishing=False))
    engine.apply(a_list(consent(version=2, paused_until_s=START_S + DAY_S)), moment(9))

    step = engine.dispatcher.adopt(waiting, waiting.id, moment(10))

    assert (step.cancelled, step.announced) == ((waiting.id,), ())
    assert tuple(engine.outbox.announced) == ()


@pytest.mark.requirement("R-09")
def test_what_a_peer_told_while_our_list_was_stale_is_taken_back_here_too() -> None:
    """The peer may be gone by then; nothing but the withdrawal comes of it."""
    engine = an_engine(consent())
    walk_in(engine)
    [waiting] = engine.outbox.pending
    engine.admissions.trust(standing(publishing=False))
    engine.dispatcher.adopt(waiting, waiting.id, moment(10))
    assert send_all(engine, moment(11)) == []

    engine.revoke(revocation(RevokedRights(ANNA, 1, removed=True)), moment(20))

    [withdrawn] = send_all(engine, moment(20))
    assert (withdrawn["type"], withdrawn["data"]["entered_id"]) == (
        "presence.withdrawn.v1",
        waiting.id,
    )


@pytest.mark.requirement("R-09")
def test_each_audience_that_was_told_is_told_of_the_end() -> None:
    record = consent(purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS, Purpose.SERVICE}))
    engine = an_engine(record, audiences=(OFFERS, PICK_UP))
    walk_in(engine)
    entered = send_all(engine, moment(SENT_S))

    engine.apply(a_list(), moment(60))

    told = send_all(engine, moment(60))
    assert {e["data"]["audience"]: e["data"]["entered_id"] for e in told} == {
        e["data"]["audience"]: e["id"] for e in entered
    }
    assert {e["subject"] for e in told} == {e["subject"] for e in entered}


@pytest.mark.requirement("R-09", "R-34")
def test_only_the_audience_that_lost_its_right_is_told() -> None:
    both = frozenset({Purpose.PRESENCE, Purpose.OFFERS, Purpose.SERVICE})
    engine = an_engine(consent(purposes=both), audiences=(OFFERS, PICK_UP))
    walk_in(engine)
    send_all(engine, moment(SENT_S))

    engine.apply(a_list(consent(purposes=both - {Purpose.OFFERS})), moment(60))

    assert [event["data"]["audience"] for event in send_all(engine, moment(60))] == [OFFERS.name]
    assert [announced.audience for announced in engine.outbox.announced] == [PICK_UP.name]


def test_a_widened_consent_takes_nothing_back_and_tells_nothing_new() -> None:
    engine = an_engine(consent(grants=(grant(CARS),)))
    walk_in(engine)
    send_all(engine, moment(SENT_S))

    engine.apply(a_list(consent(version=2)), moment(60))

    assert tuple(engine.outbox.pending) == ()


def test_a_withdrawal_after_everybody_stopped_acting_is_not_told() -> None:
    engine = entered_and_told()
    stay(engine, moment(30), moment(2000))

    engine.apply(a_list(), moment(2001))

    assert send_all(engine, moment(2001)) == []
    assert tuple(engine.outbox.announced) == ()


AHEAD_S = 4000.0


def ahead(seconds: float) -> Moment:
    """So many seconds after the start, and somebody set the wall clock ahead."""
    return moment(seconds)._replace(utc_s=START_S + seconds + AHEAD_S)


@pytest.mark.requirement("R-09")
def test_a_clock_that_was_ahead_for_a_moment_forgets_nothing_that_was_told() -> None:
    engine = entered_and_told()
    engine.admissions.trust(standing(publishing=False))  # by that clock the list is old
    engine.advance(moment(400))
    assert not engine.visits.is_inside(ANNA)
    engine.advance(ahead(401))
    engine.admissions.trust(standing())

    engine.apply(a_list(), moment(402))

    assert types(send_all(engine, moment(402))) == ["presence.withdrawn.v1"]


@pytest.mark.requirement("R-09")
def test_by_a_clock_that_is_ahead_is_taken_back_what_somebody_may_act_on_still() -> None:
    engine = entered_and_told()

    engine.apply(a_list(), ahead(30))

    [withdrawn] = engine.outbox.pending
    assert withdrawn.type is EventType.WITHDRAWN
    assert withdrawn.expires_s == moment(1793).monotonic_s  # 14:35, as the audience was told


@pytest.mark.requirement("R-09", "R-18")
def test_what_was_told_by_a_clock_that_was_ahead_is_remembered_until_its_time_has_come() -> None:
    """The audience goes by the time that it was told."""
    told = announcement(valid_until_s=START_S + 600, over_s=moment(500).monotonic_s)
    engine = SmallEngine(rules(), announcements=[told])
    for second, remembered in ((499, 1), (500, 1), (599, 1), (601, 0)):
        engine.advance(moment(second))
        assert len(tuple(engine.outbox.announced)) == remembered


@pytest.mark.requirement("R-09", "R-11")
def test_a_pause_that_seemed_over_by_a_wrong_clock_counts_as_soon_as_the_clock_is_mended() -> None:
    engine = entered_and_told()
    engine.admissions.trust(standing(publishing=False))  # nobody believes the list, then or later
    engine.advance(ahead(20))
    pause = RevokedRights(ANNA, 1, paused_until_s=START_S + 300)
    engine.revoke(revocation(pause), ahead(21))
    assert tuple(engine.outbox.pending) == ()

    engine.advance(moment(22))

    assert types(send_all(engine, moment(22))) == ["presence.withdrawn.v1"]


@pytest.mark.requirement("R-11", "R-34")
def test_before_the_first_list_a_pause_that_was_kept_takes_nothing_back() -> None:
    """They may have resumed since: only the list can tell."""
    pause = HeldRevocation(RevokedRights(ANNA, 1, paused_until_s=START_S + HOUR_S), 1)
    engine = SmallEngine(rules(), announcements=[announcement()], revocations=Revocations([pause]))
    engine.advance(moment(1))
    engine.admissions.trust(standing())
    engine.apply(a_list(consent(version=2)), moment(2))
    assert tuple(engine.outbox.pending) == ()
    assert len(tuple(engine.outbox.announced)) == 1


@pytest.mark.requirement("R-34")
def test_a_revocation_is_held_until_the_list_itself_has_its_version() -> None:
    engine = entered_and_told()
    engine.revoke(revocation(RevokedRights(ANNA, 2, categories=frozenset({CARS}))), moment(20))
    engine.admissions.trust(standing(seq=10**6))
    assert engine.settle() == ()
    assert len(engine.revocations) == 1


def test_a_sighting_after_a_long_silence_ends_the_visit_that_was_told_of() -> None:
    engine = entered_and_told(purposes=ALL)
    queued = engine.receive(advertisement(at=moment(600))).queued
    assert [each.type for each in queued] == [EventType.LEFT]


@pytest.mark.requirement("R-11")
def test_a_pause_that_is_over_takes_nothing_back_while_the_list_is_stale() -> None:
    engine = entered_and_told()
    engine.admissions.trust(standing(publishing=False))
    engine.revoke(revocation(RevokedRights(ANNA, 1, paused_until_s=START_S + 15)), moment(20))
    engine.advance(moment(21))
    engine.advance(moment(19))
    assert tuple(engine.outbox.pending) == ()


@pytest.mark.requirement("R-08")
def test_a_withdrawal_goes_out_though_the_list_grew_stale_meanwhile() -> None:
    engine = entered_and_told()
    engine.apply(a_list(), moment(60))

    engine.admissions.trust(standing(publishing=False))

    assert types(send_all(engine, moment(61))) == ["presence.withdrawn.v1"]


def test_a_stale_list_withdraws_nobody() -> None:
    engine = entered_and_told()
    engine.admissions.trust(standing(publishing=False))

    engine.advance(moment(60))

    assert tuple(engine.outbox.pending) == ()
    assert len(tuple(engine.outbox.announced)) == 1


@pytest.mark.requirement("R-09")
def test_a_withdrawal_during_a_restart_is_told_after_it() -> None:
    engine = SmallEngine(rules(), visits=[visit()], announcements=[announcement()])
    engine.admissions.trust(standing())

    engine.apply(a_list(consent(ref=BERIT)), moment(60))

    [withdrawn] = send_all(engine, moment(60))
    assert withdrawn["data"]["entered_id"] == announcement().event_id


# ---------------------------------------------------------------- leaving


def test_a_left_is_told_where_the_customer_agreed_to_it() -> None:
    engine = entered_and_told(purposes=ALL)
    [entered] = engine.outbox.announced

    engine.advance(moment(7 + 300))

    [left] = send_all(engine, moment(7 + 300))
    assert (left["type"], left["data"]["entered_id"]) == ("presence.left.v1", entered.event_id)
    assert left["subject"] == entered.subject
    assert left["time"] == "2026-11-23T14:05:00Z"


@pytest.mark.requirement("R-05")
def test_without_visit_end_the_end_of_a_visit_is_nobodys_business() -> None:
    engine = entered_and_told()

    assert engine.advance(moment(7 + 300)).queued == ()
    assert engine.counts.left == 1


@pytest.mark.requirement("R-05")
def test_a_left_without_an_entered_is_never_told() -> None:
    engine = an_engine(consent(purposes=ALL))
    walk_in(engine)
    engine.advance(moment(7 + 300))

    assert send_all(engine, moment(7 + 300)) == []


@pytest.mark.requirement("R-05", "R-06")
def test_a_left_is_stopped_where_visit_end_is_taken_back_before_it_is_sent() -> None:
    engine = entered_and_told(purposes=ALL)
    engine.advance(moment(7 + 300))

    [waiting] = engine.outbox.pending
    step = engine.apply(a_list(consent(purposes=ALL - {Purpose.VISIT_END})), moment(310))

    assert step.cancelled == (waiting.id,)
    assert send_all(engine, moment(311)) == []
    assert tuple(engine.outbox.pending) == ()
    assert len(tuple(engine.outbox.announced)) == 1


def lose_the_purpose(engine: Engine, by: str, now: Moment) -> Engine:
    """The audience of offers loses its right, in one of three ways; the engine that goes on."""
    if by == "a notice":
        engine.revoke(revocation(RevokedRights(ANNA, 1, purposes=frozenset({Purpose.OFFERS}))), now)
    elif by == "a list":
        engine.apply(a_list(consent(version=2, purposes=ALL - {Purpose.OFFERS})), now)
    else:
        return restarted(engine, consent(purposes=ALL), at=now, audiences=())
    return engine


WAYS = ["a notice", "a list", "the configuration"]


@pytest.mark.requirement("R-05", "R-34")
@pytest.mark.parametrize("by", WAYS)
def test_a_left_that_waits_is_not_told_to_an_audience_that_lost_its_right(by: str) -> None:
    engine = entered_and_told(purposes=ALL)
    engine.advance(moment(7 + 300))

    engine = lose_the_purpose(engine, by, moment(310))
    told = send_all(engine, moment(310))
    engine.advance(moment(311))

    assert types(told + send_all(engine, moment(311))) == ["presence.withdrawn.v1"]


@pytest.mark.requirement("R-05", "R-34")
@pytest.mark.parametrize("by", WAYS)
def test_no_left_is_queued_for_an_audience_that_lost_its_right_after_everybody_stopped_acting(
    by: str,
) -> None:
    """Nothing is taken back any more, so the `entered` stands; its audience has no right to its end
    all the same.
    """
    engine = entered_and_told(purposes=ALL)
    stay(engine, moment(30), moment(1900))
    engine = lose_the_purpose(engine, by, moment(1901))

    engine.advance(moment(2300))

    assert engine.counts.left == 1
    assert send_all(engine, moment(2300)) == []


@pytest.mark.requirement("R-05", "R-06")
def test_the_gate_is_asked_for_a_left_at_that_second_too() -> None:
    """Nobody told the engine of the time."""
    record = {
        "purposes": ALL,
        "grants": (grant(CARS, end_s=START_S + 400), grant(GARDEN, end_s=START_S + 400)),
    }
    on_time, too_late = entered_and_told(**record), entered_and_told(**record)
    on_time.advance(moment(7 + 300))
    too_late.advance(moment(7 + 300))

    assert types(send_all(on_time, moment(399.9))) == ["presence.left.v1"]
    assert send_all(too_late, moment(400)) == []
    assert too_late.counts.blocked == {Reason.NO_CATEGORY: 1}


@pytest.mark.requirement("R-08")
def test_while_the_list_is_stale_no_left_is_told_and_one_that_waits_goes_out_after_it() -> None:
    queued, ended = entered_and_told(purposes=ALL), entered_and_told(purposes=ALL)
    queued.advance(moment(7 + 300))
    for engine in (queued, ended):
        engine.admissions.trust(standing(publishing=False))
        engine.advance(moment(310))
        assert send_all(engine, moment(310)) == []
        engine.admissions.trust(standing())
        engine.advance(moment(311))

    assert types(send_all(queued, moment(311))) == ["presence.left.v1"]
    assert send_all(ended, moment(311)) == []


def test_a_left_that_waits_goes_out_though_nobody_may_act_any_more() -> None:
    engine = entered_and_told(purposes=ALL)
    stay(engine, moment(30), moment(1480))
    engine.advance(moment(1785))
    engine.advance(moment(1880))

    assert types(send_all(engine, moment(1880))) == ["presence.left.v1"]
    engine.advance(moment(1881))
    assert tuple(engine.outbox.announced) == ()


@pytest.mark.requirement("R-09")
def test_a_withdrawal_stops_a_left_that_waits() -> None:
    engine = entered_and_told(purposes=ALL)
    engine.advance(moment(7 + 300))

    engine.apply(a_list(), moment(310))

    assert types(send_all(engine, moment(311))) == ["presence.withdrawn.v1"]


@pytest.mark.requirement("R-18", "R-24")
def test_nothing_is_remembered_of_a_visit_on_which_nobody_may_act_any_more() -> None:
    engine = entered_and_told()
    engine.advance(moment(400))
    assert len(tuple(engine.outbox.announced)) == 1

    engine.advance(moment(1800))

    assert (tuple(engine.visits), tuple(engine.outbox.announced), tuple(engine.outbox.pending)) == (
        (),
        (),
        (),
    )


@pytest.mark.requirement("R-24")
@pytest.mark.parametrize("why", ["is inside", "has a left that waits"])
@pytest.mark.parametrize("who", [ANNA, BERIT])
def test_one_visit_that_is_remembered_holds_back_the_end_of_no_other(who: bytes, why: str) -> None:
    """All that was told is looked at in one tick, whoever comes first."""
    waits = why == "has a left that waits"
    engine = an_engine(
        *(
            consent(ref=ref, purposes=ALL if waits and ref == who else PRESENCE_AND_OFFERS)
            for ref in (ANNA, BERIT)
        )
    )
    for ref in (ANNA, BERIT):
        walk_in(engine, ref=ref)
    send_all(engine, moment(SENT_S))
    for second in range(30, 1801, 30):
        for ref in (ANNA, BERIT):
            if second <= 1480 or (ref == who and not waits):
                engine.receive(advertisement(ref=ref, at=moment(second)))
        engine.advance(moment(second))

    assert [each.ref for each in engine.outbox.announced] == [who]


def test_the_day_of_a_subject_is_that_of_the_entry_to_the_end_of_the_visit() -> None:
    """14:05 plus ten hours is another day in UTC, and the audience must still know whom `withdrawn`
    is about.
    """
    before_midnight = moment(1795478400.0 - START_S - 10)
    from_noon_on = consent(not_after_s=START_S + 2 * DAY_S)
    engine = an_engine(from_noon_on, at=before_midnight)
    engine.admissions.trust(standing(suppression_checked_at_s=before_midnight.utc_s))
    walk_in(engine, start=before_midnight)
    [entered] = send_all(engine, before_midnight.later(20))

    engine.apply(a_list(), before_midnight.later(60))

    [withdrawn] = send_all(engine, before_midnight.later(60))
    assert entered["subject"] == withdrawn["subject"]


def test_an_event_of_an_older_version_of_the_configuration_is_released_by_the_rules_of_today() -> (
    None
):
    """After a restart the outbox may hold an audience that is no longer configured."""
    engine = SmallEngine(rules(), pending=[outgoing(audience="gone")])
    engine.admissions.trust(standing())
    engine.apply(a_list(consent()), moment(10))

    assert send_all(engine, moment(10)) == []
    assert tuple(engine.outbox.pending) == ()


def test_types_of_events_are_the_closed_list_of_version_1() -> None:
    assert [kind.value for kind in EventType] == [
        "presence.entered.v1",
        "presence.left.v1",
        "presence.withdrawn.v1",
    ]


# ---------------------------------------------------------------- whose subject

STABLE = subject_of_day(pairwise_key(ANNA, OFFERS.name), STABLE_DAY)
OF_THE_DAY = subject_of_day(pairwise_key(ANNA, OFFERS.name), b"2026-11-23")
PROFILED = frozenset(Purpose)


def without_profiling(engine: Engine, by: str, now: Moment) -> None:
    if by == "a notice":
        engine.revoke(
            revocation(RevokedRights(ANNA, 1, purposes=frozenset({Purpose.PROFILING}))), now
        )
    else:
        engine.apply(a_list(consent(version=2, purposes=ALL)), now)


@pytest.mark.requirement("R-22", "R-34")
@pytest.mark.parametrize("by", WAYS[:2])
def test_the_subject_is_made_as_the_event_is_sent(by: str) -> None:
    stays, changes = an_engine(consent(purposes=PROFILED)), an_engine(consent(purposes=PROFILED))
    walk_in(stays)
    walk_in(changes)

    without_profiling(changes, by, moment(SENT_S))

    assert [event["subject"] for event in send_all(stays, moment(SENT_S))] == [STABLE]
    assert [event["subject"] for event in send_all(changes, moment(SENT_S))] == [OF_THE_DAY]


@pytest.mark.requirement("R-22")
def test_a_pairwise_key_that_was_replaced_makes_no_subject_any_more() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    engine.apply(a_list(consent(version=2, pairwise_keys={OFFERS.name: bytes(16)})), moment(SENT_S))

    [entered] = send_all(engine, moment(SENT_S))
    assert entered["subject"] == subject_of_day(bytes(16), b"2026-11-23")


@pytest.mark.requirement("R-22", "R-34", "R-09")
@pytest.mark.parametrize("by", WAYS[:2])
@pytest.mark.parametrize("acknowledged", [True, False])
def test_what_was_told_of_a_stable_subject_is_taken_back_when_profiling_ends(
    by: str, acknowledged: bool
) -> None:
    engine = an_engine(consent(purposes=PROFILED))
    walk_in(engine)
    [entered] = send_all(engine, moment(SENT_S), acknowledged=acknowledged)

    without_profiling(engine, by, moment(60))
    [withdrawn] = send_all(engine, moment(60))
    engine.advance(moment(400))

    assert (withdrawn["type"], withdrawn["subject"]) == (
        "presence.withdrawn.v1",
        entered["subject"],
    )
    assert withdrawn["data"]["reason"] == "unspecified"
    assert send_all(engine, moment(400)) == []


@pytest.mark.requirement("R-22", "R-34")
@pytest.mark.parametrize("by", WAYS[:2])
def test_a_left_that_waits_with_a_stable_subject_is_stopped_when_profiling_ends(by: str) -> None:
    engine = entered_and_told(purposes=PROFILED)
    engine.advance(moment(7 + 300))

    without_profiling(engine, by, moment(310))

    assert types(send_all(engine, moment(310))) == ["presence.withdrawn.v1"]


@pytest.mark.requirement("R-22", "R-09")
def test_what_was_told_under_a_pairwise_key_is_taken_back_when_the_key_is_replaced() -> None:
    engine = entered_and_told(purposes=ALL)
    [announced] = engine.outbox.announced

    engine.apply(
        a_list(consent(version=2, purposes=ALL, pairwise_keys={OFFERS.name: bytes(16)})), moment(60)
    )

    [withdrawn] = send_all(engine, moment(60))
    assert (withdrawn["data"]["entered_id"], withdrawn["subject"]) == (
        announced.event_id,
        announced.subject,
    )


@pytest.mark.requirement("R-22")
@pytest.mark.parametrize("before", [ALL, PROFILED], ids=["profiling comes", "profiling stays"])
def test_an_event_that_is_sent_again_and_its_left_keep_the_subject_of_the_first_copy(
    before: frozenset[Purpose],
) -> None:
    """Profiling that is granted meanwhile is for the next visit: one visit under two subjects would
    join them.
    """
    engine = an_engine(consent(purposes=before))
    walk_in(engine)
    [first] = send_all(engine, moment(SENT_S), acknowledged=False)
    engine.apply(a_list(consent(version=2, purposes=PROFILED)), moment(20))

    [again] = send_all(engine, moment(21))
    engine.advance(moment(7 + 300))
    [left] = send_all(engine, moment(7 + 300))

    assert {first["subject"], again["subject"], left["subject"]} == {
        STABLE if before is PROFILED else OF_THE_DAY
    }


@pytest.mark.requirement("R-22")
def test_an_event_that_was_narrowed_while_the_list_was_stale_is_taken_back_and_not_sent_again() -> (
    None
):
    for later in ({"purposes": ALL}, {"purposes": PROFILED, "grants": (grant(CARS),)}):
        engine = an_engine(consent(purposes=PROFILED))
        walk_in(engine)
        send_all(engine, moment(SENT_S), acknowledged=False)
        engine.admissions.trust(standing(publishing=False))
        engine.apply(a_list(consent(version=2, **later)), moment(20))
        engine.admissions.trust(standing())

        told = send_all(engine, moment(21))
        engine.advance(moment(22))

        assert types(told + send_all(engine, moment(22))) == ["presence.withdrawn.v1"]


@pytest.mark.requirement("R-14", "R-22")
def test_a_minor_who_agreed_to_profiling_has_a_subject_of_the_day() -> None:
    audience = Audience(PICK_UP.name, Purpose.SERVICE, frozenset())
    engine = an_engine(
        consent(purposes=PROFILED, flags=frozenset({Flag.NO_PROFILING})), audiences=(audience,)
    )
    walk_in(engine)

    [entered] = send_all(engine, moment(SENT_S))

    assert entered["subject"] == subject_of_day(pairwise_key(ANNA, PICK_UP.name), b"2026-11-23")


@pytest.mark.requirement("R-22")
def test_what_a_peer_told_is_known_under_the_subject_that_the_consent_allows_now() -> None:
    engine = an_engine(consent(purposes=PROFILED))
    walk_in(engine)
    [waiting] = engine.outbox.pending
    without_profiling(engine, "a list", moment(SENT_S))

    engine.dispatcher.adopt(waiting, waiting.id, moment(SENT_S))

    assert [announced.subject for announced in engine.outbox.announced] == [OF_THE_DAY]


@pytest.mark.requirement("R-22", "R-12")
def test_no_subject_waits_in_the_outbox_before_its_event_was_told() -> None:
    engine = an_engine(consent(purposes=PROFILED))

    assert [waiting.subject for waiting in walk_in(engine).queued] == [""]


@pytest.mark.requirement("R-17")
def test_an_event_names_list_and_notice_by_which_the_service_finds_the_record() -> None:
    engine = an_engine(consent())
    walk_in(engine)
    engine.admissions.trust(standing(seq=88213))

    [entered] = send_all(engine, moment(SENT_S))

    assert entered["data"]["consent"] == {"list_seq": 88213, "notice": "fi-2026-03"}
    assert header().seq != 88213
    assert pairwise_key(ANNA, OFFERS.name).hex() not in str(entered)

"""What a tick and an advertisement ask, counted: of those whose answer may have changed, not of
everybody present.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from presence.core.consent.admissions import LOOK_AGAIN_S
from presence.core.consent.gate import SUPPRESSION_LIST_MAX_AGE_S, Reason
from presence.core.consent.index import ConsentIndex
from presence.core.consent.model import Consent, Purpose
from presence.core.consent.revocation import RevokedRights
from presence.core.engine import Engine, IndexedList
from presence.core.recognition.key_ring import KeyRing
from presence.core.visit.visits import SHARES
from tests.support.builders import (
    ANNA,
    BERIT,
    CARS,
    GARDEN,
    SITE,
    START_S,
    a_list,
    advertisement,
    an_engine,
    announcement,
    consent,
    grant,
    moment,
    restarted,
    rules,
    send_all,
    standing,
    visit,
    walk_in,
    window_keys,
)
from tests.support.revocations import revocation
from tests.support.small import SmallEngine

CROWD = [bytes([n]) * 8 for n in range(1, 31)]


class Asked(Mapping[bytes, Consent]):
    """The consents of a list, and of whom it was asked."""

    def __init__(self, consents: dict[bytes, Consent]) -> None:
        self._consents = consents
        self.refs: list[bytes] = []

    def __getitem__(self, ref: bytes) -> Consent:
        self.refs.append(ref)
        return self._consents[ref]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._consents)

    def __len__(self) -> int:
        return len(self._consents)


def a_crowd(**changes: Any) -> tuple[Engine, Asked]:
    """Everybody came in and the audience was told; the first consent is changed."""
    records = {ref: consent(ref=ref) for ref in CROWD}
    records[CROWD[0]] = consent(ref=CROWD[0], **changes)
    asked = Asked(records)
    engine = SmallEngine(rules(outbox_length=1000))
    engine.admissions.trust(standing())
    keys = KeyRing.from_keys(key for ref in CROWD for key in window_keys(ref))
    engine.apply(IndexedList(cast(ConsentIndex, asked), keys), moment())
    for ref in CROWD:
        walk_in(engine, ref=ref)
    assert len(send_all(engine, moment(8))) == len(CROWD)
    engine.advance(moment(9))
    asked.refs.clear()
    return engine, asked


def test_a_tick_asks_of_nobody_whose_answer_cannot_have_changed() -> None:
    engine, asked = a_crowd()

    for second in range(10, 30):
        engine.advance(moment(second))
    engine.advance(moment(29))

    assert asked.refs == []


def test_a_list_that_is_proven_again_with_the_same_taxonomy_asks_of_nobody() -> None:
    engine, asked = a_crowd()

    engine.admissions.trust(standing(seq=8))
    engine.advance(moment(10))

    assert asked.refs == []


def test_a_tick_asks_of_those_whose_consent_ends_at_that_moment() -> None:
    engine, asked = a_crowd(not_after_s=START_S + 20)

    engine.advance(moment(19.9))
    assert asked.refs == []

    step = engine.advance(moment(20))
    assert set(asked.refs) == {CROWD[0]}
    assert [queued.ref for queued in step.queued] == [CROWD[0]]


def test_a_notice_asks_of_those_whom_it_names() -> None:
    engine, asked = a_crowd()

    engine.revoke(revocation(RevokedRights(CROWD[3], 1, removed=True)), moment(20))

    assert set(asked.refs) == {CROWD[3]}


def test_an_advertisement_of_somebody_who_was_let_in_asks_nothing() -> None:
    engine, asked = a_crowd()

    for second in range(10, 20):
        engine.receive(advertisement(ref=CROWD[1], at=moment(second)))

    assert (asked.refs, engine.counts.recognised) == ([], 8 * len(CROWD) + 10)


def test_everybody_known_is_asked_of_again_within_ten_minutes() -> None:
    engine, asked = a_crowd()
    for second in range(10, int(9 + LOOK_AGAIN_S) + 1, 30):
        for ref in CROWD:
            engine.receive(advertisement(ref=ref, at=moment(second)))
        engine.advance(moment(second))
    engine.advance(moment(9 + LOOK_AGAIN_S))

    assert set(asked.refs) == set(CROWD)


@pytest.mark.requirement("R-12", "R-24")
def test_nobody_is_watched_of_whom_nothing_is_known_any_more() -> None:
    engine, _ = a_crowd()
    engine.advance(moment(2000))
    engine.advance(moment(2000 + LOOK_AGAIN_S))

    assert (
        tuple(engine.visits),
        tuple(engine.outbox.announced),
        engine._known(),
        len(engine.admissions.admitted),
    ) == (
        (),
        (),
        set(),
        0,
    )


# ---------------------------------------------------------------- what was allowed is not allowed
# for ever


def heard(engine: Engine, second: float) -> dict[Reason, int]:
    """One advertisement of Anna's, and why the gate refused it."""
    engine.receive(advertisement(at=moment(second)))
    return dict(engine.counts.refused)


def inside(**changes: Any) -> Engine:
    engine = an_engine(consent(**changes))
    walk_in(engine)
    send_all(engine, moment(8))
    engine.advance(moment(9))
    return engine


@pytest.mark.requirement("R-06")
def test_at_its_last_second_a_consent_lets_nobody_in_though_no_tick_came() -> None:
    engine = inside(not_after_s=START_S + 20)

    assert heard(engine, 19.9) == {}
    assert heard(engine, 20) == {Reason.EXPIRED: 1}


@pytest.mark.requirement("R-08", "R-12")
def test_a_list_that_came_while_the_last_one_was_stale_counts_before_the_next_tick() -> None:
    engine = inside()
    engine.admissions.trust(standing(publishing=False))
    engine.apply(a_list(consent(version=2, paused_until_s=START_S + 999)), moment(10))
    engine.admissions.trust(standing())

    assert heard(engine, 11) == {Reason.PAUSED: 1}
    engine.advance(moment(12))
    assert tuple(engine.visits) == ()


@pytest.mark.requirement("R-08")
def test_somebody_who_was_let_in_is_refused_while_the_list_is_stale() -> None:
    engine = inside()
    engine.admissions.trust(standing(publishing=False))

    assert heard(engine, 10) == {Reason.LIST_STALE: 1}


@pytest.mark.requirement("R-08", "R-11")
def test_a_notice_counts_for_somebody_who_was_let_in_and_of_whom_nothing_is_known_any_more() -> (
    None
):
    engine = an_engine(consent())
    engine.receive(advertisement())
    engine.advance(moment(100))
    engine.replay_guard.forget(ANNA)
    engine.revoke(revocation(RevokedRights(ANNA, 1, paused_until_s=START_S + 999)), moment(101))

    assert heard(engine, 102) == {Reason.PAUSED: 1}


@pytest.mark.requirement("R-08")
def test_a_list_counts_for_somebody_who_was_let_in_and_of_whom_nothing_is_known_any_more() -> None:
    engine = an_engine(consent())
    engine.receive(advertisement())
    engine.advance(moment(100))
    engine.replay_guard.forget(ANNA)
    engine.apply(a_list(consent(version=2, objected=True)), moment(101))

    assert heard(engine, 102) == {Reason.OBJECTED: 1}


@pytest.mark.requirement("R-15")
def test_a_store_that_becomes_sensitive_refuses_those_who_were_let_in() -> None:
    engine = restarted(inside(), consent(), at=moment(9), site=replace(SITE, sensitive=True))

    assert heard(engine, 10) == {Reason.NOT_EXPLICIT: 1}


@pytest.mark.requirement("R-06", "T-12")
def test_a_clock_set_back_before_the_begin_of_a_consent_refuses_and_takes_back() -> None:
    engine = inside(not_before_s=START_S - 5)
    now = moment(10)._replace(utc_s=START_S - 60)

    engine.receive(advertisement(at=now))
    assert engine.counts.refused == {Reason.NOT_YET_VALID: 1}
    assert [each.reason for each in engine.advance(now).queued] == ["unspecified"]
    assert tuple(engine.visits) == ()


@pytest.mark.requirement("R-06", "T-12")
def test_a_clock_set_back_ends_the_answer_for_somebody_of_whom_nothing_is_known_any_more() -> None:
    engine = an_engine(consent(not_before_s=START_S - 5))
    engine.receive(advertisement())
    engine.visits.forget(ANNA)
    engine.replay_guard.forget(ANNA)
    back = moment(10)._replace(utc_s=START_S - 60)
    engine.advance(back)

    engine.receive(advertisement(at=back.later(1)))

    assert engine.counts.refused == {Reason.NOT_YET_VALID: 1}


@pytest.mark.requirement("R-30")
def test_the_day_after_the_opt_out_registers_were_applied_everybody_is_taken_back() -> None:
    engine, _ = a_crowd()
    applied_at_s = START_S - SUPPRESSION_LIST_MAX_AGE_S + 60
    engine.admissions.trust(standing(suppression_checked_at_s=applied_at_s))

    assert engine.advance(moment(60)).queued == ()
    assert len(engine.advance(moment(60.5)).queued) == len(CROWD)


@pytest.mark.requirement("R-15")
def test_a_taxonomy_that_grows_takes_back_what_it_makes_sensitive() -> None:
    engine = inside()
    engine.admissions.trust(standing(parents={CARS: "ap2:1473"}))

    assert len(engine.advance(moment(10)).queued) == 1


@pytest.mark.requirement("R-09", "R-34")
def test_a_grant_that_ends_is_looked_at_then_though_another_one_lasts() -> None:
    engine = inside(grants=(grant(CARS, end_s=START_S + 100), grant(GARDEN)))

    assert len(tuple(engine.outbox.announced)) == 1
    engine.advance(moment(100))
    assert tuple(engine.outbox.announced) == ()


@pytest.mark.requirement("R-35")
def test_a_grant_that_begins_after_somebody_was_admitted_counts_from_its_first_second() -> None:
    engine = an_engine(consent(grants=(grant(CARS, start_s=START_S + 7),)))
    walk_in(engine)

    assert [event["data"]["allow"] for event in send_all(engine, moment(8))] == [[CARS]]


@pytest.mark.requirement("R-30")
def test_opt_out_registers_that_are_applied_anew_count_before_the_next_tick() -> None:
    engine = an_engine(consent())
    stale = standing(suppression_checked_at_s=START_S - SUPPRESSION_LIST_MAX_AGE_S - 1)
    engine.admissions.trust(stale)
    engine.advance(moment())
    engine.receive(advertisement())

    engine.admissions.trust(standing())
    walk_in(engine, start=moment(1))

    assert engine.counts.withheld == {}
    assert engine.counts.entered == 1


@pytest.mark.requirement("R-34", "R-41")
@pytest.mark.parametrize("by", ["the key was stolen", "the list says more"])
def test_what_is_given_back_counts_for_somebody_who_was_admitted_without_it(by: str) -> None:
    engine = an_engine(consent(version=2))
    engine.revoke(
        revocation(RevokedRights(ANNA, 2, purposes=frozenset({Purpose.OFFERS}))), moment(1)
    )
    engine.receive(advertisement(at=moment(2)))

    if by == "the key was stolen":
        [gone] = engine.lift({"r1"})
    else:
        engine.admissions.trust(standing(seq=99))
        [gone] = engine.settle()
    walk_in(engine, start=moment(3))

    assert gone.taken.ref == ANNA
    assert [event["data"]["allow"] for event in send_all(engine, moment(11))] == [[GARDEN, CARS]]


# ---------------------------------------------------------------- before the first list, after a
# withdrawal


@pytest.mark.requirement("R-09", "R-34")
def test_a_narrowing_before_the_first_list_takes_nothing_back_until_the_list_is_there() -> None:
    """After a restart: nobody knows yet what is left of the consent."""
    told = announcement(categories=(CARS,))
    engine = SmallEngine(rules(), visits=[visit()], announcements=[told])
    row = RevokedRights(ANNA, 1, categories=frozenset({GARDEN}))

    assert engine.revoke(revocation(row), moment(10))[1].queued == ()

    engine.admissions.trust(standing())
    assert engine.apply(a_list(consent(), consent(ref=BERIT)), moment(11)).queued == ()
    assert tuple(engine.outbox.announced) == (told,)


@pytest.mark.requirement("R-12")
def test_a_withdrawal_forgets_under_which_addresses_somebody_was_heard() -> None:
    engine = an_engine(consent())
    for second, address in enumerate((b"phone.", b"other.", b"phone.")):
        engine.receive(advertisement(at=moment(10 * second), address=address))
    assert (engine.counts.recognised, engine.counts.suspect.total()) == (2, 1)

    engine.apply(a_list(), moment(30))
    engine.apply(a_list(consent(version=2)), moment(31))
    engine.receive(advertisement(at=moment(40), address=b"phone."))

    assert (engine.counts.recognised, engine.counts.suspect.total()) == (3, 1)


@pytest.mark.requirement("R-12")
def test_addresses_are_forgotten_two_slots_later() -> None:
    engine = an_engine(consent())
    engine.receive(advertisement())
    assert ANNA in engine.replay_guard

    engine.advance(moment(1100))
    assert ANNA in engine.replay_guard
    engine.advance(moment(2100))

    assert ANNA not in engine.replay_guard


# ---------------------------------------------------------------- what is stored of a crowd


def test_in_one_round_of_turns_each_last_hearing_is_stored_once() -> None:
    engine, _ = a_crowd()
    for ref in CROWD[:10]:
        engine.receive(advertisement(ref=ref, at=moment(20)))

    turns = [dict(engine.visits.heard_anew([turn])) for turn in range(SHARES)]

    assert {ref: at for turn in turns for ref, at in turn.items()} == dict.fromkeys(
        CROWD[:10], moment(20)
    )
    assert sum(map(len, turns)) == 10
    assert not engine.visits.heard_anew(range(SHARES))


def test_nothing_is_stored_of_visits_that_are_over() -> None:
    engine, _ = a_crowd()
    engine.advance(moment(2000))

    assert not engine.visits.heard_anew(range(SHARES))


@pytest.mark.requirement("R-24")
def test_what_was_told_of_a_visit_longer_than_anybody_may_act_is_forgotten_as_it_ends() -> None:
    engine = inside()
    for second in range(30, 2001, 30):
        engine.receive(advertisement(at=moment(second)))
        engine.advance(moment(second))
    assert len(tuple(engine.outbox.announced)) == 1

    engine.advance(moment(2300))

    assert tuple(engine.outbox.announced) == ()

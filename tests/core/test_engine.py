"""The door of the core: what goes in, what comes out, and what must hold through any afternoon."""

import gc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from presence.core.consent.gate import Allowed, Reason, believed, permitted_to
from presence.core.consent.model import Consent, Flag, Purpose, Scope
from presence.core.engine import Engine
from presence.core.event.cloudevent import STABLE_DAY, EventType, subject_of_day
from presence.core.place import Place
from presence.core.recognition.advertisement import Advertisement, advertisement_from_payload
from presence.core.recognition.beacons import rpa
from presence.core.recognition.doubt import Doubt
from presence.core.recognition.identifiers import slot_at
from presence.core.recognition.slot_table import build_table
from presence.core.timestamps import Moment
from presence.core.visit.opening_hours import OpeningHours
from scripts.stores.customers import pairwise_key
from tests.support.builders import (
    ANNA,
    BERIT,
    CARL,
    CARS,
    DAY_S,
    GARDEN,
    OFFERS,
    PICK_UP,
    SITE,
    START_S,
    DoorRule,
    a_list,
    advertisement,
    an_engine,
    approach,
    consent,
    grant,
    moment,
    restarted,
    rules,
    send_all,
    standing,
    stranger,
    walk_in,
    window_keys,
)
from tests.support.examples import examples
from tests.support.small import SmallEngine

# ---------------------------------------------------------------- strangers


@pytest.mark.requirement("R-01", "R-02", "T-03")
def test_strangers_cause_no_step_and_leave_no_object() -> None:
    engine = an_engine()
    for number in range(20_000):
        assert not engine.receive(stranger(number))
    gc.collect()

    assert [thing for thing in gc.get_objects() if isinstance(thing, Advertisement)] == []
    assert engine.counts.heard == engine.counts.strangers == 20_000
    assert (tuple(engine.visits), tuple(engine.outbox.pending), tuple(engine.outbox.announced)) == (
        (),
        (),
        (),
    )


@pytest.mark.requirement("R-01", "T-04")
def test_strangers_of_our_own_format_are_strangers() -> None:
    engine = an_engine(consent())
    for number in range(2_000):
        assert not engine.receive(
            advertisement(identifier=number.to_bytes(8, "big"), at=moment(number / 100))
        )

    assert engine.counts.unknown == 2_000
    assert tuple(engine.visits) == ()


@pytest.mark.requirement("R-01")
def test_whoever_is_not_on_the_list_is_a_stranger() -> None:
    engine = an_engine(consent())

    assert not walk_in(engine, ref=BERIT)
    assert engine.counts.entered == 0


@pytest.mark.requirement("R-01")
def test_counts_are_totals_by_reason_and_name_nobody() -> None:
    engine = an_engine(consent())
    walk_in(engine)
    engine.receive(stranger())
    engine.receive(advertisement(identifier=b"unknown!"))

    counted = engine.counts.as_dict()

    assert (
        counted["heard"],
        counted["recognised"],
        counted["other_format"],
        counted["unknown"],
    ) == (10, 8, 1, 1)
    assert {type(key) for key in counted} == {str}
    assert all(isinstance(value, int | dict) for value in counted.values())


@given(
    st.lists(
        st.tuples(
            st.sampled_from([ANNA, BERIT, CARL, None]),
            st.floats(-200, 200),
            st.booleans(),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_every_advertisement_is_counted_exactly_once(
    heard: list[tuple[bytes | None, float, bool, bool]],
) -> None:
    engine = SmallEngine(rules(hours=OpeningHours({"mon": "00:00-14:05"})))
    engine.admissions.trust(standing())
    double = window_keys(CARL)[0]._replace(ref=BERIT)
    engine.apply(
        a_list(
            consent(),
            consent(ref=BERIT, paused_until_s=START_S + 9),
            keys=[*window_keys(ANNA), double],
        ),
        moment(),
    )
    for ref, second, told, fresh in heard:
        engine.admissions.trust(standing(publishing=fresh))
        if told:
            engine.advance(moment(second))
        engine.receive(stranger() if ref is None else advertisement(ref=ref, at=moment(second)))

    counts = engine.counts
    assert counts.heard == len(heard)
    assert counts.heard == counts.strangers + counts.recognised + sum(counts.refused.values())


# ---------------------------------------------------------------- when it is silent


@pytest.mark.requirement("R-42")
def test_before_a_list_is_proven_nobody_is_recognised() -> None:
    engine = SmallEngine(rules())
    engine.advance(moment())

    assert not walk_in(engine)


@pytest.mark.requirement("R-19")
def test_before_it_is_told_the_time_the_shop_is_closed() -> None:
    engine = SmallEngine(rules())

    engine.receive(advertisement())

    assert engine.counts.refused == {Reason.CLOSED: 1}


@pytest.mark.requirement("R-09", "R-34")
@pytest.mark.parametrize("after", [(), (consent(objected=True),)], ids=["off the list", "objected"])
def test_whom_a_new_list_has_no_more_is_taken_back_also_while_nobody_believes_it(
    after: tuple[Consent, ...],
) -> None:
    """Found by the consent model checker: the clock was wrong as the list came, and what was told
    stood.
    """
    engine = an_engine(consent())
    step = walk_in(engine)
    engine.dispatcher.release(step.queued[0], moment(8))
    engine.admissions.trust(standing(publishing=False))
    (withdrawn,) = engine.apply(a_list(*after), moment(9)).queued
    assert withdrawn.type is EventType.WITHDRAWN
    assert tuple(engine.visits) == ()


@pytest.mark.requirement("R-08")
def test_while_the_list_is_stale_nobody_is_recognised() -> None:
    engine = an_engine(consent())
    engine.admissions.trust(standing(publishing=False))

    assert not walk_in(engine)
    assert engine.counts.refused == {Reason.LIST_STALE: 8}
    assert tuple(engine.visits) == ()


@pytest.mark.requirement("R-19")
def test_outside_opening_hours_nobody_is_recognised() -> None:
    engine = an_engine(consent(), hours=OpeningHours({"mon": "15:00-20:00"}))
    assert not walk_in(engine)
    assert engine.counts.refused == {Reason.CLOSED: 8}

    engine.advance(moment(3600))

    assert walk_in(engine, start=moment(3600)).queued


@pytest.mark.requirement("R-19")
def test_a_visit_ends_after_closing_time_as_any_other() -> None:
    engine = an_engine(consent(), hours=OpeningHours({"mon": "09:00-14:06"}))
    walk_in(engine)

    engine.advance(moment(400))

    assert engine.counts.left == 1


@pytest.mark.requirement("R-15")
def test_a_sensitive_store_hears_nothing_of_who_did_not_say_so_explicitly() -> None:
    engine = an_engine(consent(), site=replace(SITE, sensitive=True))

    assert not walk_in(engine)
    assert engine.counts.refused == {Reason.NOT_EXPLICIT: 8}


WITHOUT_A_CONSENT_IN_FORCE: dict[str, dict[str, Any]] = {
    "ended": {"not_after_s": START_S - 1},
    "not begun": {"not_before_s": START_S + DAY_S},
    "paused": {"paused_until_s": START_S + DAY_S},
    "objected": {"objected": True},
    "of another store": {"scope": Scope(frozenset({"se-0001"}))},
    "without a kind of message": {"grants": ()},
}


@pytest.mark.requirement("R-29")
@pytest.mark.parametrize("why", WITHOUT_A_CONSENT_IN_FORCE)
def test_of_who_has_no_consent_in_force_nobody_is_told_and_nobody_else_is_told_otherwise(
    why: str,
) -> None:
    """So nothing outside can be blocked, slowed or priced by a missing consent: there is no such
    output.
    """
    berit = consent(ref=BERIT, **WITHOUT_A_CONSENT_IN_FORCE[why])
    alone, beside = an_engine(consent()), an_engine(consent(), berit)

    walk_in(beside, ref=BERIT, start=moment(-20))
    for one, other in zip(approach(), approach(ref=BERIT), strict=True):
        alone.receive(one)
        beside.receive(other)
        beside.receive(one)

    told = send_all(alone, moment(8))
    assert len(told) == 1
    assert send_all(beside, moment(8)) == told
    assert tuple(beside.outbox.pending) == ()


# ---------------------------------------------------------------- coming, staying, going


@pytest.mark.requirement("R-19")
def test_an_entry_queues_one_event_for_each_audience_that_may_hear_of_it() -> None:
    record = consent(purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS, Purpose.SERVICE}))
    step = walk_in(an_engine(record, consent(ref=BERIT), audiences=(OFFERS, PICK_UP)))

    assert {queued.audience for queued in step.queued} == {"offers-main", "pick-up"}
    assert [visit.ref for visit in step.saved] == [ANNA]


def test_an_entry_that_no_audience_may_hear_of_is_counted_by_its_reasons() -> None:
    engine = an_engine(consent(grants=()), audiences=(OFFERS, PICK_UP))

    step = walk_in(engine)

    assert step.queued == ()
    assert engine.counts.withheld == {Reason.NO_CATEGORY: 1, Reason.NO_PURPOSE: 1}


def test_a_visit_and_its_event_are_one_step() -> None:
    engine = an_engine(consent())
    steps = [engine.receive(heard) for heard in approach()]

    assert [bool(step) for step in steps] == [False] * 7 + [True]
    assert steps[-1].saved
    assert steps[-1].queued


def test_the_end_of_a_visit_and_its_event_are_one_step() -> None:
    engine = an_engine(consent(purposes=frozenset(Purpose)))
    walk_in(engine)
    send_all(engine, moment(8))

    step = engine.advance(moment(400))

    assert step.saved[0].left_at == moment(7)
    assert len(step.queued) == 1


def test_a_visit_that_is_over_is_forgotten_in_the_store_too() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    assert engine.advance(moment(7 + 900)).forgotten == (ANNA,)
    assert tuple(engine.visits) == ()


def test_a_new_list_does_not_end_a_visit() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    engine.apply(a_list(consent(version=2), consent(ref=BERIT)), moment(20))

    assert [visit.ref for visit in engine.visits] == [ANNA]
    assert len(tuple(engine.outbox.pending)) == 1


@pytest.mark.requirement("R-11")
def test_a_pause_that_is_over_lets_the_customer_in_again() -> None:
    engine = an_engine(consent(paused_until_s=START_S + 60))
    assert not walk_in(engine)

    assert walk_in(engine, start=moment(60)).queued


@pytest.mark.requirement("R-53")
def test_a_restart_during_a_visit_gives_no_second_entered() -> None:
    before = an_engine(consent())
    walk_in(before)
    send_all(before, moment(8))

    after = SmallEngine(
        rules(),
        visits=tuple(before.visits),
        pending=tuple(before.outbox.pending),
        announcements=tuple(before.outbox.announced),
    )
    after.admissions.trust(standing())
    after.apply(a_list(consent()), moment(20))

    assert not walk_in(after, start=moment(21))
    assert tuple(after.outbox.pending) == ()


def test_changed_thresholds_hold_at_once_and_visits_go_on() -> None:
    engine = an_engine(consent(), consent(ref=BERIT))
    walk_in(engine)

    engine = restarted(
        engine,
        consent(),
        consent(ref=BERIT),
        at=moment(8),
        entry=DoorRule(enter_rssi_dbm=-40),
    )

    assert not walk_in(engine, ref=BERIT, start=moment(8))
    assert [visit.ref for visit in engine.visits] == [ANNA]


IRK = bytes(range(16))


def a_test_phone(at: Moment) -> Advertisement:
    """Heard under a resolvable address made with IRK, with nothing of ours in its advertisement."""
    prand = bytes.fromhex("708194")
    return advertisement_from_payload(at, prand + rpa.ah(IRK, prand), -60, b"\x02\x01\x06")


def test_a_test_phone_is_recognised_only_where_the_settings_hold_its_key() -> None:
    for irks, recognised in (({}, 0), ({ANNA: IRK}, 1)):
        engine = an_engine(consent(), irks=irks)
        engine.receive(a_test_phone(moment()))
        counts = engine.counts
        assert (counts.recognised, counts.other_format) == (recognised, 1 - recognised)


def enters_by(engine: Engine, antenna: str) -> bool:
    return any(engine.receive(heard._replace(antenna=antenna)).queued for heard in approach())


@pytest.mark.requirement("R-19", "T-25")
def test_an_antenna_is_at_the_door_where_the_settings_say_so() -> None:
    engine = an_engine(consent(), places={"hci1": Place.DOOR})

    assert not enters_by(engine, "hci1")
    assert enters_by(engine, "hci0")


@pytest.mark.requirement("T-01")
def test_each_advertisement_that_is_held_back_is_counted() -> None:
    engine = an_engine(consent())
    for second, address in enumerate((b"phone.", b"other.", b"phone.", b"other.")):
        engine.receive(advertisement(at=moment(10 * second), address=address))

    assert (engine.counts.recognised, engine.counts.suspect) == (2, {Doubt.ADDRESSES: 2})


@pytest.mark.requirement("T-01")
def test_what_a_recording_brought_together_is_gone_when_its_subject_becomes_suspect() -> None:
    """The last reading before the entry comes from the phone's own address, outside."""
    engine = an_engine(consent())
    engine.receive(advertisement(address=b"phone.", rssi_dbm=-95))
    for second in range(1, 7):
        engine.receive(advertisement(at=moment(second), address=b"other."))
    assert engine.visits.evidence_db_s(ANNA) > 0

    engine.receive(advertisement(at=moment(7), address=b"phone."))

    assert engine.visits.evidence_db_s(ANNA) == 0
    assert engine.counts.suspect == {Doubt.ADDRESSES: 1}


@pytest.mark.requirement("T-01")
def test_an_advertisement_without_a_tick_counts_for_nothing_where_the_consent_says_ticks() -> None:
    for flags, recognised in ((frozenset({Flag.TEST}), 1), (frozenset({Flag.TICKS}), 0)):
        engine = an_engine(consent(flags=flags))
        engine.receive(advertisement())
        assert engine.counts.recognised == recognised
        assert engine.counts.suspect.total() == 1 - recognised


@pytest.mark.requirement("R-06", "R-09")
def test_a_consent_that_a_new_list_shortens_is_taken_back_at_its_end() -> None:
    engine = an_engine(consent())
    walk_in(engine)
    send_all(engine, moment(8))
    engine.apply(a_list(consent(version=2, not_after_s=START_S + 60)), moment(10))

    assert engine.advance(moment(59.9)).queued == ()
    assert [each.type for each in engine.advance(moment(60)).queued] == [EventType.WITHDRAWN]


def test_tables_that_are_built_elsewhere_are_asked_for_and_put_in_place() -> None:
    engine = Engine(rules())
    engine.admissions.trust(standing())
    engine.apply(a_list(consent()), moment())
    engine.receive(advertisement())
    assert engine.counts.unknown == 1

    slots, keys = engine.matcher.wanted(START_S)
    assert slots[0] == slot_at(START_S)
    for slot in slots:
        engine.matcher.install(build_table(slot, keys), keys)

    assert engine.matcher.wanted(START_S) == ([], keys)
    engine.receive(advertisement(at=moment(1)))
    assert engine.counts.recognised == 1


# ---------------------------------------------------------------- any afternoon

LATER = 4_000.0


def consents_of_the_day() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "not_before_s": st.sampled_from([START_S - 100, START_S + 500]),
            "not_after_s": st.sampled_from([START_S + 100.0, START_S + 2_000.0, START_S + 1e6]),
            "paused_until_s": st.sampled_from([0.0, START_S + 600]),
            "objected": st.just(True),
            "scope": st.just(Scope(frozenset({"elsewhere"}))),
            "purposes": st.sets(st.sampled_from(Purpose)).map(frozenset)
            | st.sampled_from(Purpose).map(lambda one: frozenset(Purpose) - {one}),
            "grants": st.sampled_from(
                [(), (grant(CARS),), (grant(CARS, end_s=START_S + 300), grant(GARDEN))]
            ),
        },
    )


class AnyAfternoon(RuleBasedStateMachine):
    """People come and go, lists change, connections break, the gateway restarts; somebody reads all
    that is sent.
    """

    @initialize()
    def open_the_shop(self) -> None:
        self.now_s = 0.0
        self.consents: dict[bytes, Consent] = {ref: consent(ref=ref) for ref in (ANNA, BERIT)}
        self.fresh = True
        self.rules = rules(audiences=(OFFERS, PICK_UP))
        self.engine = SmallEngine(self.rules)
        self.sent: list[dict[str, Any]] = []
        self.taken_back: set[str] = set()
        self.put_list()

    def put_list(self) -> None:
        now = moment(self.now_s)
        self.engine.admissions.trust(standing(publishing=self.fresh))
        self.engine.apply(a_list(*self.consents.values()), now)

    @rule(ref=st.sampled_from([ANNA, BERIT]))
    def somebody_comes_in(self, ref: bytes) -> None:
        walk_in(self.engine, ref=ref, start=moment(self.now_s))
        self.now_s += 8

    @rule(pause_s=st.sampled_from([1.0, 60.0, 130.0, 301.0, 900.0]))
    def time_passes(self, pause_s: float) -> None:
        self.now_s += pause_s
        self.engine.advance(moment(self.now_s))

    @rule(ref=st.sampled_from([ANNA, BERIT]), changes=consents_of_the_day())
    def a_consent_changes(self, ref: bytes, changes: dict[str, Any]) -> None:
        self.consents[ref] = consent(ref=ref, **changes)
        self.put_list()

    @rule(ref=st.sampled_from([ANNA, BERIT]))
    def a_consent_is_withdrawn(self, ref: bytes) -> None:
        self.consents.pop(ref, None)
        self.put_list()
        if self.fresh:
            assert ref not in {visit.ref for visit in self.engine.visits}
            assert ref not in {
                o.ref for o in self.engine.outbox.pending if o.type.value != "presence.withdrawn.v1"
            }

    @rule(fresh=st.booleans())
    def the_list_grows_stale_or_is_proven(self, fresh: bool) -> None:
        self.fresh = fresh
        self.engine.admissions.trust(standing(publishing=fresh))
        self.engine.advance(moment(self.now_s))

    @rule(acknowledged=st.booleans())
    def the_broker_is_there(self, acknowledged: bool) -> None:
        now = moment(self.now_s)
        waiting = {outgoing.id: outgoing for outgoing in self.engine.outbox.pending}
        for event in send_all(self.engine, now, acknowledged=acknowledged):
            self.sent.append(event)
            self.check(event, waiting[event["id"]].ref)

    @rule()
    def the_gateway_restarts(self) -> None:
        old = self.engine
        self.engine = SmallEngine(
            self.rules,
            visits=tuple(old.visits),
            pending=tuple(old.outbox.pending),
            announcements=tuple(old.outbox.announced),
            taken_back=old.outbox.announced.taken_back,
        )
        self.put_list()

    def check(self, event: dict[str, Any], ref: bytes) -> None:
        if event["type"] == "presence.withdrawn.v1":
            self.check_follows_an_entered(event)
            self.taken_back.add(event["data"]["entered_id"])
            return
        audience = OFFERS if event["data"]["audience"] == OFFERS.name else PICK_UP
        now_s = moment(self.now_s).utc_s
        of_list = standing(publishing=self.fresh)
        answer = believed(of_list) or permitted_to(
            self.consents.get(ref), audience, SITE, of_list, now_s
        )
        assert isinstance(answer, Allowed), "published without a right"
        stable = subject_of_day(pairwise_key(ref, audience.name), STABLE_DAY)
        assert event["subject"] != stable or self.consents[ref].profiled, "profiled without a right"
        if event["type"] == "presence.left.v1":
            assert Purpose.VISIT_END in self.consents[ref].purposes
            assert event["data"]["entered_id"] not in self.taken_back, "left after withdrawn"
            self.check_follows_an_entered(event)
            return
        assert set(event["data"]["allow"]) <= set(answer.categories)
        assert event["id"] not in self.taken_back, "entered after withdrawn"

    def check_follows_an_entered(self, event: dict[str, Any]) -> None:
        entered = [e for e in self.sent if e["id"] == event["data"]["entered_id"]]
        assert entered, "nothing to take back"
        assert {e["subject"] for e in entered} == {event["subject"]}
        assert {e["data"]["audience"] for e in entered} == {event["data"]["audience"]}

    @invariant()
    def memory_is_of_people_on_the_list_or_told_of(self) -> None:
        if not hasattr(self, "engine") or not self.fresh:
            return
        assert {visit.ref for visit in self.engine.visits} <= self.consents.keys()


TestAnyAfternoon = AnyAfternoon.TestCase
TestAnyAfternoon.settings = examples(60, stateful_step_count=30)
TestAnyAfternoon.pytestmark = [pytest.mark.requirement("R-05", "R-06", "R-08", "R-09", "R-12")]

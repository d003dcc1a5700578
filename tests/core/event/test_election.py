"""Several gateways, one event: on one clock, with whatever is lost, cut or dead between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.config.settings import PeerSettings
from presence.core.consent.model import Purpose
from presence.core.event.cloudevent import EventType, visit_bucket
from presence.core.event.election import MAX_HELD, Election, Send, Suppress, Wait
from presence.core.event.election_backoff import backoff_s
from presence.core.event.peer_message import PeerMessage, PeerMessageKind, opaque_name
from tests.support.builders import SITE, START_S, STORE_KEY, DoorRule, consent, moment, outgoing
from tests.support.doors import LATENCY_S, RULE, Door, Doors
from tests.support.examples import examples

COOLDOWN_S = DoorRule().reentry_cooldown_s
BORDER_S = (visit_bucket(START_S, COOLDOWN_S) + 1) * COOLDOWN_S - START_S
"""Seconds from the start of the afternoon to the next border of visit buckets."""


def test_a_stronger_signal_waits_shorter_and_chance_parts_those_who_hear_alike() -> None:
    near, far = backoff_s(RULE, -50, -75, 0.5), backoff_s(RULE, -74, -75, 0.5)
    assert near < far
    assert backoff_s(RULE, -60, -75, 0.1) < backoff_s(RULE, -60, -75, 0.9)


@given(strength=st.none() | st.floats(-120, 20), chance=st.floats(0, 1))
def test_the_hold_off_keeps_its_limits(strength: float | None, chance: float) -> None:
    assert 0.05 <= backoff_s(RULE, strength, -75, chance) <= 0.8 + 1e-9


@pytest.mark.requirement("R-53")
@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_however_many_gateways_hear_a_visit_one_of_them_tells_it(count: int) -> None:
    doors = Doors.of(count).walk_in(*range(1, count + 1)).run(20)
    assert len(doors.ids()) == 1
    assert [door.adopted for door in doors.doors].count(1) == count - 1
    assert all(tuple(door.engine.outbox.pending) == () for door in doors.doors)


def test_a_gateway_alone_waits_for_its_hold_off_only() -> None:
    doors = Doors.of(1).walk_in(1, rssi_dbm=-50).run(20)
    entered_s = moment(7).monotonic_s
    assert doors.sent[0].at_s - entered_s <= 0.05 + 0.3 * 0.75 + 0.02
    assert [seen.kind for seen in doors.spoken] == [PeerMessageKind.CLAIM, PeerMessageKind.SENT]


def test_the_nearest_gateway_tells_it() -> None:
    doors = Doors.of(3)
    for number, rssi_dbm in ((1, -74), (2, -52), (3, -74)):
        doors.walk_in(number, rssi_dbm=rssi_dbm)
    assert doors.run(20).by() == ["door-2"]


@pytest.mark.requirement("R-53")
def test_a_gateway_that_hears_the_customer_later_stays_silent() -> None:
    doors = Doors.of(2).walk_in(1).walk_in(2, start_s=120).run(140)
    assert len(doors.ids()) == 1


@pytest.mark.requirement("R-53")
def test_a_customer_who_walks_into_another_reach_after_twenty_minutes_has_not_entered_anew() -> (
    None
):
    doors = Doors.of(2)
    doors.heard(1, 0, 1300, every_s=20)
    doors.heard(1, 0, 10)
    doors.walk_in(2, start_s=1250).run(10)
    doors.run(1240, step_s=1).run(1270)
    assert len(doors.ids()) == 1
    assert next(iter(doors[2].engine.outbox.announced)).event_id == doors.ids()[0]


@pytest.mark.requirement("R-53")
def test_at_the_border_of_two_buckets_the_later_gateway_takes_over_the_id() -> None:
    doors = Doors.of(2)
    doors.walk_in(1, start_s=BORDER_S - 8)  # decides at −1 s
    doors.walk_in(2, start_s=BORDER_S - 6)  # decides at +1 s
    doors.now = moment(BORDER_S - 10)
    doors.run(BORDER_S + 10)
    assert len(doors.ids()) == 1
    assert [
        a.event_id for door in doors.doors for a in door.engine.outbox.announced
    ] == doors.ids() * 2


@pytest.mark.requirement("R-53")
def test_a_gateway_that_dies_between_claim_and_event_is_followed_by_another() -> None:
    doors = Doors.of(3).walk_in(1, 2, 3)
    heard = []

    def dies(seen: PeerMessage, _to: Door) -> bool:
        heard.append(seen.kind)
        for door in doors.doors:
            if door.name == seen.gateway and len(heard) <= 2:
                door.alive = False
        return False

    doors.lost = dies
    doors.run(20)
    assert [door.alive for door in doors.doors].count(False) == 1
    assert len(set(doors.ids())) == 1
    assert doors.sent[0].at_s - moment(7).monotonic_s < 0.8 + RULE.takeover_ms / 1000 + 1


@pytest.mark.requirement("R-53", "R-09")
def test_a_withdrawal_is_told_once_by_the_gateway_that_told_the_entry() -> None:
    doors = Doors.of(4).walk_in(1, 2, 3, 4).run(20)
    doors.publish_list()
    doors.run(25)
    assert doors.by("withdrawn") == doors.by("entered")


@pytest.mark.requirement("R-53", "R-09")
def test_a_withdrawal_reaches_those_who_were_told_although_the_gateway_that_told_them_is_dead() -> (
    None
):
    doors = Doors.of(4).walk_in(1, 2, 3, 4).run(20)
    teller = next(door for door in doors.doors if door.name == doors.by()[0])
    teller.alive = False
    doors.publish_list()
    doors.run(25)
    assert len(doors.ids("withdrawn")) == 1
    assert doors.sent[-1].body["data"]["entered_id"] == doors.ids()[0]


@pytest.mark.requirement("R-09")
def test_the_gateway_that_has_the_new_list_first_takes_the_entry_back_and_others_stay_silent() -> (
    None
):
    doors = Doors.of(3).walk_in(1, 2, 3).run(20)
    silent = [n for n in (1, 2, 3) if doors[n].name != doors.by()[0]]
    doors.publish_list(to=silent[:1])
    doors.run(25)
    doors.publish_list()
    doors.run(30)
    assert len(doors.ids("withdrawn")) == 1


def test_a_visit_ends_where_its_last_gateway_loses_it() -> None:
    agrees = consent(purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS, Purpose.VISIT_END}))
    doors = Doors.of(2, agrees).walk_in(1, 2)
    doors.heard(2, 20, 600, every_s=20)
    doors.run(300, step_s=0.5).run(320)  # door 1 last heard them at 7 s, and would tell the end now
    assert doors.ids("left") == []
    doors.run(870, step_s=0.5).run(890)
    assert len(doors.ids("left")) == 1
    assert doors.by("left") == ["door-2"]
    assert doors.sent[-1].body["data"]["entered_id"] == doors.ids()[0]


@pytest.mark.requirement("R-53")
def test_in_a_split_every_part_tells_it_under_the_same_id() -> None:
    doors = Doors.of(4).walk_in(1, 2, 3, 4)
    doors[3].group = doors[4].group = 1
    doors.run(20)
    assert len(doors.ids()) == 2
    assert len(set(doors.ids())) == 1


@pytest.mark.requirement("R-53")
@examples(30)
@given(
    count=st.integers(2, 5),
    seed=st.integers(0, 1000),
    lost_share=st.floats(0, 1),
    late_s=st.floats(0, 1),
    dies=st.booleans(),
    acquainted=st.booleans(),
)
def test_whatever_is_lost_copies_have_one_id_and_nobody_is_silenced(
    count: int, seed: int, lost_share: float, late_s: float, *, dies: bool, acquainted: bool
) -> None:
    doors = Doors.of(count, seed=seed, acquainted=acquainted).walk_in(
        *range(1, count + 1), late_s=late_s
    )
    chance = doors[1].chance
    doors.lost = lambda _seen, _door: chance.random() < lost_share
    if dies:  # as soon as the broker has its event
        doors.after_event = lambda door: setattr(door, "alive", False)
    doors.run(14 + 3 * count)
    assert len(set(doors.ids())) == 1
    if acquainted and not lost_share and not dies:
        assert len(doors.ids()) == 1


def peers(name: str = "door-2") -> Election:
    return Election(SITE, STORE_KEY, name, PeerSettings(), DoorRule())


def word(said: PeerMessageKind, event_id: str, gateway: str = "door-1") -> PeerMessage:
    name = opaque_name(STORE_KEY, event_id)
    return PeerMessage(said, name, name, gateway, int(START_S))


def test_of_two_that_claim_at_once_the_lower_name_goes_on() -> None:
    low, high, event = peers("door-1"), peers("door-2"), outgoing()
    for each in (low, high):
        each.decide(event, moment(), 0.0)
        claim = each.decide(event, moment(1), 0.0)
        assert isinstance(claim, PeerMessage)
        assert claim.kind is PeerMessageKind.CLAIM
    low.receive(word(PeerMessageKind.CLAIM, event.id, "door-2"), (), moment(1))
    high.receive(word(PeerMessageKind.CLAIM, event.id, "door-1"), (), moment(1))
    assert low.decide(event, moment(1.1), 0.0) == Send()
    assert isinstance(high.decide(event, moment(1.1), 0.0), Wait)


def test_one_gateway_cannot_put_an_event_off_for_ever() -> None:
    ours, event = peers(), outgoing()
    ours.decide(event, moment(), 0.0)
    for second in range(10):
        ours.receive(word(PeerMessageKind.CLAIM, event.id), (), moment(second))
    assert isinstance(ours.decide(event, moment(2.1), 0.0), PeerMessage)


def test_a_claim_that_came_before_our_own_decision_counts() -> None:
    ours, event = peers(), outgoing()
    ours.receive(word(PeerMessageKind.CLAIM, event.id), (), moment())
    turn = ours.decide(event, moment(0.1), 0.0)
    assert isinstance(turn, Wait)
    assert turn.seconds > 2


def test_our_own_words_that_an_old_broker_sends_back_change_nothing() -> None:
    ours, event = peers("door-1"), outgoing()
    ours.receive(word(PeerMessageKind.SENT, event.id, "door-1"), (), moment())
    assert isinstance(ours.decide(event, moment(), 0.0), Wait)


def test_what_a_peer_has_told_is_adopted_at_once() -> None:
    ours, event = peers(), outgoing()
    ours.receive(word(PeerMessageKind.SENT, event.id), (), moment())
    assert ours.decide(event, moment(), 0.0) == Suppress(event.id)


def test_here_silences_an_end_and_nothing_else() -> None:
    ours, entered, left = (
        peers(),
        outgoing(),
        outgoing(id="left", type=EventType.LEFT, entered_id="x"),
    )
    for event in (entered, left):
        ours.decide(event, moment(), 0.0)
        ours.receive(word(PeerMessageKind.STILL_PRESENT, event.id), (), moment())
    assert isinstance(ours.decide(entered, moment(), 0.0), Wait)
    assert ours.decide(left, moment(), 0.0) == Suppress("left")


def test_words_about_events_that_nobody_knows_do_not_fill_the_memory() -> None:
    ours = peers()
    for number in range(MAX_HELD + 100):
        ours.receive(word(PeerMessageKind.SENT, str(number)), (), moment())
        ours.receive(word(PeerMessageKind.CLAIM, str(number)), (), moment())
    assert len(ours._sent_by_peers._held) == len(ours._claims._held) == MAX_HELD


def test_what_has_left_the_outbox_needs_no_turn() -> None:
    ours, event = peers(), outgoing()
    ours.decide(event, moment(), 0.0)
    ours.keep_only([])
    assert ours._pending == {}


def test_a_message_takes_less_time_than_the_others_wait_for_an_objection() -> None:
    assert RULE.settle_ms / 1000 > LATENCY_S

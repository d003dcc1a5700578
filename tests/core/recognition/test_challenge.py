"""The doorbell's protocol: the challenge, the answer, and all that an answer can be instead."""

import dataclasses
import inspect
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.revocation import RevokedRights
from presence.core.event.cloudevent import EventType
from presence.core.event.outbox import Step
from presence.core.recognition.challenge import (
    CHALLENGE_S,
    MAX_ANSWER_BYTES,
    MAX_LINKS,
    MAX_READINGS,
    Answer,
    ChallengeRegistry,
    DoorbellReading,
    RejectReason,
    answer_key,
    is_genuine,
    make_answer,
)
from presence.core.recognition.identifiers import SLOT_S, ephemeral_identifier
from presence.core.rules import Bell
from presence.core.site import Site
from presence.core.visit.opening_hours import OpeningHours
from tests.support.answers import INSIDE, answered
from tests.support.builders import (
    ANNA,
    BERIT,
    CARL,
    SITE,
    START_S,
    DoorRule,
    a_list,
    advertisement,
    an_engine,
    approach,
    consent,
    moment,
    restarted,
    send_all,
    walk_in,
    window_keys,
)
from tests.support.paths import ROOT
from tests.support.revocations import revocation

NONCE = bytes(range(16))
CHALLENGE = b"\x01" + NONCE
KEY = bytes.fromhex("00112233445566778899aabbccddeeff")
SLOT = 1_753_362
SERIES = (DoorbellReading(4.0, -62), DoorbellReading(2.1, -58), DoorbellReading(0.3, -55))
VECTORS = json.loads((ROOT / "tests" / "vectors" / "doorbell.json").read_text())


def written(
    challenge: bytes = CHALLENGE, site: Site = SITE, slot: int = SLOT, key: bytes = KEY
) -> bytes:
    return make_answer(challenge, SERIES, key, site, slot)


def rung(payload: bytes, *, after_s: float = 0.1, bell: int = 0) -> Answer | RejectReason:
    challenges = ChallengeRegistry(bell)
    challenges.challenge("phone", NONCE, moment())
    return challenges.answer("phone", payload, moment(after_s))


one_reading = st.builds(
    DoorbellReading,
    st.integers(0, 255).map(lambda n: n / 10),
    st.integers(-127, 20),
    st.integers(0, 255),
)
readings = st.lists(one_reading, min_size=1, max_size=MAX_READINGS).map(
    lambda series: tuple(sorted(series, key=lambda reading: -reading.age_s))
)


@given(readings, st.binary(min_size=16, max_size=16), st.booleans())
def test_what_a_phone_writes_is_read_back_and_is_genuine(
    series: tuple[DoorbellReading, ...], key: bytes, naming_bells: bool
) -> None:
    written = make_answer(CHALLENGE, series, key, SITE, SLOT, naming_bells=naming_bells)
    answer = rung(written, bell=7)
    assert isinstance(answer, Answer)
    assert len(written) == 26 + (3 if naming_bells else 2) * len(series) <= MAX_ANSWER_BYTES
    assert answer.eid == ephemeral_identifier(key, SLOT)
    assert [(round(r.age_s, 1), r.rssi_dbm, r.bell) for r in answer.readings] == [
        (r.age_s, r.rssi_dbm, r.bell if naming_bells else 7) for r in series
    ]
    assert is_genuine(answer, key, SITE, SLOT)


@pytest.mark.parametrize("vector", VECTORS["answers"], ids=lambda vector: vector["what"])
def test_answers_are_byte_by_byte_those_that_openssl_makes(vector: dict[str, str]) -> None:
    site = Site(VECTORS["chain"], VECTORS["store"])
    key, challenge = bytes.fromhex(VECTORS["window_key"]), bytes.fromhex(VECTORS["challenge"])
    assert answer_key(key).hex() == VECTORS["answer_key"]
    series = tuple(DoorbellReading(*reading) for reading in vector["readings"])  # type: ignore[misc]
    naming_bells = len(vector["readings"][0]) == 3
    made = make_answer(
        challenge, series, key, site, int(VECTORS["slot"]), naming_bells=naming_bells
    )
    assert made.hex() == vector["answer"]


@given(st.integers(0, 8 * len(written()) - 1))
def test_one_bit_changed_makes_it_worth_nothing(bit: int) -> None:
    forged = bytearray(written())
    forged[bit // 8] ^= 1 << bit % 8
    answer = rung(bytes(forged))
    assert isinstance(answer, RejectReason) or not is_genuine(answer, KEY, SITE, SLOT)


@pytest.mark.parametrize(
    "payload",
    [
        written(challenge=b"\x01" + bytes(16)),
        written(site=Site("acme", "fi-0043")),
        written(site=Site("acmefi", "-0042")),
        written(slot=SLOT + 1),
        written(key=bytes(16)),
    ],
    ids=[
        "another challenge",
        "another store",
        "names that run into each other",
        "another slot",
        "another key",
    ],
)
def test_an_answer_to_something_else_is_forged(payload: bytes) -> None:
    answer = rung(payload)
    assert isinstance(answer, Answer)
    assert not is_genuine(answer, KEY, SITE, SLOT)


def test_macs_are_compared_in_constant_time() -> None:
    source = inspect.getsource(is_genuine)
    assert "hmac.compare_digest(" in source
    assert "answer.mac" in source
    assert "==" not in source


@given(st.binary(max_size=MAX_ANSWER_BYTES + 40))
def test_whatever_is_written_raises_nothing(payload: bytes) -> None:
    answer = rung(payload)
    assert answer is RejectReason.MALFORMED or not is_genuine(answer, KEY, SITE, SLOT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        written()[:-1],
        written() + b"\0",
        b"\x02" + written()[1:],
        b"\x03" + written()[1:],
        written()[:9] + b"\x04" + written()[10:],
        bytes(MAX_ANSWER_BYTES + 2),
    ],
    ids=[
        "nothing",
        "a piece",
        "a byte too many",
        "bells that are not named",
        "another version",
        "another count",
        "oversize",
    ],
)
def test_what_is_no_answer_is_malformed_and_uses_the_challenge_up(payload: bytes) -> None:
    bell = ChallengeRegistry()
    bell.challenge("phone", NONCE, moment())
    assert bell.answer("phone", payload, moment()) is RejectReason.MALFORMED
    assert bell.answer("phone", written(), moment()) is RejectReason.NO_CHALLENGE


def test_readings_out_of_order_are_refused_on_both_sides() -> None:
    with pytest.raises(ValueError, match="oldest first"):
        make_answer(CHALLENGE, SERIES[::-1], KEY, SITE, SLOT)
    with pytest.raises(ValueError, match="readings"):
        make_answer(CHALLENGE, (), KEY, SITE, SLOT)


def test_a_challenge_stays_the_same_while_it_is_open_and_counts_for_one_answer() -> None:
    bell = ChallengeRegistry()
    first = bell.challenge("phone", NONCE, moment())
    assert bell.challenge("phone", bytes(16), moment(1)) == first == CHALLENGE
    assert isinstance(bell.answer("phone", written(), moment(1)), Answer)
    assert bell.answer("phone", written(), moment(1)) is RejectReason.NO_CHALLENGE
    assert bell.challenge("phone", bytes(16), moment(1)) == b"\x01" + bytes(16)


def test_an_answer_to_no_challenge_or_over_another_connection_counts_for_nothing() -> None:
    bell = ChallengeRegistry()
    assert bell.answer("phone", written(), moment()) is RejectReason.NO_CHALLENGE
    bell.challenge("phone", NONCE, moment())
    assert bell.answer("stranger", written(), moment()) is RejectReason.NO_CHALLENGE
    bell.gone("phone")
    assert bell.answer("phone", written(), moment()) is RejectReason.NO_CHALLENGE


def test_a_late_answer_counts_for_nothing_and_a_clock_set_back_makes_none_timely() -> None:
    assert rung(written(), after_s=CHALLENGE_S + 0.1) is RejectReason.LATE
    assert rung(written(), after_s=-0.1) is RejectReason.LATE
    assert isinstance(rung(written(), after_s=CHALLENGE_S), Answer)


def test_strangers_who_hold_every_place_hold_it_for_seconds() -> None:
    bell = ChallengeRegistry()
    for number in range(10 * MAX_LINKS):
        bell.challenge(number, NONCE, moment())
    assert len(bell) == MAX_LINKS
    bell.challenge("phone", NONCE, moment(1))
    assert bell.answer("phone", written(), moment(1)) is RejectReason.NO_CHALLENGE
    bell.challenge("phone", NONCE, moment(CHALLENGE_S + 1))
    assert isinstance(bell.answer("phone", written(), moment(CHALLENGE_S + 1)), Answer)


# ---------------------------------------------------------------- an answer is a sighting like any
# other


def test_a_customer_who_answers_has_entered_and_the_event_says_that_it_was_a_challenge() -> None:
    engine = an_engine(consent())
    step = engine.answered(answered())
    assert [outgoing.type for outgoing in step.queued] == [EventType.ENTERED]
    (event,) = send_all(engine, moment(1))
    assert event["data"]["assurance"] == "challenge"
    assert (engine.counts.answered, engine.counts.entered, engine.counts.heard) == (1, 1, 0)


@pytest.mark.requirement("T-01")
def test_a_customer_who_is_suspect_enters_by_answering_at_the_bell() -> None:
    """Nobody is denied by who plays her identifier from the street."""
    engine = an_engine(consent())
    for second in range(8):
        engine.receive(advertisement(at=moment(second), address=b"phone."))
        engine.receive(advertisement(at=moment(second + 0.5), address=b"other.", rssi_dbm=-90))
    assert (engine.counts.entered, engine.counts.suspect.total()) == (0, 14)

    step = engine.answered(answered(at=moment(9)))

    assert [outgoing.type for outgoing in step.queued] == [EventType.ENTERED]
    (event,) = send_all(engine, moment(10))
    assert event["data"]["assurance"] == "challenge"


def test_who_is_only_heard_has_the_assurance_of_a_broadcast() -> None:
    engine = an_engine(consent())
    walk_in(engine)
    (event,) = send_all(engine, moment(8))
    assert event["data"]["assurance"] == "broadcast"


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize("strength_dbm", [-92, -60], ids=["weak", "strong"])
def test_an_answer_from_the_pavement_gives_a_playback_inside_no_assurance(
    strength_dbm: int,
) -> None:
    """The customer passes by and her phone answers; a recording of it is then played back inside:
    the answer moved nothing, or not enough, and the recording made the entry.
    """
    engine = an_engine(consent())
    assert not engine.answered(answered(series=(DoorbellReading(0.0, strength_dbm),))).queued
    assert walk_in(engine, start=moment(1)).queued
    (event,) = send_all(engine, moment(9))
    assert event["data"]["assurance"] == "broadcast"


@pytest.mark.requirement("T-01")
def test_an_answer_that_only_finishes_what_a_playback_began_gives_no_assurance() -> None:
    engine, played = an_engine(consent()), list(approach())[:-1]
    for each in played:
        assert not engine.receive(each).queued
    last = answered(at=played[-1].at.later(1), series=(DoorbellReading(0.0, -60),))
    assert engine.answered(last).queued
    (event,) = send_all(engine, moment(9))
    assert event["data"]["assurance"] == "broadcast"


@pytest.mark.parametrize(
    ("answered_s", "assurance"), [(20, "broadcast"), (31, "challenge")], ids=["soon", "later"]
)
def test_what_was_heard_takes_the_assurance_away_until_it_is_forgotten(
    answered_s: int, assurance: str
) -> None:
    """Heard on the pavement, with the app on the screen; `window_s` later nothing is left of it."""
    engine = an_engine(consent())
    for second in range(8):
        engine.receive(advertisement(at=moment(second), rssi_dbm=-95))
    assert engine.answered(answered(at=moment(answered_s))).queued
    (event,) = send_all(engine, moment(answered_s + 1))
    assert event["data"]["assurance"] == assurance


def test_who_has_entered_by_broadcasts_and_answers_afterwards_makes_one_visit() -> None:
    engine = an_engine(consent())
    walk_in(engine)
    assert not engine.answered(answered(at=moment(8))).queued
    (event,) = send_all(engine, moment(8.5))
    assert event["data"]["assurance"] == "broadcast"
    assert engine.counts.entered == 1


def test_how_an_entry_was_known_outlives_a_restart_and_waits_with_the_event() -> None:
    engine = an_engine(consent())
    engine.answered(answered())
    engine = restarted(engine, consent(), at=moment(100))
    (event,) = send_all(engine, moment(119))
    assert event["data"]["assurance"] == "challenge"


def test_who_answers_first_and_is_heard_afterwards_makes_one_visit() -> None:
    engine = an_engine(consent())
    assert len(engine.answered(answered()).queued) == 1
    assert not walk_in(engine, start=moment(1)).queued
    assert engine.counts.entered == 1


def test_seconds_that_the_gateway_heard_and_the_phone_reports_count_once() -> None:
    """Both together are no more evidence than one of them: late readings add nothing
    (core.evidence, rule 4).
    """
    engine, early, late = an_engine(consent()), list(approach())[:6], list(approach())[6:]
    for heard in early:
        assert not engine.receive(heard).queued
    reported = tuple(DoorbellReading(5.0 - second, -60) for second in range(6))
    assert not engine.answered(answered(at=early[-1].at, series=reported)).queued
    assert [len(engine.receive(heard).queued) for heard in late] == [0, 1]


@given(st.lists(st.tuples(st.floats(0, 8), st.booleans(), st.floats(0, 25)), max_size=12))
def test_however_hearing_and_answering_alternate_there_is_one_visit(
    steps: list[tuple[float, bool, float]],
) -> None:
    engine, now, queued = an_engine(consent()), moment(), 0
    for pause_s, answers, oldest_s in steps:
        now = now.later(pause_s)
        engine.advance(now)
        if answers:
            series = tuple(DoorbellReading(oldest_s * part / 8, -60) for part in range(8, -1, -1))
            queued += len(engine.answered(answered(at=now, series=series)).queued)
        else:
            queued += len(engine.receive(advertisement(at=now)).queued)
    assert queued == engine.counts.entered == len(tuple(engine.visits)) <= 1


@pytest.mark.requirement("R-12")
@pytest.mark.parametrize(("by", "enters"), [("a notice", 0), ("a list", 0), ("nothing", 1)])
def test_an_answer_is_forgotten_with_the_consent_under_which_it_was_given(
    by: str, enters: int
) -> None:
    """What it added is gone: the last second of it makes nobody enter under a later consent."""
    engine = an_engine(consent())
    engine.answered(answered(series=INSIDE[:-2]))
    if by == "a notice":
        engine.revoke(revocation(RevokedRights(ANNA, 1, removed=True)), moment(1))
    elif by == "a list":
        engine.apply(a_list(), moment(1))
    assert (ANNA in engine.visits) is bool(enters)

    engine.apply(a_list(consent(version=2)), moment(2))

    last = answered(at=moment(2), series=INSIDE[-1:])
    assert len(engine.answered(last).queued) == enters


@pytest.mark.requirement("R-19")
def test_outside_opening_hours_an_answer_at_the_bell_counts_for_nothing() -> None:
    engine = an_engine(consent(), hours=OpeningHours({"mon": "15:00-20:00"}))

    assert engine.answered(answered()) == Step()

    assert engine.counts.unanswered == {RejectReason.REFUSED: 1}
    assert (tuple(engine.visits), engine.counts.answered) == ((), 0)


def test_a_phone_that_passes_by_outside_has_not_entered_because_it_answered() -> None:
    engine = an_engine(consent())
    assert not engine.answered(
        answered(series=(DoorbellReading(1.0, -95), DoorbellReading(0.0, -60)))
    ).queued
    assert engine.counts.answered == 1


def test_the_offset_makes_the_phones_readings_comparable_with_ours() -> None:
    weak = tuple(DoorbellReading(age_s, -86) for age_s, *_ in INSIDE)
    assert not an_engine(consent()).answered(answered(series=weak)).queued
    louder = {0: Bell(offset_db=20)}
    assert an_engine(consent(), bells=louder).answered(answered(series=weak)).queued


@pytest.mark.parametrize(
    ("changes", "answer", "why"),
    [
        ({}, answered(ref=BERIT), RejectReason.UNKNOWN),
        ({}, answered(site=Site("acme", "fi-0043")), RejectReason.FORGED),
        ({"paused_until_s": START_S + 3600}, answered(), RejectReason.REFUSED),
        ({"objected": True}, answered(), RejectReason.REFUSED),
        ({}, RejectReason.LATE, RejectReason.LATE),
    ],
    ids=["not on the list", "another store", "paused", "objected", "late"],
)
def test_an_answer_that_counts_for_nothing_changes_nothing_but_a_count(
    changes: dict[str, Any], answer: Answer | RejectReason, why: RejectReason
) -> None:
    engine = an_engine(consent(**changes))

    assert not engine.answered(answer)
    assert (engine.counts.answered, engine.counts.unanswered) == (0, {why: 1})
    assert (tuple(engine.visits), tuple(engine.outbox.pending)) == ((), ())


def test_of_a_visit_that_an_answer_begins_and_ends_nothing_is_stored() -> None:
    """Never so with settings that a shop may have: no answer reaches back as far as the shortest
    absence.
    """
    engine = an_engine(consent(), entry=DoorRule(absence_s=5, reentry_cooldown_s=5))
    series = (
        *(DoorbellReading(20.0 - second, -60) for second in range(8)),
        DoorbellReading(0.0, -60),
    )

    step = engine.answered(answered(series=series))

    assert (step.saved, step.forgotten) == ((), (ANNA,))
    assert tuple(engine.visits) == ()


def test_a_visit_that_an_answer_begins_is_stored_though_the_answer_ended_the_one_before() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    step = engine.answered(answered(at=moment(1000)))

    assert [saved.entered_at for saved in step.saved] == [moment(999)]
    assert step.forgotten == ()


def test_each_answer_is_counted_and_each_person_once() -> None:
    engine = an_engine(consent(), consent(ref=BERIT))
    for second, ref in enumerate((ANNA, BERIT, ANNA)):
        engine.answered(answered(ref=ref, at=moment(second)))
        engine.answered(answered(ref=CARL, at=moment(second)))
        engine.answered(RejectReason.LATE)

    assert engine.counts.answered == 3
    assert engine.counts.unanswered == {RejectReason.UNKNOWN: 3, RejectReason.LATE: 3}
    assert engine.counts.persons.take()["accepted"] == 2


@pytest.mark.requirement("R-06", "R-09")
def test_who_only_answered_is_taken_back_as_their_consent_ends() -> None:
    engine = an_engine(consent(not_after_s=START_S + 60))
    engine.answered(answered())
    send_all(engine, moment(1))
    assert engine.advance(moment(2)).queued == ()

    assert [each.type for each in engine.advance(moment(60)).queued] == [EventType.WITHDRAWN]


def test_an_answer_that_two_customers_could_have_given_is_nobodys() -> None:
    engine = an_engine(consent())
    double = window_keys(ANNA)[0]._replace(ref=BERIT)
    engine.apply(a_list(consent(), consent(ref=BERIT), keys=[*window_keys(ANNA), double]), moment())

    assert engine.answered(answered()) == Step()
    assert engine.counts.unanswered == {RejectReason.AMBIGUOUS: 1}


def test_an_answer_from_another_slot_belongs_to_nobody() -> None:
    engine = an_engine(consent())
    early = answered()
    assert isinstance(early, Answer)
    engine.advance(moment(3 * SLOT_S))
    engine.answered(dataclasses.replace(early, at=moment(3 * SLOT_S)))
    assert engine.counts.unanswered == {RejectReason.UNKNOWN: 1}


def test_after_a_withdrawal_an_answer_is_a_strangers() -> None:
    engine = an_engine(consent())
    engine.answered(answered())
    engine.apply(a_list(), moment(1))
    assert engine.answered(answered(at=moment(2))) == Step()
    assert (tuple(engine.visits), tuple(engine.outbox.pending)) == ((), ())

"""A phone at one door and its recording at another: each gateway alone takes it for a phone,
together they do not.
"""

from collections.abc import Iterable
from itertools import pairwise

import pytest

from presence.core.engine import Engine
from presence.core.event.peer_message import PeerMessage, PeerMessageKind, opaque_name
from presence.core.event.shared_doubt import AT_ONCE, JUST_NOW_S, SAY_AGAIN_S, SharedDoubt
from presence.core.recognition.doubt import Doubt
from presence.core.recognition.replay_guard import SUSPECT_S
from tests.support.builders import (
    ANNA,
    STORE_KEY,
    advertisement,
    an_engine,
    consent,
    moment,
    send_all,
    walk_in,
)

PHONE, COPY = b"phone.", b"other."
NAME = opaque_name(STORE_KEY, "the entry")


class Gateway:
    def __init__(self, name: str, *, key: bytes = STORE_KEY) -> None:
        self.name = name
        self.engine: Engine = an_engine(consent())
        self.doubts = SharedDoubt(key, name, self.engine.replay_guard)

    def hear(self, *seconds: float, address: bytes = PHONE, rssi_dbm: int = -60) -> None:
        for at_s in seconds:
            self.engine.receive(advertisement(at=moment(at_s), address=address, rssi_dbm=rssi_dbm))

    def to_and_fro(self) -> None:
        for at_s, address in ((0, PHONE), (5, COPY), (10, PHONE)):
            self.hear(at_s, address=address)

    def claims(self, at_s: float) -> PeerMessage:
        claim = PeerMessage(PeerMessageKind.CLAIM, NAME, NAME, self.name, int(moment(at_s).utc_s))
        return self.doubts.explain(claim, ANNA)

    def takes(self, message: PeerMessage, at_s: float) -> PeerMessage | None:
        doubted, answer = self.doubts.receive(message, moment(at_s))
        self._doubt(doubted, at_s)
        return answer

    def says(self, at_s: float) -> list[PeerMessage]:
        """What is due to be said."""
        doubted, messages = self.doubts.due(moment(at_s))
        self._doubt(doubted, at_s)
        return messages

    def _doubt(self, refs: Iterable[bytes], at_s: float) -> None:
        for ref in refs:
            self.engine.doubt(ref, moment(at_s))

    @property
    def suspects(self) -> int:
        return self.engine.counts.suspect[Doubt.PEER]


def two() -> tuple[Gateway, Gateway]:
    return Gateway("door-1"), Gateway("door-2")


@pytest.mark.requirement("T-01")
def test_an_entry_by_a_recording_is_dropped_where_a_peer_hears_the_phone_elsewhere() -> None:
    inside, outside = two()
    for second in range(8):
        inside.hear(second, address=COPY)
        outside.hear(second, rssi_dbm=-95)
    assert len(inside.engine.outbox.pending.records) == 1

    answer = outside.takes(inside.claims(7), 7)
    assert answer is not None
    assert answer.kind is PeerMessageKind.DOUBT
    inside.takes(answer, 7.1)

    assert send_all(inside.engine, moment(8)) == []
    assert inside.engine.visits.refs() == set()
    for gateway in (inside, outside):
        gateway.hear(9)
        assert gateway.suspects == 1


def test_one_phone_at_two_doors_is_no_suspect() -> None:
    first, second = two()
    first.hear(1, 2, 3)
    second.hear(1.1, 2.1, 3.1)

    assert second.takes(first.claims(3.2), 3.2) is None
    assert (first.says(4), second.says(4)) == ([], [])


def test_the_address_before_the_last_change_is_the_same_phones() -> None:
    first, second = two()
    first.hear(1)
    second.hear(1)
    second.hear(1.5, address=COPY)

    assert second.takes(first.claims(2), 2) is None


def test_who_was_heard_longer_ago_may_have_changed_the_address_meanwhile() -> None:
    first, second = two()
    first.hear(5, address=COPY)
    second.hear(5 - JUST_NOW_S)

    assert second.takes(first.claims(5.1), 5.1) is None


@pytest.mark.requirement("T-01")
def test_who_is_suspect_at_one_door_is_so_at_the_other() -> None:
    first, second = two()
    first.to_and_fro()
    second.hear(10)
    (word,) = first.says(10.5)

    assert second.takes(word, 10.6) is None
    second.hear(11)

    assert second.suspects == 1
    assert second.says(11) == []  # a doubt that a peer brought is not told on


@pytest.mark.requirement("T-01")
def test_who_comes_after_the_word_is_suspect_too_while_it_counts() -> None:
    for comes_s, suspects in ((20, 1), (11 + SUSPECT_S, 0)):
        first, second = two()
        first.to_and_fro()
        (word,) = first.says(10.5)
        second.takes(word, 10.6)

        second.hear(comes_s)
        second.says(comes_s + 0.5)
        second.hear(comes_s + 1)

        assert second.suspects == suspects


@pytest.mark.requirement("T-01")
def test_a_word_of_a_peer_counts_for_a_minute_whenever_its_subject_comes() -> None:
    for hears in ((10,), ()):
        first, second = two()
        first.to_and_fro()
        second.hear(*hears)
        (word,) = first.says(10.5)
        second.takes(word, 10.6)
        for at_s in range(12, 100):
            second.hear(at_s)
            second.says(at_s + 0.5)

        assert SUSPECT_S - 3 <= second.suspects <= SUSPECT_S


def test_an_entry_that_was_sent_stands() -> None:
    first, second = two()
    walk_in(first.engine)
    assert len(send_all(first.engine, moment(8), acknowledged=False)) == 1

    first.engine.doubt(ANNA, moment(8))

    assert first.engine.visits.is_inside(ANNA)
    assert len(first.engine.outbox.pending.records) == 1
    assert second.says(8) == []


@pytest.mark.requirement("T-01")
@pytest.mark.parametrize("answers", ["0", "00", "0?", "?0", "0?0", "", "000"])
def test_an_entry_that_was_sent_and_heard_by_nobody_each_time_does_not_stand(answers: str) -> None:
    """0: the broker said that nobody was there; ?: it said nothing, so somebody may have been."""
    gateway, _ = two()
    walk_in(gateway.engine)
    [waiting] = gateway.engine.outbox.pending
    for answer in answers:
        send_all(gateway.engine, moment(8), acknowledged=False)
        if answer == "0":
            gateway.engine.dispatcher.unheard(waiting)

    gateway.engine.doubt(ANNA, moment(8))

    stands = "?" in answers
    assert gateway.engine.visits.is_inside(ANNA) is stands
    assert len(gateway.engine.outbox.pending.records) == stands


@pytest.mark.requirement("T-04")
def test_a_doubt_is_said_twice_a_minute_at_most() -> None:
    first, _ = two()
    said_s = []
    for second in range(1, 120):
        first.hear(second, address=PHONE if second % 2 else COPY)
        said_s += [second for _ in first.says(second)]

    assert len(said_s) == 120 // SAY_AGAIN_S
    assert min(b - a for a, b in pairwise(said_s)) >= SAY_AGAIN_S


@pytest.mark.requirement("T-04")
def test_a_crowd_of_suspects_is_told_of_bit_by_bit() -> None:
    refs = [n.to_bytes(8, "big") for n in range(1, 101)]
    engine = an_engine(*(consent(ref=ref) for ref in refs))
    doubts = SharedDoubt(STORE_KEY, "door-1", engine.replay_guard)
    for second, address in enumerate((PHONE, COPY, PHONE)):
        for ref in refs:
            engine.receive(advertisement(ref=ref, at=moment(5 * second), address=address))

    assert len(doubts.due(moment(11))[1]) == AT_ONCE


@pytest.mark.requirement("R-21", "R-22")
def test_names_say_nothing_without_the_stores_key_and_change_with_the_slot() -> None:
    first, other = two()[0], Gateway("door-1", key=bytes(32))
    later = Gateway("door-1")
    first.hear(1)
    other.hear(1)
    later.engine.advance(moment(1100))
    later.hear(1100)

    now, elsewhere, then = first.claims(1), other.claims(1), later.claims(1100)

    assert now.sent_as != now.visit
    for told in (elsewhere.sent_as, then.sent_as):
        assert now.sent_as[:13] != told[:13]
        assert now.sent_as[13:] != told[13:]


def test_a_claim_of_an_older_gateway_or_of_an_answer_says_no_address_and_is_no_doubt() -> None:
    first, second = two()
    second.hear(1)

    assert first.claims(1).sent_as == NAME
    assert second.takes(first.claims(1), 1) is None


def test_a_gateway_whose_satellites_alone_hear_somebody_says_and_doubts_no_address() -> None:
    first, second = two()
    first.hear(1)
    second.hear(1, address=b"")

    assert second.claims(1).sent_as == NAME
    assert second.takes(first.claims(1), 1) is None


@pytest.mark.requirement("R-12")
def test_nothing_is_said_of_a_suspect_whose_consent_ended() -> None:
    first, _ = two()
    first.to_and_fro()
    first.engine.replay_guard.forget(ANNA)

    assert first.says(11) == []


def test_our_own_word_that_comes_back_changes_nothing() -> None:
    first, _ = two()
    first.hear(1, address=COPY)
    heard = first.claims(1)
    first.hear(1.5)

    assert first.takes(heard, 1.6) is None
    assert first.suspects == 0

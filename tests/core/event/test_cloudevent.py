"""The JSON that we publish: byte for byte the golden files, closed, and joined by nothing."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.model import Flag, Purpose
from presence.core.engine import Engine
from presence.core.event.cloudevent import (
    STABLE_DAY,
    Assurance,
    Event,
    EventType,
    encode,
    entered_data,
    event_id,
    largest_bytes,
    subject_of_day,
    subjects_of,
    topic,
    utc_day,
    visit_bucket,
)
from presence.core.recognition.identifiers import WindowKey, window_at
from presence.core.timestamps import Moment
from presence.simulation.identity_keys import window_key
from scripts.stores.customers import identity_key, pairwise_key
from tests.support.builders import (
    ANNA,
    BERIT,
    CARS,
    DAY_S,
    GARDEN,
    OFFERS,
    PICK_UP,
    SITE,
    START_S,
    STORE_KEY,
    VANS,
    a_list,
    an_engine,
    base64url,
    consent,
    grant,
    identifier_of,
    moment,
    rules,
    send_all,
    standing,
    walk_in,
)
from tests.support.paths import ROOT
from tests.support.small import SmallEngine

VECTORS = ROOT / "tests" / "vectors"
ALL = frozenset(Purpose) - {Purpose.PROFILING}


def golden(name: str) -> bytes:
    return (VECTORS / f"event-{name}.json").read_bytes().rstrip(b"\n")


def only_message(engine: Engine, now: Moment) -> bytes:
    [waiting] = engine.outbox.pending
    released = engine.dispatcher.release(waiting, now)
    assert isinstance(released, tuple)
    engine.outbox.pending.pop(waiting.id)
    return encode(released[0], SITE)


# ---------------------------------------------------------------- golden files


@pytest.mark.requirement("R-57", "R-21", "R-17")
def test_an_entered_event_is_the_golden_file() -> None:
    engine = an_engine(consent())
    walk_in(engine)

    assert only_message(engine, moment(8)) == golden("entered")


@pytest.mark.requirement("R-57", "R-21")
def test_a_left_event_is_the_golden_file() -> None:
    engine = an_engine(consent(purposes=ALL))
    walk_in(engine)
    send_all(engine, moment(8))
    engine.advance(moment(400))

    assert only_message(engine, moment(400)) == golden("left")


@pytest.mark.requirement("R-57", "R-21", "R-09")
def test_a_withdrawn_event_is_the_golden_file() -> None:
    engine = an_engine(consent())
    walk_in(engine)
    send_all(engine, moment(8))
    engine.apply(a_list(), moment(60))

    assert only_message(engine, moment(60)) == golden("withdrawn")


# ---------------------------------------------------------------- what is in it

KEYS = {
    "specversion",
    "type",
    "source",
    "id",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
}
DATA_KEYS = {
    "presence.entered.v1": {
        "audience",
        "store",
        "purposes",
        "allow",
        "valid_until",
        "consent",
        "assurance",
    },
    "presence.left.v1": {"audience", "store", "entered_id"},
    "presence.withdrawn.v1": {"audience", "store", "entered_id", "reason"},
}


@pytest.mark.requirement("R-21", "R-17", "R-03")
@given(
    st.sets(st.sampled_from(Purpose)).map(lambda more: more | {Purpose.PRESENCE, Purpose.OFFERS}),
    st.sets(st.sampled_from([Flag.EXPLICIT, Flag.NO_PROFILING])),
    st.booleans(),
    st.integers(0, 59),
)
def test_every_event_has_the_documented_keys_and_no_others(
    purposes: set[Purpose], flags: set[Flag], withdrawn: bool, second: int
) -> None:
    engine = an_engine(
        consent(purposes=frozenset(purposes), flags=frozenset(flags)), audiences=(OFFERS, PICK_UP)
    )
    walk_in(engine, start=moment(second))
    sent = send_all(engine, moment(second + 8))
    if withdrawn:
        engine.apply(a_list(), moment(second + 9))
    engine.advance(moment(second + 400))
    sent += send_all(engine, moment(second + 400))

    for event in sent:
        assert event.keys() == KEYS
        assert event["data"].keys() == DATA_KEYS[event["type"]]
        assert event["time"].endswith(":00Z")
        assert len(event["id"]) == 26
        assert event["subject"].startswith("p_")
        assert len(event["subject"]) == 24
        if event["type"] == "presence.entered.v1":
            assert event["data"]["valid_until"].endswith(":00Z")
            assert event["data"]["consent"].keys() == {"list_seq", "notice"}
            assert set(event["data"]["allow"]) <= OFFERS.campaigns


@pytest.mark.requirement("R-17", "R-03")
def test_an_event_holds_no_stable_handle_in_any_spelling() -> None:
    engine = an_engine(consent(version=4711), audiences=(OFFERS,))
    walk_in(engine)
    message = only_message(engine, moment(8)).decode()

    heard = b"\x4a\x11\x22\x33\x44\x55"

    for secret in (
        ANNA,
        heard,
        identifier_of(ANNA, START_S),
        pairwise_key(ANNA, OFFERS.name),
        STORE_KEY,
    ):
        for spelling in (secret.hex(), secret.hex(":"), secret[::-1].hex(), base64url(secret)):
            assert spelling.lower() not in message.lower()
    for word in ("4711", "-60", "hci0", "door"):
        assert word not in message


def test_the_topic_names_chain_store_and_audience() -> None:
    assert topic(SITE, "offers-main") == "presence/v1/acme/fi-0042/evt/offers-main"


def test_an_event_is_compact_json_in_utf_8() -> None:
    event = Event(EventType.ENTERED, "id", "p_x", "offers-main", START_S, {"allow": ["x:é"]})

    assert b" " not in encode(event, SITE)
    assert "é".encode() in encode(event, SITE)


@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_times_are_cut_and_ends_are_exact(occurred_s: float, until_s: float) -> None:
    event = Event(
        EventType.ENTERED,
        "id",
        "p_x",
        "offers-main",
        occurred_s,
        entered_data(
            "offers", (CARS,), until_s, list_seq=1, notice="n", assurance=Assurance.CHALLENGE
        ),
    )
    body = json.loads(encode(event, SITE))

    assert body["time"].endswith(":00Z")
    assert body["data"]["valid_until"].endswith("Z")


@pytest.mark.requirement("R-03")
def test_an_event_prints_without_its_subject() -> None:
    assert "p_x" not in repr(Event(EventType.ENTERED, "id", "p_x", "offers-main", START_S))


# ---------------------------------------------------------------- who can join what


@pytest.mark.requirement("R-22", "T-17")
def test_subjects_and_ids_of_audiences_and_days_never_meet() -> None:
    """10,000 subjects, two audiences, two days: no value twice, no prefix that joins."""
    chance = os.urandom(16 * 20_000)
    subjects: list[str] = []
    ids: list[str] = []
    for n in range(10_000):
        ref = n.to_bytes(8, "big")
        for audience in (0, 1):
            key = chance[16 * (2 * n + audience) :][:16]
            subjects += [subject_of_day(key, day)[2:] for day in (b"2026-11-23", b"2026-11-24")]
            ids += [
                event_id(STORE_KEY, EventType.ENTERED, f"audience-{audience}", ref, b)
                for b in (1, 97)
            ]

    for values, alphabet in ((subjects, 64), (ids, 32)):
        assert len(set(values)) == len(values) == 40_000
        joined = sum(
            len({value[:3] for value in values[4 * n : 4 * n + 4]}) < 4 for n in range(10_000)
        )  # 6 pairs of 4 values share 3 characters by chance
        assert joined < 10 + 3 * 10_000 * 6 / alphabet**3


@pytest.mark.requirement("R-22", "T-17")
def test_two_audiences_hear_of_one_visit_under_different_subjects_and_ids() -> None:
    record = consent(purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS, Purpose.SERVICE}))
    engine = an_engine(record, audiences=(OFFERS, PICK_UP))
    walk_in(engine)

    one, other = send_all(engine, moment(8))

    assert {one["data"]["audience"], other["data"]["audience"]} == {"offers-main", "pick-up"}
    assert one["id"] != other["id"]
    assert one["subject"] != other["subject"]


def day_by_day(*purposes: Purpose, flags: frozenset[Flag] = frozenset()) -> list[dict[str, str]]:
    """The events of one customer on two days."""
    sent = []

    for day in (0, 1):
        start = moment(day * DAY_S)
        record = consent(
            purposes=frozenset({Purpose.PRESENCE, Purpose.SERVICE, *purposes}), flags=flags
        )
        engine = SmallEngine(rules(audiences=(PICK_UP,)))
        engine.admissions.trust(standing(suppression_checked_at_s=start.utc_s))
        key = WindowKey(ANNA, window_at(start.utc_s), window_key(identity_key(ANNA), start.utc_s))
        engine.apply(a_list(record, keys=[key]), start)
        walk_in(engine, start=start)
        sent += send_all(engine, start.later(8))
    return sent


@pytest.mark.requirement("R-22", "R-24")
def test_one_audience_cannot_join_two_days() -> None:
    one, other = day_by_day()

    assert one["subject"] != other["subject"]
    assert one["id"] != other["id"]
    assert (one["source"], one["data"]["store"]) == (other["source"], other["data"]["store"])  # type: ignore[index]


@pytest.mark.requirement("R-22")
def test_a_customer_who_agreed_to_profiling_keeps_a_subject() -> None:
    one, other = day_by_day(Purpose.PROFILING)

    assert one["subject"] == other["subject"]
    assert one["id"] != other["id"]


@pytest.mark.requirement("R-14", "R-22")
def test_a_minor_keeps_no_subject_even_with_profiling() -> None:
    one, other = day_by_day(Purpose.PROFILING, flags=frozenset({Flag.NO_PROFILING}))

    assert one["subject"] != other["subject"]


def test_the_stable_subject_is_the_one_computed_by_hand() -> None:
    """See vectors/how-events-were-made.sh."""

    assert subject_of_day(pairwise_key(ANNA, OFFERS.name), STABLE_DAY) == "p_G5Cu-pAf2CvO7NMl8C53Vg"


def test_the_day_of_a_subject_is_the_utc_day_of_the_entry() -> None:
    midnight = 1795478400.0  # 2026-11-24T00:00:00Z

    assert utc_day(midnight - 0.001) == b"2026-11-23"
    assert utc_day(midnight) == b"2026-11-24"


# ---------------------------------------------------------------- ids


@pytest.mark.requirement("R-53")
def test_two_gateways_give_one_visit_the_same_source_and_id() -> None:
    """The second door heard the customer a little later."""
    doors = an_engine(consent()), an_engine(consent())
    for delay, door in enumerate(doors):
        walk_in(door, start=moment(delay * 3))

    [one], [other] = (send_all(door, moment(12)) for door in doors)

    assert (one["source"], one["id"], one["subject"]) == (
        other["source"],
        other["id"],
        other["subject"],
    )


def test_an_id_is_the_same_after_a_restart() -> None:
    before = an_engine(consent())
    walk_in(before)
    [sent] = send_all(before, moment(8), acknowledged=False)

    after = SmallEngine(
        rules(),
        visits=tuple(before.visits),
        pending=tuple(before.outbox.pending),
        announcements=tuple(before.outbox.announced),
    )
    after.admissions.trust(standing())
    after.apply(a_list(consent()), moment(20))

    assert [event["id"] for event in send_all(after, moment(21))] == [sent["id"]]


@given(st.floats(1e9, 4e9), st.floats(900, 1e6))
def test_two_visits_of_one_subject_never_share_a_bucket(entered_s: float, later_s: float) -> None:
    assert visit_bucket(entered_s, 900) != visit_bucket(entered_s + later_s, 900)


def test_an_id_depends_on_store_kind_audience_subject_and_bucket() -> None:
    ids = {
        event_id(key, kind, audience, ref, bucket)
        for key in (STORE_KEY, STORE_KEY[::-1])
        for kind in EventType
        for audience in ("a", "b")
        for ref in (ANNA, BERIT)
        for bucket in (1, 2)
    }

    assert len(ids) == 2 * 3 * 2 * 2 * 2


def test_allow_is_sorted_so_that_its_order_tells_nothing() -> None:
    orders = []
    for grants in ((CARS, GARDEN), (GARDEN, CARS)):
        engine = an_engine(consent(grants=tuple(grant(category) for category in (*grants, VANS))))
        walk_in(engine)
        orders.append(send_all(engine, moment(8))[0]["data"]["allow"])

    assert orders[0] == orders[1] == sorted(orders[0])


def test_the_largest_event_is_as_long_as_one_with_all_its_categories() -> None:
    categories = (GARDEN, CARS)
    body = (
        '{"specversion":"1.0","type":"presence.entered.v1",'
        '"source":"urn:presence:acme:fi-0042","id":"'
        + "x" * 26
        + '","subject":"p_'
        + "x" * 22
        + '","time":"1970-01-01T00:00:00Z","datacontenttype":"application/json",'
        '"dataschema":"urn:presence:schema:entered-1.0",'
        '"data":{"audience":"offers-main","store":"fi-0042","purposes":["offers"],'
        '"allow":["ap2:1285","ap2:1551"],"valid_until":"1970-01-01T00:00:00Z",'
        '"consent":{"list_seq":1000000000000000,"notice":"fi-2026-03"},"assurance":"broadcast"}}'
    )
    assert largest_bytes(SITE, "offers-main", "offers", categories, "fi-2026-03") == len(body)


@pytest.mark.requirement("R-22")
def test_a_consent_allows_the_subject_of_the_day_and_with_profiling_the_stable_one_first() -> None:
    key, profiling = (
        pairwise_key(ANNA, OFFERS.name),
        frozenset({Purpose.PRESENCE, Purpose.PROFILING}),
    )
    day, stable = subject_of_day(key, b"2026-11-23"), subject_of_day(key, STABLE_DAY)

    assert subjects_of(None, OFFERS.name, "2026-11-23") == ()
    assert subjects_of(consent(pairwise_keys={}), OFFERS.name, "2026-11-23") == ()
    assert subjects_of(consent(), OFFERS.name, "2026-11-23") == (day,)
    assert subjects_of(consent(purposes=profiling), OFFERS.name, "2026-11-23") == (stable, day)


def test_an_event_is_padded_behind_its_text() -> None:
    event = Event(EventType.LEFT, "x", "p_x", "offers-main", START_S)
    assert encode(event, SITE, pad_to_bytes=2048) == encode(event, SITE) + b" " * (
        2048 - len(encode(event, SITE))
    )

"""A revocation can only take away, whatever it says and in whichever order it comes."""

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.gate import Allowed, ListStanding, permitted, permitted_to
from presence.core.consent.model import Audience, Consent, Flag, Purpose, Scope
from presence.core.consent.revocation import Revocation, RevokedRights
from presence.core.consent.revocations import (
    MAX_VERSIONS,
    Applied,
    EffectiveConsents,
    HeldRevocation,
    Revocations,
)
from presence.core.engine import Engine
from tests.support.builders import (
    ANNA,
    BERIT,
    CARS,
    DAY_S,
    GARDEN,
    HEALTH,
    PICK_UP,
    SITE,
    START_S,
    VANS,
    a_list,
    consent,
    grant,
    moment,
    rules,
    send_all,
    standing,
    stay,
    walk_in,
)
from tests.support.revocations import removal, revocation
from tests.support.small import SmallEngine

CATEGORIES = st.frozensets(st.sampled_from([CARS, VANS, GARDEN, HEALTH]), max_size=3)
PURPOSES = st.frozensets(st.sampled_from(list(Purpose)), max_size=6)
TIMES_S = st.sampled_from(
    [0.0, START_S - DAY_S, START_S, START_S + DAY_S, START_S + 50 * DAY_S, math.inf]
)
VERSIONS = st.integers(0, 3)

rows = st.builds(
    RevokedRights,
    st.sampled_from([ANNA, BERIT]),
    VERSIONS,
    removed=st.booleans(),
    objected=st.booleans(),
    paused_until_s=TIMES_S,
    categories=CATEGORIES,
    purposes=PURPOSES,
)
grants = st.builds(
    grant,
    st.sampled_from([CARS, VANS, GARDEN, HEALTH]),
    end_s=st.sampled_from([START_S, START_S + DAY_S, START_S + 100 * DAY_S]),
    explicit=st.booleans(),
)
consents = st.builds(
    consent,
    version=VERSIONS,
    purposes=st.one_of(st.just(frozenset(Purpose)), PURPOSES),
    grants=st.lists(grants, max_size=4).map(tuple),
    refused_categories=CATEGORIES,
    flags=st.frozensets(st.sampled_from(list(Flag)), max_size=2),
    scope=st.sampled_from([Scope(frozenset({SITE.store})), Scope(frozenset())]),
    paused_until_s=TIMES_S,
    objected=st.booleans(),
)
revocations = st.lists(rows, min_size=1, max_size=4).map(lambda several: revocation(*several))
EVERYTHING = Audience("offers-main", Purpose.OFFERS, frozenset({CARS, VANS, GARDEN, HEALTH}))
PUBLISHING = ListStanding(publishing=True, suppression_checked_at_s=START_S, parents={VANS: CARS})


def _rights(held: Consent | None, now_s: float) -> set[str]:
    """Everything that may be done with this consent at this moment, each a word."""
    if permitted(held, SITE, now_s) is not None or held is None:
        return set()
    rights = {f"purpose {purpose}" for purpose in held.purposes}
    for audience in (EVERYTHING, PICK_UP):
        decision = permitted_to(held, audience, SITE, PUBLISHING, now_s)
        if isinstance(decision, Allowed):
            rights |= {
                f"tell {audience.name}",
                *(f"{audience.name} {category}" for category in decision.categories),
            }
    return rights


@pytest.mark.requirement("R-41", "R-34")
@given(
    consents,
    st.lists(revocations, max_size=4),
    st.sampled_from([0.0, 1.0, DAY_S - 1, DAY_S, 60 * DAY_S, 200 * DAY_S]),
)
def test_rights_after_any_notice_are_a_subset_of_the_rights_before(
    held: Consent, several: list, later_s: float
) -> None:
    revocations = Revocations()
    before = _rights(held, START_S + later_s)
    for each in several:
        revocations.apply(each)
        after = _rights(revocations.effective(held), START_S + later_s)
        assert after <= before
        before = after


@given(consents, st.lists(revocations, min_size=1, max_size=4))
def test_the_order_and_the_number_of_copies_of_notices_do_not_matter(
    held: Consent, several: list[Revocation]
) -> None:
    outcomes = []
    for order in permutations(several):
        revocations = Revocations()
        for each in (*order, *order):
            revocations.apply(each)
        outcomes.append((set(revocations), revocations.effective(held)))
    assert all(outcome == outcomes[0] for outcome in outcomes)


@given(consents, revocations)
def test_what_was_stored_takes_away_as_much_after_a_restart(
    held: Consent, said: Revocation
) -> None:
    revocations = Revocations()
    stored = {revocation.key: revocation for revocation in revocations.apply(said).new}
    assert Revocations(stored.values()).effective(held) == revocations.effective(held)


def test_a_copy_of_a_notice_changes_nothing() -> None:
    revocations = Revocations()
    assert len(revocations.apply(revocation()).new) == 1
    assert revocations.apply(revocation()) == Applied()
    assert len(revocations) == 1


ONE_KIND_EACH = [
    RevokedRights(ANNA, 5, removed=True),
    RevokedRights(ANNA, 5, objected=True),
    RevokedRights(ANNA, 5, paused_until_s=START_S + DAY_S),
    RevokedRights(ANNA, 5, categories=frozenset({CARS})),
    RevokedRights(ANNA, 5, categories=frozenset({GARDEN})),
    RevokedRights(ANNA, 5, purposes=frozenset({Purpose.OFFERS})),
    RevokedRights(ANNA, 5, purposes=frozenset({Purpose.PRESENCE})),
]


@pytest.mark.requirement("R-34", "R-41")
@pytest.mark.parametrize("pair", list(permutations(ONE_KIND_EACH, 2)))
def test_rows_for_one_version_take_away_together_what_each_takes_away(
    pair: tuple[RevokedRights, RevokedRights],
) -> None:
    revocations, held = Revocations(), consent(version=5)
    for seq, row in enumerate(pair, start=1):
        revocations.apply(revocation(row, seq=seq, kid="r1"))

    alone: Consent | None = held
    for row in pair:
        alone = alone and Revocations([HeldRevocation(row, 8)]).effective(alone)

    assert [each.kid for each in revocations] == ["r1"]
    assert revocations.effective(held) == alone


@pytest.mark.requirement("R-41")
@pytest.mark.parametrize(
    "categories", [(CARS,), (CARS, GARDEN, VANS)], ids=["the same each time", "in turn"]
)
@pytest.mark.parametrize("at_once", [1, 3, 12])
def test_what_is_to_be_stored_and_removed_makes_the_store_say_what_is_held(
    categories: tuple[str, ...], at_once: int
) -> None:
    revocations = Revocations()
    stored: dict[tuple[bytes, int, str], HeldRevocation] = {}
    several = [
        RevokedRights(ANNA, version, categories=frozenset({categories[version % len(categories)]}))
        for version in range(12)
    ]
    for first in range(0, 12, at_once):
        applied = revocations.apply(revocation(*several[first : first + at_once], seq=first + 1))
        for gone in applied.gone:
            stored.pop(gone.key, None)
        stored |= {new.key: new for new in applied.new}

    assert stored == {held.key: held for held in revocations}
    assert len(revocations) == MAX_VERSIONS


def test_a_restricted_list_answers_with_what_was_asked_for_in_place_of_nobody() -> None:
    somebody = consent()

    assert EffectiveConsents({}, Revocations()).get(ANNA, somebody) is somebody


def test_references_that_no_list_knows_are_counted_over_all_notices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("presence.core.consent.revocations.MAX_UNLISTED", 2)
    revocations, listed = Revocations(), {ANNA, BERIT}
    revocations.apply(revocation(removal(), removal(BERIT)), listed)

    left_out = [
        revocations.apply(revocation(removal(bytes([n]) * 8), seq=n), listed).left_out
        for n in range(2, 5)
    ]

    assert left_out == [0, 0, 1]


def test_of_some_rows_only_these_are_let_go_though_the_list_says_others_too() -> None:
    revocations = Revocations()
    new = revocations.apply(revocation(removal(), removal(BERIT))).new

    assert revocations.settle({}, 8, among=new[:1]) == new[:1]
    assert tuple(revocations) == new[1:]


@pytest.mark.requirement("R-34", "R-41")
@pytest.mark.parametrize("order", [(8, 9), (9, 8)])
def test_a_row_that_two_notices_speak_of_is_held_until_the_list_says_both(
    order: tuple[int, int],
) -> None:
    revocations = Revocations()
    rows = {
        8: RevokedRights(ANNA, 5, categories=frozenset({CARS})),
        9: RevokedRights(ANNA, 5, categories=frozenset({GARDEN})),
    }
    for list_seq in order:
        revocations.apply(revocation(rows[list_seq], list_seq=list_seq))
    assert revocations.settle({ANNA: consent(version=5)}, 8) == ()
    effective = revocations.effective(consent(version=5))
    assert effective is not None
    assert effective.refused_categories == {CARS, GARDEN}
    assert len(revocations.settle({ANNA: consent(version=5)}, 9)) == 1


@pytest.mark.requirement("R-44")
def test_what_keys_said_is_lifted_by_key_and_what_nobody_knows_who_signed_with_the_first() -> None:
    revocations = Revocations([HeldRevocation(removal(version=3), 8)])
    revocations.apply(revocation(removal(version=5), kid="r1"))
    revocations.apply(revocation(removal(version=5), kid="r2"))
    revocations.apply(revocation(removal(BERIT, 5), kid="r1"))
    gone = revocations.lift({"r1"})
    assert {each.key for each in gone} == {(ANNA, 3, ""), (ANNA, 5, "r1"), (BERIT, 5, "r1")}
    assert [each.key for each in revocations] == [(ANNA, 5, "r2")]
    assert revocations.effective(consent(version=5)) is None


@pytest.mark.requirement("R-54")
def test_however_many_versions_a_key_speaks_of_few_are_held_and_no_less_is_taken() -> None:
    revocations = Revocations()
    stored: dict[tuple[bytes, int, str], HeldRevocation] = {}
    for version in range(1, 101):
        applied = revocations.apply(revocation(removal(version=version), list_seq=version))
        stored |= {each.key: each for each in applied.new}
        for each in applied.gone:
            del stored[each.key]
    assert len(revocations) == MAX_VERSIONS
    assert set(stored.values()) == set(revocations)
    assert revocations.effective(consent(version=1)) is None
    assert revocations.effective(consent(version=101)) == consent(version=101)


@pytest.mark.requirement("R-54")
def test_references_that_the_list_does_not_know_are_held_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("presence.core.consent.revocations.MAX_UNLISTED", 3)
    revocations = Revocations()
    invented = [removal(bytes([n]) * 8) for n in range(5)]
    applied = revocations.apply(revocation(*invented, removal()), {ANNA})
    assert (len(applied.new), applied.left_out) == (4, 2)
    assert revocations.effective(consent()) is None
    assert revocations.apply(revocation(invented[0], removal(BERIT)), {ANNA, BERIT}).left_out == 0


@pytest.mark.requirement("R-41")
def test_a_row_comes_back_with_a_higher_version_only() -> None:
    revocations = Revocations()
    revocations.apply(revocation(removal(version=5)))
    assert revocations.effective(consent(version=4)) is None
    assert revocations.effective(consent(version=5)) is None
    assert revocations.effective(consent(version=6)) == consent(version=6)


@pytest.mark.parametrize(
    ("row", "held", "list_seq", "let_go"),
    [
        (removal(version=5), None, 7, False),
        (removal(version=5), None, 8, True),
        (removal(version=5), consent(version=4), 9, False),
        (removal(version=5), consent(version=5), 9, False),
        (removal(version=5), consent(version=6), 9, True),
        (RevokedRights(ANNA, 5, objected=True), consent(version=5), 9, False),
        (RevokedRights(ANNA, 5, objected=True), consent(version=5, objected=True), 9, True),
        (RevokedRights(ANNA, 5, paused_until_s=START_S), consent(version=5), 8, True),
        (RevokedRights(ANNA, 5, categories=frozenset({CARS})), consent(version=4), 8, False),
        (RevokedRights(ANNA, 5, categories=frozenset({CARS})), consent(version=5), 8, True),
    ],
)
def test_a_restriction_is_let_go_when_the_list_says_the_same(
    row: RevokedRights, held: Consent | None, list_seq: int, let_go: bool
) -> None:
    revocations = Revocations()
    revocations.apply(revocation(row))
    gone = revocations.settle({} if held is None else {ANNA: held}, list_seq)
    assert bool(gone) is let_go
    assert len(revocations) == (not let_go)


def test_the_restricted_list_is_a_list_without_the_withdrawn() -> None:
    revocations = Revocations([HeldRevocation(removal(), 8)])
    effective = EffectiveConsents({ANNA: consent(), BERIT: consent(ref=BERIT)}, revocations)
    assert list(effective) == [BERIT]
    assert len(effective) == 1
    assert ANNA not in effective
    assert effective[BERIT] == consent(ref=BERIT)
    with pytest.raises(KeyError):
        effective[ANNA]


def _engine(*several: Consent, revocations: Revocations | None = None, **changes: object) -> Engine:
    engine = SmallEngine(rules(**changes), revocations=revocations)
    engine.admissions.trust(standing())
    engine.apply(a_list(*(several or (consent(),))), moment())
    return engine


KINDS = [
    (removal(), "withdrawn"),
    (RevokedRights(ANNA, 2, objected=True), "objected"),
    (RevokedRights(ANNA, 2, paused_until_s=START_S + DAY_S), "paused"),
    (RevokedRights(ANNA, 2, paused_until_s=math.inf), "paused"),
    (RevokedRights(ANNA, 2, categories=frozenset({CARS})), "unspecified"),
    (RevokedRights(ANNA, 2, purposes=frozenset({Purpose.OFFERS})), "unspecified"),
    (RevokedRights(ANNA, 2, purposes=frozenset({Purpose.PRESENCE})), "unspecified"),
]


@pytest.mark.requirement("R-08", "R-09", "R-34")
@pytest.mark.parametrize(("row", "reason"), KINDS)
def test_who_was_told_is_told_of_the_end_at_once_and_then_there_is_silence(
    row: RevokedRights, reason: str
) -> None:
    engine = _engine()
    walk_in(engine)
    (entered,) = send_all(engine, moment(10))
    engine.revoke(revocation(row), moment(11))
    (withdrawn,) = send_all(engine, moment(11))
    assert withdrawn["type"] == "presence.withdrawn.v1"
    assert withdrawn["data"]["entered_id"] == entered["id"]
    assert withdrawn["data"]["reason"] == reason
    assert stay(engine, moment(12), moment(3600)) == []
    assert send_all(engine, moment(3600)) == []


@pytest.mark.requirement("R-09")
@pytest.mark.parametrize("row", [row for row, _ in KINDS if not row.categories])
def test_where_nobody_was_told_nothing_is_said_at_all(row: RevokedRights) -> None:
    engine = _engine()
    walk_in(engine)
    assert tuple(engine.outbox.pending)
    engine.revoke(revocation(row), moment(9))
    assert send_all(engine, moment(9)) == []
    assert tuple(engine.outbox.pending) == ()


def test_what_was_narrowed_before_it_was_told_is_not_in_the_event() -> None:
    engine = _engine()
    walk_in(engine)
    engine.revoke(revocation(RevokedRights(ANNA, 2, categories=frozenset({CARS}))), moment(9))
    (entered,) = send_all(engine, moment(9))
    assert entered["data"]["allow"] == [GARDEN]


@pytest.mark.requirement("R-34")
@pytest.mark.parametrize(("row", "reason"), KINDS)
def test_a_stale_list_does_not_hold_a_withdrawal_up(row: RevokedRights, reason: str) -> None:
    engine = _engine()
    walk_in(engine)
    send_all(engine, moment(10))
    engine.admissions.trust(standing(publishing=False))
    engine.revoke(revocation(row), moment(11))
    (withdrawn,) = send_all(engine, moment(11))
    assert withdrawn["data"]["reason"] == reason


def test_a_notice_before_the_first_list_takes_back_what_was_told_before_the_restart() -> None:
    before = _engine()
    walk_in(before)
    send_all(before, moment(10))
    engine = SmallEngine(
        rules(), visits=tuple(before.visits), announcements=tuple(before.outbox.announced)
    )
    engine.revoke(revocation(RevokedRights(ANNA, 2, categories=frozenset({CARS}))), moment(11))
    assert send_all(engine, moment(11)) == []
    engine.revoke(revocation(), moment(11))
    (withdrawn,) = send_all(engine, moment(11))
    assert withdrawn["data"]["reason"] == "withdrawn"


@pytest.mark.requirement("R-09", "R-34")
@pytest.mark.parametrize("row", [row for row, _ in KINDS[:4]])
def test_before_the_first_list_what_ends_a_consent_whole_takes_back_at_once(
    row: RevokedRights,
) -> None:
    before = _engine()
    walk_in(before)
    send_all(before, moment(10))
    engine = SmallEngine(
        rules(), visits=tuple(before.visits), announcements=tuple(before.outbox.announced)
    )

    assert [each.ref for each in engine.revoke(revocation(row), moment(11))[1].queued] == [ANNA]


@pytest.mark.requirement("R-41")
def test_of_a_revocation_that_the_list_knows_of_nothing_is_new_and_other_rows_stay() -> None:
    berits = HeldRevocation(removal(BERIT), 7)
    engine = _engine(consent(version=3), revocations=Revocations([berits]))

    applied, step = engine.revoke(revocation(removal(), removal(bytes(8)), list_seq=7), moment(1))
    assert (applied, bool(step)) == (Applied(), False)

    applied, _ = engine.revoke(
        revocation(removal(), removal(bytes(8), 9), list_seq=8, seq=2), moment(1)
    )
    assert [each.key for each in applied.new] == [(ANNA, 2, ""), (bytes(8), 9, "")]
    assert engine.settle() == (berits,)


@pytest.mark.requirement("R-41", "R-10")
def test_neither_an_older_list_nor_a_restart_brings_back_what_a_notice_took() -> None:
    revocations = Revocations()
    revocations.apply(revocation(RevokedRights(ANNA, 5, objected=True)))
    engine = _engine(consent(version=4), revocations=Revocations(tuple(revocations)))
    walk_in(engine)
    assert tuple(engine.outbox.pending) == ()
    engine.apply(a_list(consent(version=4), seq=9), moment(30))
    walk_in(engine, start=moment(31))
    assert tuple(engine.outbox.pending) == ()


def test_others_hear_nothing_of_a_notice() -> None:
    engine = _engine(consent(), consent(ref=BERIT))
    walk_in(engine, ref=BERIT)
    assert len(send_all(engine, moment(10))) == 1
    assert not engine.revoke(revocation(), moment(11))[1]
    assert send_all(engine, moment(12)) == []

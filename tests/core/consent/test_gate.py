"""The gate: every state of a consent, every set of purposes, every grant, at every border of
time.
"""

import math
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.gate import (
    SUPPRESSION_LIST_MAX_AGE_S,
    Allowed,
    Denied,
    ListStanding,
    Reason,
    believed,
    permitted,
    permitted_to,
)
from presence.core.consent.model import Audience, Consent, Flag, Grant, Purpose, Scope
from presence.core.consent.taxonomy import SENSITIVE_CATEGORIES, lineage
from presence.core.site import Site
from tests.support.builders import (
    ANNA,
    CARS,
    GARDEN,
    HEALTH,
    HOUR_S,
    OFFERS,
    PICK_UP,
    SITE,
    START_S,
    VANS,
    consent,
    grant,
    standing,
    taxonomy,
    with_flags,
    with_purposes,
)

CLINIC = Site("acme", "fi-0042", sensitive=True)
TEST = Audience("test", Purpose.OFFERS, frozenset({CARS}))


def ask(
    record: Consent | None,
    *,
    audience: Audience = OFFERS,
    site: Site = SITE,
    of_list: ListStanding | None = None,
    now_s: float = START_S,
) -> Allowed | Denied:
    of_list = of_list or standing()
    return believed(of_list) or permitted_to(record, audience, site, of_list, now_s)


def categories(
    record: Consent, *, campaigns: set[str] | None = None, **parents_and_time: object
) -> tuple[str, ...]:
    """What the offers audience may hear of; nothing where it is denied for want of a category."""
    audience = (
        OFFERS if campaigns is None else Audience(OFFERS.name, Purpose.OFFERS, frozenset(campaigns))
    )
    answer = ask(record, audience=audience, **parents_and_time)  # type: ignore[arg-type]
    if isinstance(answer, Denied):
        assert answer.reason is Reason.NO_CATEGORY
        return ()
    return answer.categories


LAST_S = START_S + 1000
IN_TIME = consent(not_before_s=START_S, not_after_s=LAST_S)

STATES = [
    pytest.param(consent(), {}, None, id="in force"),
    pytest.param(None, {}, Reason.UNKNOWN, id="not on the list"),
    pytest.param(IN_TIME, {"now_s": START_S - 0.001}, Reason.NOT_YET_VALID, id="just before nb"),
    pytest.param(IN_TIME, {"now_s": START_S}, None, id="at nb"),
    pytest.param(IN_TIME, {"now_s": LAST_S - 1}, None, id="at na - 1"),
    pytest.param(IN_TIME, {"now_s": LAST_S}, Reason.EXPIRED, id="at na"),
    pytest.param(IN_TIME, {"now_s": LAST_S + 1e9}, Reason.EXPIRED, id="long after na"),
    pytest.param(consent(paused_until_s=START_S + 1), {}, Reason.PAUSED, id="paused"),
    pytest.param(consent(paused_until_s=START_S), {}, None, id="pause over this second"),
    pytest.param(consent(paused_until_s=0.0), {}, None, id="never paused"),
    pytest.param(consent(paused_until_s=math.inf), {}, Reason.PAUSED, id="pause unreadable"),
    pytest.param(
        consent(objected=True, purposes=frozenset(Purpose), flags=frozenset({Flag.EXPLICIT})),
        {},
        Reason.OBJECTED,
        id="objected, with every bit set",
    ),
    pytest.param(
        consent(objected=True, not_after_s=START_S - 1),
        {},
        Reason.OBJECTED,
        id="objected, the consent long over",
    ),
    pytest.param(
        consent(scope=Scope(frozenset({"fi-0043"}))), {}, Reason.OUT_OF_SCOPE, id="another store"
    ),
    pytest.param(
        consent(scope=Scope(frozenset({"fi-0043", "fi-0042"}))),
        {},
        None,
        id="one of several stores",
    ),
    pytest.param(consent(scope=Scope(frozenset())), {}, Reason.OUT_OF_SCOPE, id="no store at all"),
    pytest.param(
        consent(scope=Scope(frozenset(), chain_wide=True)), {}, None, id="the whole chain"
    ),
    pytest.param(with_purposes(Purpose.OFFERS), {}, Reason.NO_PRESENCE, id="no presence"),
    pytest.param(
        consent(), {"of_list": standing(publishing=False)}, Reason.LIST_STALE, id="list stale"
    ),
    pytest.param(
        None, {"of_list": standing(publishing=False)}, Reason.LIST_STALE, id="list stale, nobody"
    ),
    pytest.param(consent(), {"site": CLINIC}, Reason.NOT_EXPLICIT, id="sensitive store"),
    pytest.param(with_flags(Flag.EXPLICIT), {"site": CLINIC}, None, id="sensitive store, explicit"),
    pytest.param(with_flags(Flag.TEST), {}, Reason.TEST_ONLY, id="a technician's phone"),
    pytest.param(
        with_flags(Flag.TEST),
        {"audience": TEST},
        None,
        id="a technician's phone, for the test audience",
    ),
    pytest.param(
        consent(), {"audience": TEST}, Reason.TEST_ONLY, id="a customer, for the test audience"
    ),
    pytest.param(consent(pairwise_keys={}), {}, Reason.NO_PAIRWISE_KEY, id="no pairwise key"),
    pytest.param(consent(), {"audience": PICK_UP}, Reason.NO_PURPOSE, id="another purpose"),
    pytest.param(
        consent(),
        {"of_list": standing(suppression_checked_at_s=START_S - SUPPRESSION_LIST_MAX_AGE_S)},
        None,
        id="opt-out registers applied a day ago",
    ),
    pytest.param(
        consent(),
        {"of_list": standing(suppression_checked_at_s=START_S - SUPPRESSION_LIST_MAX_AGE_S - 1)},
        Reason.SUPPRESSION_STALE,
        id="opt-out registers applied longer ago",
    ),
    pytest.param(
        consent(),
        {"of_list": standing(suppression_checked_at_s=START_S + HOUR_S)},
        Reason.SUPPRESSION_STALE,
        id="opt-out registers applied in the future",
    ),
    pytest.param(
        with_flags(Flag.NO_PROFILING), {}, Reason.NO_CATEGORY, id="a minor hears of no category"
    ),
]


@pytest.mark.requirement("R-06", "R-10", "R-11", "R-14", "R-15", "R-30")
@pytest.mark.parametrize(("record", "circumstances", "reason"), STATES)
def test_every_state_of_a_consent_has_its_answer(
    record: Consent | None, circumstances: dict[str, object], reason: Reason | None
) -> None:
    answer = ask(record, **circumstances)  # type: ignore[arg-type]

    assert answer == Denied(reason) if reason else isinstance(answer, Allowed)


@pytest.mark.requirement("R-30")
def test_a_service_message_does_not_wait_for_the_opt_out_registers() -> None:
    record = with_purposes(Purpose.PRESENCE, Purpose.SERVICE)
    stale = standing(suppression_checked_at_s=0)

    assert isinstance(ask(record, audience=PICK_UP, of_list=stale), Allowed)


@pytest.mark.requirement("R-05")
@pytest.mark.parametrize("audience", [OFFERS, PICK_UP], ids=lambda audience: audience.purpose)
def test_presence_and_the_purpose_of_the_audience_are_needed_and_suffice(
    audience: Audience,
) -> None:
    """All 2^6 sets of purposes."""
    every_set = chain.from_iterable(combinations(Purpose, size) for size in range(len(Purpose) + 1))
    answers = {
        frozenset(purposes): ask(with_purposes(*purposes), audience=audience)
        for purposes in every_set
    }

    assert len(answers) == 64
    for purposes, answer in answers.items():
        published = isinstance(answer, Allowed)
        assert published == (purposes >= {Purpose.PRESENCE, audience.purpose}), purposes


GRANTS = [
    pytest.param([grant(CARS)], (CARS,), id="granted"),
    pytest.param([grant(CARS), grant(GARDEN)], (GARDEN, CARS), id="two, sorted"),
    pytest.param([grant(CARS), grant(CARS)], (CARS,), id="granted twice"),
    pytest.param([], (), id="nothing granted"),
    pytest.param([grant("ap2:9999")], (), id="granted, no campaign runs"),
    pytest.param([grant(VANS)], (), id="a grant on a child does not cover its parent"),
    pytest.param([grant(CARS, start_s=START_S)], (CARS,), id="from this second"),
    pytest.param([grant(CARS, start_s=START_S + 0.001)], (), id="not yet"),
    pytest.param([grant(CARS, end_s=START_S + 1)], (CARS,), id="for one second more"),
    pytest.param([grant(CARS, end_s=START_S)], (), id="over this second"),
    pytest.param(
        [grant(CARS, end_s=START_S), grant(CARS, end_s=START_S + 9)],
        (CARS,),
        id="one over, one in force",
    ),
    pytest.param(
        [grant(CARS, end_s=START_S), grant(GARDEN)], (GARDEN,), id="one over leaves the other"
    ),
    pytest.param([grant(CARS, start_s=START_S + 5, end_s=START_S + 4)], (), id="inside out"),
]


@pytest.mark.requirement("R-06", "R-35")
@pytest.mark.parametrize(("grants", "allowed"), GRANTS)
def test_a_category_is_named_while_its_own_grant_holds(
    grants: list[Grant], allowed: tuple[str, ...]
) -> None:
    assert categories(consent(grants=tuple(grants))) == allowed


TREE = taxonomy((VANS, CARS), ("ap2:1553", VANS), (CARS, "acme:all"))


@pytest.mark.parametrize(
    ("granted", "refused", "allowed"),
    [
        (CARS, set(), True),
        (VANS, set(), True),
        ("acme:all", set(), True),
        ("ap2:1553", set(), True),
        (GARDEN, set(), False),
        (CARS, {"ap2:1553"}, False),
        (CARS, {VANS}, False),
        ("ap2:1553", {CARS}, False),
        ("ap2:1553", {"acme:all"}, False),
        ("ap2:1553", {"ap2:1553"}, False),
        (CARS, {GARDEN}, True),
    ],
)
def test_a_grant_covers_what_lies_below_it_and_a_refusal_above_wins(
    granted: str, refused: set[str], allowed: bool
) -> None:
    record = consent(grants=(grant(granted),), refused_categories=frozenset(refused))

    found = categories(record, campaigns={"ap2:1553"}, of_list=standing(parents=TREE))

    assert found == (("ap2:1553",) if allowed else ())


def test_a_refused_child_leaves_its_parent_and_siblings() -> None:
    record = consent(grants=(grant(CARS),), refused_categories=frozenset({VANS}))
    tree = taxonomy((VANS, CARS), ("ap2:1554", CARS))

    found = categories(record, campaigns={CARS, VANS, "ap2:1554"}, of_list=standing(parents=tree))

    assert found == (CARS, "ap2:1554")


@pytest.mark.requirement("R-37")
def test_a_node_that_the_taxonomy_does_not_know_yet_is_covered_by_nothing() -> None:
    assert categories(consent(), campaigns={"ap2:20777"}) == ()


@pytest.mark.requirement("R-37")
def test_a_grant_on_a_future_node_maps_to_no_campaign() -> None:
    assert categories(consent(grants=(grant("ap2:20777"), grant(CARS)))) == (CARS,)


@pytest.mark.requirement("R-15")
@pytest.mark.parametrize("node", sorted(SENSITIVE_CATEGORIES))
def test_a_sensitive_category_is_named_only_with_an_explicit_grant_of_its_own(node: str) -> None:
    child = f"{node}99"
    tree = standing(parents=taxonomy((child, node)))

    def found(*grants: Grant, flags: frozenset[Flag] = frozenset()) -> tuple[str, ...]:
        return categories(
            consent(grants=grants, flags=flags), campaigns={node, child}, of_list=tree
        )

    assert found(grant(node)) == ()
    assert found(grant(node), flags=frozenset({Flag.EXPLICIT})) == ()
    assert found(grant(node, explicit=True)) == (node,)
    assert found(grant(child, explicit=True)) == (child,)
    assert found(grant(child)) == ()
    assert found(grant(node, explicit=True), grant(child, explicit=True)) == (node, child)


@pytest.mark.requirement("R-15")
def test_the_explicit_grant_itself_must_be_in_force() -> None:
    record = consent(grants=(grant(HEALTH), grant(HEALTH, explicit=True, end_s=START_S)))

    assert categories(record, campaigns={HEALTH}) == ()


@pytest.mark.requirement("R-15")
def test_an_explicit_grant_above_a_sensitive_category_is_not_enough() -> None:
    record = consent(grants=(grant("ap2:1000000", explicit=True),))
    tree = standing(parents=taxonomy((HEALTH, "ap2:1000000")))

    assert categories(record, campaigns={HEALTH}, of_list=tree) == ()


def test_the_deny_list_is_the_one_of_the_requirements() -> None:
    nodes = (
        "1000 1001 1002 1049 1259 1262 1291 1361 1378 1473 1474 1487 1519 1544 1576 "
        "1061 1126 1208 1239 1253 1334 1344 1349"
    )
    assert {f"ap2:{node}" for node in nodes.split()} == SENSITIVE_CATEGORIES


# ---------------------------------------------------------------- without a taxonomy of the list's
# own

BEER, WINE, ALCOHOL = "ap2:1004", "ap2:1007", "ap2:1002"
BELOW_SENSITIVE = {
    "ap2:1004": "ap2:1002",  # Beer, Alcohol
    "ap2:1050": "ap2:1049",  # Cannabis Consumables, Cannabis
    "ap2:1051": "ap2:1049",  # Cannabis Drinks, two steps below
    "ap2:1056": "ap2:1049",  # CBD Consumables
    "ap2:1366": "ap2:1361",  # Gambling
    "ap2:1389": "ap2:1378",  # Health and Medical Services
    "ap2:1493": "ap2:1487",  # Religion and Spirituality
}
NO_TAXONOMY = standing(parents={})


@pytest.mark.requirement("R-15")
@pytest.mark.parametrize("node", BELOW_SENSITIVE)
def test_what_lies_below_a_sensitive_node_is_sensitive_without_a_taxonomy_in_the_list(
    node: str,
) -> None:
    def found(*grants: Grant) -> tuple[str, ...]:
        return categories(consent(grants=grants), campaigns={node}, of_list=NO_TAXONOMY)

    assert found(grant(node)) == ()
    assert found(grant(BELOW_SENSITIVE[node], explicit=True)) == ()
    assert found(grant(node, explicit=True)) == (node,)


@pytest.mark.requirement("R-15", "R-34")
def test_a_refused_parent_refuses_its_child_without_a_taxonomy_in_the_list() -> None:
    record = consent(grants=(grant(VANS),), refused_categories=frozenset({CARS}))

    assert categories(record, campaigns={VANS}, of_list=NO_TAXONOMY) == ()


@pytest.mark.requirement("R-15")
def test_a_list_cannot_lift_a_node_out_of_a_sensitive_one() -> None:
    elsewhere = standing(parents=taxonomy((BEER, GARDEN), (WINE, WINE)))
    record = consent(grants=(grant(BEER), grant(WINE), grant(GARDEN)))

    assert categories(record, campaigns={BEER, WINE}, of_list=elsewhere) == ()


@pytest.mark.requirement("R-15")
def test_a_list_can_make_a_node_of_ours_sensitive() -> None:
    record = consent(grants=(grant(GARDEN), grant(CARS)))

    assert categories(record, of_list=standing(parents=taxonomy((GARDEN, HEALTH)))) == (CARS,)


@pytest.mark.requirement("R-15", "R-37")
@pytest.mark.parametrize(
    "parents", [{}, {"acme:shoes": "acme:all"}], ids=["no taxonomy", "a taxonomy"]
)
@pytest.mark.parametrize("unknown", ["ap2:1583", "acme:boots"])
def test_a_campaign_for_a_category_whose_place_nobody_knows_reaches_nobody(
    unknown: str, parents: dict[str, str]
) -> None:
    record = consent(grants=(grant(unknown, explicit=True), grant(CARS)))

    assert categories(record, campaigns={unknown, CARS}, of_list=standing(parents=parents)) == (
        CARS,
    )


@pytest.mark.requirement("R-37")
def test_a_category_of_the_chains_own_is_known_once_the_list_places_it() -> None:
    own = standing(parents=taxonomy(("acme:boots", "acme:shoes"), ("acme:hats", "acme:hats")))
    record = consent(grants=(grant("acme:shoes"), grant("acme:hats")))

    assert categories(record, campaigns={"acme:boots", "acme:hats", "acme:shoes"}, of_list=own) == (
        "acme:boots",
        "acme:hats",
        "acme:shoes",
    )


@pytest.mark.requirement("R-35")
def test_the_answer_holds_until_the_first_of_its_categories_ends() -> None:
    record = consent(grants=(grant(CARS, end_s=START_S + 60), grant(GARDEN, end_s=START_S + 90)))

    assert ask(record) == Allowed((GARDEN, CARS), START_S + 60)


def test_of_two_grants_for_a_category_the_longer_one_counts() -> None:
    record = consent(grants=(grant(CARS, end_s=START_S + 60), grant(CARS, end_s=START_S + 90)))

    assert ask(record) == Allowed((CARS,), START_S + 90)


def test_the_answer_never_outlives_the_consent() -> None:
    record = consent(not_after_s=START_S + 10, grants=(grant(CARS, end_s=START_S + 60),))

    assert ask(record) == Allowed((CARS,), START_S + 10)


def test_a_service_is_allowed_without_categories_until_the_consent_ends() -> None:
    record = with_purposes(Purpose.PRESENCE, Purpose.SERVICE, not_after_s=START_S + 10)

    assert ask(record, audience=PICK_UP) == Allowed((), START_S + 10)


def test_a_taxonomy_with_a_ring_in_it_ends() -> None:
    ring = taxonomy((CARS, VANS), (VANS, CARS))

    assert list(lineage(CARS, ring)) == [CARS, VANS]
    assert categories(consent(), campaigns={VANS}, of_list=standing(parents=ring)) == (VANS,)


REASONS_TO_DENY = {
    "objected": {"objected": True},
    "expired": {"not_after_s": START_S},
    "not yet": {"not_before_s": START_S + 1},
    "paused": {"paused_until_s": START_S + 1},
    "elsewhere": {"scope": Scope(frozenset({"elsewhere"}))},
    "no presence": {"purposes": frozenset({Purpose.OFFERS})},
}


@pytest.mark.requirement("R-05", "R-06", "R-10", "R-11")
@given(
    st.sets(st.sampled_from(sorted(REASONS_TO_DENY)), min_size=1),
    st.sets(st.sampled_from(Flag)),
    st.sampled_from([SITE, CLINIC]),
    st.sampled_from([OFFERS, PICK_UP, TEST]),
)
def test_no_flag_place_or_audience_opens_a_consent_that_is_not_in_force(
    wrongs: set[str], flags: set[Flag], site: Site, audience: Audience
) -> None:
    changes: dict[str, object] = {"purposes": frozenset(Purpose), "flags": frozenset(flags)}
    for wrong in wrongs:
        changes |= REASONS_TO_DENY[wrong]

    record = consent(**changes)

    assert isinstance(ask(record, site=site, audience=audience), Denied)
    assert permitted(record, site, START_S) is not None


@given(st.floats(-2000, 2000), st.floats(-2000, 2000), st.floats(0.1, 2000), st.floats(-2000, 2000))
def test_a_category_is_named_exactly_while_consent_and_grant_both_hold(
    now: float, start: float, length: float, grant_start: float
) -> None:
    record = consent(
        not_before_s=START_S + start,
        not_after_s=START_S + start + length,
        grants=(grant(CARS, start_s=START_S + grant_start, end_s=START_S + grant_start + 500),),
    )
    now_s = START_S + now

    answer = ask(record, now_s=now_s)

    consent_holds = record.not_before_s <= now_s < record.not_after_s
    grant_holds = record.grants[0].not_before_s <= now_s < record.grants[0].not_after_s
    assert isinstance(answer, Allowed) == (consent_holds and grant_holds)
    if isinstance(answer, Allowed):
        assert now_s < answer.until_s <= min(record.not_after_s, record.grants[0].not_after_s)


@pytest.mark.requirement("R-03", "R-12")
def test_a_consent_prints_without_its_ref_and_keys() -> None:
    shown = repr(consent())

    assert repr(ANNA)[2:-1] not in shown
    assert "pairwise" not in shown


@pytest.mark.requirement("R-30", "R-43")
@pytest.mark.parametrize(
    ("checked_s", "applied"),
    [(START_S + 5, True), (START_S + 5.1, False), (START_S, True), (START_S - 24 * 3600, True)],
)
def test_opt_out_registers_count_for_a_day_and_not_from_the_future(
    checked_s: float, applied: bool
) -> None:
    assert standing(suppression_checked_at_s=checked_s).suppression_applied(START_S) is applied


def test_a_consent_in_force_is_not_denied() -> None:
    assert permitted(consent(), SITE, START_S) is None

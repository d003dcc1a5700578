"""What a customer took away stays away until they give it again; what a change takes away is told
at once.
"""

import math
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from presence.consent_service.import_lines import rows_of_csv
from presence.consent_service.importing import Imported, import_rows
from presence.consent_service.register import Register
from presence.consent_service.register_schema import OLDEST, VERSION
from presence.consent_service.registered import State
from presence.consent_service.rights import MAX_LEASE_S, Taken, in_revocations
from presence.consent_service.service import ConsentService
from presence.core.consent.model import Consent, Flag, Purpose, Scope
from presence.core.consent.revocation import MAX_ROWS, Revocation, RevokedRights, sign_revocation
from presence.core.timestamps import rfc3339
from presence.errors import ConsentServiceError
from tests.support.builders import START_S
from tests.support.consent_services import CARS, DAY_S, GARDEN, Clock, a_service, a_wish, untold
from tests.support.revocations import KID, SIGNER

HOUR_S = 3600.0
Act = Callable[[ConsentService], object]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Iterator[ConsentService]:
    service = a_service(tmp_path, clock, audiences={"offers-main": Purpose.OFFERS})
    service.add(a_wish())
    clock.now_s += HOUR_S
    yield service
    service.close()


def anna(service: ConsentService) -> Consent:
    known = service.register.get(service.ref_of("anna"))
    assert known is not None
    assert known.consent is not None
    return known.consent


def categories(consent: Consent) -> set[str]:
    return {grant.category for grant in consent.grants}


KEY = "000102030405060708090a0b0c0d0e0f"
ALL = ("presence", "offers", CARS, GARDEN)


def exported(
    service: ConsentService, **decided: tuple[str, float]
) -> tuple[Imported, list[Revocation]]:
    """An export of Anna: by purpose or category (`_` for `:`) the value and when."""
    told: list[Revocation] = []
    end = rfc3339(START_S + 90 * DAY_S)
    lines = [
        f"anna,{what.replace('_', ':')},{value},{when_s},{end}"
        for what, (value, when_s) in decided.items()
    ]
    done = import_rows(
        service,
        rows_of_csv(["subject,purpose,value,timestamp,expiry", *lines]),
        audiences=service.settings.audiences,
        told=told.append,
    )
    return done, told


# ---------------------------------------------------------------- what is taken away stays away


def renewed(service: ConsentService) -> None:
    service.add(a_wish(not_before_s=START_S, not_after_s=START_S + 200 * DAY_S))


def renewed_by_import(service: ConsentService) -> None:
    """Another line of the same customer is newer; the lines of what she took away are as they
    were.
    """
    late = service.clock()
    done, _ = exported(
        service,
        presence=("given", late),
        offers=("given", START_S),
        ap2_1551=("given", START_S),
        ap2_1285=("given", START_S),
    )
    assert (done.bad, done.added, done.still_taken) == ([], 1, 1)


@pytest.mark.requirement("R-11", "R-34")
@pytest.mark.parametrize("renew", [renewed, renewed_by_import])
def test_a_pause_survives_a_renewal_until_it_is_resumed(
    service: ConsentService, clock: Clock, renew: Act
) -> None:
    service.pause("anna", math.inf)
    clock.now_s += HOUR_S
    renew(service)
    assert anna(service).paused_until_s == math.inf
    service.resume("anna")
    assert anna(service).paused_until_s == 0
    clock.now_s += HOUR_S
    service.add(a_wish())
    assert anna(service).paused_until_s == 0


@pytest.mark.requirement("R-34")
@pytest.mark.parametrize("renew", [renewed, renewed_by_import])
@pytest.mark.parametrize(
    "take",
    [
        lambda service: service.narrow("anna", categories=[CARS]),
        lambda service: service.fulfil("anna", CARS),
    ],
    ids=["narrowed", "fulfilled"],
)
def test_a_category_that_was_taken_away_survives_no_renewal(
    service: ConsentService, clock: Clock, take: Act, renew: Act
) -> None:
    take(service)
    clock.now_s += HOUR_S
    renew(service)
    assert categories(anna(service)) == {GARDEN}
    assert CARS in anna(service).refused_categories


@pytest.mark.requirement("R-34")
@pytest.mark.parametrize("renew", [renewed, renewed_by_import])
def test_a_purpose_that_was_taken_away_survives_no_renewal_nor_does_the_audience_keep_its_key(
    service: ConsentService, clock: Clock, renew: Act
) -> None:
    service.narrow("anna", purposes=[Purpose.OFFERS])
    clock.now_s += HOUR_S
    renew(service)
    assert anna(service).purposes == {Purpose.PRESENCE}
    assert dict(anna(service).pairwise_keys) == {}


@pytest.mark.requirement("R-34")
def test_a_line_for_that_category_decided_later_gives_it_again_and_nothing_else(
    service: ConsentService, clock: Clock
) -> None:
    service.narrow("anna", categories=[CARS, GARDEN])
    taken_s = clock.now_s
    clock.now_s += HOUR_S
    exported(
        service,
        presence=("given", clock.now_s),
        ap2_1551=("given", taken_s),
        ap2_1285=("given", taken_s + 1),
    )
    assert categories(anna(service)) == {GARDEN}
    assert anna(service).refused_categories == {CARS}
    clock.now_s += HOUR_S
    service.add(a_wish())
    assert categories(anna(service)) == {GARDEN}


@pytest.mark.requirement("R-34")
def test_a_renewal_that_asks_for_it_again_by_name_gives_it_again(
    service: ConsentService, clock: Clock
) -> None:
    service.narrow("anna", categories=[CARS], purposes=[Purpose.OFFERS])
    clock.now_s += HOUR_S
    added = service.add(a_wish(said_s={CARS: clock.now_s}))
    assert added.stays == {Purpose.OFFERS}
    assert categories(anna(service)) == {CARS, GARDEN}
    assert anna(service).refused_categories == frozenset()
    assert service.register.taken(added.ref).keys() == {Purpose.OFFERS}


@pytest.mark.requirement("R-34")
def test_a_refusal_in_an_export_outlives_the_line_that_said_it(
    service: ConsentService, clock: Clock
) -> None:
    exported(service, presence=("given", clock.now_s), ap2_1551=("refused", clock.now_s))
    clock.now_s += HOUR_S
    exported(service, presence=("given", clock.now_s), ap2_1551=("given", START_S))
    assert categories(anna(service)) == set()
    assert anna(service).refused_categories == {CARS}


@pytest.mark.requirement("R-34")
def test_what_a_later_export_does_not_name_it_does_not_give_again(
    service: ConsentService, clock: Clock
) -> None:
    service.narrow("anna", categories=[CARS], purposes=[Purpose.OFFERS])
    clock.now_s += HOUR_S
    exported(service, presence=("given", clock.now_s), ap2_1285=("given", clock.now_s))
    clock.now_s += HOUR_S
    renewed_by_import(service)
    assert categories(anna(service)) == {GARDEN}
    assert anna(service).refused_categories == {CARS}
    assert anna(service).purposes == {Purpose.PRESENCE}


@pytest.mark.requirement("R-34")
def test_what_was_taken_away_stays_away_beyond_the_end_of_the_agreement(
    service: ConsentService, clock: Clock
) -> None:
    service.narrow("anna", categories=[CARS])
    service.pause("anna", math.inf)
    clock.now_s = START_S + 101 * DAY_S
    service.publish()
    service.add(a_wish(not_before_s=clock.now_s, not_after_s=clock.now_s + DAY_S))
    assert categories(anna(service)) == {GARDEN}
    assert anna(service).paused_until_s == math.inf


def test_presence_that_was_taken_away_is_not_given_by_a_renewal(
    service: ConsentService, clock: Clock
) -> None:
    service.narrow("anna", purposes=[Purpose.PRESENCE])
    clock.now_s += HOUR_S
    with pytest.raises(ConsentServiceError, match="took `presence` away later"):
        service.add(a_wish())
    service.add(a_wish(said_s={Purpose.PRESENCE: clock.now_s}))
    assert Purpose.PRESENCE in anna(service).purposes


@pytest.mark.requirement("R-12", "R-36")
def test_after_a_withdrawal_counts_what_was_decided_after_it(
    service: ConsentService, clock: Clock
) -> None:
    service.narrow("anna", categories=[GARDEN])
    service.withdraw("anna")
    assert service.register.taken(service.ref_of("anna")).keys() == {"*"}
    clock.now_s += HOUR_S
    service.add(a_wish())
    assert categories(anna(service)) == {CARS, GARDEN}
    service.withdraw("anna")
    withdrawn_s = clock.now_s
    clock.now_s += HOUR_S
    told: list[Revocation] = []
    rows = [
        f"anna,presence,given,{withdrawn_s + 9},{rfc3339(START_S + 90 * DAY_S)},{KEY}",
        f"anna,{CARS},given,{START_S},,",
        f"anna,{GARDEN},given,{withdrawn_s + 9},,",
    ]
    header = "subject,purpose,value,timestamp,expiry,identity_key"
    import_rows(service, rows_of_csv([header, *rows]), audiences={}, told=told.append)
    assert categories(anna(service)) == {GARDEN}
    assert told == []


def test_who_renewed_before_the_end_is_taken_up_after_it(
    service: ConsentService, clock: Clock
) -> None:
    clock.now_s = START_S + 100 * DAY_S + 60
    service.publish()
    assert not service.knows("anna")
    with pytest.raises(ConsentServiceError, match="older"):
        service.add(a_wish(decided_s=START_S, not_after_s=START_S + 200 * DAY_S))
    service.add(a_wish(decided_s=START_S + 99 * DAY_S, not_after_s=START_S + 200 * DAY_S))
    assert service.knows("anna")


@pytest.mark.requirement("R-08", "R-36")
@pytest.mark.parametrize(
    "act",
    [
        lambda service: service.pause("anna", math.inf),
        lambda service: service.narrow("anna", categories=[CARS]),
        lambda service: (service.pause("anna", math.inf), service.resume("anna")),
    ],
    ids=["paused", "narrowed", "resumed"],
)
def test_what_was_withdrawn_or_refused_counts_though_the_customer_did_something_else_since(
    service: ConsentService, clock: Clock, act: Act
) -> None:
    said_s = clock.now_s
    clock.now_s += HOUR_S
    act(service)
    done, _ = exported(service, presence=("given", START_S), ap2_1285=("refused", said_s))
    assert (done.bad, GARDEN in anna(service).refused_categories) == ([], True)
    done, told = exported(service, presence=("withdrawn", said_s))
    assert (done.withdrawn, service.knows("anna")) == (1, False)
    assert [row.removed for revocation in told for row in revocation.rows] == [True]


# ---------------------------------------------------------------- what a change takes away is told
# at once


@pytest.mark.requirement("R-34")
@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({"categories": {CARS: None}}, [{"categories": {GARDEN}}]),
        ({"categories": {CARS: START_S + 3 * HOUR_S / 2, GARDEN: None}}, [{"categories": {CARS}}]),
        ({"refused": frozenset({"ap2:1552"})}, [{"categories": {"ap2:1552"}}]),
        (
            {"purposes": frozenset({Purpose.PRESENCE}), "audiences": ()},
            [{"purposes": {Purpose.OFFERS}}],
        ),
        ({"not_after_s": START_S + 3 * HOUR_S / 2}, [{"removed": True, "version": 1}]),
        ({"not_before_s": START_S + DAY_S}, [{"removed": True, "version": 1}]),
        ({"scope": Scope(frozenset({"fi-0043"}))}, [{"removed": True, "version": 1}]),
        ({"flags": frozenset({Flag.NO_PROFILING})}, [{"removed": True, "version": 1}]),
        ({"flags": frozenset({Flag.TEST})}, [{"removed": True, "version": 1}]),
        ({"audiences": ()}, [{"removed": True, "version": 1}]),
        ({"person": "somebody else"}, [{"removed": True, "version": 1}]),
        ({}, []),
        ({"not_after_s": START_S + 200 * DAY_S}, []),
        ({"not_after_s": START_S + HOUR_S + MAX_LEASE_S}, []),
        ({"scope": Scope(frozenset({"fi-0042", "fi-0043"}))}, []),
        ({"scope": Scope(frozenset(), chain_wide=True)}, []),
        ({"categories": {CARS: None, GARDEN: None, "ap2:1600": None}}, []),
    ],
)
def test_what_a_renewal_takes_away_is_told_in_a_notice_at_once(
    service: ConsentService, changes: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    added = service.add(a_wish(**changes))
    expected = [RevokedRights(**{"ref": added.ref, "version": 2, **row}) for row in rows]
    assert [row for revocation in added.revocations for row in revocation.rows] == expected
    for revocation in added.revocations:
        sign_revocation(revocation, kid=KID, key=SIGNER)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"scope": Scope(frozenset(), chain_wide=True)}, {}),
        ({"flags": frozenset({Flag.EXPLICIT})}, {}),
        (
            {"categories": {"ap2:1001": None}, "explicit": frozenset({"ap2:1001"})},
            {"categories": {CARS: None}},
        ),
    ],
)
def test_fewer_places_and_a_lost_explicit_mark_are_told_too(
    service: ConsentService, before: dict[str, Any], after: dict[str, Any]
) -> None:
    service.add(a_wish("ben", **before))
    assert len(service.add(a_wish("ben", **after)).revocations) == 1


@pytest.mark.requirement("R-34")
def test_what_an_import_takes_away_is_told_in_a_notice_at_once(
    service: ConsentService, clock: Clock
) -> None:
    done, told = exported(
        service,
        presence=("given", clock.now_s),
        offers=("refused", clock.now_s),
        ap2_1551=("refused", clock.now_s),
        ap2_1285=("given", START_S),
    )
    assert done.added == 1
    (revocation,) = told
    ref = service.ref_of("anna")
    assert set(revocation.rows) == {
        RevokedRights(ref, 2, categories=frozenset({CARS})),
        RevokedRights(ref, 2, purposes=frozenset({Purpose.OFFERS})),
    }
    assert (revocation.seq, revocation.list_seq) == (1, service.register.number("seq") + 1)


@pytest.mark.requirement("R-34")
@pytest.mark.parametrize("wrong", ["soon", "2026-01-01,2029-01-01"])
def test_what_lines_refuse_is_taken_also_where_another_line_of_theirs_cannot_be_used(
    service: ConsentService, clock: Clock, wrong: str
) -> None:
    told: list[Revocation] = []
    rows = ["subject,purpose,value,timestamp,expiry", f"anna,presence,given,{wrong}",
            f"anna,{CARS},refused,{clock.now_s},"]  # fmt: skip
    done = import_rows(
        service, rows_of_csv(rows), audiences=service.settings.audiences, told=told.append
    )
    assert (done.added, len(done.bad)) == (0, 1)
    assert [row.categories for revocation in told for row in revocation.rows] == [{CARS}]
    assert categories(anna(service)) == {GARDEN}
    assert service.register.taken(service.ref_of("anna")) == {CARS: Taken(clock.now_s)}


def test_many_rows_are_told_in_as_many_notices_as_it_takes() -> None:
    removals = [
        RevokedRights(bytes([7] * 6) + number.to_bytes(2, "big"), 3, removed=True)
        for number in range(2500)
    ]
    wordy = [
        RevokedRights(
            row.ref, 3, categories=frozenset(f"ap2:{'x' * 28}{n:04d}" for n in range(100))
        )
        for row in removals[:40]
    ]
    for rows in (removals, wordy):
        several = list(in_revocations(rows))
        assert [row for some in several for row in some] == rows
        assert all(len(some) <= MAX_ROWS for some in several)
        for number, some in enumerate(several, start=1):
            message = sign_revocation(
                Revocation("acme/fi-0042", number, number - 1, 1, 0, some), kid=KID, key=SIGNER
            )
            assert len(message) < 65_536


# ---------------------------------------------------------------- registers of other versions


@pytest.mark.parametrize(
    ("form", "why"),
    [(VERSION + 1, "use the newer presence"), (OLDEST - 1, "begin a new list")],
)
def test_a_register_of_another_version_is_left_alone(tmp_path: Path, form: int, why: str) -> None:
    path = tmp_path / "other.sqlite"
    Register(path, create=True).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {form}")
    database.close()
    before = path.read_bytes()
    with pytest.raises(ConsentServiceError, match=why):
        Register(path)
    assert path.read_bytes() == before


def test_adding_many_at_once_tells_of_nobody_who_is_new(service: ConsentService) -> None:
    service.add_all([a_wish(f"customer {number}") for number in range(3)], told=untold)
    assert service.register.by_state() == {State.ACTIVE: 4}

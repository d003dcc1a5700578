"""The consent service in small: what it is told, what gateways read of it, and what never leaves
it.
"""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from presence.consent_service.publishing import REBASE_AFTER
from presence.consent_service.registered import State
from presence.consent_service.service import ConsentService
from presence.consent_service.wishes import MAX_SPAN_S
from presence.core.consent.jws import parse_keys
from presence.core.consent.model import Consent, Flag, Purpose, Scope
from presence.core.consent.record import check_record, decode_record
from presence.core.consent.revocation import read_head, read_revocation
from presence.core.consent.segments import SHARDS, DeltaStep, later_keys_path
from presence.core.recognition.identifiers import WINDOW_S, window_at
from presence.errors import ConsentServiceError
from presence.simulation.identity_keys import window_key
from tests.support.builders import START_S
from tests.support.consent_services import (
    CARS,
    DAY_S,
    GARDEN,
    Clock,
    Reader,
    a_service,
    a_wish,
    untold,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Iterator[ConsentService]:
    service = a_service(tmp_path, clock)
    yield service
    service.close()


@pytest.fixture
def reader(tmp_path: Path, service: ConsentService, clock: Clock) -> Reader:
    return Reader(tmp_path / "repository", tmp_path / "gateway", clock)


def consents(reader: Reader) -> dict[bytes, Consent]:
    words = reader.manifest().words
    entries = reader.entries()
    for record in entries.values():
        check_record(record, len(words), max_span_s=MAX_SPAN_S)
    return {ref: decode_record(ref, record, words) for ref, record in entries.items()}


def test_what_was_agreed_is_what_a_gateway_reads(service: ConsentService, reader: Reader) -> None:
    added = service.add(a_wish(categories={CARS: START_S + 5 * DAY_S, GARDEN: None}))
    published = service.publish()
    assert (published.seq, published.entries, published.changed, published.rebased) == (
        1,
        1,
        1,
        True,
    )
    (consent,) = consents(reader).values()
    assert (consent.ref, consent.version) == (added.ref, 1)
    assert {grant.category: grant.not_after_s for grant in consent.grants} == {
        CARS: START_S + 5 * DAY_S,
        GARDEN: consent.not_after_s,
    }
    assert dict(consent.pairwise_keys) == dict(added.pairwise_keys)
    manifest = reader.manifest()
    assert (manifest.header.name, manifest.header.count, manifest.notice) == (
        "acme/fi-0042",
        1,
        "fi-2026-03",
    )


@pytest.mark.requirement("R-28", "T-13")
def test_gateways_are_given_the_keys_of_this_window_and_the_next_and_never_an_identity_key(
    service: ConsentService, reader: Reader, tmp_path: Path
) -> None:
    added = service.add(a_wish())
    service.publish()
    window = window_at(START_S)
    for ahead in (0, 1):
        keys = reader.window_keys(window + ahead)
        assert keys == {added.ref: window_key(added.identity_key, START_S + ahead * WINDOW_S)}
    assert reader.manifest().windows == (window, window + 1)
    for file in (tmp_path / "repository").rglob("*"):
        assert not file.is_file() or added.identity_key not in file.read_bytes()


def test_the_next_window_comes_in_time_and_the_last_one_goes(
    service: ConsentService, reader: Reader, clock: Clock
) -> None:
    service.add(a_wish())
    service.publish()
    clock.now_s += WINDOW_S
    service.publish()
    window = window_at(clock.now_s)
    assert reader.manifest().windows == (window, window + 1)
    assert reader.updater().get_targetinfo(f"keys/{window - 1}/all.seg") is None


def test_changes_come_as_deltas_and_after_many_of_them_as_a_new_base(
    service: ConsentService, reader: Reader
) -> None:
    service.publish()
    for number in range(REBASE_AFTER):
        service.add(a_wish(f"customer {number}"))
        assert not service.publish().rebased
        if number in {0, 1, REBASE_AFTER - 1}:
            assert len(consents(reader)) == number + 1
    assert reader.manifest().epoch == 1
    service.add(a_wish("one more"))
    assert service.publish().rebased
    assert reader.manifest().epoch == 2
    assert len(consents(reader)) == REBASE_AFTER + 1
    assert len(reader.window_keys(window_at(START_S))) == REBASE_AFTER + 1


def test_a_publication_without_a_change_is_the_same_list_said_anew(
    service: ConsentService, reader: Reader, clock: Clock
) -> None:
    service.add(a_wish())
    first = service.publish()
    clock.now_s += 60
    again = service.publish()
    assert (again.seq, again.changed) == (first.seq, 0)
    assert again.timestamp_version == first.timestamp_version + 1
    assert reader.manifest().header.published_at_s == int(START_S) + 60


# ---------------------------------------------------------------- what takes away


@pytest.mark.requirement("R-12", "R-36")
def test_who_withdraws_is_gone_and_comes_back_with_a_higher_version(
    service: ConsentService, reader: Reader, tmp_path: Path
) -> None:
    added = service.add(a_wish())
    service.publish()
    service.withdraw("anna")
    service.publish()
    assert consents(reader) == {}
    register = (tmp_path / "service" / "register.sqlite").read_bytes()
    assert added.identity_key not in register
    assert b"anna" not in register
    again = service.add(a_wish())
    assert (again.ref, again.version) == (added.ref, 3)
    assert again.identity_key != added.identity_key
    service.publish()
    assert [consent.version for consent in consents(reader).values()] == [3]


@pytest.mark.requirement("R-10")
def test_an_objection_is_for_ever_also_for_who_was_never_there(
    service: ConsentService, reader: Reader
) -> None:
    service.add(a_wish())
    service.publish()
    service.object("anna")
    service.object("never seen")
    service.publish()
    assert consents(reader) == {}
    for name in ("anna", "never seen"):
        with pytest.raises(ConsentServiceError, match="for ever"):
            service.add(a_wish(name))
        with pytest.raises(ConsentServiceError, match="for ever"):
            service.object(name)


@pytest.mark.requirement("R-34", "R-35")
def test_what_is_narrowed_fulfilled_or_paused_is_so_in_the_next_list(
    service: ConsentService, reader: Reader
) -> None:
    service.add(a_wish())
    service.narrow("anna", purposes=[Purpose.OFFERS])
    service.fulfil("anna", CARS)
    service.pause("anna", START_S + DAY_S)
    service.publish()
    (consent,) = consents(reader).values()
    assert consent.purposes == {Purpose.PRESENCE}
    assert [grant.category for grant in consent.grants] == [GARDEN]
    assert consent.refused_categories == {CARS}
    assert (consent.paused_until_s, consent.version) == (START_S + DAY_S, 4)
    service.resume("anna")
    service.publish()
    assert [consent.paused_until_s for consent in consents(reader).values()] == [0.0]


def test_a_pause_is_never_shortened_by_another(service: ConsentService, reader: Reader) -> None:
    service.add(a_wish())
    service.pause("anna", math.inf)
    service.pause("anna", START_S + DAY_S)
    service.publish()
    assert [consent.paused_until_s for consent in consents(reader).values()] == [math.inf]


@pytest.mark.requirement("R-06")
def test_what_is_over_is_taken_out_with_the_next_publication(
    service: ConsentService, reader: Reader, clock: Clock
) -> None:
    added = service.add(a_wish(not_after_s=START_S + 60))
    service.publish()
    clock.now_s += 60
    published = service.publish()
    assert (published.changed, published.entries) == (1, 0)
    assert consents(reader) == {}
    known = service.register.get(added.ref)
    assert known is not None
    assert (known.state, known.identity_key, known.id) == (State.GONE, b"", "")


def test_each_taking_away_is_a_signed_notice_that_the_published_keys_prove(
    service: ConsentService, reader: Reader, clock: Clock
) -> None:
    added = service.add(a_wish())
    service.publish()
    keys = parse_keys(reader.target("notices.jwks"))
    revocations = [
        service.narrow("anna", categories=[GARDEN]),
        service.pause("anna", START_S + DAY_S),
        service.withdraw("anna"),
    ]
    for number, revocation in enumerate(revocations, start=1):
        read = read_revocation(service.sign(revocation), keys=keys, list_name="acme/fi-0042")
        assert (read.seq, read.previous, read.list_seq) == (number, number - 1, 2)
        (row,) = read.rows
        assert (row.ref, row.version) == (added.ref, 1 + number)
    head = read_head(service.head(), keys=keys, list_name="acme/fi-0042", now_s=clock.now_s)
    assert (head.list_seq, head.revocation_seq) == (1, 3)
    published = service.publish()
    head = read_head(service.head(), keys=keys, list_name="acme/fi-0042", now_s=clock.now_s)
    assert (head.list_seq, head.timestamp_version) == (2, published.timestamp_version)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"not_after_s": START_S + 400 * DAY_S}, "13 months"),
        ({"not_after_s": START_S - 2 * DAY_S}, "does not lie after"),
        ({"scope": Scope(frozenset())}, "no store"),
        ({"purposes": frozenset({Purpose.OFFERS})}, "presence"),
        ({"categories": {"ap2:1001": None}}, "explicitly"),
        ({"categories": {CARS: START_S - 3 * DAY_S}}, "ends before"),
        ({"identity_key": b"short"}, "16 bytes"),
    ],
    ids=[
        "too long",
        "ended",
        "nowhere",
        "no presence",
        "sensitive",
        "a category that is over",
        "a short key",
    ],
)
@pytest.mark.requirement("R-07", "R-15")
def test_what_no_gateway_may_believe_is_not_taken_up(
    service: ConsentService, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(ConsentServiceError, match=why):
        service.add(a_wish(**changes))
    assert service.register.count() == 0


def test_one_bad_wish_among_many_leaves_nothing_of_them(service: ConsentService) -> None:
    with pytest.raises(ConsentServiceError):
        service.add_all([a_wish("a"), a_wish("b", purposes=frozenset()), a_wish("c")], told=untold)
    assert service.register.count() == 0


def test_what_is_not_there_cannot_be_taken_away(service: ConsentService) -> None:
    for act in (
        lambda: service.withdraw("nobody"),
        lambda: service.pause("nobody", START_S),
        lambda: service.fulfil("nobody", CARS),
    ):
        with pytest.raises(ConsentServiceError, match="no agreement in force"):
            act()
    service.add(a_wish())
    with pytest.raises(ConsentServiceError, match="no interest in ap2:1"):
        service.fulfil("anna", "ap2:1")
    with pytest.raises(ConsentServiceError, match="nothing to take away"):
        service.narrow("anna")


def test_a_sensitive_category_is_taken_up_where_it_was_agreed_to_explicitly(
    service: ConsentService, reader: Reader
) -> None:
    service.add(
        a_wish(
            categories={"ap2:1001": None},
            explicit=frozenset({"ap2:1001"}),
            flags=frozenset({Flag.EXPLICIT}),
        )
    )
    service.publish()
    (consent,) = consents(reader).values()
    assert [grant.explicit for grant in consent.grants] == [True]
    assert consent.flags == {Flag.EXPLICIT}


# ---------------------------------------------------------------- faults


def test_a_crash_between_the_register_and_the_repository_loses_no_change(
    service: ConsentService, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.publish()
    service.add(a_wish("anna"))
    with monkeypatch.context() as patched:
        patched.setattr(
            service.repository, "release", lambda *_: (_ for _ in ()).throw(OSError("power failed"))
        )
        with pytest.raises(OSError, match="power failed"):
            service.publish()
    assert reader.manifest().header.seq == 1
    service.add(a_wish("ben"))
    assert service.publish().seq == 3
    assert len(consents(reader)) == 2


@pytest.mark.requirement("R-12")
def test_a_new_base_leaves_no_bytes_of_who_left(
    service: ConsentService, tmp_path: Path, reader: Reader
) -> None:
    added = service.add(a_wish())
    service.publish()
    service.withdraw("anna")
    service.publish()
    service.publish(rebase=True)
    service.publish()
    for file in (tmp_path / "repository" / "targets").rglob("*.seg"):
        with zstandard.open(file, "rb") as segment:
            assert added.ref not in segment.read()


@pytest.mark.requirement("R-44")
def test_a_stolen_timestamp_key_is_replaced_by_two_root_keys_of_three(
    service: ConsentService, reader: Reader, tmp_path: Path
) -> None:
    service.publish()
    assert reader.manifest().header.seq == 1
    (tmp_path / "service" / "keys" / "root" / "3.pem").unlink()
    assert service.repository.rotate(("timestamp",), None, START_S) == 2
    service.add(a_wish())
    service.publish()
    assert reader.manifest().header.seq == 2
    assert reader.updater()._trusted_set.root.version == 2


@pytest.mark.requirement("R-44")
def test_a_lost_root_key_is_replaced_by_the_two_others(
    service: ConsentService, reader: Reader, tmp_path: Path
) -> None:
    service.publish()
    lost = tmp_path / "service" / "keys" / "root" / "2.pem"
    lost.unlink()
    assert service.repository.replace_root_key(lost, START_S) == 2
    assert lost.stat().st_mode & 0o777 == 0o600
    (tmp_path / "service" / "keys" / "root" / "1.pem").unlink()
    assert service.repository.rotate(("targets", "snapshot"), None, START_S) == 3
    service.publish()
    assert reader.updater()._trusted_set.root.version == 3


def test_one_root_key_is_not_enough(service: ConsentService, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "service" / "keys" / "root" / f"{number}.pem").unlink()
    with pytest.raises(ConsentServiceError, match="1 root keys, 2 are needed"):
        service.repository.rotate(("timestamp",), None, START_S)


def test_a_second_init_changes_nothing(
    service: ConsentService, tmp_path: Path, clock: Clock
) -> None:
    before = (tmp_path / "service" / "keys" / "service.key").read_bytes()
    with pytest.raises(ConsentServiceError, match="already"):
        a_service(tmp_path, clock)
    assert (tmp_path / "service" / "keys" / "service.key").read_bytes() == before


def test_private_keys_are_readable_by_their_owner_alone(
    service: ConsentService, tmp_path: Path
) -> None:
    files = [
        *(tmp_path / "service" / "keys").rglob("*.pem"),
        tmp_path / "service" / "register.sqlite",
    ]
    assert len(files) == 9
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_large_list_is_cut_into_shards_and_a_change_rewrites_none(
    service: ConsentService, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("presence.consent_service.publishing.SHARDS_FROM", 3)
    service.add_all([a_wish(f"customer {number}") for number in range(20)], told=untold)
    service.publish()
    assert reader.manifest().shards == SHARDS
    before = service.repository.targets()
    added = service.add(a_wish("one more"))
    service.publish()
    after = service.repository.targets()
    changed = {path for path in after if before.get(path) != after[path]}
    window = window_at(START_S)
    assert changed == {
        "manifest.json",
        "delta/2.seg",
        *(later_keys_path(number, DeltaStep(1, 2)) for number in (window, window + 1)),
    }
    assert set(before) <= set(after)
    assert added.ref in reader.window_keys(window)
    assert len(reader.entries()) == 21
    assert len(reader.window_keys(window)) == 21


def test_how_many_entries_there_are_is_known_without_counting_them(
    service: ConsentService, clock: Clock
) -> None:
    def known() -> tuple[int, int]:
        return service.register.count(), service.register.by_state().get("active", 0)

    for name in ("anna", "ben", "carl", "doris"):
        service.add(a_wish(name))
    service.add(a_wish("ben"))
    service.withdraw("anna")
    service.object("carl")
    service.object("stranger")
    with pytest.raises(ConsentServiceError), service.register.transaction():
        service.register.remove(bytes(8), 2, State.GONE, before=1, decided_s=0.0)
    assert known() == (2, 2)
    service.add(a_wish("anna"))
    assert known() == (3, 3)
    clock.now_s += 400 * DAY_S
    assert service.publish().entries == 0
    assert known() == (0, 0)


def test_two_devices_of_one_person_share_the_pairwise_key_and_no_ref(
    service: ConsentService,
) -> None:
    phone = service.add(a_wish("anna's phone", person="anna"))
    watch = service.add(a_wish("anna's watch", person="anna"))
    assert phone.pairwise_keys == watch.pairwise_keys
    assert phone.ref != watch.ref
    assert phone.identity_key != watch.identity_key


def test_the_register_reads_back_what_was_put(service: ConsentService) -> None:
    added = service.add(a_wish())
    known = service.register.get(added.ref)
    assert known is not None
    assert known.consent is not None
    assert dataclasses.replace(known.consent, ref=b"") != known.consent
    assert (known.version, known.state, known.id) == (1, State.ACTIVE, "anna")
    ((only,),) = service.register.pages("all")
    assert decode_record(only[0], only[1], service.register.words) == known.consent


def test_how_loud_a_phone_is_reaches_gateways_and_outlives_renewals_and_what_customers_take_away(
    service: ConsentService, reader: Reader
) -> None:
    ref = service.add(a_wish(loudness_db=8)).ref
    service.add(a_wish())
    service.narrow("anna", categories=[GARDEN])
    service.pause("anna", START_S + 60)
    service.resume("anna")
    service.publish()
    assert consents(reader)[ref].loudness_db == 8

    service.add(a_wish(loudness_db=0))
    service.publish()
    assert consents(reader)[ref].loudness_db == 0


def test_a_new_agreement_after_a_withdrawal_is_of_a_phone_that_nobody_knows(
    service: ConsentService, reader: Reader
) -> None:
    service.add(a_wish(loudness_db=8))
    service.withdraw("anna")
    ref = service.add(a_wish()).ref
    service.publish()
    assert consents(reader)[ref].loudness_db == 0


def test_a_louder_phone_takes_no_right_away_so_no_notice_says_it(service: ConsentService) -> None:
    service.add(a_wish())
    assert service.add(a_wish(loudness_db=28)).revocations == ()


def test_of_two_keys_for_one_customer_the_last_counts(
    service: ConsentService, reader: Reader
) -> None:
    first = service.add(a_wish())
    service.publish()
    service.withdraw("anna")
    service.publish()
    again = service.add(a_wish())
    service.publish()
    assert again.identity_key != first.identity_key
    assert reader.window_keys(window_at(START_S)) == {
        first.ref: window_key(again.identity_key, START_S)
    }
    service.publish(rebase=True)
    assert reader.window_keys(window_at(START_S)) == {
        first.ref: window_key(again.identity_key, START_S)
    }
    assert not [path for path in service.repository.targets() if "/n" in path]

"""What the chain says of its list can change, and nobody's agreement comes to mean more by it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.consent_service.import_lines import rows_of_csv
from presence.consent_service.importing import Imported, import_rows
from presence.consent_service.list_settings import Change, ListSettings, with_taxonomy
from presence.consent_service.register import Register
from presence.consent_service.registered import Registered
from presence.consent_service.service import ConsentService
from presence.core.consent.gate import Allowed, ListStanding, allowed_to
from presence.core.consent.model import Audience, Consent, Grant, Purpose, Scope
from presence.core.consent.record import decode_record
from presence.core.consent.taxonomy import is_known
from presence.core.timestamps import rfc3339
from presence.edges.host.audit_files import lines_of, look_at
from presence.errors import ConsentServiceError
from tests.support.builders import ANNA, START_S
from tests.support.consent_services import DAY_S, Clock, Reader, a_service, a_wish

BOOTS, SHOES, SANDALS = "acme:boots", "acme:shoes", "acme:sandals"
NEW_NOTICE = Change(notice="fi-2026-09")
NEWS = Change(audiences={"news": Purpose.OFFERS})


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Iterator[ConsentService]:
    made = a_service(
        tmp_path,
        clock,
        audiences={"offers-main": Purpose.OFFERS},
        parents={BOOTS: SHOES},
    )
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def known(service: ConsentService, name: str = "anna") -> Registered:
    found = service.register.get(service.ref_of(name))
    assert found is not None
    return found


def keys(service: ConsentService, name: str = "anna") -> set[str]:
    consent = known(service, name).consent
    assert consent is not None
    return set(consent.pairwise_keys)


def imported(service: ConsentService, decided_s: float, notice: str = "") -> Imported:
    end = rfc3339(START_S + 90 * DAY_S)
    key = "000102030405060708090a0b0c0d0e0f"
    rows = [
        f"anna,{word},given,{decided_s},{notice},{end},{key}" for word in ("presence", "offers")
    ]
    names = "subject,purpose,value,timestamp,notice,expiry,identity_key"
    return import_rows(
        service,
        rows_of_csv([names, *rows]),
        audiences=service.settings.audiences,
        told=lambda _revocation: None,
    )


# ---------------------------------------------------------------- the notice


@pytest.mark.requirement("R-17")
def test_an_agreement_stays_under_the_notice_that_was_shown_until_the_customer_agrees_anew(
    service: ConsentService, clock: Clock
) -> None:
    service.add(a_wish("anna"))
    clock.now_s += 60
    service.change_settings(NEW_NOTICE)
    clock.now_s += 60
    service.pause("anna", clock.now_s + DAY_S)
    service.resume("anna")
    service.narrow("anna", categories=["ap2:1551"])
    assert known(service).notice == "fi-2026-03"
    service.add(a_wish("berit"))
    assert service.register.by_notice() == {"fi-2026-03": 1, "fi-2026-09": 1}
    service.add(a_wish("anna"))
    assert service.register.by_notice() == {"fi-2026-09": 2}


@pytest.mark.requirement("R-17")
def test_an_import_says_which_notice_was_shown_and_else_it_is_that_of_the_time(
    service: ConsentService, clock: Clock
) -> None:
    before_s = clock.now_s - 10
    service.change_settings(NEW_NOTICE)
    clock.now_s += 60
    imported(service, before_s)
    assert known(service).notice == "fi-2026-03", "taken in later, and agreed before"
    imported(service, clock.now_s - 1)
    assert known(service).notice == "fi-2026-09"
    imported(service, clock.now_s, notice="fi-2026-03")
    assert known(service).notice == "fi-2026-03", "an old app, by the platform's own word"


def test_a_notice_cannot_have_been_shown_before_the_one_that_it_follows_nor_from_tomorrow(
    service: ConsentService, clock: Clock
) -> None:
    service.change_settings(NEW_NOTICE)
    with pytest.raises(ConsentServiceError, match="cannot have been shown before"):
        service.change_settings(Change(notice="fi-2027-01", since_s=clock.now_s - 1))
    with pytest.raises(ConsentServiceError, match="lies in the future"):
        service.change_settings(Change(notice="fi-2027-01", since_s=clock.now_s + 1))
    with pytest.raises(ConsentServiceError, match="a version such as"):
        service.change_settings(Change(notice="the new one"))


# ---------------------------------------------------------------- audiences


def test_an_audience_that_is_named_later_hears_of_those_who_decide_after_that(
    service: ConsentService, clock: Clock
) -> None:
    agreed_s = clock.now_s
    imported(service, agreed_s)
    clock.now_s += 60
    service.change_settings(NEWS)
    clock.now_s += 60
    imported(service, agreed_s)
    assert keys(service) == {"offers-main"}, "the same export once more is no new decision"
    imported(service, clock.now_s)
    assert keys(service) == {"offers-main", "news"}


def test_an_audience_that_the_notice_named_before_is_given_those_who_decided_since(
    service: ConsentService, clock: Clock
) -> None:
    service.change_settings(Change(audiences=NEWS.audiences, since_s=clock.now_s - 100))
    imported(service, clock.now_s - 50)
    assert keys(service) == {"offers-main", "news"}


def test_an_audience_that_agreements_name_goes_only_when_that_is_said_and_comes_back_to_nobody(
    service: ConsentService, clock: Clock, tmp_path: Path
) -> None:
    agreed_s = clock.now_s
    imported(service, agreed_s)
    reader = Reader(tmp_path / "repository", tmp_path / "reader", clock)
    service.publish()
    gone = Change(without=("offers-main",))
    with pytest.raises(ConsentServiceError, match=r"1 agreement let offers-main .*`audiences`"):
        service.change_settings(gone)
    assert keys(service) == {"offers-main"}
    service.change_settings(gone, from_agreements=True)
    assert service.publish().seq == 2
    (record,) = reader.entries().values()
    assert decode_record(ANNA, record, list(reader.manifest().words)).pairwise_keys == {}
    clock.now_s += 60
    service.change_settings(Change(audiences={"offers-main": Purpose.OFFERS}))
    imported(service, agreed_s)
    assert keys(service) == set()
    imported(service, clock.now_s)
    assert keys(service) == {"offers-main"}


def test_an_audience_has_one_purpose(service: ConsentService) -> None:
    with pytest.raises(ConsentServiceError, match="told for offers: customers agreed to that"):
        service.change_settings(Change(audiences={"offers-main": Purpose.SERVICE}))
    with pytest.raises(ConsentServiceError, match="no audience of this list, which has"):
        service.change_settings(Change(without=("offers",)))
    with pytest.raises(ConsentServiceError, match="technicians' phones alone"):
        service.change_settings(Change(audiences={"test": Purpose.OFFERS}))
    with pytest.raises(ConsentServiceError, match="a name such as"):
        service.change_settings(Change(audiences={"Offers!": Purpose.OFFERS}))


# ---------------------------------------------------------------- the taxonomy


@pytest.mark.requirement("R-37")
def test_a_category_that_is_gone_matches_nothing_and_its_agreements_are_counted(
    service: ConsentService,
) -> None:
    service.add(a_wish("anna", categories={BOOTS: None}))
    service.add(a_wish("berit", categories={SHOES: None}))
    service.change_settings(Change(parents={}))
    assert service.reach().unmatched == {BOOTS: 1, SHOES: 1}
    consent = known(service).consent
    assert consent is not None
    assert [grant.category for grant in consent.grants] == [BOOTS], "kept, for when it is back"
    service.change_settings(Change(parents={BOOTS: SHOES}))
    assert service.reach().unmatched == {}


@pytest.mark.parametrize(
    ("parents", "why"),
    [
        ({BOOTS: "acme:tools"}, "acme:boots lay below acme:shoes"),
        ({BOOTS: SHOES, SHOES: "acme:all"}, "acme:shoes lay below nothing"),
        ({SANDALS: BOOTS}, "acme:boots lay below acme:shoes"),
        ({"ap2:1552": SHOES}, "ap2:1552 lay below nothing of the list"),
    ],
)
def test_no_category_is_moved_once_somebody_agreed(
    service: ConsentService, parents: dict[str, str], why: str
) -> None:
    service.add(a_wish("anna"))
    with pytest.raises(ConsentServiceError, match=why):
        service.change_settings(Change(parents=parents))
    service.change_settings(Change(parents={}))
    with pytest.raises(ConsentServiceError, match=why):
        service.change_settings(Change(parents=parents))


def test_before_anybody_agreed_a_taxonomy_may_be_put_right(service: ConsentService) -> None:
    service.change_settings(Change(parents={BOOTS: "acme:footwear"}))
    service.add(a_wish("anna"))
    assert service.settings.parents == {BOOTS: "acme:footwear"}
    service.change_settings(Change(parents={BOOTS: "acme:footwear", SANDALS: "acme:footwear"}))


def test_a_category_may_become_sensitive_and_not_be_so_no_more(service: ConsentService) -> None:
    service.add(a_wish("anna"))
    alcohol = {BOOTS: SHOES, "ap2:1551": "ap2:1002"}
    service.change_settings(Change(parents=alcohol))
    with pytest.raises(ConsentServiceError, match="ap2:1551 lay below ap2:1002"):
        service.change_settings(Change(parents={BOOTS: SHOES}))


NODES = ("a:1", "a:2", "a:3", "ap2:1551", "ap2:1002")
TAXONOMIES = st.dictionaries(
    st.sampled_from(NODES[:4]), st.sampled_from(NODES), min_size=1, max_size=3
)
SOME = st.frozensets(st.sampled_from(NODES), min_size=1, max_size=2)


def allowed(granted: frozenset[str], refused: frozenset[str], parents: dict[str, str]) -> set[str]:
    consent = Consent(
        ref=ANNA,
        version=1,
        purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS}),
        not_before_s=0,
        not_after_s=100,
        scope=Scope(frozenset({"fi-0042"})),
        grants=tuple(Grant(word, 0, 100, word == "ap2:1551") for word in sorted(granted)),
        refused_categories=refused,
        pairwise_keys={"offers-main": bytes(16)},
    )
    audience = Audience("offers-main", Purpose.OFFERS, frozenset(NODES))
    standing = ListStanding(publishing=True, suppression_checked_at_s=50, parents=parents)
    decision = allowed_to(consent, audience, standing, 50)
    return set(decision.categories) if isinstance(decision, Allowed) else set()


@given(TAXONOMIES, st.lists(TAXONOMIES, min_size=2, max_size=6), SOME, SOME)
def test_whatever_taxonomy_follows_no_agreement_is_told_of_a_category_that_it_was_not(
    first: dict[str, str],
    others: list[dict[str, str]],
    granted: frozenset[str],
    refused: frozenset[str],
) -> None:
    settings = ListSettings.first("", {}, first)
    was = {
        node: node in allowed(granted, refused, first) for node in NODES if is_known(node, first)
    }
    for parents in others:
        try:
            settings = with_taxonomy(settings, parents, agreed=True)
        except ConsentServiceError:
            continue
        told = allowed(granted, refused, parents)
        for node in NODES:
            if is_known(node, parents):
                assert node not in told or was.get(node, True)
                was.setdefault(node, node in told)


# ---------------------------------------------------------------- record, list, register


def test_each_change_is_recorded_in_a_chain_that_holds_and_names_nobody(
    service: ConsentService,
) -> None:
    service.add(a_wish("anna"))
    said = service.change_settings(
        Change(
            notice="fi-2026-09", audiences=NEWS.audiences, parents={BOOTS: SHOES, SANDALS: SHOES}
        )
    )
    service.change_settings(Change(without=("news",)))
    records = [json.loads(line) for _, line in lines_of(service.directory)]
    assert [record["what"] for record in records] == [
        *("notice.changed", "audience.named", "taxonomy.changed", "audience.removed"),
    ]
    assert {record["list"] for record in records} == {"acme/fi-0042"}
    assert look_at(service.directory).problem == ""
    assert "earlier agreements stay" in said[0]
    assert "anna" not in (service.directory / "audit.jsonl").read_text()


def test_what_changes_nothing_is_neither_recorded_nor_published(service: ConsentService) -> None:
    service.publish()
    assert service.change_settings(Change(notice="fi-2026-03", parents={BOOTS: SHOES})) == []
    assert list(lines_of(service.directory)) == []
    assert service.publish().seq == 1


def test_a_change_that_cannot_be_recorded_is_not_made(service: ConsentService) -> None:
    (service.directory / "audit.jsonl").mkdir()
    with pytest.raises(
        ConsentServiceError, match=r"audit log cannot be written .*: nothing was done"
    ):
        service.change_settings(NEW_NOTICE)
    assert ListSettings.of(service.register).notice == "fi-2026-03"


@pytest.mark.requirement("R-37")
def test_the_next_list_has_a_number_of_its_own_and_says_the_change(
    service: ConsentService, clock: Clock, tmp_path: Path
) -> None:
    service.add(a_wish("anna"))
    service.publish()
    service.change_settings(Change(notice="fi-2026-09", parents={}))
    assert service.register.unnumbered()
    assert service.publish().seq == 2
    manifest = Reader(tmp_path / "repository", tmp_path / "reader", clock).manifest()
    assert (manifest.header.seq, manifest.notice) == (2, "fi-2026-09")
    assert BOOTS not in manifest.header.parents
    assert service.publish().seq == 2, "said once"


def test_a_register_of_before_notices_were_kept_is_brought_up_to_date(
    service: ConsentService, tmp_path: Path
) -> None:
    service.add(a_wish("anna"))
    service.withdraw("anna")
    service.add(a_wish("berit"))
    path = service.directory / "register.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript("ALTER TABLE entry DROP COLUMN notice; PRAGMA user_version = 4;")
        for name in ("notices", "places", "audiences_since", "settings_changed"):
            database.execute("DELETE FROM fact WHERE name = ?", (name,))
        database.commit()
    for _ in range(2):
        with closing(Register(path)) as register:
            assert register.by_notice() == {"fi-2026-03": 1}
            settings = ListSettings.of(register)
            assert settings.audiences == {"offers-main": Purpose.OFFERS}
            assert settings == service.settings

"""The key that signs notices: replaced, stolen, and what becomes of what it signed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from presence.consent_service.outbox import RevocationOutbox
from presence.consent_service.service import ConsentService
from presence.core.consent.jws import KeySet, Unproven, parse_key_set
from presence.core.consent.revocation import Ignored, Revocation, read_head, read_revocation
from tests.support.builders import START_S
from tests.support.consent_services import Clock, Reader, a_service, a_wish


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Iterator[ConsentService]:
    service = a_service(tmp_path, clock)
    service.add(a_wish())
    service.publish()
    yield service
    service.close()


@pytest.fixture
def reader(tmp_path: Path, service: ConsentService, clock: Clock) -> Reader:
    return Reader(tmp_path / "repository", tmp_path / "gateway", clock)


def published(reader: Reader) -> KeySet:
    return parse_key_set(reader.target("notices.jwks"))


def read(message: bytes, key_set: KeySet) -> Revocation:
    return read_revocation(message, keys=key_set.keys, list_name="acme/fi-0042")


@pytest.mark.requirement("R-44")
def test_a_key_that_was_stolen_is_named_so_in_every_list_from_then_on(
    service: ConsentService, reader: Reader
) -> None:
    service.renew_revocation_key(stolen=True)
    service.publish()
    assert (published(reader).keys.keys(), published(reader).revoked) == (
        {"notices-1"},
        {"notices-0"},
    )
    service.renew_revocation_key(stolen=False)
    service.publish()
    assert (published(reader).keys.keys(), published(reader).revoked) == (
        {"notices-2"},
        {"notices-0"},
    )
    service.renew_revocation_key(stolen=True)
    service.publish()
    assert (published(reader).keys.keys(), published(reader).revoked) == (
        {"notices-3"},
        {"notices-0", "notices-2"},
    )


@pytest.mark.requirement("R-44")
def test_what_the_thief_signs_is_nobody_s_word(service: ConsentService, reader: Reader) -> None:
    stolen = service.sign(service.narrow("anna", categories=["ap2:1551"]))
    service.renew_revocation_key(stolen=True)
    service.publish()
    with pytest.raises(Ignored, match=Unproven.UNKNOWN_KEY):
        read(stolen, published(reader))
    assert read(service.sign(service.withdraw("anna")), published(reader)).rows[0].removed
    assert read_head(
        service.head(), keys=published(reader).keys, list_name="acme/fi-0042", now_s=START_S
    )


@pytest.mark.requirement("R-44", "R-08")
def test_the_list_that_names_a_stolen_key_holds_all_that_was_taken_away(
    service: ConsentService, reader: Reader
) -> None:
    service.withdraw("anna")
    service.renew_revocation_key(stolen=True)
    service.publish()
    assert published(reader).revoked == {"notices-0"}
    assert reader.entries() == {}


@pytest.mark.requirement("R-44", "R-08")
def test_notices_that_wait_are_signed_anew_under_their_numbers(
    service: ConsentService, reader: Reader, tmp_path: Path
) -> None:
    outbox = RevocationOutbox(tmp_path / "outbox")
    revocations = [service.narrow("anna", categories=["ap2:1551"]), service.withdraw("anna")]
    for revocation in revocations:
        outbox.put(revocation.seq, service.sign(revocation))
    outbox.put(9, b"not one of ours")
    service.renew_revocation_key(stolen=True)
    outbox.sign_anew(service.sign_anew)
    service.publish()
    assert [
        read(path.read_bytes(), published(reader)) for path in outbox.waiting()[:2]
    ] == revocations
    assert outbox.waiting()[2].read_bytes() == b"not one of ours"


def test_a_crash_while_a_key_is_made_leaves_the_old_one_in_force(
    service: ConsentService, reader: Reader
) -> None:
    service.keys.make_revocation_key(1)
    service.publish()
    assert published(reader).keys.keys() == {"notices-0"}
    read(service.sign(service.withdraw("anna")), published(reader))


def test_a_key_that_an_older_version_replaced_in_its_place_is_found(
    service: ConsentService, reader: Reader
) -> None:
    with service.register.transaction():
        service.register.set_fact("notice_key", 2)
    service.publish()
    waiting = service.sign(service.narrow("anna", categories=["ap2:1551"]))
    read(waiting, published(reader))
    service.renew_revocation_key(stolen=False)
    service.publish()
    anew = service.sign_anew(waiting)
    assert anew is not None
    assert read(anew, published(reader)).seq == 1


def test_no_more_than_the_last_two_keys_are_kept(service: ConsentService) -> None:
    for _ in range(4):
        service.renew_revocation_key(stolen=False)
    kept = {path.name for path in service.keys.directory.glob("notices*")}
    assert kept == {"notices-3.pem", "notices-4.pem"}

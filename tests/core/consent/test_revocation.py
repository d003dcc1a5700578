"""What is signed by the consent service is read, and nothing else is."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.consent.entry_rules import LATEST_S
from presence.core.consent.jws import (
    BadKeys,
    Unproven,
    encode_keys,
    parse_key_set,
    parse_keys,
    sign,
    verify,
)
from presence.core.consent.model import Purpose
from presence.core.consent.revocation import (
    AHEAD_S,
    FOREIGN,
    HEAD_MAX_AGE_S,
    HEAD_TYPE,
    MAX_ROWS,
    REVOCATION_TYPE,
    UNTIMELY,
    Head,
    Ignored,
    Revocation,
    RevokedRights,
    read_head,
    read_revocation,
    topic_of_head,
    topic_of_revocations,
)
from presence.core.encoding import decode_base64url, encode_base64url
from tests.support.builders import ANNA, BERIT, CARL, CARS, START_S
from tests.support.revocations import (
    KEYS,
    KID,
    LIST,
    OTHER,
    SIGNER,
    head,
    removal,
    revocation,
    signed,
)

ALL_KINDS = revocation(
    removal(),
    RevokedRights(BERIT, 8, categories=frozenset({CARS}), purposes=frozenset({Purpose.OFFERS})),
    RevokedRights(CARL, 4, paused_until_s=START_S + 3600),
    RevokedRights(CARL, 5, paused_until_s=math.inf),
    RevokedRights(CARL, 6, objected=True),
    seq=17,
    previous=15,
)


def _read(message: bytes) -> Revocation | str:
    try:
        return read_revocation(message, keys=KEYS, list_name=LIST)
    except Ignored as ignored:
        return ignored.why


def _read_head(message: bytes, now_s: float = START_S) -> Head | str:
    try:
        return read_head(message, keys=KEYS, list_name=LIST, now_s=now_s)
    except Ignored as ignored:
        return ignored.why


def _payload(**changes: Any) -> bytes:
    """A revocation of one row, spelled by hand; a change to `...` leaves the field out."""
    value = {
        "iss": "consent",
        "list": LIST,
        "seq": 1,
        "prev": 0,
        "list_seq": 8,
        "iat": int(START_S),
        "rm": [["oaKjpKWmp6g", 2]],
        **changes,
    }
    return json.dumps({key: item for key, item in value.items() if item is not ...}).encode()


def _by_us(payload: bytes) -> bytes:
    return sign(payload, typ=REVOCATION_TYPE, kid=KID, key=SIGNER)


def _with_header(**header: Any) -> bytes:
    """A message whose signature is right for exactly this header."""
    content = (
        f"{encode_base64url(json.dumps(header).encode())}.{encode_base64url(_payload())}".encode()
    )
    return content + b"." + encode_base64url(SIGNER.sign(content)).encode()


def test_the_topics_name_chain_and_group_and_nobody() -> None:
    assert topic_of_revocations(LIST) == "presence/v1/acme/ctl/revoke/fi-0042"
    assert topic_of_head(LIST) == "presence/v1/acme/ctl/head/fi-0042"


def test_a_signed_notice_of_every_kind_is_read_as_it_was_written() -> None:
    read = _read(signed(ALL_KINDS))
    assert isinstance(read, Revocation)
    assert set(read.rows) == set(ALL_KINDS.rows)
    assert (read.seq, read.previous, read.list_seq) == (17, 15, 8)


@pytest.mark.requirement("R-41")
def test_a_notice_says_by_which_key_it_was_signed() -> None:
    read = _read(signed(revocation()))
    assert isinstance(read, Revocation)
    assert read.kid == KID


def test_a_notice_may_have_so_many_rows_and_a_head_may_be_so_far_ahead() -> None:
    most = revocation(*(removal(n.to_bytes(8, "big")) for n in range(MAX_ROWS)))
    assert isinstance(_read(signed(most)), Revocation)
    assert isinstance(_read_head(signed(head(issued_s=int(START_S + AHEAD_S)))), Head)
    assert _read_head(signed(head(issued_s=int(START_S + AHEAD_S + 1)))) == UNTIMELY


@pytest.mark.parametrize(
    ("until_s", "ends_s"), [(0, 0.0), (1, 1.0), (LATEST_S - 1, LATEST_S - 1), (LATEST_S, math.inf)]
)
def test_a_pause_ends_at_any_second_that_can_be_read(until_s: int, ends_s: float) -> None:
    read = _read(_by_us(_payload(rm=..., pause=[["oaKjpKWmp6g", 2, until_s]])))
    assert isinstance(read, Revocation)
    assert [row.paused_until_s for row in read.rows] == [ends_s]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"iat": LATEST_S}, Unproven.MALFORMED),
        ({"list": "l" * 65}, FOREIGN),
        ({"list": "l" * 66}, Unproven.MALFORMED),
        ({"seq": 1 << 53}, Unproven.MALFORMED),
        ({"rm": [[7, 2]]}, Unproven.MALFORMED),
        ({"rm": [[list(range(11)), 2]]}, Unproven.MALFORMED),
    ],
)
def test_a_notice_with_a_field_beyond_its_border_is_nothing(
    change: dict[str, Any], why: str
) -> None:
    assert _read(_by_us(_payload(**change))) == why


def test_a_head_from_beyond_every_date_is_malformed() -> None:
    assert _read_head(signed(head(issued_s=LATEST_S))) == Unproven.MALFORMED


def test_a_signed_head_is_read_as_it_was_written() -> None:
    assert _read_head(signed(head(revocation_seq=17))) == head(revocation_seq=17)


def test_the_notice_of_the_documentation_is_read() -> None:
    assert _read(_by_us(_payload())) == revocation()


def test_the_published_example_of_eddsa_is_verified_up_to_its_poor_header() -> None:
    """RFC 8037, appendix A.4: our header rule refuses it (no kid, no typ), its key and signature
    are understood.
    """
    jwks = {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "kid": "a",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            }
        ]
    }
    content = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    signature = (
        b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    keys = parse_keys(json.dumps(jwks).encode())
    keys["a"].verify(decode_base64url(signature), content)
    assert verify(content + b"." + signature, typ=REVOCATION_TYPE, keys=keys) is Unproven.MALFORMED


@pytest.mark.requirement("T-07")
@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", Unproven.MALFORMED),
        (b"..", Unproven.MALFORMED),
        (_payload(), Unproven.MALFORMED),
        (b"a" * 70_000, Unproven.MALFORMED),
        (signed(revocation()) + b"=", Unproven.MALFORMED),
        (signed(revocation()) + b".x", Unproven.MALFORMED),
        (signed(head()), Unproven.MALFORMED),
        (signed(revocation(), key=OTHER), Unproven.FORGED),
        (signed(revocation(), kid="r2"), Unproven.UNKNOWN_KEY),
        (signed(revocation())[:-86], Unproven.UNSIGNED),
        (_with_header(alg="none", kid=KID, typ=REVOCATION_TYPE), Unproven.UNSIGNED),
        (_with_header(alg="HS256", kid=KID, typ=REVOCATION_TYPE), Unproven.UNSIGNED),
        (_with_header(alg=["EdDSA"], kid=KID, typ=REVOCATION_TYPE), Unproven.UNSIGNED),
        (_with_header(alg="EdDSA", kid=[KID], typ=REVOCATION_TYPE), Unproven.UNKNOWN_KEY),
        (_with_header(alg="EdDSA", kid=KID), Unproven.MALFORMED),
        (_with_header(alg="EdDSA", kid=KID, typ=REVOCATION_TYPE, jwk={}), Unproven.MALFORMED),
        (_with_header(alg="EdDSA", kid=KID, typ=REVOCATION_TYPE, crit=[]), Unproven.MALFORMED),
        (signed(revocation(list_name="acme/fi-0043")), FOREIGN),
    ],
)
def test_what_the_consent_service_did_not_sign_for_this_list_is_nothing(
    message: bytes, why: str
) -> None:
    assert _read(message) == why


def test_both_names_of_the_algorithm_are_understood() -> None:
    assert _read(_with_header(alg="Ed25519", kid=KID, typ=REVOCATION_TYPE)) == revocation()


def test_a_changed_byte_anywhere_makes_it_nothing() -> None:
    message = signed(revocation())
    for at in range(len(message)):
        other = b"A" if message[at : at + 1] != b"A" else b"B"
        assert isinstance(_read(message[:at] + other + message[at + 1 :]), str)


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"null",
        b"\xff",
        _payload(add=[["oaKjpKWmp6g", 3]]),
        _payload(iss="somebody"),
        _payload(iss=...),
        _payload(list_seq=...),
        _payload(list=None),
        _payload(seq=0),
        _payload(seq=1.5),
        _payload(seq=True),
        _payload(prev=1),
        _payload(rm=...),
        _payload(rm=[]),
        _payload(rm={}),
        _payload(rm=[["oaKjpKWmp6g"]]),
        _payload(rm=[["oaKjpKWmp6g", -1]]),
        _payload(rm=[["oaKjpKWmp6h", 2]]),
        _payload(rm=[["\ud800aKjpKWmp6g", 2]]),
        _payload(rm=["oaKjpKWmp6g"]),
        _payload(rm=[["oaKjpKWmp6g", n] for n in range(MAX_ROWS + 1)]),
        _payload(narrow=[["oaKjpKWmp6g", 2, []]]),
        _payload(narrow=[["oaKjpKWmp6g", 2, [7]]]),
        _payload(narrow=[["oaKjpKWmp6g", 2, ["ap2:1551"]]]),
        _payload(narrow=[["oaKjpKWmp6g", 2, ["+ap2:1551"]]]),
        _payload(narrow=[["oaKjpKWmp6g", 2, ["purpose:offers"]]]),
        _payload(narrow=[["oaKjpKWmp6g", 2, ["-purpose:everything"]]]),
        b'{"iss":"consent",' + _payload()[1:],
    ],
)
def test_a_notice_that_is_not_understood_to_its_last_field_is_refused_whole(payload: bytes) -> None:
    assert _read(_by_us(payload)) == Unproven.MALFORMED


@pytest.mark.requirement("R-11")
@pytest.mark.parametrize("until", [None, "tomorrow", -1, 1.5, 1 << 40, True])
def test_a_pause_whose_end_cannot_be_read_has_none(until: object) -> None:
    read = _read(_by_us(_payload(rm=..., pause=[["oaKjpKWmp6g", 2, until]])))
    assert isinstance(read, Revocation)
    assert read.rows == (RevokedRights(ANNA, 2, paused_until_s=math.inf),)


def test_a_pause_is_signed_to_the_whole_second_rather_longer_than_asked() -> None:
    read = _read(signed(revocation(RevokedRights(ANNA, 2, paused_until_s=START_S + 0.5))))
    assert isinstance(read, Revocation)
    assert read.rows == (RevokedRights(ANNA, 2, paused_until_s=START_S + 1),)


def test_a_notice_takes_away_whatever_its_date_an_old_or_early_head_says_nothing() -> None:
    for issued_s in (
        START_S - 86_400,
        START_S + 86_400,
    ):  # from the future: the clock that is wrong may be ours
        assert isinstance(_read(signed(revocation(issued_s=int(issued_s)))), Revocation)
    assert isinstance(_read_head(signed(head()), now_s=START_S + HEAD_MAX_AGE_S), Head)
    assert _read_head(signed(head()), now_s=START_S + HEAD_MAX_AGE_S + 1) == UNTIMELY
    assert _read_head(signed(head()), now_s=START_S - AHEAD_S - 1) == UNTIMELY
    assert _read_head(sign(b"{}", typ=HEAD_TYPE, kid=KID, key=SIGNER)) == Unproven.MALFORMED


@given(st.binary(max_size=200))
def test_no_payload_of_ours_is_too_strange_to_be_refused(payload: bytes) -> None:
    assert isinstance(_read(_by_us(payload)), str)


@pytest.mark.parametrize(
    "rows",
    [
        (RevokedRights(ANNA, 1),),
        (RevokedRights(ANNA, 1, removed=True, objected=True),),
        (RevokedRights(ANNA, 1, paused_until_s=-1.5),),
        (RevokedRights(ANNA, 1, categories=frozenset({"cars"})),),
        (RevokedRights(b"short", 1, removed=True),),
        tuple(removal(version=n) for n in range(MAX_ROWS + 1)),
    ],
)
def test_a_notice_that_no_gateway_would_take_is_not_signed(rows: tuple[RevokedRights, ...]) -> None:
    with pytest.raises(ValueError):
        signed(revocation(*rows))


def test_the_published_keys_are_read_back() -> None:
    published = encode_keys({"r1": SIGNER.public_key(), "r2": OTHER.public_key()})
    keys = parse_keys(published)
    assert encode_keys(keys) == published
    assert _read(signed(revocation(), kid="r2", key=OTHER)) == Unproven.UNKNOWN_KEY
    assert (
        read_revocation(signed(revocation(), kid="r2", key=OTHER), keys=keys, list_name=LIST)
        == revocation()
    )


def test_stolen_keys_are_named_beside_those_that_count() -> None:
    published = encode_keys({"r2": OTHER.public_key()}, revoked=["r1", "r0", "r1"])
    key_set = parse_key_set(published)
    assert (key_set.keys.keys(), key_set.revoked) == ({"r2"}, {"r0", "r1"})
    assert parse_keys(published).keys() == {"r2"}
    assert encode_keys(key_set.keys, key_set.revoked) == published


def test_a_set_that_names_no_stolen_key_says_nothing_of_any() -> None:
    published = encode_keys({"r1": SIGNER.public_key()})
    assert b"revoked" not in published
    assert parse_key_set(published).revoked == frozenset()


def _jwks(*several: object, **members: object) -> bytes:
    return json.dumps({"keys": several, **members}).encode()


def _jwk(**changes: Any) -> dict[str, Any]:
    x = encode_base64url(SIGNER.public_key().public_bytes_raw())
    return {"kty": "OKP", "crv": "Ed25519", "kid": "r1", "x": x, **changes}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"", "not a JWK set"),
        (b"[]", "not a JWK set"),
        (_jwks(), "no Ed25519 key"),
        (_jwks(_jwk(kty="RSA")), "no Ed25519 key"),
        (_jwks(1), r"keys\[0\]"),
        (_jwks(_jwk(), _jwk()), "kid"),
        (_jwks(_jwk(kid="")), "kid"),
        (_jwks(_jwk(x="AAAA")), r"keys\[0\]: x"),
        (_jwks(_jwk(d="AAAA")), "private"),
        (_jwks(*(_jwk(kid=str(n)) for n in range(17))), "at most 16"),
        (_jwks(_jwk(), revoked="r0"), "revoked is not a list"),
        (_jwks(_jwk(), revoked=None), "revoked is not a list"),
        (_jwks(_jwk(), revoked=[1]), "revoked is not a list"),
        (_jwks(_jwk(), revoked=[""]), "revoked is not a list"),
        (_jwks(_jwk(), revoked=[str(n) for n in range(65)]), "at most 64"),
        (_jwks(_jwk(), revoked=["r1"]), "given as valid"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_by_name(text: bytes, names: str) -> None:
    with pytest.raises(BadKeys, match=names):
        parse_keys(text)


def test_keys_of_another_kind_beside_ours_are_passed_over() -> None:
    assert parse_keys(_jwks(_jwk(kty="EC", kid="e"), _jwk())).keys() == {"r1"}

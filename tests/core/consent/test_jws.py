"""What is signed, byte by byte, and the last size that is taken; what else is refused stands in
test_notices.py.
"""

import json

import pytest

from presence.core.consent.jws import (
    MAX_KEYS,
    MAX_KID_CHARS,
    MAX_MESSAGE_BYTES,
    MAX_REVOKED,
    BadKeys,
    KeySet,
    Unproven,
    encode_keys,
    kid_of,
    parse_key_set,
    sign,
    verify,
)
from presence.core.encoding import decode_base64url, encode_base64url
from tests.support.revocations import KEYS, KID, SIGNER

TYP = "presence-revoke+jws"
X = encode_base64url(SIGNER.public_key().public_bytes_raw())


def key_set(count: int = 1, revoked: int = 0, kid_length: int = 2) -> bytes:
    several = [
        {"kty": "OKP", "crv": "Ed25519", "kid": f"{n:0{kid_length}}", "x": X} for n in range(count)
    ]
    return json.dumps(
        {"keys": several, "revoked": [f"stolen-{n}" for n in range(revoked)]}
    ).encode()


def test_the_header_is_written_without_a_space_as_the_documentation_shows_it() -> None:
    header, payload, _ = sign(b"payload", typ=TYP, kid=KID, key=SIGNER).split(b".")

    assert decode_base64url(header) == b'{"alg":"EdDSA","kid":"r1","typ":"presence-revoke+jws"}'
    assert decode_base64url(payload) == b"payload"


def test_a_message_of_the_longest_size_is_taken_and_one_byte_more_is_not() -> None:
    around = len(sign(b"", typ=TYP, kid=KID, key=SIGNER))
    longest = (MAX_MESSAGE_BYTES - around) * 3 // 4
    message = sign(bytes(longest), typ=TYP, kid=KID, key=SIGNER)

    assert len(message) == MAX_MESSAGE_BYTES
    assert verify(message, typ=TYP, keys=KEYS) == bytes(longest)
    assert kid_of(message) == KID
    assert (
        verify(sign(bytes(longest + 1), typ=TYP, kid=KID, key=SIGNER), typ=TYP, keys=KEYS)
        is Unproven.MALFORMED
    )


def test_a_set_of_keys_is_written_as_others_read_it() -> None:
    key = f'{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"r1","x":"{X}"}}'

    assert encode_keys(KEYS).decode() == f'{{"keys":[{key}]}}'
    assert (
        encode_keys(KEYS, ["r2", "r0", "r2"]).decode()
        == f'{{"keys":[{key}],"revoked":["r0","r2"]}}'
    )
    assert parse_key_set(encode_keys(KEYS, ["r0"])) == KeySet(dict(KEYS), frozenset({"r0"}))


@pytest.mark.parametrize(
    ("most", "beyond"),
    [
        pytest.param(key_set(MAX_KEYS), key_set(MAX_KEYS + 1), id="keys"),
        pytest.param(key_set(1, MAX_REVOKED), key_set(1, MAX_REVOKED + 1), id="stolen keys"),
        pytest.param(
            key_set(kid_length=MAX_KID_CHARS),
            key_set(kid_length=MAX_KID_CHARS + 1),
            id="letters of a kid",
        ),
    ],
)
def test_a_set_may_hold_so_many_and_not_one_more(most: bytes, beyond: bytes) -> None:
    parse_key_set(most)
    with pytest.raises(BadKeys):
        parse_key_set(beyond)


def message_with(header: bytes, *, after: bytes = b"") -> bytes:
    """Signed by our key for exactly this header; `after` follows the signature."""
    content = f"{encode_base64url(header)}.{encode_base64url(b'payload')}".encode()
    return content + b"." + encode_base64url(SIGNER.sign(content)).encode() + after


GENUINE = f'{{"alg":"EdDSA","kid":"{KID}","typ":"{TYP}"}}'.encode()


@pytest.mark.parametrize("algorithm", [b"EdDSA", b"Ed25519"])
def test_both_names_of_the_algorithm_are_taken(algorithm: bytes) -> None:
    message = message_with(GENUINE.replace(b"EdDSA", algorithm))

    assert verify(message, typ=TYP, keys=KEYS) == b"payload"


@pytest.mark.parametrize(
    "message",
    [
        message_with(GENUINE.replace(b"{", b'{"alg":"none",', 1)),
        message_with(GENUINE.replace(b"{", b'{"jwk":{},', 1)),
        message_with(GENUINE.replace(b"{", b'{"b64":false,"crit":["b64"],', 1)),
        message_with(GENUINE.replace(b"revoke", b"head")),
        message_with(GENUINE, after=b"=="),
    ],
    ids=["a name twice", "a key of its own", "b64", "another type", "padding"],
)
def test_what_libraries_take_and_our_rules_refuse_is_malformed(message: bytes) -> None:
    assert verify(message, typ=TYP, keys=KEYS) is Unproven.MALFORMED

"""The vectorised AES against the specification, against `cryptography`, and at the borders of its
chunks.
"""

import json
import os
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from presence.core.recognition.aes import encrypt_under_each
from presence.core.recognition.identifiers import window_at
from presence.core.recognition.slot_table import identifier_block
from tests.support.paths import ROOT

OURS = ROOT / "tests" / "vectors"
SHARED = ROOT.parent / "shared" / "vectors" / "identity.json"


def vectors() -> list[dict[str, Any]]:
    published: list[dict[str, Any]] = []
    for path in (OURS / "identity.json", OURS / "addresses.json", SHARED):
        if path.exists():
            published += json.loads(path.read_text())["vectors"]
    return published


def rows(*keys: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)


def by_cryptography(key: bytes, block: bytes) -> bytes:
    return Cipher(AES(key), ECB()).encryptor().update(block)  # noqa: S305 - one block, to compare with


def encrypted(key: bytes, block: bytes) -> bytes:
    return encrypt_under_each(rows(key), block)[0].tobytes()


def test_the_examples_of_fips_197_come_out() -> None:
    """Appendix B and appendix C.1."""
    for key, plain, cipher in (
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "3243f6a8885a308d313198a2e0370734",
            "3925841d02dc09fbdc118597196a0b32",
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            "00112233445566778899aabbccddeeff",
            "69c4e0d86a7b0430d8cdb78070b4c55a",
        ),
    ):
        assert encrypted(bytes.fromhex(key), bytes.fromhex(plain)).hex() == cipher


def test_every_published_block_comes_out() -> None:
    blocks = [vector for vector in vectors() if vector["kind"] == "aes128"]
    for vector in blocks:
        assert (
            encrypted(bytes.fromhex(vector["key"]), bytes.fromhex(vector["plain"])).hex()
            == vector["cipher"]
        )
    assert blocks


def test_every_published_identifier_comes_out() -> None:
    checked = 0
    for vector in vectors():
        if not vector["kind"].startswith("eddystone_eid") or "k" not in vector:
            continue
        times = vector.get("t", [row["t"] for row in vector.get("rows", ())])
        eids = vector.get("eid", [row["eid"] for row in vector.get("rows", ())])
        times, eids = (times, eids) if isinstance(times, list) else ([times], [eids])
        for t, eid in zip(times, eids, strict=True):
            k, identity_key = vector["k"], bytes.fromhex(vector["ik"])
            window_block = bytes(11) + b"\xff\x00\x00" + (window_at(t) & 0xFFFF).to_bytes(2, "big")
            slot_block = bytes(11) + bytes((k,)) + (t >> k << k).to_bytes(4, "big")
            assert encrypted(encrypted(identity_key, window_block), slot_block)[:8].hex() == eid, (
                vector["provenance"]
            )
            assert k != 10 or slot_block == identifier_block(t >> 10)
            checked += 1
    assert checked >= 13


def test_every_published_address_hash_comes_out() -> None:
    hashes = [vector for vector in vectors() if vector["kind"] in ("rpa_ah", "rpa_resolve")]
    for vector in hashes:
        address = bytes.fromhex(vector["address"].replace(":", ""))
        assert encrypted(bytes.fromhex(vector["irk"]), bytes(13) + address[:3])[13:] == address[3:]
    assert len(hashes) >= 6


def test_ten_thousand_random_keys_agree_with_cryptography() -> None:
    keys, block = rows(os.urandom(160_000)), os.urandom(16)

    ciphertexts = encrypt_under_each(keys, block, chunk=4096)

    for key, ciphertext in zip(keys, ciphertexts, strict=True):
        assert ciphertext.tobytes() == by_cryptography(key.tobytes(), block)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_any_key_and_any_block_agree_with_cryptography(key: bytes, block: bytes) -> None:
    assert encrypted(key, block) == by_cryptography(key, block)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 17])
def test_a_chunk_that_is_not_full_loses_no_key(count: int) -> None:
    keys, block = rows(os.urandom(16 * count)), os.urandom(16)

    ciphertexts = encrypt_under_each(keys, block, chunk=8)

    assert ciphertexts.shape == (count, 16)
    assert [c.tobytes() for c in ciphertexts] == [
        by_cryptography(key.tobytes(), block) for key in keys
    ]


def test_keys_are_read_and_not_written() -> None:
    keys = rows(os.urandom(160)).copy()
    before = keys.copy()

    encrypt_under_each(keys, bytes(16))
    encrypt_under_each(keys[::2], bytes(16))

    assert np.array_equal(keys, before)


def test_a_key_or_block_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        encrypt_under_each(np.zeros((3, 32), np.uint8), bytes(16))
    with pytest.raises(ValueError, match="16 bytes"):
        encrypt_under_each(np.zeros((3, 16), np.uint8), bytes(15))

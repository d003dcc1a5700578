"""Refs and pairwise keys are the HMAC-SHA256 that docs/consent-list.md says, whatever the key."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from presence.consent_service.pseudonyms import Pseudonyms

names = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.binary(min_size=1, max_size=100), names, names, names)
def test_pseudonyms_are_those_of_hmac(key: bytes, of_list: str, person: str, audience: str) -> None:
    pseudonyms = Pseudonyms(key, of_list)
    ref = f"presence ref v1\0{of_list}\0{person}".encode()
    pairwise = f"presence pairwise v1\0{audience}\0{person}".encode()
    assert pseudonyms.ref(person) == hmac.digest(key, ref, "sha256")[:8]
    assert pseudonyms.pairwise_key(person, audience) == hmac.digest(key, pairwise, "sha256")[:16]

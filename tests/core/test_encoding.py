"""One text has one spelling: base64url without padding, JSON without a name twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.encoding import decode_base64url, encode_base64url, strict_json


def test_base64url_loses_its_padding_and_nothing_else() -> None:
    assert encode_base64url(b"\x00\x00\x17") == "AAAX"
    assert [encode_base64url(bytes(length)) for length in range(4)] == ["", "AA", "AAA", "AAAA"]
    for length in range(4):
        assert decode_base64url(encode_base64url(bytes(length))) == bytes(length)


@given(st.binary(max_size=40))
def test_what_is_encoded_is_read_from_text_and_from_bytes(data: bytes) -> None:
    text = encode_base64url(data)
    assert decode_base64url(text) == decode_base64url(text.encode()) == data


@pytest.mark.parametrize("text", ["AA==", "AB", "A", "A A", "AA\n", "+/", "Ä", "AAAA="])
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        decode_base64url(text)


def test_json_without_a_name_twice_is_read() -> None:
    assert strict_json('{"a":{"a":1},"b":[{"a":2}]}') == {"a": {"a": 1}, "b": [{"a": 2}]}


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '[{"b":{"a":1,"a":2}}]', "[" * 100_000, "{", ""])
def test_a_name_twice_and_what_is_no_json_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        strict_json(text)

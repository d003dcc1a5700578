"""What is packed by hand is what paho would pack."""

from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from presence.edges.mqtt.client import Content

WORDS = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=200)


@given(WORDS, st.lists(st.tuples(WORDS, WORDS), max_size=3), st.none() | st.integers(1, 2**32 - 1))
def test_the_properties_of_a_message_are_read_by_paho_as_they_were_meant(
    content_type: str, pairs: list[tuple[str, str]], expiry_s: int | None
) -> None:
    packed = Content(content_type, tuple(pairs)).properties(expiry_s).pack()
    read = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]

    _, length = read.unpack(packed)  # type: ignore[no-untyped-call]

    assert length == len(packed)
    meant: dict[str, object] = {"PayloadFormatIndicator": 1, "ContentType": content_type}
    if pairs:
        meant["UserProperty"] = pairs
    if expiry_s is not None:
        meant["MessageExpiryInterval"] = expiry_s
    assert read.json() == meant  # type: ignore[no-untyped-call]

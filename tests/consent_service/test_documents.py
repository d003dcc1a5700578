"""docs/consent-list.md says what the code does: the segment byte by byte, every action and every
column.
"""

import re

import zstandard

from presence.cli import parser
from presence.consent_service.import_lines import COLUMNS, parse_line, rows_of_csv
from presence.core.consent.manifest import read_manifest, write_manifest
from presence.core.consent.model import Consent, Grant, Purpose, Scope
from presence.core.consent.record import Words, encode_record
from presence.core.consent.segments import pack
from tests.support.command_line import commands_of
from tests.support.paths import ROOT
from tests.support.signed_lists import base_of

DOCUMENT = (ROOT / "docs" / "consent-list.md").read_text(encoding="utf-8")


def block(before: str) -> str:
    """The first block of code after these words."""
    found = re.search(r"```\w*\n(.*?)```", DOCUMENT[DOCUMENT.index(before) :], re.DOTALL)
    assert found is not None
    return found[1]


def test_the_documented_segment_is_the_one_that_is_written() -> None:
    rows = (line.partition("   ")[0] for line in block("in a\nbase of epoch 12").splitlines())
    start_s, end_s = 1790812800.0, 1806537600.0
    consent = Consent(
        ref=bytes.fromhex("999de4428d5b0637"),
        version=12,
        purposes=frozenset({Purpose.PRESENCE, Purpose.OFFERS}),
        not_before_s=start_s,
        not_after_s=end_s,
        scope=Scope(frozenset({"fi-0042"})),
        grants=(Grant("ap2:1551", start_s, 1798761600.0),),
        refused_categories=frozenset({"ap2:1552"}),
        pairwise_keys={"offers-main": bytes(range(16))},
    )
    record = encode_record(consent, Words(("fi-0042", "ap2:1551", "ap2:1552", "offers-main")))
    rows_of_it = [(consent.ref, record)]
    packed = pack(base_of(list_name="acme/fi-0042", epoch=12, number=88000, rows=rows_of_it))
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    assert bytes.fromhex("".join(rows)) == plain


def test_the_documented_manifest_is_one() -> None:
    manifest = read_manifest(block("## The manifest").encode())
    assert read_manifest(write_manifest(manifest, "2.0")) == manifest


def test_the_documented_export_is_one() -> None:
    rows = list(rows_of_csv(block("## Files for `import`").splitlines()))
    assert [parse_line(row).purpose for _, row in rows] == ["presence", "offers", "ap2:1551"]
    assert [name for name in COLUMNS if f"| `{name}` |" not in DOCUMENT] == []


def test_every_action_is_documented() -> None:
    commands = dict(commands_of(parser()))
    actions = [words[1] for words in commands if words[0] == "consents" and words[1:]]
    publisher = DOCUMENT[DOCUMENT.index("# The reference publisher") :]
    assert [name for name in actions if f"`{name}`" not in publisher] == []
    assert [
        name
        for name in actions
        if f"\n  {name} " not in (commands["consents",].description or "") and name != "resume"
    ] == []

"""The shop to practise in: settings, key, broker and the consent of a test phone, made up on the
spot.
"""

import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final

from presence.config import Settings, parse_settings
from presence.config.settings import EntrySettings
from presence.core.consent.entry_rules import FORMAT_VERSION
from presence.core.consent.list_json import ConsentList, assemble, parse_entry, parse_header
from presence.core.consent.model import TEST_AUDIENCE
from presence.core.encoding import encode_base64url
from presence.core.recognition.identifiers import WINDOW_S, window_at
from presence.simulation.identity_keys import window_key
from presence.simulation.local_broker import LocalBroker

DAY_S: Final = 86_400
TEMPLATE: Final = """\
store: {{chain: acme, store: practice, gateway: door-1, key_file: "{key_file}"}}
notice:
  {{id: practice, controller: Acme Oy, dpo_contact: privacy@acme.example, review_by: 2099-01-01}}
consent: {{directory: ., list: acme/practice}}
audiences: [{{name: test, purpose: service}}]
"""


@dataclass(frozen=True, slots=True)
class Practice:
    """What the simulated step needs in place of files in /etc."""

    settings: Settings
    identity_key: bytes = field(repr=False)
    pairwise_key: bytes = field(repr=False)

    def consents(self, utc_s: float) -> ConsentList:
        """A list of one test phone, published now."""
        now_s = int(utc_s)
        header = {
            "v": FORMAT_VERSION,
            "list": self.settings.consent.list,
            "seq": 1,
            "published_at": now_s,
            "suppression_checked_at": now_s,
            "count": 1,
        }
        window = window_at(utc_s)
        keys = [window_key(self.identity_key, number * WINDOW_S) for number in (window, window + 1)]
        entry = {
            "ref": _text(self.pairwise_key[:8]),
            "ver": 1,
            "pk": {TEST_AUDIENCE: _text(self.pairwise_key)},
            "win": {
                "start": window * WINDOW_S,
                "len": WINDOW_S,
                "keys": [_text(key) for key in keys],
            },
            "purposes": ["presence", "service"],
            "flags": ["test"],
            "nb": now_s - DAY_S,
            "na": now_s + DAY_S,
            "scope": {"type": "store", "id": self.settings.store.store},
        }
        parsed = parse_entry(entry, max_span_s=self.settings.consent.max_span_s)
        return assemble(parse_header(header), [parsed], {})


@contextmanager
def practice(seed: int, entry: EntrySettings | None) -> Iterator[Practice]:
    """`entry`: of the operator's own file, where there is one."""
    chance = Random(f"{seed}/practice")
    with tempfile.TemporaryDirectory(prefix="presence-scan-test-") as folder:
        key_file = Path(folder) / "store.key"
        key_file.touch(mode=0o600)
        key_file.write_text(secrets.token_hex(32), encoding="ascii")
        settings = parse_settings(
            TEMPLATE.format(key_file=key_file), name=str(Path(folder) / "presence.yaml")
        )
        if entry is not None:
            settings = replace(settings, entry=entry)
        yield Practice(settings, chance.randbytes(16), chance.randbytes(16))


@asynccontextmanager
async def with_broker(settings: Settings) -> AsyncIterator[Settings]:
    """The same settings at a broker of our own on this machine. Raises BrokerError where none is
    installed.
    """
    async with LocalBroker.start() as broker:
        yield replace(
            settings,
            mqtt=replace(
                settings.mqtt, host=broker.host, port=broker.port, protocol=broker.protocol
            ),
        )


def _text(value: bytes) -> str:
    return encode_base64url(value)

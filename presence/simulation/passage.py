"""A crowd of strangers of every kind that passes, and one made-up customer who comes in among them:
for whoever wants to know what a gateway keeps of whom.
"""

import asyncio
from contextlib import suppress
from random import Random
from typing import Any, Final

from presence.config import Settings
from presence.core.consent.entry_rules import FORMAT_VERSION
from presence.core.consent.model import Flag, Purpose
from presence.core.encoding import KEY_BYTES, REF_BYTES, encode_base64url
from presence.core.recognition.advertisement import MalformedPayload, advertisement_from_payload
from presence.core.recognition.identifiers import WINDOW_S, window_at
from presence.edges.host.clock import SystemClock
from presence.ports import OnAdvertisement
from presence.simulation.broadcasts import KINDS, CustomerBroadcast
from presence.simulation.identity_keys import window_key

OF_EACH_KIND: Final = 20
TIMES: Final = 3
"""How often each stranger is heard."""
PACE_S: Final = 0.1
"""Between two of the customer's advertisements; the strangers come in between."""
RSSI_DBM: Final = -40
OVER_DB: Final = 15
"""A customer who is near is so much louder than a strict door asks for."""


class MadeUpCustomer:
    """Nobody: keys of chance, for one test."""

    def __init__(self, chance: Random) -> None:
        self.ref = chance.randbytes(REF_BYTES)
        self.address = chance.randbytes(6)
        self._identity_key = chance.randbytes(KEY_BYTES)
        self._chance = chance
        self._broadcast = CustomerBroadcast(self._identity_key)

    def payload(self, utc_s: float) -> bytes:
        """What their phone says now."""
        return self._broadcast.payload(utc_s, self._chance)

    def plain_list(self, settings: Settings, utc_s: float) -> list[dict[str, Any]]:
        """Header and entry (presence.core.consent.list_json): for an hour they agree to all that
        the audiences of these settings are for.
        """
        now_s, window, audiences = int(utc_s), window_at(utc_s), settings.audiences
        keys = [window_key(self._identity_key, (window + n) * WINDOW_S) for n in range(2)]
        categories = {category for audience in audiences for category in audience.campaigns}
        purposes = {Purpose.PRESENCE.value, *(each.purpose.value for each in audiences)}
        header = {
            "v": FORMAT_VERSION,
            "list": settings.consent.list,
            "seq": 1,
            "published_at": now_s,
            "suppression_checked_at": now_s,
            "count": 1,
        }
        entry = {
            "ref": encode_base64url(self.ref),
            "ver": 1,
            "win": {
                "start": window * WINDOW_S,
                "len": WINDOW_S,
                "keys": [encode_base64url(key) for key in keys],
            },
            "pk": {
                each.name: encode_base64url(self._chance.randbytes(KEY_BYTES)) for each in audiences
            },
            "purposes": sorted(purposes),
            "flags": [Flag.EXPLICIT.value],
            "nb": now_s - 60,
            "na": now_s + 3600,
            "scope": {"type": "store", "id": settings.store.store},
            "grants": [[category, 0] for category in sorted(categories)],
        }
        return [header, entry]


class Passage:
    """Implements ports.AdvertisementSource; the customer stays near until it is cancelled."""

    def __init__(self, customer: MadeUpCustomer, chance: Random, *, enter_rssi_dbm: float) -> None:
        self._customer = customer
        self._rssi_dbm = max(RSSI_DBM, round(enter_rssi_dbm) + OVER_DB)
        self.strangers = [
            (chance.randbytes(6), KINDS[kind](chance))
            for kind in KINDS
            for _ in range(OF_EACH_KIND)
        ]
        """Address and payload of each."""
        self.handed_over = 0
        """Advertisements of strangers; a payload that cannot be decoded a radio drops as well."""
        self.passed = asyncio.Event()
        """All strangers have been heard."""

    async def run(self, on_advertisement: OnAdvertisement) -> None:
        clock, crowd, rssi_dbm = SystemClock(), self.strangers * TIMES, self._rssi_dbm
        while True:
            now, customer = clock.now(), self._customer
            payload = customer.payload(now.utc_s)
            on_advertisement(advertisement_from_payload(now, customer.address, rssi_dbm, payload))
            for address, said in crowd[:OF_EACH_KIND]:
                with suppress(MalformedPayload):
                    on_advertisement(advertisement_from_payload(now, address, rssi_dbm, said))
                    self.handed_over += 1
            del crowd[:OF_EACH_KIND]
            if not crowd:
                self.passed.set()
            await asyncio.sleep(PACE_S)

"""What a customer is called: another ref in each list, another pairwise key for each audience.

Random to everyone without the service key (docs/consent-list.md#from-a-program).
"""

import hmac
from functools import lru_cache
from typing import Final

from presence.core.encoding import KEY_BYTES, REF_BYTES

AUDIENCES_KEPT: Final = 64


class Pseudonyms:
    """HMAC-SHA256 under the service key; what comes before the name is hashed once."""

    def __init__(self, service_key: bytes, list_name: str) -> None:
        self._service_key = service_key
        self._before_id = self._begun(b"presence ref v1", list_name)
        self._before_person = lru_cache(maxsize=AUDIENCES_KEPT)(self._of_audience)

    def pairwise_key(self, person: str, audience: str) -> bytes:
        return _ended(self._before_person(audience), person)[:KEY_BYTES]

    def ref(self, name: str) -> bytes:
        """Of a customer's id."""
        return _ended(self._before_id, name)[:REF_BYTES]

    def _of_audience(self, audience: str) -> hmac.HMAC:
        return self._begun(b"presence pairwise v1", audience)

    def _begun(self, version: bytes, of: str) -> hmac.HMAC:
        return hmac.new(self._service_key, version + b"\0" + of.encode() + b"\0", "sha256")


def _ended(begun: hmac.HMAC, name: str) -> bytes:
    mac = begun.copy()
    mac.update(name.encode())
    return mac.digest()

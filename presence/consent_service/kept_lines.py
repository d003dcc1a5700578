"""What the register keeps of one customer as a line of JSON, and the other way: no right is lost
between the two, and none is won (docs/consent-list.md#moving-a-list).

One line is all of it. Several actions in its place (add, then narrow, then pause) would for a
moment give what the customer took away, and a publication may fall into that moment.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from presence.consent_service.agreeing import ref_text
from presence.consent_service.registered import State
from presence.consent_service.rights import Taken
from presence.core.consent.model import Consent, Flag, Grant, Purpose, Scope
from presence.core.encoding import REF_BYTES, decode_base64url
from presence.errors import ConsentServiceError

RESTORE: Final = "restore"
Until = float | None
"""None: until the customer ends it."""


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was agreed to. Times are UTC seconds."""

    purposes: tuple[Purpose, ...]
    start: float
    end: float
    stores: tuple[str, ...] | None
    """None: the whole chain."""
    grants: tuple[tuple[str, float, float, bool], ...] = ()
    """Category, start, end, explicit."""
    refused: tuple[str, ...] = ()
    pairwise_keys: dict[str, str] = {}
    """Audience → 32 hex digits."""
    flags: tuple[Flag, ...] = ()
    paused_until: Until = 0.0
    loudness_db: int = 0


class KeptLine(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="action",
    tag=RESTORE,
):
    of: str
    """Which list and service key the ref belongs to."""
    state: State
    ref: str
    version: int
    decided: float
    id: str = ""
    identity_key: str = ""
    notice: str = ""
    agreed: Terms | None = None
    taken: dict[str, tuple[float, Until]] = {}
    """What the customer took away: since when, and of a pause until when."""


class KeptCustomer(NamedTuple):
    """The same as the register has it."""

    ref: bytes
    version: int
    state: State
    decided_s: float
    name: str
    identity_key: bytes
    notice: str
    consent: Consent | None
    taken: Mapping[str, Taken]

    def __repr__(self) -> str:
        """Without the customer."""
        return f"KeptCustomer({ref_text(self.ref)}, {self.state})"


def line_of(kept: KeptCustomer, of: str) -> KeptLine:
    return KeptLine(
        of=of,
        state=kept.state,
        ref=ref_text(kept.ref),
        version=kept.version,
        decided=kept.decided_s,
        id=kept.name,
        identity_key=kept.identity_key.hex(),
        notice=kept.notice,
        agreed=None if kept.consent is None else _terms(kept.consent),
        taken={
            word: (taken.decided_s, _until(taken.until_s))
            for word, taken in sorted(kept.taken.items())
        },
    )


def _terms(consent: Consent) -> Terms:
    return Terms(
        purposes=tuple(sorted(consent.purposes)),
        start=consent.not_before_s,
        end=consent.not_after_s,
        stores=None if consent.scope.chain_wide else tuple(sorted(consent.scope.stores)),
        grants=tuple(
            (grant.category, grant.not_before_s, grant.not_after_s, grant.explicit)
            for grant in consent.grants
        ),
        refused=tuple(sorted(consent.refused_categories)),
        pairwise_keys={name: key.hex() for name, key in sorted(consent.pairwise_keys.items())},
        flags=tuple(sorted(consent.flags)),
        paused_until=_until(consent.paused_until_s),
        loudness_db=consent.loudness_db,
    )


def kept_of(said: Mapping[str, Any]) -> tuple[KeptCustomer, str]:
    """And which list and key it belongs to. Raises ConsentServiceError, which names no value."""
    try:
        line = msgspec.convert(dict(said), KeptLine)
        ref = decode_base64url(line.ref)
        identity_key = bytes.fromhex(line.identity_key)
        consent = None if line.agreed is None else _consent(line.agreed, ref, line.version)
    except ValueError as error:
        raise ConsentServiceError(f"not a line of `export`: {error}") from None
    if len(ref) != REF_BYTES:
        raise ConsentServiceError("not a line of `export`: `ref` has 11 characters")
    if (line.state is State.ACTIVE) != (consent is not None and bool(line.id and identity_key)):
        raise ConsentServiceError(
            "not a line of `export`: an agreement that stands has an id, a key and what was agreed "
            "to, and nothing else has"
        )
    taken = {
        word: Taken(decided_s, _seconds(until)) for word, (decided_s, until) in line.taken.items()
    }
    kept = KeptCustomer(
        ref, line.version, line.state, line.decided, line.id, identity_key, line.notice,
        consent, taken,
    )  # fmt: skip
    return kept, line.of


def _consent(terms: Terms, ref: bytes, version: int) -> Consent:
    return Consent(
        ref=ref,
        version=version,
        purposes=frozenset(terms.purposes),
        not_before_s=terms.start,
        not_after_s=terms.end,
        scope=Scope(frozenset(terms.stores or ()), chain_wide=terms.stores is None),
        grants=tuple(Grant(*grant) for grant in terms.grants),
        refused_categories=frozenset(terms.refused),
        pairwise_keys={name: bytes.fromhex(key) for name, key in terms.pairwise_keys.items()},
        flags=frozenset(terms.flags),
        paused_until_s=_seconds(terms.paused_until),
        loudness_db=terms.loudness_db,
    )


def _until(seconds: float) -> Until:
    return None if math.isinf(seconds) else seconds


def _seconds(until: Until) -> float:
    return math.inf if until is None else until

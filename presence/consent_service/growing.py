"""The publisher's side of presence.core.consent.growth: asks before a list grows, and carries what
was approved.

What it remembers stands in the register: the counts of the last day, and the newest approval, which
every manifest carries from then on. The key of approvals is with the root keys, and the root says
which it is.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from presence.consent_service.keys import APPROVAL, KeyFolder
from presence.consent_service.register import Register
from presence.consent_service.repository import Repository
from presence.core.consent.growth import (
    GROWTH_FROM,
    Approval,
    Counts,
    Edition,
    anew,
    most_published,
    noted,
    sign_approval,
)
from presence.errors import ConsentServiceError

COUNTS, APPROVED = "counts", "approved_by"
WANTED = (
    f"the approval key is brought back from its safe (keys/root/{APPROVAL}.pem, or "
    "--approval-key FILE)"
)


class GrowthRefused(ConsentServiceError):
    """The list would grow by more than a fifth within a day: somebody must look where they come
    from.
    """


@dataclass(frozen=True, slots=True)
class Approver:
    """Who says that a list may grow; the root names this key."""

    kid: str
    key: Ed25519PrivateKey


def approver_of(keys: KeyFolder, repository: Repository, path: Path | None) -> Approver:
    """Raises ConsentServiceError where this is not the key that gateways believe."""
    known = repository.approvers()
    if not known:
        raise ConsentServiceError(
            "the root names no approval key, since an older version made it: "
            "`presence consents rotate approval --new-key FILE` makes one, with two root keys"
        )
    key = keys.approval_key(path)
    mine = key.public_key().public_bytes_raw()
    for kid, public in known.items():
        if public.public_bytes_raw() == mine:
            return Approver(kid, key)
    raise ConsentServiceError(
        f"{path or keys.approval_path}: the newest root names another approval key: bring that "
        "one, or replace it: "
        "`presence consents rotate approval --new-key FILE`"
    )


class Growth:
    """Of one publication."""

    def __init__(
        self, register: Register, repository: Repository, now_s: float, approver: Approver | None
    ) -> None:
        self._register = register
        self._root = repository.root_version
        self._now_s = now_s
        self._approver = approver
        self._counts = _counts(register, now_s)
        self.approved_by = str(register.fact(APPROVED, ""))

    def check(self, entries: int) -> None:
        """Raises GrowthRefused."""
        at_most = most_published(self._counts, self._now_s)
        if self._approver is None and at_most is not None and entries > at_most:
            before = min(count for _, count in self._counts)
            raise GrowthRefused(
                f"the list would grow from {before} to {entries} customers within a day, and "
                f"gateways take {at_most} "
                f"at most: look where they come from, then publish with --approve-growth; {WANTED}"
            )

    def approve(self, name: str, epoch: int, seq: int, entries: int) -> str:
        """What the manifest carries: a new approval where somebody approves, else the newest there
        was.
        """
        self.check(entries)
        if self._approver is not None:
            approval = Approval(name, Edition(self._root(), epoch, seq), entries)
            self.approved_by = sign_approval(
                approval, kid=self._approver.kid, key=self._approver.key
            )
            self._counts = anew(self._counts, entries)
        return self.approved_by

    def remember(self, entries: int) -> None:
        """Within a transaction, once gateways can have the list."""
        self._register.set_fact(COUNTS, json.dumps(noted(self._counts, self._now_s, entries)))
        self._register.set_fact(APPROVED, self.approved_by)


def _counts(register: Register, now_s: float) -> Counts:
    """A register of an older version knows what it released last, and not when: just now."""
    text = register.fact(COUNTS, "")
    if text:
        return tuple((hour, fewest) for hour, fewest in json.loads(str(text)))
    released = register.number("released_count")
    return noted((), now_s, released) if released >= GROWTH_FROM else ()

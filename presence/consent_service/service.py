"""What the consent service can be told, and what it gives out.

    add ───────────────────────────────────────────► register ─► publish ─► gateways (minutes)
    narrow, fulfil, pause, withdraw, object ──┬────► register ─► publish ─► gateways
                                              └────► revocation ──────────────► gateways (at once)

What customers decide, and by which rules, is in `presence.consent_service.decisions`. What is over
is taken out of the list with the next publication, identity key and all.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from presence.consent_service.adding_many import AddingMany
from presence.consent_service.exporting import customer_lines, settings_lines
from presence.consent_service.growing import Approver, approver_of
from presence.consent_service.keys import KeyFolder, revocation_kid
from presence.consent_service.list_settings import Change, ListSettings, Reach, differences
from presence.consent_service.locking import alone
from presence.consent_service.register import Register
from presence.consent_service.registered import State
from presence.consent_service.repository import Repository
from presence.consent_service.restoring import Restoring
from presence.core.consent.jws import MAX_REVOKED
from presence.core.consent.list_changes import WHOLE
from presence.core.consent.model import Purpose
from presence.core.consent.revocation import (
    Head,
    Ignored,
    Revocation,
    read_revocation,
    sign_head,
    sign_revocation,
)
from presence.core.operations.audit_words import in_words
from presence.core.timestamps import rfc3339
from presence.counting import counted
from presence.edges.host.audit_files import record_now
from presence.errors import ConsentServiceError, reason_of

if TYPE_CHECKING:
    from presence.consent_service.publishing import Published


class ConsentService(Restoring, AddingMany):
    """One list. `directory` holds keys and register; `output` is what gateways read (None: as the
    register says).
    """

    def __init__(self, directory: Path, output: Path | None, *, clock: Callable[[], float]) -> None:
        self.directory = directory
        self.keys = KeyFolder(directory / "keys")
        self._lock = directory / "publish.lock"
        self._is_alone = False
        register = Register(directory / "register.sqlite")
        try:
            super().__init__(register, self.keys.service_key(), clock=clock)
            self.repository = Repository(output or Path(str(register.fact("output"))), self.keys)
        except BaseException:
            register.close()
            raise

    @classmethod
    def create(
        cls,
        directory: Path,
        output: Path,
        *,
        list_name: str,
        notice: str,
        audiences: Mapping[str, Purpose] | None = None,
        parents: Mapping[str, str] | None = None,
        service_key: bytes = b"",
        clock: Callable[[], float],
    ) -> "ConsentService":
        """New keys, an empty register and a root; with the service key of another list of this name
        the refs of that one are understood. Raises ConsentServiceError where there is a
        service already.
        """
        keys = KeyFolder(directory / "keys")
        keys.create(service_key)
        with (
            closing(Register(directory / "register.sqlite", create=True)) as register,
            register.transaction(),
        ):
            register.set_fact("list", list_name)
            ListSettings.first(notice, audiences or {}, parents or {}).store(register)
            register.set_fact("output", str(output.absolute()))
        Repository(output, keys).create(clock())
        return cls(directory, output, clock=clock)

    def close(self) -> None:
        self.register.close()

    def change_settings(self, change: Change, *, from_agreements: bool = False) -> list[str]:
        """What changed, a sentence each, and recorded in the list's audit log; gateways learn it
        by the next list. `from_agreements`: an audience that is taken out goes out of the
        agreements that let it be told, too. Raises ConsentServiceError.
        """
        told = self.reach().audiences
        for name in change.without:
            if told[name] and not from_agreements:
                raise ConsentServiceError(
                    f"{counted(told[name], 'agreement')} let {name} be told: first take it out of "
                    "`audiences` in the settings of each gateway, where it hears nothing any more; "
                    "then repeat this with --from-agreements"
                )
        with self.register.transaction():
            before = ListSettings.of(self.register)
            after = change.applied(before, self.clock(), agreed=self.register.count() > 0)
            changes = list(differences(before, after))
            if changes:
                after.store(self.register)
            for what, details in changes:
                self.record(what, details)
            self._use(after)
        for name in change.without:
            self._take_out(name)
        named = {"list": self.list_name}
        return [in_words({"what": what, **named, **details}) for what, details in changes]

    def reach(self) -> Reach:
        """How many agreements the settings reach."""
        audiences, unmatched = Counter[str](), Counter[str]()
        settings = ListSettings.of(self.register)
        for consent in self.register.consents():
            audiences.update(consent.pairwise_keys.keys())
            unmatched.update(settings.unknown({grant.category for grant in consent.grants}))
        return Reach(audiences, unmatched, self.register.by_notice())

    def record(self, what: str, details: Mapping[str, str | int]) -> None:
        """In the audit log of the list, on the disk when this returns; within a transaction, so
        that no two write at once. Raises ConsentServiceError.
        """
        said = {"list": self.list_name, **details, "uid": os.getuid()}
        try:
            record_now(self.directory, what, said, at=rfc3339(self.clock()))
        except OSError as error:
            raise ConsentServiceError(
                f"{self.directory}: the audit log cannot be written ({reason_of(error)}): nothing "
                "was done"
            ) from error

    def _take_out(self, audience: str) -> None:
        """Out of every agreement; the next list says it. What a crash leaves, a repetition does."""
        for page in self.register.pages(WHOLE):
            with self.register.transaction():
                at_hand = self.register.at_hand([ref for ref, _, _ in page])
                for known in at_hand.entries.values():
                    consent = known.consent
                    if consent is not None and audience in consent.pairwise_keys:
                        keys = {**consent.pairwise_keys}
                        del keys[audience]
                        self._put(known, replace(consent, pairwise_keys=keys))

    def export(self) -> Iterator[bytes]:
        """Lines for `apply`: this list's settings, then each of whom it knows anything. In the
        audit log before the first of them is given out. Raises ConsentServiceError.
        """
        with self.register.transaction():
            states = self.register.by_state()
            self.record("register.exported", {str(one): states.get(one, 0) for one in State})
        yield from settings_lines(ListSettings.of(self.register))
        yield from customer_lines(self.register.path, self.mark, self.clock())

    def suppression_checked(self) -> None:
        """The registers of those who want no advertising have just been applied (R-30)."""
        with self.register.transaction():
            self.register.set_fact("suppression_checked_at", int(self.clock()))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other command publishes or replaces keys meanwhile. Raises ConsentServiceError."""
        if self._is_alone:
            yield
            return
        with alone(self._lock, "publishes from this folder or replaces its keys"):
            self._is_alone = True
            try:
                yield
            finally:
                self._is_alone = False

    def approver(self, key: Path | None = None) -> Approver:
        """Who approves that the list grows; `key`: where the approval key is, if not beside the
        root keys.

        Raises ConsentServiceError.
        """
        return approver_of(self.keys, self.repository, key)

    def publish(
        self,
        *,
        approver: Approver | None = None,
        rebase: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> "Published":
        """Give out what changed; where nothing did, say so anew, which renews the gateways' lease.

        `approver`: this many entries are no mistake. `progress` is told shards of a base done, and
        in all.
        """
        from presence.consent_service.publishing import publish  # noqa: PLC0415 - wants numpy

        with self.alone():
            return publish(
                self.register, self.repository, self.keys, self.clock(),
                approver=approver, rebase=rebase, progress=progress,
            )  # fmt: skip

    def release_anew(self) -> None:
        """What is released already, with the keys that count now."""
        with self.alone():
            self.repository.release(self.repository.targets(), self.clock())

    def head(self) -> bytes:
        """The signed heartbeat: what is the newest of everything."""
        head = Head(
            list_name=self.list_name,
            timestamp_version=self.repository.timestamp_version(),
            list_seq=self.register.number("released_seq"),
            revocation_seq=self.register.number("notice_seq"),
            issued_s=int(self.clock()),
        )
        number = self.register.number("notice_key")
        return sign_head(head, kid=revocation_kid(number), key=self.keys.revocation_key(number))

    def sign(self, notice: Revocation) -> bytes:
        """What is to be published on the topic of revocations."""
        number = self.register.number("notice_key")
        return sign_revocation(
            notice, kid=revocation_kid(number), key=self.keys.revocation_key(number)
        )

    def renew_revocation_key(self, *, stolen: bool) -> None:
        """Sign revocations and heads by a new key from now on; publish afterwards, for gateways
        learn it by the list.

        `stolen`: the list says so, and gateways forget what the old key took away. The list that
        says it holds all that the register knows, so nothing that a customer took away comes back
        with it.
        """
        with self.alone():
            number = self.register.number("notice_key")
            self.keys.make_revocation_key(number + 1)
            with self.register.transaction():
                self.register.set_fact("notice_key", number + 1)
                if stolen:
                    known = json.loads(str(self.register.fact("stolen_keys", "[]")))
                    revoked = [*known, revocation_kid(number)][-MAX_REVOKED:]
                    self.register.set_fact("stolen_keys", json.dumps(revoked))
            self.keys.forget_revocation_keys(
                but=(number, number + 1)
            )  # another command may be signing just now

    def sign_anew(self, message: bytes) -> bytes | None:
        """A revocation that waits, by the key of now; None where it is none of the key before."""
        number = self.register.number("notice_key") - 1
        keys = (
            {revocation_kid(number): self.keys.revocation_key(number).public_key()}
            if number >= 0
            else {}
        )
        try:
            return self.sign(read_revocation(message, keys=keys, list_name=self.list_name))
        except Ignored:
            return None

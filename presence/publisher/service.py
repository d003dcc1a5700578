"""What the consent service can be told, and what it gives out.

    add ───────────────────────────────────────────► register ─► publish ─► gateways (minutes)
    narrow, fulfil, pause, withdraw, object ──┬────► register ─► publish ─► gateways
                                              └────► notice ──────────────► gateways (at once)

1. Every change makes a new version of the entry; nothing is overwritten by an older one (R-36).
2. What takes away is also said in a signed notice, which can do nothing else. What gives waits for a publication.
3. An objection is for ever: nothing can be added for that id any more (R-10).
4. What is over is taken out of the list with the next publication, identity key and all.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from presence.core.consent import Consent, Purpose
from presence.core.notices import Head, Narrowing, Notice, sign_head, sign_notice
from presence.errors import ConsentServiceError
from presence.publisher.keys import NOTICES, KeyFolder
from presence.publisher.locking import alone
from presence.publisher.publishing import Published, publish
from presence.publisher.register import Register, Registered, State
from presence.publisher.repository import Repository
from presence.publisher.wishes import Wish, consent_of

KEY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Added:
    ref: bytes
    version: int
    identity_key: bytes = field(repr=False)
    """For the customer's phone, and nobody else."""
    pairwise_keys: Mapping[str, bytes] = field(repr=False)
    """For each audience its own."""


class ConsentService:
    """One list. `directory` holds keys and register; `output` is what gateways read (None: as the register says)."""

    def __init__(self, directory: Path, output: Path | None, *, clock: Callable[[], float]) -> None:
        self.directory = directory
        self.keys = KeyFolder(directory / "keys")
        self.clock = clock
        self._lock = directory / "publish.lock"
        self._is_alone = False
        self.register = Register(directory / "register.sqlite")
        try:
            self.repository = Repository(output or Path(str(self.register.fact("output"))), self.keys)
            self._service_key = self.keys.service_key()
        except BaseException:
            self.register.close()
            raise

    @classmethod
    def create(
        cls, directory: Path, output: Path, *, list_name: str, notice: str, clock: Callable[[], float]
    ) -> "ConsentService":
        """New keys, an empty register and a root. Raises ConsentServiceError where there is a service already."""
        keys = KeyFolder(directory / "keys")
        keys.create()
        with closing(Register(directory / "register.sqlite", create=True)) as register, register.transaction():
            register.set_fact("list", list_name)
            register.set_fact("notice", notice)
            register.set_fact("output", str(output.absolute()))
        Repository(output, keys).create(clock())
        return cls(directory, output, clock=clock)

    def close(self) -> None:
        self.register.close()

    @property
    def list_name(self) -> str:
        return str(self.register.fact("list"))

    def ref_of(self, name: str) -> bytes:
        """Random to everyone without the service key, and another one in each list."""
        content = b"presence ref v1\0" + self.list_name.encode() + b"\0" + name.encode()
        return hmac.digest(self._service_key, content, "sha256")[:8]

    def add(self, wish: Wish) -> Added:
        """Take up an agreement, or renew it. Raises ConsentServiceError."""
        (added,) = self.add_all([wish])
        return added

    def add_all(self, wishes: Iterable[Wish]) -> list[Added]:
        """All of them in one transaction, or none; for an import, call it with some thousands at a time."""
        with self.register.transaction():
            return [self._add(wish) for wish in wishes]

    def add_each(self, wishes: Iterable[Wish]) -> list[Added | ConsentServiceError]:
        """Each by itself, in one transaction: why one of them cannot be added takes nothing from the others."""
        with self.register.transaction():
            return [self._added(wish) for wish in wishes]

    def knows(self, name: str) -> bool:
        """Whether there is an agreement under this id."""
        known = self.register.get(self.ref_of(name))
        return known is not None and known.state is State.ACTIVE

    def objected(self, name: str) -> bool:
        known = self.register.get(self.ref_of(name))
        return known is not None and known.state is State.OBJECTED

    def decided_before(self, name: str, time_s: float) -> bool:
        """Whether there is an agreement under this id that is not newer."""
        known = self.register.get(self.ref_of(name))
        return known is not None and known.state is State.ACTIVE and known.decided_s <= time_s

    def narrow(self, name: str, *, categories: Iterable[str] = (), purposes: Iterable[Purpose] = ()) -> Notice:
        """Take categories or purposes away; such a category is refused, whatever a parent's grant says."""
        gone, dropped = frozenset(categories), frozenset(purposes)
        if not gone and not dropped:
            raise ConsentServiceError("nothing to take away: name a category or a purpose")
        return self._change(
            name,
            lambda consent: _narrowed(consent, gone, dropped),
            lambda r, v: Narrowing(r, v, categories=gone, purposes=dropped),
        )

    def fulfil(self, name: str, category: str) -> Notice:
        """The customer has what they looked for: that interest ends now."""

        def less(consent: Consent) -> Consent:
            if category not in {grant.category for grant in consent.grants}:
                raise ConsentServiceError(
                    f"there is no interest in {category} to fulfil; `presence consents show` lists them"
                )
            return _narrowed(consent, frozenset({category}), frozenset())

        return self._change(name, less, lambda r, v: Narrowing(r, v, categories=frozenset({category})))

    def pause(self, name: str, until_s: float) -> Notice:
        """Nothing until then; `until_s` may be infinity."""
        return self._change(
            name,
            lambda consent: replace(consent, paused_until_s=max(until_s, consent.paused_until_s)),
            lambda ref, version: Narrowing(ref, version, paused_until_s=until_s),
        )

    def resume(self, name: str) -> None:
        """The pause is over. It gives, so it waits for the next publication."""
        with self.register.transaction():
            known, consent = self._active(name)
            self._put(known, replace(consent, paused_until_s=0.0))

    def withdraw(self, name: str) -> Notice:
        """Ref, version and time stay in the register, and nothing else."""
        return self._remove(name, State.GONE)

    def object(self, name: str) -> Notice:
        """Like a withdrawal, for ever; also for an id of which nothing is known (yet)."""
        return self._remove(name, State.OBJECTED)

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

    def publish(self, *, rebase: bool = False, progress: Callable[[int, int], None] | None = None) -> Published:
        """Give out what changed; where nothing did, say so anew, which renews the gateways' lease.

        `progress` is told shards of a base done, and in all.
        """
        with self.alone():
            return publish(self.register, self.repository, self.keys, self.clock(), rebase=rebase, progress=progress)

    def head(self) -> bytes:
        """The signed heartbeat: what is the newest of everything."""
        head = Head(
            list_name=self.list_name,
            timestamp_version=self.repository.timestamp_version(),
            list_seq=self.register.number("released_seq"),
            notice_seq=self.register.number("notice_seq"),
            issued_s=int(self.clock()),
        )
        return sign_head(head, kid=self._kid(), key=self.keys.notice_key())

    def sign(self, notice: Notice) -> bytes:
        """What is to be published on the topic of notices."""
        return sign_notice(notice, kid=self._kid(), key=self.keys.notice_key())

    def _kid(self) -> str:
        return f"{NOTICES}-{self.register.number('notice_key')}"

    def _added(self, wish: Wish) -> Added | ConsentServiceError:
        try:
            return self._add(wish)
        except ConsentServiceError as error:
            return error

    def _add(self, wish: Wish) -> Added:
        ref = self.ref_of(wish.id)
        known = self.register.get(ref)
        if known is not None and known.state is State.OBJECTED:
            raise ConsentServiceError("this id objected, and an objection is for ever: nothing can be added")
        if known is not None and wish.identity_key and known.identity_key not in (b"", wish.identity_key):
            raise ConsentServiceError("this id has another identity key: withdraw it first, then add it anew")
        decided_s = self.clock() if wish.decided_s is None else wish.decided_s
        if known is not None and wish.decided_s is not None and decided_s < known.decided_s:
            raise ConsentServiceError("older than what this customer decided last: that stands")
        identity_key = wish.identity_key or (known and known.identity_key) or secrets.token_bytes(KEY_BYTES)
        if len(identity_key) != KEY_BYTES:
            raise ConsentServiceError(f"an identity key has {KEY_BYTES} bytes, 32 hex digits")
        keys = {audience: self._pairwise_key(wish.person or wish.id, audience) for audience in wish.audiences}
        before = known.version if known else 0
        consent = consent_of(wish, ref, before + 1, keys)
        self.register.put(consent, identity_key, wish.id, before=before, decided_s=decided_s)
        return Added(ref, consent.version, identity_key, keys)

    def _pairwise_key(self, person: str, audience: str) -> bytes:
        content = b"presence pairwise v1\0" + audience.encode() + b"\0" + person.encode()
        return hmac.digest(self._service_key, content, "sha256")[:KEY_BYTES]

    def _active(self, name: str) -> tuple[Registered, Consent]:
        known = self.register.get(self.ref_of(name))
        if known is not None and known.state is State.OBJECTED:
            raise ConsentServiceError("this id objected, and an objection is for ever")
        if known is None or known.consent is None:
            raise ConsentServiceError("there is no agreement in force under this id")
        return known, known.consent

    def _change(
        self, name: str, less: Callable[[Consent], Consent], narrowing: Callable[[bytes, int], Narrowing]
    ) -> Notice:
        with self.register.transaction():
            known, consent = self._active(name)
            changed = self._put(known, less(consent))
            return self._notice(narrowing(changed.ref, changed.version))

    def _put(self, known: Registered, consent: Consent) -> Consent:
        """As the next version."""
        changed = replace(consent, version=known.version + 1)
        self.register.put(changed, known.identity_key, known.id, before=known.version, decided_s=self.clock())
        return changed

    def _remove(self, name: str, state: State) -> Notice:
        ref = self.ref_of(name)
        with self.register.transaction():
            known = self.register.get(ref)
            if known is not None and known.state is State.OBJECTED:
                raise ConsentServiceError("this id objected already, and an objection is for ever")
            if state is State.GONE:
                self._active(name)
            before = known.version if known else 0
            self.register.remove(ref, before + 1, state, before=before, decided_s=self.clock())
            objected = state is State.OBJECTED
            return self._notice(Narrowing(ref, before + 1, removed=not objected, objected=objected))

    def _notice(self, narrowing: Narrowing) -> Notice:
        previous = self.register.number("notice_seq")
        self.register.set_fact("notice_seq", previous + 1)
        # Whatever is not numbered yet comes with the next list.
        list_seq = self.register.number("seq") + 1
        return Notice(self.list_name, previous + 1, previous, list_seq, int(self.clock()), (narrowing,))


def _narrowed(consent: Consent, categories: frozenset[str], purposes: frozenset[Purpose]) -> Consent:
    return replace(
        consent,
        grants=tuple(grant for grant in consent.grants if grant.category not in categories),
        refused_categories=consent.refused_categories | categories,
        purposes=consent.purposes - purposes,
    )


def ref_text(ref: bytes) -> str:
    """As it stands in JSON: 11 characters of base64url."""
    return urlsafe_b64encode(ref).rstrip(b"=").decode()

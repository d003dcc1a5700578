"""What customers decide: each decision a new version of their entry, and a revocation for what it
takes away.

1. Every change makes a new version of the entry; nothing is overwritten by an older one (R-36).
2. What takes away is also said in a signed revocation, which can do nothing else; so it is with
   what a renewal or an import takes away. What gives waits for a publication.
3. An objection is for ever: nothing can be added for that id any more (R-10).
4. What a customer took away stays away. A pause ends with its time or with `resume`. A category or
   purpose that was narrowed, fulfilled or refused comes back where the customer decided on it
   again, later and by itself (`Wish.said_s`); an agreement that is renewed and still names it does
   not bring it back (R-11, R-34). After a withdrawal counts what was decided after it. Doubt is
   refusal.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from presence.consent_service.agreeing import Added, agree, narrowed, ref_text, refuse_late
from presence.consent_service.judged import JudgedOnce
from presence.consent_service.list_settings import ListSettings
from presence.consent_service.pseudonyms import Pseudonyms
from presence.consent_service.register import Register
from presence.consent_service.registered import AtHand, Registered, State
from presence.consent_service.rights import (
    EVERYTHING,
    PAUSE,
    Taken,
    in_revocations,
    rights_lost,
)
from presence.consent_service.vocabulary import PURPOSES, doubtful_categories, doubts, no_categories
from presence.consent_service.wishes import Wish, WishWords, check, word_problems
from presence.core.consent.model import Consent, Purpose
from presence.core.consent.revocation import Revocation, RevokedRights
from presence.core.encoding import KEY_BYTES
from presence.errors import ConsentServiceError


class Decisions:
    """The customers of one list. `service_key` makes their refs and pairwise keys; `clock` gives
    UTC seconds.
    """

    def __init__(
        self, register: Register, service_key: bytes, *, clock: Callable[[], float]
    ) -> None:
        self.register = register
        self.clock = clock
        self.list_name = str(register.fact("list"))
        self._service_key = service_key
        self._pseudonyms = Pseudonyms(service_key, self.list_name)
        self._use(ListSettings.of(register))
        self.ref_of: Callable[[str], bytes] = self._pseudonyms.ref
        """Of a customer's id: random to everyone without the service key, another in each list."""

    def _use(self, settings: ListSettings) -> None:
        self.settings = settings
        self._doubts_of = JudgedOnce(self._judge_doubts)
        self._word_problems = JudgedOnce(self._judge_words)

    @property
    def group(self) -> str:
        """The store, or the stores, whose list this is."""
        return self.list_name.partition("/")[2]

    def doubtful_categories(self, categories: Iterable[str]) -> list[str]:
        """What looks like a mistake, one sentence each."""
        return list(doubtful_categories(categories, self.settings.parents))

    def add(self, wish: Wish) -> Added:
        """Take up an agreement, or renew it. Raises ConsentServiceError."""
        with self.register.transaction():
            added = self._add(wish, self._at_hand([wish]))
            revocations = tuple(self._revocations(added.lost))
            return msgspec.structs.replace(added, revocations=revocations)

    def add_all(self, wishes: Iterable[Wish], *, told: Callable[[Revocation], None]) -> list[Added]:
        """All of them in one transaction, or none; `told` is given each revocation that says what
        they take away.
        """
        with self.register.transaction():
            several = [self._add(wish, self._at_hand([wish])) for wish in wishes]
            revocations = self._revocations(row for added in several for row in added.lost)
        for revocation in revocations:
            told(revocation)
        return several

    def knows(self, name: str) -> bool:
        """Whether there is an agreement under this id."""
        known = self.register.get(self.ref_of(name))
        return known is not None and known.state is State.ACTIVE

    def narrow(
        self, name: str, *, categories: Iterable[str] = (), purposes: Iterable[Purpose] = ()
    ) -> Revocation:
        """Take categories or purposes away; such a category is refused, whatever a parent's grant
        says.
        """
        gone, dropped = frozenset(categories), frozenset(purposes)
        if not gone and not dropped:
            raise ConsentServiceError("nothing to take away: name a category or a purpose")
        if problems := no_categories(gone):
            raise ConsentServiceError("; ".join(problems))
        return self._change(
            name,
            lambda consent: narrowed(consent, gone, dropped),
            lambda r, v: RevokedRights(r, v, categories=gone, purposes=dropped),
            taken=gone | dropped,
        )

    def narrow_as_of(self, name: str, said_s: Mapping[str, float]) -> list[Revocation]:
        """Of these words, each with its time, what the customer has not decided on since; perhaps
        nothing.
        """
        ref = self.ref_of(name)
        with self.register.transaction():
            known = self.register.get(ref)
            if known is None or known.consent is None:
                return []
            words = frozenset(
                word for word, decided_s in said_s.items() if decided_s >= known.decided_s
            )
            for word in words:
                self.register.take(ref, word, Taken(said_s[word]))
            purposes = frozenset(Purpose(word) for word in words if word in PURPOSES)
            less = narrowed(known.consent, words - purposes, purposes)
            if less == known.consent:  # the same export once more
                return []
            changed = self._put(known, less)
            return self._revocations(self._lost(known.consent, changed))

    def fulfil(self, name: str, category: str) -> Revocation:
        """The customer has what they looked for: that interest ends now."""

        def less(consent: Consent) -> Consent:
            if category not in {grant.category for grant in consent.grants}:
                raise ConsentServiceError(
                    f"there is no interest in {category} to fulfil; `presence consents show` "
                    "lists them"
                )
            return narrowed(consent, frozenset({category}), frozenset())

        gone = frozenset({category})
        return self._change(
            name, less, lambda r, v: RevokedRights(r, v, categories=gone), taken=gone
        )

    def pause(self, name: str, until_s: float) -> Revocation:
        """Nothing until then; `until_s` may be infinity."""
        return self._change(
            name,
            lambda consent: replace(consent, paused_until_s=max(until_s, consent.paused_until_s)),
            lambda r, v: RevokedRights(r, v, paused_until_s=until_s),
            taken=frozenset({PAUSE}),
            until_s=until_s,
        )

    def resume(self, name: str) -> None:
        """The pause is over. It gives, so it waits for the next publication."""
        with self.register.transaction():
            known, consent = self._active(name)
            self.register.give(consent.ref, [PAUSE])
            self._put(known, replace(consent, paused_until_s=0.0))

    def withdraw(self, name: str) -> Revocation:
        """Ref, version and time stay in the register, and nothing else."""
        with self.register.transaction():
            known, _ = self._active(name)
            return self._remove(known, self.ref_of(name), State.GONE, self.clock())

    def withdraw_as_of(self, name: str, decided_s: float) -> Revocation | None:
        """The same, unless there is no agreement or a newer one."""
        ref = self.ref_of(name)
        with self.register.transaction():
            known = self.register.get(ref)
            if known is None or known.state is not State.ACTIVE or known.decided_s > decided_s:
                return None
            return self._remove(known, ref, State.GONE, decided_s)

    def end_as_of(self, name: str, decided_s: float) -> Revocation | None:
        """By what the customer decided then, the agreement is over by now; unless there is none, or
        a newer one.
        """
        ref = self.ref_of(name)
        with self.register.transaction():
            known = self.register.get(ref)
            if known is None or known.state is not State.ACTIVE or known.decided_s > decided_s:
                return None
            return self._remove(known, ref, State.GONE, decided_s, keeping=True)

    def object(self, name: str) -> Revocation:
        """Like a withdrawal, for ever; also for an id of which nothing is known (yet)."""
        revocation = self.object_once(name)
        if revocation is None:
            raise ConsentServiceError("this id objected already, and an objection is for ever")
        return revocation

    def object_once(self, name: str) -> Revocation | None:
        """The same; None where the customer objected already."""
        ref = self.ref_of(name)
        with self.register.transaction():
            known = self.register.get(ref)
            if known is not None and known.state is State.OBJECTED:
                return None
            return self._remove(known, ref, State.OBJECTED, self.clock())

    def _at_hand(self, wishes: Sequence[Wish]) -> AtHand:
        """What is known of them, by the settings of now."""
        self._use_settings_of_now()
        keys = [wish.identity_key for wish in wishes if wish.identity_key]
        return self.register.at_hand([self.ref_of(wish.id) for wish in wishes], keys)

    def _use_settings_of_now(self) -> None:
        """Another command may have changed them."""
        if (settings := ListSettings.of(self.register)) != self.settings:
            self._use(settings)

    def _add(self, wish: Wish, at_hand: AtHand) -> Added:
        ref, now_s = self.ref_of(wish.id), self.clock()
        known, taken = at_hand.entries.get(ref), at_hand.taken.get(ref, {})
        check(wish, self._word_problems.__getitem__, now_s)
        refuse_late(wish, known)
        identity_key = self._identity_key(wish, ref, known, at_hand)
        decided_s = now_s if wish.decided_s is None else wish.decided_s
        told, audiences = self.settings.told(wish, decided_s), self.settings.audiences
        pairwise_key, person = self._pseudonyms.pairwise_key, wish.person or wish.id
        keys = {name: pairwise_key(person, name) for name in told}
        before = known.version if known else 0
        agreed = agree(wish, ref, keys, taken, known, audiences=audiences, now_s=now_s)
        notice = self.settings.notice_of(wish, decided_s)
        self.register.put(
            agreed.consent, identity_key, wish.id, before=before, decided_s=decided_s, notice=notice
        )
        at_hand.owners[identity_key] = ref
        if taken:
            self.register.give(ref, agreed.given & taken.keys() - agreed.stays)
        for word in wish.refused:
            self.register.take(ref, word, Taken(wish.said_s.get(word, decided_s)))
        gave = known.consent if known else None
        return Added(
            ref=ref,
            version=agreed.consent.version,
            identity_key=identity_key,
            pairwise_keys=agreed.consent.pairwise_keys,
            stays=agreed.stays,
            paused=agreed.consent.paused_until_s > 0,
            lost=() if gave is None else self._lost(gave, agreed.consent),
            doubts=self._doubts(wish, agreed.consent.refused_categories),
        )

    def _identity_key(
        self, wish: Wish, ref: bytes, known: Registered | None, at_hand: AtHand
    ) -> bytes:
        """The wish's, or the one that the phone has, or a new one; never another customer's."""
        key = wish.identity_key or (known and known.identity_key) or secrets.token_bytes(KEY_BYTES)
        owner = at_hand.owners.get(key, ref)
        if owner != ref:
            raise ConsentServiceError(
                f"agreement {ref_text(owner)} has this identity key: with one key for two "
                "customers neither is recognised; give each phone a key of its own, or withdraw "
                "that agreement first"
            )
        return key

    def _doubts(self, wish: Wish, refused: frozenset[str]) -> tuple[str, ...]:
        """`refused`: categories."""
        untold = bool(wish.categories) and Purpose.OFFERS not in wish.purposes
        return self._doubts_of[refused.union(wish.categories), untold, wish.scope.stores]

    def _judge_words(self, words: WishWords) -> tuple[str, ...]:
        return word_problems(words, self.settings.is_sensitive)

    def _judge_doubts(self, asked: tuple[frozenset[str], bool, frozenset[str]]) -> tuple[str, ...]:
        categories, untold, stores = asked
        return (
            *doubtful_categories(categories, self.settings.parents),
            *doubts(untold=untold, stores=stores, group=self.group),
        )

    def _lost(self, before: Consent, after: Consent) -> tuple[RevokedRights, ...]:
        return rights_lost(before, after, self.settings.audiences, self.clock())

    def _active(self, name: str) -> tuple[Registered, Consent]:
        known = self.register.get(self.ref_of(name))
        if known is not None and known.state is State.OBJECTED:
            raise ConsentServiceError("this id objected, and an objection is for ever")
        if known is None or known.consent is None:
            raise ConsentServiceError("there is no agreement in force under this id")
        return known, known.consent

    def _change(
        self,
        name: str,
        less: Callable[[Consent], Consent],
        narrowing: Callable[[bytes, int], RevokedRights],
        *,
        taken: frozenset[str],
        until_s: float = 0.0,
    ) -> Revocation:
        """`narrowing`: what is said where it was taken away already, so that a command may be
        repeated.
        """
        with self.register.transaction():
            known, consent = self._active(name)
            for word in taken:
                self.register.take(consent.ref, word, Taken(self.clock(), until_s))
            changed = self._put(known, less(consent))
            lost = self._lost(consent, changed) or (narrowing(changed.ref, changed.version),)
            (revocation,) = self._revocations(lost)
            return revocation

    def _put(self, known: Registered, consent: Consent) -> Consent:
        """As the next version. The agreement is as old as it was: an export that withdraws it later
        still counts.
        """
        changed = replace(consent, version=known.version + 1)
        self.register.put(
            changed, known.identity_key, known.id,
            before=known.version, decided_s=known.decided_s, notice=known.notice,
        )  # fmt: skip
        return changed

    def _remove(
        self,
        known: Registered | None,
        ref: bytes,
        state: State,
        decided_s: float,
        *,
        keeping: bool = False,
    ) -> Revocation:
        """`keeping`: what was taken away stays so for the next agreement, as where one ended by
        itself.
        """
        before = known.version if known else 0
        self.register.remove(ref, before + 1, state, before=before, decided_s=decided_s)
        if not keeping:
            self.register.give(ref, self.register.taken(ref))
        if state is State.GONE and not keeping:
            self.register.take(ref, EVERYTHING, Taken(decided_s))
        objected = state is State.OBJECTED
        (revocation,) = self._revocations(
            [RevokedRights(ref, before + 1, removed=not objected, objected=objected)]
        )
        return revocation

    def _revocations(self, rows: Iterable[RevokedRights]) -> list[Revocation]:
        """As many as it takes."""
        revocations: list[Revocation] = []
        for some in in_revocations(rows):
            previous = self.register.number("notice_seq")
            self.register.set_fact("notice_seq", previous + 1)
            # Whatever is not numbered yet comes with the next list.
            list_seq = self.register.number("seq") + 1
            revocations.append(
                Revocation(
                    self.list_name, previous + 1, previous, list_seq, int(self.clock()), some
                )
            )
        return revocations

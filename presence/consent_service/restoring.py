"""Lines of an export, taken into a register: exactly what they say, where nothing is known yet.

1. A ref means something under one list's name and one service key alone. So a line of another is
   refused: its objections and withdrawals could be held against nobody, and a later import would
   bring back whom they belong to. `init --service-key` begins a list that understands them.
2. Of whom something is known here, that stands. But an objection counts, whatever is known: it is
   for ever (R-10).
3. Versions are kept: gateways may hold a revocation of that customer (R-36).
4. Nothing is taken that could not have been registered here.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from presence.consent_service.agreeing import ref_text
from presence.consent_service.decisions import Decisions
from presence.consent_service.kept_lines import KeptCustomer, kept_of
from presence.consent_service.list_settings import ListSettings
from presence.consent_service.registered import AtHand, Registered, State
from presence.consent_service.rights import EVERYTHING, PAUSE
from presence.consent_service.vocabulary import PURPOSES, is_category
from presence.consent_service.wishes import Wish, check, word_problems
from presence.core.consent.model import TEST_AUDIENCE, Consent
from presence.core.consent.record import Words, decode_record, encode_record
from presence.core.consent.revocation import Revocation
from presence.core.encoding import REF_BYTES, encode_base64url
from presence.errors import ConsentServiceError

MAX_VERSION: Final = (1 << 53) - 1


class Restoring(Decisions):
    @property
    def mark(self) -> str:
        """What refs belong to: the list's name and the service key, in 11 characters."""
        content = b"presence export v1\0" + self.list_name.encode()
        return encode_base64url(hmac.digest(self._service_key, content, "sha256")[:REF_BYTES])

    def restore_each(
        self, said: Iterable[Mapping[str, object]], *, told: Callable[[Revocation], None]
    ) -> list[bool | ConsentServiceError]:
        """Lines of an export, each by itself, in one transaction: whether it says anything that was
        not here, or why it cannot be taken.
        """
        revocations: list[Revocation] = []
        with self.register.transaction():
            self._use_settings_of_now()
            several = [self._kept(one) for one in said]
            kept = [one for one in several if isinstance(one, KeptCustomer)]
            at_hand = self.register.at_hand(
                [one.ref for one in kept], [one.identity_key for one in kept if one.identity_key]
            )
            answers = [
                self._restored(one, at_hand, revocations) if isinstance(one, KeptCustomer) else one
                for one in several
            ]
        for revocation in revocations:
            told(revocation)
        return answers

    def _kept(self, said: Mapping[str, object]) -> KeptCustomer | ConsentServiceError:
        try:
            kept, of = kept_of(said)
            if of == self.mark and (not kept.name or self.ref_of(kept.name) == kept.ref):
                check_kept(kept, self.settings, self.clock())
                return kept
        except ConsentServiceError as error:
            return error
        return ConsentServiceError(
            "of another list, or recorded with another service key: here nobody would know whose "
            "it is; `presence consents init --service-key FILE` begins a list that takes it"
        )

    def _restored(
        self, kept: KeptCustomer, at_hand: AtHand, revocations: list[Revocation]
    ) -> bool | ConsentServiceError:
        ref, known = kept.ref, at_hand.entries.get(kept.ref)
        if known is not None:
            return self._of_known(kept, known, revocations)
        owner = at_hand.owners.get(kept.identity_key, ref)
        if owner != ref:
            return ConsentServiceError(f"agreement {ref_text(owner)} has this identity key")
        if kept.consent is None:
            self.register.remove(ref, kept.version, kept.state, before=0, decided_s=kept.decided_s)
        else:
            self.register.put(
                kept.consent, kept.identity_key, kept.name,
                before=0, decided_s=kept.decided_s, notice=kept.notice,
            )  # fmt: skip
            at_hand.owners[kept.identity_key] = ref
        for word, taken in kept.taken.items():
            self.register.take(ref, word, taken)
        at_hand.entries[ref] = Registered(
            kept.version, kept.state, kept.consent, kept.identity_key, kept.name, kept.decided_s,
            kept.notice,
        )  # fmt: skip
        return True

    def _of_known(
        self, kept: KeptCustomer, known: Registered, revocations: list[Revocation]
    ) -> bool | ConsentServiceError:
        """Rule 2."""
        if (known.state, known.version) == (kept.state, kept.version):
            return False
        if kept.state is not State.OBJECTED:
            return ConsentServiceError("something is known of this customer here: that stands")
        if known.state is State.OBJECTED:
            return False
        revocations.append(self._remove(known, kept.ref, kept.state, kept.decided_s))
        return True


def check_kept(kept: KeptCustomer, settings: ListSettings, now_s: float) -> None:
    """Raises ConsentServiceError."""
    if not 0 < kept.version <= MAX_VERSION:
        raise ConsentServiceError("not a line of `export`: a version is a number above 0")
    for word in kept.taken:
        if not (word in PURPOSES or word in (PAUSE, EVERYTHING) or is_category(word)):
            raise ConsentServiceError("not a line of `export`: `taken` names what nobody can take")
    if kept.consent is not None:
        _check_agreed(kept, kept.consent, settings, now_s)


def _check_agreed(
    kept: KeptCustomer, consent: Consent, settings: ListSettings, now_s: float
) -> None:
    strange = consent.pairwise_keys.keys() - settings.audiences.keys() - {TEST_AUDIENCE}
    if strange:
        raise ConsentServiceError(
            f"{', '.join(sorted(strange))}: no audience of this list: name it first "
            "(`settings --audience`; the first lines of an export do)"
        )
    wish = Wish(
        id=kept.name,
        purposes=consent.purposes,
        not_before_s=consent.not_before_s,
        not_after_s=consent.not_after_s,
        scope=consent.scope,
        categories={grant.category: grant.not_after_s for grant in consent.grants},
        refused=consent.refused_categories,
        identity_key=kept.identity_key,
        loudness_db=consent.loudness_db,
        decided_s=kept.decided_s,
        notice=kept.notice,
    )
    # What is sensitive by now and was not when it was given is kept: the gate asks for more.
    check(wish, lambda words: word_problems(words, lambda _category: False), now_s)
    words = Words()
    try:
        same = decode_record(consent.ref, encode_record(consent, words), words.all) == consent
    except (ValueError, OverflowError) as error:
        raise ConsentServiceError(f"not a line of `export`: {error}") from None
    if not same:
        raise ConsentServiceError("not a line of `export`: it says more than an entry can")

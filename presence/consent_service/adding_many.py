"""Many customers at once, as an import has them: whoever agrees to the same as others is written in
the same form.

    Wish ───────────────────────────────────────────────────┐
    OneOfMany ─┬─ something is known of them, or is wrong ──┴─► Decisions._add
               └─ else: their times and keys into the form ───► a new entry

A form is what the rules of an agreement come to, whatever its times are. It is made by those rules,
and for one transaction: by the settings and the words of then.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from presence.consent_service.alike import Alike, OneOfMany
from presence.consent_service.decisions import Decisions
from presence.consent_service.judged import JudgedOnce
from presence.consent_service.registered import AlreadyThere, AtHand
from presence.consent_service.rights import Taken
from presence.consent_service.vocabulary import AHEAD_S
from presence.consent_service.wishes import MAX_SPAN_S, Wish, consent_of, words_of_wish
from presence.core.consent.record import RecordForm
from presence.core.consent.revocation import Revocation, RevokedRights
from presence.core.encoding import KEY_BYTES, REF_BYTES
from presence.errors import ConsentServiceError


class TakenUp(NamedTuple):
    still_taken: bool = False
    """The customer stays paused, or without something that they took away before."""
    doubts: tuple[str, ...] = ()
    """What will have no effect, or looks like a mistake."""


class Form(NamedTuple):
    """Entries of all customers who agree alike."""

    record: RecordForm
    grants: tuple[int, ...]
    """The places of their lines."""
    since_s: float
    """Who decided anything before that is not told to all of the audiences."""
    taken_up: TakenUp


class AddingMany(Decisions):
    def add_each(
        self, several: Sequence[Wish | OneOfMany], *, told: Callable[[Revocation], None]
    ) -> list[TakenUp | ConsentServiceError]:
        """Each by itself, of different customers, in one transaction: why one of them cannot be
        added takes nothing from the others.

        For an import, call it with some thousands at a time.
        """
        try:
            answers, revocations = self._add_together(several, ask_for_keys=False)
        except AlreadyThere:
            answers, revocations = self._add_together(several, ask_for_keys=True)
        for revocation in revocations:
            told(revocation)
        return answers

    def _add_together(
        self, several: Sequence[Wish | OneOfMany], *, ask_for_keys: bool
    ) -> tuple[list[TakenUp | ConsentServiceError], list[Revocation]]:
        """Raises AlreadyThere where a key is another agreement's and was not asked for: nearly none
        is, and of customers of whom none is known the register's index says so soon enough.
        """
        refs = [self.ref_of(one.id) if isinstance(one, Wish) else one.ref for one in several]
        answers: list[TakenUp | ConsentServiceError] = []
        lost: list[RevokedRights] = []
        with self.register.transaction():
            self._use_settings_of_now()
            at_hand, now_s = self.register.at_hand(refs), self.clock()
            if ask_for_keys or at_hand.entries:
                keys = [one.identity_key for one in several if one.identity_key]
                at_hand.owners.update(self.register.owners(keys))
            forms = JudgedOnce(self._form)
            for one in several:
                if isinstance(one, Wish):
                    wish = one
                elif taken_up := self._put_in_form(one, forms, at_hand, now_s):
                    answers.append(taken_up)
                    continue
                else:
                    wish = one.wish()
                try:
                    added = self._add(wish, at_hand)
                except ConsentServiceError as error:
                    answers.append(error)
                else:
                    answers.append(TakenUp(bool(added.stays or added.paused), added.doubts))
                    lost += added.lost
            return answers, self._revocations(lost)

    def _form(self, alike: Alike) -> Form | None:
        """None where not all is right with what they say."""
        lines = len(alike.line_of)
        somebody = OneOfMany(alike, b"", "", (0.0,) * lines, (None,) * lines, b"", 0.0, 1.0)
        wish = somebody.wish()
        if self._word_problems[words_of_wish(wish)]:
            return None
        keys = dict.fromkeys(alike.audiences, bytes(KEY_BYTES))
        consent = consent_of(
            wish, bytes(REF_BYTES), 1, keys, paused_until_s=0.0, loudness_db=wish.loudness_db or 0
        )
        named_s = self.settings.named_s
        return Form(
            self.register.form_of(consent),
            tuple([alike.line_of[grant.category] for grant in consent.grants]),
            max([named_s.get(name, 0.0) for name in alike.audiences], default=0.0),
            TakenUp(doubts=self._doubts(wish, consent.refused_categories)),
        )

    def _put_in_form(
        self, one: OneOfMany, forms: Mapping[Alike, Form | None], at_hand: AtHand, now_s: float
    ) -> TakenUp | None:
        """None where something is known of the customer or their key, where not all is right with
        what they say, and where their times are not such as nearly everybody's.
        """
        alike, ref, key = one.alike, one.ref, one.identity_key
        start_s, end_s = math.floor(one.start_s), math.floor(one.end_s)
        decided_s = max(one.decided_s)
        if (
            not key
            or ref in at_hand.entries
            or ref in at_hand.taken
            or at_hand.owners.get(key, ref) != ref
            or not 0 <= start_s < end_s <= start_s + MAX_SPAN_S
            or end_s <= now_s
            or decided_s > now_s + AHEAD_S
        ):
            return None
        form = forms[alike]
        if form is None or min(one.decided_s) < form.since_s:
            return None
        ends_s = _ends_s([one.until_s[place] for place in form.grants], start_s, end_s)
        if ends_s is None:
            return None
        pairwise_key = self._pseudonyms.pairwise_key
        keys = [pairwise_key(one.id, audience) for audience in form.record.audiences]
        record = form.record.record(start_s, end_s, ends_s, keys)
        notice = alike.notice or self.settings.shown_at(one.decided_s[alike.presence])
        self.register.put_new(
            ref, record, key, one.id, not_after_s=end_s, decided_s=decided_s, notice=notice
        )
        at_hand.owners[key] = ref
        for word in alike.refused:
            self.register.take(ref, word, Taken(one.decided_s[alike.line_of[word]]))
        return form.taken_up


def _ends_s(until_s: Iterable[float | None], start_s: int, end_s: int) -> list[int | None] | None:
    """Ends of categories, None where that is the agreement's; and none at all where one of them is
    over before the agreement begins.
    """
    ends_s: list[int | None] = []
    for each_s in until_s:
        if each_s is None or each_s >= end_s:
            ends_s.append(None)
        elif each_s >= start_s + 1:
            ends_s.append(math.floor(each_s))
        else:
            return None
    return ends_s

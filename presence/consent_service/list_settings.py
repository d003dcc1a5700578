"""What the chain says of its list: under which notice customers agree, who may be told, and what
the list adds to the taxonomy; and how that changes.

1. A change gives nobody more than they agreed to. What was agreed under one version of the notice
   stays agreed under that one (GDPR art. 7(1)); an audience that is named later hears of those who
   decided on its purpose since.
2. A category has its place for good: new ones may come and old ones go, and come back where they
   were. Moved, it would lose the refusals above it, or be given by a grant above it that was never
   meant so. Only what makes a category sensitive may be added to it: that gives nobody anything.
3. A category that is gone is in no taxonomy, so gateways name it to nobody. The grants stay in
   the register and speak again once it is back.
"""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from presence.consent_service.register import Register
from presence.consent_service.wishes import Wish
from presence.core.consent.model import TEST_AUDIENCE, Purpose
from presence.core.consent.taxonomy import PARENTS, is_known, is_sensitive
from presence.core.timestamps import rfc3339
from presence.errors import ConsentServiceError

NEVER: Final = math.inf
CHANGED: Final = "settings_changed"
"""The fact that the next list must have a number of its own."""
_NOTICE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""As gateways name the sign at the door (`notice.id`)."""
_AUDIENCE: Final = re.compile(r"[a-z0-9-]{1,32}")


class Shown(NamedTuple):
    """A version of the notice, and since when customers are shown it."""

    notice: str
    since_s: float


@dataclass(frozen=True)
class ListSettings:
    notices: tuple[Shown, ...] = (Shown("", 0.0),)
    """In the order of time; the last one counts."""
    audiences: Mapping[str, Purpose] = field(default_factory=dict)
    """Who may be told, and what for."""
    named_s: Mapping[str, float] = field(default_factory=dict)
    """Audience → since when customers are told of it, where not from the beginning; NEVER where it
    was taken out.
    """
    parents: Mapping[str, str] = field(default_factory=dict)
    """What the list adds to the taxonomy: category → parent."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Every category that the list ever placed → what it lay below, itself where below none."""

    @classmethod
    def first(
        cls, notice: str, audiences: Mapping[str, Purpose], parents: Mapping[str, str]
    ) -> "ListSettings":
        """Of a list that begins: they hold for whatever was agreed before, too."""
        return cls((Shown(notice, 0.0),), audiences, {}, parents, placed(parents))

    @classmethod
    def of(cls, register: Register) -> "ListSettings":
        notice = Shown(str(register.fact("notice", "")), 0.0)
        audiences = _read(register, "audiences")
        parents = _read(register, "parents")
        return cls(
            notices=tuple(Shown(*one) for one in _read(register, "notices")) or (notice,),
            audiences={name: Purpose(purpose) for name, purpose in audiences.items()},
            named_s={
                name: NEVER if since_s is None else since_s
                for name, since_s in _read(register, "audiences_since").items()
            },
            parents=parents,
            places=_read(register, "places") or placed(parents),
        )

    def store(self, register: Register) -> None:
        """Within a transaction; the next list says so."""
        facts: dict[str, object] = {
            "notices": self.notices,
            "audiences": self.audiences,
            "audiences_since": {
                name: None if since_s == NEVER else since_s
                for name, since_s in self.named_s.items()
            },
            "parents": self.parents,
            "places": self.places,
        }
        for name, value in facts.items():
            register.set_fact(name, json.dumps(value))
        register.set_fact("notice", self.notice)
        register.set_fact(CHANGED, 1)

    @property
    def notice(self) -> str:
        """The version that counts now."""
        return self.notices[-1].notice

    def notice_of(self, wish: Wish, decided_s: float) -> str:
        """What was shown to the customer, where the wish does not say it: what was shown then."""
        if wish.notice:
            return wish.notice
        return self.shown_at(wish.said_s.get(Purpose.PRESENCE, decided_s))

    def shown_at(self, when_s: float) -> str:
        """The version of the notice that customers were shown then."""
        shown = [one.notice for one in self.notices if one.since_s <= when_s]
        return shown[-1] if shown else ""

    def told(self, wish: Wish, decided_s: float) -> Iterator[str]:
        """The wish's audiences, less those that were named after the customer decided on their
        purpose (rule 1).
        """
        for name in wish.audiences:
            when_s = wish.said_s.get(self.audiences.get(name, ""), decided_s)
            if self.named_s.get(name, 0.0) <= when_s:
                yield name

    def is_sensitive(self, category: str) -> bool:
        return is_sensitive(category, self.parents)

    def unknown(self, categories: Iterable[str]) -> Iterator[str]:
        """Those that no taxonomy has: they match nothing (rule 3)."""
        return (word for word in categories if not is_known(word, self.parents))

    def categories(self) -> set[str]:
        """Those that the list places, or places others below."""
        return {*self.parents, *self.parents.values()}


def _read(register: Register, name: str) -> Any:
    return json.loads(str(register.fact(name, "{}")))


def with_notice(before: ListSettings, notice: str, since_s: float) -> ListSettings:
    """A new version of the notice, shown since then."""
    if not _NOTICE.fullmatch(notice):
        raise ConsentServiceError(f"notice {notice[:40]!r}: a version such as fi-2026-09")
    last = before.notices[-1]
    if notice == last.notice or Shown(notice, since_s) in before.notices:
        return before
    if since_s <= last.since_s and last.notice:
        raise ConsentServiceError(
            f"notice {last.notice} is shown since {rfc3339(last.since_s)}: another cannot have "
            "been shown before; who agreed then, agreed to that one"
        )
    earlier = before.notices if since_s > last.since_s else before.notices[:-1]
    return replace(before, notices=(*earlier, Shown(notice, since_s)))


def with_audience(
    before: ListSettings, name: str, purpose: Purpose, since_s: float
) -> ListSettings:
    """Somebody more who may be told, of those who decided on the purpose since then."""
    if not _AUDIENCE.fullmatch(name):
        raise ConsentServiceError(f"audience {name[:40]!r}: a name such as offers-main")
    if name == TEST_AUDIENCE:
        raise ConsentServiceError(f"{name}: every list has it, for technicians' phones alone")
    known = before.audiences.get(name)
    if known is purpose:
        return before
    if known is not None:
        raise ConsentServiceError(
            f"audience {name} is told for {known}: customers agreed to that; "
            f"name another one for {purpose}"
        )
    return replace(
        before,
        audiences={**before.audiences, name: purpose},
        named_s={**before.named_s, name: since_s} if since_s else before.named_s,
    )


def without_audience(before: ListSettings, name: str) -> ListSettings:
    """Nobody more is told to it; it comes back only for those who decide after that."""
    if name not in before.audiences and before.named_s.get(name) != NEVER:
        known = ", ".join(before.audiences) or "none"
        raise ConsentServiceError(f"{name}: no audience of this list, which has {known}")
    return replace(
        before,
        audiences={one: purpose for one, purpose in before.audiences.items() if one != name},
        named_s={**before.named_s, name: NEVER},
    )


def with_taxonomy(
    before: ListSettings, parents: Mapping[str, str], *, agreed: bool
) -> ListSettings:
    """`parents` in place of those before. `agreed`: there are agreements that must not come to mean
    more.
    """
    if not agreed:
        return replace(before, parents=dict(parents), places=placed(parents))
    if problems := list(_moved(before, parents)):
        raise ConsentServiceError(
            f"{'; '.join(problems)}: agreements would come to mean something else; give what is "
            "new a name of its own"
        )
    return replace(before, parents=dict(parents), places={**before.places, **placed(parents)})


def placed(parents: Mapping[str, str]) -> dict[str, str]:
    """Of each category that this taxonomy places: what it lies below, beside what is built in."""
    nodes = {*parents, *parents.values()}
    places = {node: parents.get(node, node) for node in nodes}
    return {node: place for node, place in places.items() if PARENTS.get(node, "") != place}


def _moved(before: ListSettings, parents: Mapping[str, str]) -> Iterator[str]:
    """Categories that were known and would lie elsewhere, one sentence each."""
    places = placed(parents)
    for node in sorted({*places, *parents, *parents.values(), *(before.places.keys() & PARENTS)}):
        was, now = before.places.get(node), places.get(node)
        if was is None and node not in PARENTS:
            continue  # new
        if (was or node) == (now or node):
            continue
        if was in (None, node) and is_sensitive(now or node, parents):
            continue  # rule 2
        yield f"{node} lay below {'nothing of the list' if was in (None, node) else was}"


@dataclass(frozen=True)
class Change:
    """What somebody wants to be otherwise."""

    notice: str | None = None
    audiences: Mapping[str, Purpose] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    parents: Mapping[str, str] | None = None
    places: Mapping[str, str] | None = None
    """Of an export: where categories lay that are gone."""
    since_s: float | None = None
    """When customers were first shown notice and audiences; None: now."""

    def applied(self, before: ListSettings, now_s: float, *, agreed: bool) -> ListSettings:
        """Raises ConsentServiceError."""
        since_s = now_s if self.since_s is None else self.since_s
        if since_s > now_s:
            raise ConsentServiceError(
                "--since lies in the future: say it on the day that customers are shown it"
            )
        after = before
        for name in self.without:
            after = without_audience(after, name)
        if self.notice is not None:
            after = with_notice(after, self.notice, since_s)
        for name, purpose in self.audiences.items():
            after = with_audience(after, name, purpose, since_s)
        if self.parents is not None:
            after = with_taxonomy(after, self.parents, agreed=agreed)
        if self.places is not None:
            after = replace(after, places={**self.places, **after.places})
        return after


class Reach(NamedTuple):
    """How many agreements have to do with what."""

    audiences: Counter[str]
    """They let it be told."""
    unmatched: Counter[str]
    """They grant it, and no taxonomy has it: it is named to nobody."""
    notices: Mapping[str, int]
    """They were given under it."""


def differences(
    before: ListSettings, after: ListSettings
) -> Iterator[tuple[str, dict[str, str | int]]]:
    """Kind and details of a record for each thing that is otherwise."""
    if after.notices != before.notices:
        said: dict[str, str | int] = {
            "notice": after.notice,
            "since": rfc3339(after.notices[-1].since_s),
        }
        yield "notice.changed", {**said, "before": before.notice}
    for name in sorted(before.audiences.keys() - after.audiences.keys()):
        yield "audience.removed", {"audience": name, "purpose": before.audiences[name].value}
    for name in sorted(after.audiences.keys() - before.audiences.keys()):
        said = {"audience": name, "purpose": after.audiences[name].value}
        since_s = after.named_s.get(name, 0.0)
        yield "audience.named", {**said, "since": rfc3339(since_s)}
    if after.parents != before.parents:
        content = json.dumps(after.parents, sort_keys=True).encode()
        yield (
            "taxonomy.changed",
            {
                "digest": hashlib.sha256(content).hexdigest(),
                "came": len(after.categories() - before.categories()),
                "went": len(before.categories() - after.categories()),
            },
        )

"""The words of an agreement: which are none, and which look like a mistake. The same for `add`,
`narrow` and `import`.

What is no word is refused. What is one and can have no effect is taken, and told.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from presence.core.consent.model import Purpose
from presence.core.consent.taxonomy import PARENTS, is_known, is_sensitive

PURPOSES: Final = frozenset(Purpose)
PURPOSE_OF: Final[Mapping[str, Purpose]] = {str(purpose): purpose for purpose in Purpose}
MAX_NOTICE_CHARS: Final = 64
AHEAD_S: Final = 300.0
"""Clocks differ: a decision may be dated so far ahead of ours."""
SENSITIVE_PARENTS: Final = {
    child: parent
    for child, parent in PARENTS.items()
    if child != parent and is_sensitive(child, {})
}
"""What a list without a taxonomy of its own publishes, for gateways that have none built in: what
lies below the deny list, and where (R-15).
"""
_CATEGORY: Final = re.compile(r"[a-z0-9]{1,8}:[A-Za-z0-9._-]{1,32}")
_STORE: Final = re.compile(r"[a-z0-9-]{1,32}")


def is_category(word: str) -> bool:
    return _CATEGORY.fullmatch(word) is not None


def is_notice(text: str) -> bool:
    """A version, such as fi-2026-03; not a text."""
    return 0 < len(text) <= MAX_NOTICE_CHARS and text.isprintable()


def is_store(word: str) -> bool:
    return _STORE.fullmatch(word) is not None


def no_categories(words: Iterable[str]) -> list[str]:
    """What is wrong with these, one sentence each."""
    return [
        f"{word[:40]!r} is no category such as ap2:1551"
        for word in sorted([word for word in words if not is_category(word)])
    ]


def doubtful_categories(words: Iterable[str], parents: Mapping[str, str]) -> Iterator[str]:
    """Categories that no taxonomy knows. `parents`: what the list adds to the built-in one."""
    for word in sorted(words):
        if is_category(word) and not is_known(word, parents):
            near = difflib.get_close_matches(
                word, {*PARENTS, *parents, *parents.values()}, n=1, cutoff=0.8
            )
            meant = f", did you mean {near[0]}?" if near else ""
            yield f"{word}: in no taxonomy that this list knows{meant}"


def doubts(*, untold: bool, stores: Collection[str], group: str) -> Iterator[str]:
    """What of an agreement will have no effect. `untold`: it has categories, and not the purpose
    `offers`. `group`: the store or stores whose list this is.
    """
    if untold:
        yield "categories without the purpose `offers`: nobody is told of them"
    for store in sorted({*stores} - {group}):
        yield (
            f"store {store}: this list is that of {group}, and gateways of other stores may "
            "not read it"
        )

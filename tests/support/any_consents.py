"""Consents of all kinds, for hypothesis."""

import math

from hypothesis import strategies as st

from presence.core.consent.model import Consent, Flag, Grant, Purpose, Scope

TIMES = st.integers(0, (1 << 32) - 1).map(float)
NAMES = st.text("abcdefghij-0123456789", min_size=1, max_size=8)
CATEGORIES = st.integers(1, 2000).map("ap2:{}".format)
REFS = st.binary(min_size=8, max_size=8)
# Made once: hypothesis looks through each strategy that is new, which took longer than all it drew.
SPANS = st.lists(TIMES, min_size=2, max_size=2, unique=True).map(sorted)
VERSIONS = st.integers(0, (1 << 53) - 1)
PURPOSES = st.frozensets(st.sampled_from(Purpose))
SCOPES = st.just(Scope(frozenset(), chain_wide=True)) | st.builds(
    Scope, st.frozensets(NAMES, max_size=5)
)
GRANTS = st.lists(st.tuples(CATEGORIES, TIMES, TIMES, st.booleans()), max_size=5)
REFUSED = st.frozensets(CATEGORIES, max_size=5)
KEYS = st.dictionaries(NAMES, st.binary(min_size=16, max_size=16), max_size=4)
FLAGS = st.frozensets(st.sampled_from(Flag))
PAUSES = TIMES | st.just(math.inf)


@st.composite
def consents(draw: st.DrawFn) -> Consent:
    start_s, end_s = draw(SPANS)

    def within(at_s: float) -> float:
        return start_s + at_s % (end_s - start_s + 1)

    return Consent(
        ref=draw(REFS),
        version=draw(VERSIONS),
        purposes=draw(PURPOSES),
        not_before_s=start_s,
        not_after_s=end_s,
        scope=draw(SCOPES),
        grants=tuple(
            Grant(category, within(first_s), within(last_s), explicit)
            for category, first_s, last_s, explicit in draw(GRANTS)
        ),
        refused_categories=draw(REFUSED),
        pairwise_keys=draw(KEYS),
        flags=draw(FLAGS),
        paused_until_s=draw(PAUSES),
        objected=draw(st.booleans()),
    )

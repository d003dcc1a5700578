"""Consents of all kinds, for hypothesis."""

import math

from hypothesis import strategies as st

from presence.core.consent.model import Consent, Flag, Grant, Purpose, Scope

TIMES = st.integers(0, (1 << 32) - 1).map(float)
NAMES = st.text("abcdefghij-0123456789", min_size=1, max_size=8)
CATEGORIES = st.integers(1, 2000).map("ap2:{}".format)
REFS = st.binary(min_size=8, max_size=8)


@st.composite
def consents(draw: st.DrawFn) -> Consent:
    start_s, end_s = sorted(draw(st.lists(TIMES, min_size=2, max_size=2, unique=True)))
    within = st.integers(int(start_s), int(end_s)).map(float)
    grants = st.builds(Grant, CATEGORIES, within, within, st.booleans())
    scopes = st.just(Scope(frozenset(), chain_wide=True)) | st.builds(
        Scope, st.frozensets(NAMES, max_size=5)
    )
    return Consent(
        ref=draw(REFS),
        version=draw(st.integers(0, (1 << 53) - 1)),
        purposes=draw(st.frozensets(st.sampled_from(Purpose))),
        not_before_s=start_s,
        not_after_s=end_s,
        scope=draw(scopes),
        grants=tuple(draw(st.lists(grants, max_size=5))),
        refused_categories=draw(st.frozensets(CATEGORIES, max_size=5)),
        pairwise_keys=draw(st.dictionaries(NAMES, st.binary(min_size=16, max_size=16), max_size=4)),
        flags=draw(st.frozensets(st.sampled_from(Flag))),
        paused_until_s=draw(TIMES | st.just(math.inf)),
        objected=draw(st.booleans()),
    )

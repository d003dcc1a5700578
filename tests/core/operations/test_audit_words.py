"""Every record of the audit log is told in a sentence that a person understands."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presence.core.operations.audit_chain import BROKEN
from presence.core.operations.audit_words import WORDS, in_words
from presence.telemetry import CATALOGUE

BY_OTHERS = {"config.applied", "armed", "root.trusted", BROKEN}
"""Recorded by the audit log and by who joins the gateway, and not by an operational event."""

OF_THE_LIST = {"notice.changed", "audience.named", "audience.removed", "taxonomy.changed",
               "register.exported"}  # fmt: skip
"""Recorded by the consent service, in a log of its own."""


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (
            {"what": "list.applied", "list": "acme/fi-0042", "seq": 7, "entries": 1200},
            "List acme/fi-0042, number 7, came into force with 1,200 entries.",
        ),
        (
            {"what": "list.applied", "list": "acme/fi-0042", "seq": 8, "entries": 1},
            "List acme/fi-0042, number 8, came into force with 1 entry.",
        ),
        ({"what": "gateway.started", "version": "1.2"}, "The gateway started, version 1.2."),
        (
            {"what": "armed", "armed": True, "by": "notice.review_by"},
            "The gateway was armed: it may listen for customers.",
        ),
        (
            {"what": "armed", "armed": False, "by": "notice.review_by"},
            "The gateway was disarmed: the review of the notice is overdue, and it hears nobody.",
        ),
        ({"what": "clock.jumped", "seconds": -3600}, "The clock jumped back by 1 hour."),
        ({"what": "clock.jumped", "seconds": 90.0}, "The clock jumped forward by 1.5 minutes."),
        (
            {"what": "technician.asked", "asked": "metrics", "uid": 1000},
            "User 1000 of this machine asked for the metrics.",
        ),
        (
            {"what": "config.applied", "digest": "ab" * 32},
            "Settings came into force that were not in force before (digest abababababab…).",
        ),
        (
            {"what": "audience.removed", "list": "acme/fi-0042", "audience": "news"},
            "List acme/fi-0042 names the audience news no more.",
        ),
        (
            {
                "what": "register.exported",
                "list": "a/b",
                "active": 2,
                "gone": 3,
                "objected": 1,
                "uid": 0,
            },
            "User 0 exported the register of list a/b: 2 agreements, 1 objection, 3 gone.",
        ),
        (
            {"what": "taxonomy.changed", "list": "a/b", "digest": "ab" * 32, "came": 1, "went": 0},
            "List a/b has another taxonomy: 1 category came, 0 went (digest abababababab…).",
        ),
        (
            {"what": "of.tomorrow", "n": 1, "colour": 3},
            "A record of the kind of.tomorrow: colour 3.",
        ),
        ({"what": "list.applied", "seq": 7}, "A record of the kind list.applied: seq 7."),
        ({"what": "clock.jumped", "seconds": "x"}, "A record of the kind clock.jumped: seconds x."),
    ],
)
def test_a_record_is_one_sentence(record: dict[str, Any], sentence: str) -> None:
    assert in_words(record) == sentence


def test_every_kind_of_record_has_its_sentence() -> None:
    audited = {event.audited.kind for event in CATALOGUE.values() if event.audited}
    assert set(WORDS) == audited | BY_OTHERS | OF_THE_LIST


@given(
    st.sampled_from([*WORDS, "other"]),
    st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.floats() | st.text()),
)
def test_no_record_however_odd_is_without_a_sentence(what: str, fields: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Z].*\.", in_words({**fields, "what": what}), re.DOTALL)

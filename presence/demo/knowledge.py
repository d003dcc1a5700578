"""All that the gateway knows at one moment, read from its own state: list, engine and outbox.

Nothing of the story is asked here. A person is what the gateway has of them: a number of the list.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from presence.core.encoding import encode_base64url
from presence.core.timestamps import Moment
from presence.gateway.gateway import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """Counts are of advertisements, answers or events, as `presence.core.counts` has them."""

    list_seq: int = 0
    entries: int = 0
    freshness: str = "boot"
    heard: int = 0
    strangers: int = 0
    recognised: int = 0
    refused: Mapping[str, int]
    answered: int = 0
    unanswered: int = 0
    approaching: int = 0
    inside: tuple[tuple[str, float], ...] = ()
    """Number of the list, and seconds since the entry, of visits that go on; oldest first."""
    visits: Mapping[str, int]
    """What came of them, by kind; whether anybody is told or not."""
    withheld: Mapping[str, int]
    """Entries that nobody is told of, by the gate's reason."""
    published: int = 0
    waiting: int = 0
    """Events in the outbox."""


def knowledge_of(gateway: Gateway, now: Moment) -> Knowledge:
    engine, listed = gateway.pipeline.engine, gateway.list_sync
    counts, visits = engine.counts, tuple(engine.visits)
    going_on = sorted((v for v in visits if v.left_at is None), key=lambda v: v.entered_at)
    return Knowledge(
        list_seq=listed.seq,
        entries=listed.entries,
        freshness=listed.freshness(now).value,
        heard=counts.heard,
        strangers=counts.strangers,
        recognised=counts.recognised,
        refused={reason.value: count for reason, count in sorted(counts.refused.items())},
        answered=counts.answered,
        unanswered=counts.unanswered.total(),
        approaching=len(engine.visits.refs()) - len(visits),
        inside=tuple(
            (encode_base64url(visit.ref), now.monotonic_s - visit.entered_at.monotonic_s)
            for visit in going_on
        ),
        visits={
            "entered": counts.entered,
            "left": counts.left,
            "withdrawn": counts.withdrawn,
        },
        withheld={reason.value: count for reason, count in sorted(counts.withheld.items())},
        published=gateway.pipeline.published,
        waiting=len(gateway.pipeline.outbox.pending.records),
    )

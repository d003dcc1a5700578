"""Engine and pipeline with a list so small that its identifier tables are made on the spot."""

from presence.core.consent.gate import ListStanding
from presence.core.consent.list_json import ConsentList
from presence.core.engine import Engine, IndexedList
from presence.core.event.outbox import Step
from presence.core.timestamps import Moment
from presence.gateway.pipeline import Pipeline


class SmallEngine(Engine):
    def apply(self, consents: ConsentList | IndexedList, now: Moment) -> Step:
        step = super().apply(consents, now)
        self.matcher.complete(now.utc_s)
        return step

    def advance(self, now: Moment) -> Step:
        step = super().advance(now)
        self.matcher.complete(now.utc_s)
        return step


class SmallPipeline(Pipeline):
    def apply(
        self, consents: ConsentList | IndexedList, standing: ListStanding, now: Moment
    ) -> None:
        super().apply(consents, standing, now)
        self.engine.matcher.complete(now.utc_s)

    def advance(self, now: Moment) -> None:
        super().advance(now)
        self.engine.matcher.complete(now.utc_s)

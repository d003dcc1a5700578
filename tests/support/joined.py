"""A gateway joined of stand-ins: what `presence.assembly` makes of settings, without any."""

from collections.abc import Callable, Sequence
from typing import Any

from presence.core.rules import Rules
from presence.gateway.gateway import ConnectedPublisher, Gateway
from presence.gateway.list_sync import LOOK_LIMITS, ListPauses, ListSync, LookLimits
from presence.gateway.pipeline import Intake, Pipeline
from presence.ports import AdvertisementSource, Clock, ConsentSource, Notifier, VisitStore
from presence.telemetry import Emit


def joined(
    *,
    rules: Rules,
    sources: Sequence[AdvertisementSource],
    consents: ConsentSource,
    visits: VisitStore,
    publisher: ConnectedPublisher,
    clock: Clock,
    notifier: Notifier,
    emit: Emit,
    poll_s: float = 3600,
    pause_after: Callable[[int], float] | None = None,
    synchronised: Callable[[], bool] = lambda: True,
    limits: LookLimits = LOOK_LIMITS,
    queue_length: int = 4096,
    **others: Any,
) -> Gateway:
    """`others` are a gateway's own; polls every `poll_s`, unless `pause_after` says otherwise."""
    return Gateway(
        sources=sources,
        intake=Intake(queue_length),
        pipeline=Pipeline(rules, visits, emit=emit),
        list_sync=ListSync(
            source=consents,
            clock=clock,
            emit=emit,
            lease_s=900,
            synchronised=synchronised,
            limits=limits,
        ),
        publisher=publisher,
        clock=clock,
        notifier=notifier,
        emit=emit,
        pauses=ListPauses(pause_after or (lambda _errors: poll_s)),
        **others,
    )

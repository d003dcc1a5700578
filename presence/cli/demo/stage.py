"""What stands on the stage: the gateway with its join, the simulated shop, the scene; and who may look at it.

The gateway is the one that `presence run` starts; only its source, its clock and its folders are the demo's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from presence.cli.demo.scene import Happening, Scene
from presence.cli.demo.story import Person
from presence.config import Settings
from presence.config.rules import read_store_key, rules_of
from presence.config.settings import EntrySettings
from presence.daemon import Gateway, Parts
from presence.edges import logs
from presence.edges.consent_file import ConsentFile
from presence.edges.local_broker import LocalBroker
from presence.edges.mqtt import MqttPublisher
from presence.edges.simulated import SimulatedClock, SimulatedShop
from presence.edges.store import ConsentStore, RuntimeStore

DAY_S: Final = 86_400


@dataclass(frozen=True, kw_only=True)
class Play:
    """What the audience may look at."""

    seed: int
    people: tuple[Person, ...]
    clock: SimulatedClock
    shop: SimulatedShop
    scene: Scene
    gateway: Gateway
    broker: LocalBroker
    entry: EntrySettings


class Audience:
    """Who watches. This one sees nothing, as --json wants it; plain lines and the live view see more."""

    def begin(self, play: Play) -> None:
        """The doors open."""

    def tell(self, happening: Happening) -> None:
        """Something happened."""

    def frame(self, play: Play) -> None:
        """Time went on."""

    def end(self, play: Play) -> None:
        """The play is over, or was interrupted."""


@dataclass(slots=True)
class KeptStatus:
    """Takes what systemd would be told, so that it can be searched."""

    watchdog_s: float = 0.0
    lines: list[str] = field(default_factory=list)

    def ready(self, status: str) -> None:
        self.lines.append(status)

    def status(self, status: str) -> None:
        self.lines.append(status)

    def alive(self) -> None:
        return


@contextmanager
def gateway_of(settings: Settings, shop: SimulatedShop, status: KeptStatus) -> Iterator[Gateway]:
    """As `presence run` joins it (`presence.cli.run.gateway_of`), with the simulated shop for a radio and its clock."""
    visits, accepted = RuntimeStore(settings.storage.runtime_dir), ConsentStore(settings.storage.state_dir)
    consents = ConsentFile(
        settings.consent.directory,
        list_name=settings.consent.list,
        max_span_s=settings.consent.max_span_days * DAY_S,
    )

    def state(name: str) -> dict[str, object]:
        return {"state": name, **gateway.state()}

    parts = Parts(
        rules=rules_of(settings, read_store_key(settings.store.key_file)),
        sources=[shop],
        consents=consents,
        accepted=accepted,
        visits=visits,
        publisher=MqttPublisher(settings.mqtt, settings.store, state=state, tell=logs.tell),
        clock=shop.clock,
        notifier=status,
        tell=logs.tell,
        lease_s=settings.consent.lease_s,
        poll_s=settings.consent.poll_s / shop.clock.speed,
        queue_length=settings.radio.queue_length,
        complaints=consents.complaints,
    )
    gateway = Gateway(parts)
    try:
        yield gateway
    finally:
        visits.close()
        accepted.close()

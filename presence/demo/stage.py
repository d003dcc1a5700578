"""What stands on the stage: the gateway with its join, the simulated shop, the scene; and who may
look at it.

The gateway is the one that `presence run` starts; only its source, its clock and its folders are
the demo's.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from presence import assembly
from presence.config import Settings
from presence.demo.scene import Happening, Scene
from presence.demo.story import Person
from presence.edges.host import logs
from presence.gateway.gateway import Gateway
from presence.simulation import SimulatedClock, SimulatedDoorbell, SimulatedShop
from presence.simulation.kept_status import KeptStatus
from presence.simulation.local_broker import LocalBroker
from presence.telemetry import Telemetry


@dataclass(frozen=True, kw_only=True)
class Play:
    """What the audience may look at."""

    seed: int
    people: tuple[Person, ...]
    clock: SimulatedClock
    shop: SimulatedShop
    doorbell: SimulatedDoorbell
    scene: Scene
    gateway: Gateway
    broker: LocalBroker


class Spectator:
    """Who watches. This one sees nothing, as --json wants it; plain lines and the picture see
    more.
    """

    def begin(self, play: Play) -> None:
        """The doors open."""

    def show(self, happening: Happening) -> None:
        """Something happened."""

    def frame(self, play: Play) -> None:
        """Time went on."""

    def end(self, play: Play) -> None:
        """The play is over, or was interrupted."""

    def account(self, lines: Iterable[str]) -> None:
        """What is said at the end."""


@dataclass(frozen=True, slots=True)
class Several(Spectator):
    """One beside the other."""

    all: tuple[Spectator, ...]

    def begin(self, play: Play) -> None:
        for each in self.all:
            each.begin(play)

    def show(self, happening: Happening) -> None:
        for each in self.all:
            each.show(happening)

    def frame(self, play: Play) -> None:
        for each in self.all:
            each.frame(play)

    def end(self, play: Play) -> None:
        for each in self.all:
            each.end(play)

    def account(self, lines: Iterable[str]) -> None:
        lines = tuple(lines)
        for each in self.all:
            each.account(lines)


@contextmanager
def gateway_of(
    settings: Settings, shop: SimulatedShop, doorbell: SimulatedDoorbell, status: KeptStatus
) -> Iterator[Gateway]:
    """As `presence run` joins it, with the simulated shop for a radio, its doorbell and its
    clock.
    """
    clock = shop.clock
    with ExitStack() as stack:
        yield assembly.gateway_of(
            settings,
            status,
            stack,
            Telemetry(logs.write),
            sources=[shop],
            bells=[doorbell],
            clock=clock,
            speed=clock.speed,
        )

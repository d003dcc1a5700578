"""Sets the stage and plays: broker, offer engine, consent service, gateway and the simulated shop,
together once.

    simulated shop, doorbell ─► Gateway (the daemon's own join) ─► broker ─► offer engine
                                         screen ◄─ scene ◄──────── broker ◄──────┘

The consent service gives a list before the doors open. When somebody withdraws it publishes a
signed revocation, and some seconds later a newer list that says the same.
"""

import asyncio
import io
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Literal

from presence.config.settings import LogFormat
from presence.core.site import Site
from presence.demo.account import Account, Traces, close_the_books
from presence.demo.consent_service import PlayedConsentService
from presence.demo.engine import offer_engine
from presence.demo.scene import Scene
from presence.demo.settings import demo_settings
from presence.demo.stage import KeptStatus, Play, Spectator, gateway_of
from presence.demo.story import (
    CHAIN,
    LIST_FOLLOWS_S,
    SECONDS,
    STORE,
    STRANGERS,
    WITHDRAWAL_S,
    Person,
    cast,
    stranger_who_rings,
)
from presence.demo.watch import watching
from presence.edges.host import logs
from presence.edges.host.clock import SystemClock
from presence.errors import PresenceError, leaves
from presence.simulation import SimulatedClock, SimulatedDoorbell, SimulatedShop, crowd
from presence.simulation.local_broker import Kind, LocalBroker

FRAME_S: Final = 0.05
SETTLE_S: Final = 5.0
"""Real seconds for the last offer to come back through the broker."""
LINGER_S: Final = 0.3
"""And a little longer, for what should not come."""


async def play(
    *, speed: float, seed: int, prefer: Kind | Literal["auto"], audience: Spectator
) -> Account:
    """The whole evening; raises PresenceError where something cannot be started."""
    log = io.StringIO()
    logs.configure(level="info", style=LogFormat.JSON, stream=log)
    try:
        async with AsyncExitStack() as stack:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="presence-demo-")))
            people = cast(seed)
            broker = await stack.enter_async_context(LocalBroker.start(prefer))
            await stack.enter_async_context(offer_engine(broker, root / "engine", people))
            # The offer engine keeps the machine's time: a play that is faster starts in the past
            # and ends now, so that no event comes from the engine's future.
            ahead_s = SECONDS * max(0.0, 1 - 1 / speed)
            clock = SimulatedClock(SystemClock().now().later(-ahead_s), speed=speed)
            scene = Scene(people, clock, seconds=SECONDS, tell=audience.show)
            messages = await stack.enter_async_context(
                watching(broker.host, broker.port, broker.protocol, scene.take)
            )
            shop, doorbell = _shop(people, clock, seed), _doorbell(people, clock, seed)
            settings = demo_settings(root, broker)
            service = PlayedConsentService(settings.consent, broker)
            status = KeptStatus()
            with gateway_of(settings, shop, doorbell, status) as gateway:
                now = Play(
                    seed=seed, people=people, clock=clock, shop=shop, doorbell=doorbell,
                    scene=scene, gateway=gateway, broker=broker, entry=settings.entry,
                )  # fmt: skip
                audience.begin(now)
                try:
                    await _perform(now, service, audience)
                finally:
                    audience.end(now)
                traces = Traces(root, messages, log.getvalue(), "\n".join(status.lines))
                return close_the_books(now, traces)
    except BaseExceptionGroup as group:
        raise _first_of_ours(group) from None


def _shop(people: tuple[Person, ...], clock: SimulatedClock, seed: int) -> SimulatedShop:
    """The phones that broadcast, of customers and of everybody else."""
    broadcasting = (person.phone() for person in people if not person.rings)
    phones = [*broadcasting, *crowd(STRANGERS, seed=seed, seconds=SECONDS)]
    return SimulatedShop(phones, clock, seed=seed, seconds=SECONDS)


def _doorbell(people: tuple[Person, ...], clock: SimulatedClock, seed: int) -> SimulatedDoorbell:
    """The phones in pockets that answer, one of them a stranger's."""
    pockets = [*(person.pocket() for person in people if person.rings), stranger_who_rings(seed)]
    return SimulatedDoorbell(pockets, clock, Site(CHAIN, STORE), seed=seed, seconds=SECONDS)


async def _perform(now: Play, service: PlayedConsentService, audience: Spectator) -> None:
    service.publish(now.people, now_s=now.clock.start.utc_s)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(now.gateway.run())
        changing = tasks.create_task(_withdraw(now, service))
        while not running.done():
            now.scene.look()
            audience.frame(now)
            await asyncio.sleep(FRAME_S)
        changing.cancel()
    await _settle(now)
    audience.frame(now)


async def _settle(now: Play) -> None:
    """Until the last answers have come back through the broker; they take milliseconds."""
    for _ in range(int(SETTLE_S / FRAME_S)):
        if all(role.complete for role in now.scene.roles.values()):
            break
        await asyncio.sleep(FRAME_S)
    await asyncio.sleep(LINGER_S)


async def _withdraw(now: Play, service: PlayedConsentService) -> None:
    await now.clock.until(WITHDRAWAL_S)
    leaving = tuple(person for person in now.people if person.withdraws)
    names = ", ".join(person.name for person in leaving)
    now.scene.happened("list", f"{names} withdraws in the app: a signed notice goes out")
    await service.revoke(leaving, now_s=now.clock.now().utc_s)
    await now.clock.until(WITHDRAWAL_S + LIST_FOLLOWS_S)
    remaining = tuple(person for person in now.people if not person.withdraws)
    service.publish(remaining, now_s=now.clock.now().utc_s)
    now.scene.happened("list", f"list number {service.seq} says the same")


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a person must act on; of several that are not ours none is left out."""
    errors = list(leaves(group))
    ours = (error for error in errors if isinstance(error, PresenceError))
    return next(ours, errors[0] if len(errors) == 1 else group)

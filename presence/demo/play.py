"""Sets the stage and plays: broker, offer engine, consent service, gateway and the simulated shop,
together once.

    simulated shop, doorbell ─► Gateway (the daemon's own join) ─► broker ─► offer engine
                                         screen ◄─ scene ◄──────── broker ◄──────┘

The publisher signs a list before the doors open. When somebody asks for more it signs the next.
When somebody withdraws it signs a revocation, which is there at once, and some seconds later a list
that says the same.
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
from presence.demo.engine import offer_engine
from presence.demo.publisher import ListPublisher
from presence.demo.scene import Scene, words
from presence.demo.settings import demo_settings
from presence.demo.stage import Play, Spectator, gateway_of
from presence.demo.story import (
    AIR,
    ANTENNAS,
    ASKS_S,
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
from presence.edges.host import logs
from presence.edges.host.clock import SystemClock
from presence.errors import PresenceError, leaves
from presence.simulation import SimulatedClock, SimulatedDoorbell, SimulatedShop, crowd
from presence.simulation.kept_status import KeptStatus
from presence.simulation.local_broker import Kind, LocalBroker
from presence.simulation.watch import watching

FRAME_S: Final = 0.05
APPROACH_S: Final = 8.0
"""Before they come in, somebody's phone may be heard for so long."""
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
            publisher = ListPublisher(root / "publisher")
            customers = await publisher.open(people)
            await stack.enter_async_context(offer_engine(broker, root / "engine", customers))
            # Behind the machine's clock, by which the list is signed, a gateway falls silent.
            clock = SimulatedClock(SystemClock().now(), speed=speed)
            scene = Scene(people, customers, clock, seconds=SECONDS, tell=audience.show)
            messages = await stack.enter_async_context(
                watching(broker.host, broker.port, broker.protocol, scene.take)
            )
            shop, doorbell = _shop(people, clock, seed), _doorbell(people, clock, seed)
            settings = demo_settings(root / "gateway", broker, publisher)
            status = KeptStatus()
            with gateway_of(settings, shop, doorbell, status) as gateway:
                now = Play(
                    seed=seed, people=people, clock=clock, shop=shop, doorbell=doorbell,
                    scene=scene, gateway=gateway, broker=broker,
                )  # fmt: skip
                audience.begin(now)
                try:
                    await _perform(now, publisher, audience)
                finally:
                    audience.end(now)
                traces = Traces(root, messages, log.getvalue(), "\n".join(status.lines))
                return close_the_books(now, customers, traces)
    except BaseExceptionGroup as group:
        raise _first_of_ours(group) from None


def _shop(people: tuple[Person, ...], clock: SimulatedClock, seed: int) -> SimulatedShop:
    """The phones that broadcast, of customers and of everybody else."""
    broadcasting = (person.phone() for person in people if not person.rings)
    phones = [*broadcasting, *crowd(STRANGERS, seed=seed, seconds=SECONDS)]
    antennas = [antenna for antenna, _ in ANTENNAS]
    return SimulatedShop(phones, clock, seed=seed, seconds=SECONDS, air=AIR, antennas=antennas)


def _doorbell(people: tuple[Person, ...], clock: SimulatedClock, seed: int) -> SimulatedDoorbell:
    """The phones in pockets that answer, one of them a stranger's."""
    pockets = [*(person.pocket() for person in people if person.rings), stranger_who_rings(seed)]
    return SimulatedDoorbell(pockets, clock, Site(CHAIN, STORE), seed=seed, seconds=SECONDS)


async def _perform(now: Play, publisher: ListPublisher, audience: Spectator) -> None:
    strangers = [phone for phone in now.shop.phones if not phone.customer]
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(now.gateway.run())
        changing = [tasks.create_task(work(now, publisher)) for work in (_ask, _withdraw)]
        while not running.done():
            now.scene.look(strangers, now.doorbell)
            audience.frame(now)
            await asyncio.sleep(FRAME_S)
        for task in changing:
            task.cancel()
    await _settle(now)
    audience.frame(now)


async def _settle(now: Play) -> None:
    """Until the last answers have come back through the broker; they take milliseconds."""
    for _ in range(int(SETTLE_S / FRAME_S)):
        if all(role.complete for role in now.scene.roles.values()):
            break
        await asyncio.sleep(FRAME_S)
    await asyncio.sleep(LINGER_S)


async def _ask(now: Play, publisher: ListPublisher) -> None:
    asking = [person for person in now.people if person.asks_for]
    with now.clock.waits_at(min(person.door_s for person in asking) - APPROACH_S):
        await now.clock.until(ASKS_S)
        for person in asking:
            text = f"{person.name} asks in the app for {words((person.asks_for,))}"
            now.scene.happened("list", text)
            await publisher.add_interest(person)
            number = await _published(now, publisher)
            now.scene.roles[person.name].asked = True
            now.scene.happened("list", f"signed list {number} says so to the gateway")


async def _withdraw(now: Play, publisher: ListPublisher) -> None:
    with now.clock.waits_at(WITHDRAWAL_S + LIST_FOLLOWS_S):
        await now.clock.until(WITHDRAWAL_S)
        for person in now.people:
            if person.withdraws:
                text = f"{person.name} withdraws in the app: a signed revocation goes out"
                now.scene.happened("list", text)
                await publisher.withdraw(person, now.broker)
    with now.clock.waits_at(SECONDS - 1):
        await now.clock.until(WITHDRAWAL_S + LIST_FOLLOWS_S)
        number = await _published(now, publisher)
        now.scene.happened("list", f"signed list {number} confirms it")


async def _published(now: Play, publisher: ListPublisher) -> int:
    """Returns when the gateway has proven the list."""
    number = await publisher.publish()
    while now.gateway.list_sync.seq < number:  # noqa: ASYNC110 - the daemon tells nobody of its looks
        await asyncio.sleep(FRAME_S)
    return number


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a person must act on; of several that are not ours none is left out."""
    errors = list(leaves(group))
    ours = (error for error in errors if isinstance(error, PresenceError))
    return next(ours, errors[0] if len(errors) == 1 else group)

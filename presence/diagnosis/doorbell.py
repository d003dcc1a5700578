"""`presence check`, the doorbell: can the adapter ring, may it beside what else it does? Nothing
while it is off.
"""

from collections.abc import Iterator
from typing import Final

from presence.config import Settings
from presence.config.settings import BellSettings
from presence.diagnosis.findings import Finding, Verdict
from presence.edges.bluez import adapters_of
from presence.edges.bluez.gatt.abilities import Abilities, abilities_of
from presence.edges.bluez.pace import PACE, Pace
from presence.errors import RadioError, RadioFault
from presence.language import Sentence

ANOTHER: Final = Sentence(
    "use another adapter: one with Bluetooth 4.2 or newer that Linux drives as a peripheral"
)
NO_ADAPTER: Final = Sentence("plug it in, or name the right one in doorbell.bells")
FULL: Final = Sentence(
    "another program advertises on it: end that, or give the doorbell an adapter of its own"
)
TURNS: Final = Sentence(
    "an adapter with extended advertising (Bluetooth 5), or leave doorbell.beacon_uuid out"
)
SHARED: Final = Sentence(
    "give the doorbell an adapter of its own; or measure at this door: scan-test with "
    "doorbell.enabled off, and again "
    "while a phone rings (scripts/app-emulator doorbell --every 10)"
)


async def look_at_doorbell(
    settings: Settings, *, bus_address: str | None = None, pace: Pace = PACE
) -> list[Finding]:
    """`bus_address` is the system bus where None."""
    bells = settings.doorbell.bells if settings.doorbell.enabled else []
    return [
        finding
        for bell in bells
        for finding in await _look_at(bell, settings, bus_address=bus_address, pace=pace)
    ]


async def _look_at(
    bell: BellSettings, settings: Settings, *, bus_address: str | None, pace: Pace
) -> list[Finding]:
    try:
        abilities = await abilities_of(
            bell.adapter, antennas=adapters_of(settings), bus_address=bus_address, pace=pace
        )
    except RadioError as error:
        step = NO_ADAPTER if error.fault is RadioFault.NO_ADAPTER else error.fault.value
        return [Finding("doorbell", Verdict.FAIL, f"{bell.adapter}: {error.detail}", step)]
    return list(_judged(settings, abilities))


def _judged(settings: Settings, abilities: Abilities) -> Iterator[Finding]:
    doorbell, adapter = settings.doorbell, str(abilities.adapter)
    wanted = 1 if doorbell.beacon_uuid is None else 2
    if not abilities.powered:
        off = Sentence("{adapter} is off", adapter=adapter)
        yield Finding("doorbell", Verdict.FAIL, off, RadioFault.POWERED_OFF.value)
        return
    if not (abilities.advertises and abilities.serves):
        found = Sentence("{adapter} cannot have services (GattManager1)", adapter=adapter)
        if not abilities.advertises:
            found = Sentence("{adapter} cannot be a peripheral", adapter=adapter)
        yield Finding("doorbell", Verdict.FAIL, found, ANOTHER)
        return
    if abilities.places_free + abilities.places_used < wanted:
        found = Sentence(
            "{adapter} has {free} places for advertisements, {wanted} are wanted",
            adapter=adapter,
            free=abilities.places_free,
            wanted=wanted,
        )
        yield Finding("doorbell", Verdict.FAIL, found, TURNS if wanted > 1 else ANOTHER)
        return
    yield _room(adapter, abilities, wanted)
    if wanted > 1 and not abilities.extended:
        found = Sentence(
            "{adapter} knows legacy advertising only: doorbell and beacon take turns of 2 s",
            adapter=adapter,
        )
        yield Finding("doorbell beacon", Verdict.WARN, found, TURNS)
    if abilities.listens:
        yield _shared(adapter, abilities, may_share=doorbell.share_adapter)


def _shared(adapter: str, abilities: Abilities, *, may_share: bool) -> Finding:
    """The adapter is an antenna, too."""
    if not may_share:
        found = Sentence(
            "{adapter} is an antenna too, by another name: the doorbell does not ring on it",
            adapter=adapter,
        )
        return Finding("doorbell radio", Verdict.FAIL, found, SHARED)
    found = Sentence("{adapter} scans too: what each ring costs is not seen here", adapter=adapter)
    if abilities.scans and abilities.places_used:
        found = Sentence(
            "{adapter} scans too, and both run now: what each ring costs is not seen here",
            adapter=adapter,
        )
    return Finding("doorbell radio", Verdict.WARN, found, SHARED)


def _room(adapter: str, abilities: Abilities, wanted: int) -> Finding:
    """Is there a place free for each advertisement, or are all of them ours already?"""
    used, free = abilities.places_used, abilities.places_free
    on_air = Sentence.plural(
        "{number} advertisement on air, ours where the gateway runs",
        "{number} advertisements on air, ours where the gateway runs",
        used,
    )
    values = {"adapter": adapter, "on_air": on_air if used else Sentence("nothing on air")}
    if free < wanted and used != wanted:
        found = Sentence("{adapter}: {on_air}, {free} places free", free=free, **values)
        return Finding("doorbell", Verdict.WARN, found, FULL)
    found = Sentence("{adapter} can ring; {on_air}, {free} places free", free=free, **values)
    return Finding("doorbell", Verdict.PASS, found)

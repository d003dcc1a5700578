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

ANOTHER: Final = (
    "use another adapter: one with Bluetooth 4.2 or newer that Linux drives as a peripheral"
)
NO_ADAPTER: Final = "plug it in, or name the right one in doorbell.bells"
FULL: Final = (
    "another program advertises on it: end that, or give the doorbell an adapter of its own"
)
TURNS: Final = (
    "an adapter with extended advertising (Bluetooth 5), or leave doorbell.beacon_uuid out"
)
SHARED: Final = (
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
        yield Finding("doorbell", Verdict.FAIL, f"{adapter} is off", RadioFault.POWERED_OFF.value)
        return
    if not (abilities.advertises and abilities.serves):
        lacks = "be a peripheral" if not abilities.advertises else "have services (GattManager1)"
        yield Finding("doorbell", Verdict.FAIL, f"{adapter} cannot {lacks}", ANOTHER)
        return
    if abilities.places_free + abilities.places_used < wanted:
        found = (
            f"{adapter} has {abilities.places_free} places for advertisements, {wanted} are wanted"
        )
        yield Finding("doorbell", Verdict.FAIL, found, TURNS if wanted > 1 else ANOTHER)
        return
    yield _room(adapter, abilities, wanted)
    if wanted > 1 and not abilities.extended:
        found = f"{adapter} knows legacy advertising only: doorbell and beacon take turns of 2 s"
        yield Finding("doorbell beacon", Verdict.WARN, found, TURNS)
    if abilities.listens and not doorbell.share_adapter:
        found = f"{adapter} is an antenna too, by another name: the doorbell does not ring on it"
        yield Finding("doorbell radio", Verdict.FAIL, found, SHARED)
    elif abilities.listens:
        both = abilities.scans and abilities.places_used
        found = (
            f"{adapter} scans too{', and both run now' if both else ''}: what each ring "
            "costs is not seen here"
        )
        yield Finding("doorbell radio", Verdict.WARN, found, SHARED)


def _room(adapter: str, abilities: Abilities, wanted: int) -> Finding:
    """Is there a place free for each advertisement, or are all of them ours already?"""
    used, free = abilities.places_used, abilities.places_free
    on_air = f"{used} advertisements on air{', ours where the gateway runs' if used else ''}"
    if free < wanted and used != wanted:
        found = f"{adapter}: {on_air}, {free} places free"
        return Finding("doorbell", Verdict.WARN, found, FULL)
    return Finding("doorbell", Verdict.PASS, f"{adapter} can ring; {on_air}, {free} places free")

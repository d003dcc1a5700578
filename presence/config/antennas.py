"""Which antennas listen, and where they hang: the rules between them, and how old files said it.

`hciN` is no name that lasts: the kernel numbers adapters as it finds them, and two sticks that swap
numbers would swap inside and door. So it is taken where nothing hangs on it: where all antennas
hang in one place.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from yaml.nodes import Node, ScalarNode, SequenceNode

from presence.config.settings import AntennaSettings, RadioSettings, Settings
from presence.config.wording import replaced
from presence.core.place import Place
from presence.core.visit.antennas import tables_of

FIRST_ADAPTER: Final = "default"
"""What the antenna of the first adapter is called, where the settings name none."""
REPLACED: Final = ("adapters", "door_adapters")
"""Keys of section radio before antennas had places."""


def each_adapter_is_named_once(radio: RadioSettings) -> Iterator[str]:
    seen: dict[str, int] = {}
    for index, antenna in enumerate(radio.antennas):
        first = seen.setdefault(antenna.adapter.lower(), index)
        if first != index:
            yield (
                f"antennas[{index}].adapter is that of antennas[{first}] already: an antenna hangs "
                "in one place, remove one of the two"
            )


def no_number_hangs_in_a_place(radio: RadioSettings) -> Iterator[str]:
    if len({antenna.place for antenna in radio.antennas}) == 1:
        return
    for index, antenna in enumerate(radio.antennas):
        if antenna.adapter.startswith("hci"):
            yield (
                f"antennas[{index}].adapter is only a number, {antenna.adapter}: two adapters that "
                f"swap numbers, as they may at each start, would swap {_swapped(radio)}. Name it "
                "by its address or its USB path: `presence check` prints both"
            )


def somebody_could_be_recognised(settings: Settings) -> Iterator[str]:
    """The side of the door is told by differences between places, or by being inside alone."""
    places = places_in_use(settings)
    if len(places) == 1 and Place.INSIDE not in places:
        (place,) = places
        yield (
            f"radio.antennas has none but {_where(place)}, so nobody could be recognised: add one "
            "inside, or the other one of a pair at the door (docs/technician.md)"
        )


def score_is_of_these_antennas(settings: Settings) -> Iterator[str]:
    """With less, more enter who stayed outside than docs/entry.md says."""
    found, score = tables_of(places_in_use(settings)), settings.entry.score
    if found is None or score is None or score >= found[1].threshold:
        return
    yield (
        f"entry.score is less than antennas which hang like these ask for, {found[1].threshold:g}: "
        "it was found by other antennas, or by an earlier version. Walk the door again "
        "(scripts/scan-test), or remove it"
    )


def places_in_use(settings: Settings) -> frozenset[Place]:
    """Where there is an antenna, of this machine or elsewhere."""
    adapters = {antenna.place for antenna in settings.radio.antennas} or {Place.INSIDE}
    return frozenset(adapters | {satellite.place for satellite in settings.satellites})


def spelt_anew(given: Mapping[str, Node]) -> dict[str, str]:
    """Of a section radio as older files have it: key of then → what is said now."""
    return replaced(given, REPLACED, "antennas", lambda: _in_todays_words(given))


def _in_todays_words(given: Mapping[str, Node]) -> str:
    doors = _words(given.get("door_adapters"))
    names = [*_words(given.get("adapters")), *doors]
    antennas = [
        AntennaSettings(adapter=name, place=Place.DOOR if name in doors else Place.INSIDE)
        for name in dict.fromkeys(names)
    ]
    if not antennas:
        return "remove it: without `antennas` the first adapter listens, inside"
    advice = f"write `antennas: [{', '.join(map(_as_yaml, antennas))}]`"
    if len({antenna.place for antenna in antennas}) > 1:
        advice += (
            ", with the addresses or USB paths that `presence check` prints in place of "
            f"{', '.join(antenna.adapter for antenna in antennas)}: numbers swap"
        )
    return advice


def _words(node: Node | None) -> list[str]:
    items = node.value if isinstance(node, SequenceNode) else [node]
    return [item.value for item in items if isinstance(item, ScalarNode) and item.value]


def _as_yaml(antenna: AntennaSettings) -> str:
    place = "" if antenna.place is Place.INSIDE else f", place: {antenna.place}"
    return f"{{adapter: {antenna.adapter}{place}}}"


def _swapped(radio: RadioSettings) -> str:
    used = {antenna.place for antenna in radio.antennas}
    return " and ".join(place for place in Place if place in used)


def _where(place: Place) -> str:
    return "at the door" if place is Place.DOOR else place.value

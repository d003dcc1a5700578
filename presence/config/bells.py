"""Which adapters ring, and where they hang: the rules between bells and antennas, and how old files
said it.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from yaml.nodes import Node, ScalarNode

from presence.config.settings import DoorbellSettings, Settings
from presence.config.wording import replaced

REPLACED: Final = ("adapter", "rssi_offset_db")
"""Keys of section doorbell before there were several bells."""


def doorbell_has_a_name_and_a_bell(doorbell: DoorbellSettings) -> Iterator[str]:
    if not doorbell.enabled:
        return
    if doorbell.service_uuid is None:
        yield (
            "service_uuid is missing, so no app could find the doorbell: use the chain's, made "
            "once with `uuidgen`"
        )
    if not doorbell.bells:
        yield (
            "bells is missing or empty, so nothing would ring: write `bells: [{adapter: …}]` with "
            "one of the names that `presence check` prints"
        )


def each_bell_is_named_once(doorbell: DoorbellSettings) -> Iterator[str]:
    for key, values in (
        ("adapter", [bell.adapter.lower() for bell in doorbell.bells]),
        ("number", [bell.number for bell in doorbell.bells]),
    ):
        for index, value in enumerate(values):
            first = values.index(value)  # type: ignore[arg-type]
            if first != index:
                yield (
                    f"bells[{index}].{key} is that of bells[{first}] already: phones, and we, tell "
                    "bells apart by it; give each its own"
                )


def no_number_rings_in_a_place(doorbell: DoorbellSettings) -> Iterator[str]:
    if len({bell.place for bell in doorbell.bells}) < 2:
        return
    for index, bell in enumerate(doorbell.bells):
        if bell.adapter.startswith("hci"):
            yield (
                f"bells[{index}].adapter is only a number, {bell.adapter}: two adapters that swap "
                "numbers, as they may at each start, would swap their places. Name it by its "
                "address or its USB path: `presence check` prints both"
            )


def bells_have_adapters(settings: Settings) -> Iterator[str]:
    """A radio must share its time between listening and a connection: each ring would cost
    advertisements. Two names of one adapter are found out where it is looked for.
    """
    doorbell = settings.doorbell
    listening = {each.adapter.lower(): each.place for each in settings.radio.antennas}
    for index, bell in enumerate(doorbell.bells if doorbell.enabled else ()):
        place = listening.get(bell.adapter.lower())
        if place is None:
            continue
        if not doorbell.share_adapter:
            yield (
                f"doorbell.bells[{index}].adapter {bell.adapter} scans too: give the bell an "
                "adapter of its own, or set doorbell.share_adapter after a test at this door"
            )
        elif place is not bell.place:
            yield (
                f"doorbell.bells[{index}].place is another than in radio.antennas: an adapter "
                f"hangs in one place; write `place: {place}`, or correct it there"
            )


def not_for_antennas(doorbell: DoorbellSettings) -> tuple[str, ...]:
    """Names of adapters that the first antenna may not take, where the settings name none."""
    if not doorbell.enabled or doorbell.share_adapter:
        return ()
    return tuple(bell.adapter for bell in doorbell.bells)


def bell_spelt_anew(given: Mapping[str, Node]) -> dict[str, str]:
    """Of a section doorbell as older files have it: key of then → what is said now."""
    return replaced(given, REPLACED, "bells", lambda: _in_todays_words(given))


def _in_todays_words(given: Mapping[str, Node]) -> str:
    parts = [f"adapter: {_word(given.get('adapter')) or 'hci1'}"]
    if offset := _word(given.get("rssi_offset_db")):
        parts.append(f"rssi_offset_db: {offset}")
    return f"write `bells: [{{{', '.join(parts)}}}]`"


def _word(node: Node | None) -> str:
    return node.value if isinstance(node, ScalarNode) else ""

"""Settings and edges become a gateway."""

from dataclasses import replace
from datetime import date

from presence.assembly import bells_of
from presence.config import load_settings
from presence.config.settings import BellSettings
from presence.edges.bluez.gatt import Doorbell
from presence.telemetry import Telemetry
from tests.support.paths import ROOT


def test_each_bell_of_the_settings_rings_by_itself_and_none_where_the_doorbell_is_off() -> None:
    example = load_settings(ROOT / "config" / "presence.yaml")
    settings = replace(example, notice=replace(example.notice, review_by=date.max))
    bells = [BellSettings(adapter="usb:1-1.2"), BellSettings(adapter="usb:1-1.3", number=1)]
    doorbell = replace(settings.doorbell, enabled=True, bells=bells)
    rung = bells_of(replace(settings, doorbell=doorbell), Telemetry(lambda _: None))

    assert [bell.adapter for bell in rung if isinstance(bell, Doorbell)] == [
        "usb:1-1.2",
        "usb:1-1.3",
    ]
    silent = replace(doorbell, enabled=False)
    assert bells_of(replace(settings, doorbell=silent), Telemetry(lambda _: None)) == []

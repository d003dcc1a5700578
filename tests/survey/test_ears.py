"""What the technician's tool listens with: satellites, too."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from presence.config import load_settings
from presence.config.settings import SatelliteAntenna
from presence.core.consent.model import Flag
from presence.core.place import Place
from presence.core.recognition.advertisement import Advertisement
from presence.survey.ears import radio
from presence.survey.guide import Act, Doing
from presence.survey.hearing import Heard, TestPhones
from tests.support.brokers import Mosquitto, needs_mosquitto
from tests.support.builders import ANNA, SITE, a_list, rules, window_keys, with_flags
from tests.support.fake_satellite import PAVEMENT, PAVEMENT_KEY, on_broker, reading
from tests.support.shops import Shop


@needs_mosquitto
async def test_a_walk_is_heard_by_the_satellites_too_each_in_its_place(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    await broker.start()
    key_file = tmp_path / "pavement.key"
    key_file.write_text(PAVEMENT_KEY.hex())
    shop = Shop(tmp_path / "shop", broker.port).open([])
    settings = load_settings(shop.config)
    settings = replace(
        settings,
        store=replace(settings.store, chain=SITE.chain, store=SITE.store),
        satellites=[SatelliteAntenna(name=PAVEMENT, place=Place.OUTSIDE, key_file=key_file)],
    )
    now_s = time.time()
    given = replace(rules(), places={PAVEMENT: Place.OUTSIDE})
    heard, advertisements = Heard(0.0), list[Advertisement]()
    try:
        async with radio(settings) as ear, on_broker(broker.port) as satellite:
            assert PAVEMENT in ear.what
            phones = TestPhones(
                a_list(with_flags(Flag.TEST), keys=window_keys(ANNA, now_s)), given, ear.now()
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(ear.listen(Act(Doing.LOOKIN, 1.0, ""), advertisements.append))
                while not advertisements:
                    await satellite.say(reading(utc_s=now_s))
                    await asyncio.sleep(0.05)
        for each in advertisements:
            phones.hear(each, heard)
    finally:
        await broker.stop()
    assert {said.antenna for said in heard.phones[ANNA]} == {PAVEMENT}
    assert {said.place for said in heard.phones[ANNA]} == {Place.OUTSIDE}

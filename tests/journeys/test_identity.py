"""E2, R1 and guard through the whole engine: other formats, the same gate, the same visit."""

import dataclasses
import json

import pytest

from presence.config.rules import read_irks, rules_of
from presence.core.recognition.advertisement import advertisement_from_payload
from presence.core.recognition.beacons import FORMATS, eddystone, ibeacon, rpa
from presence.core.timestamps import Moment
from presence.edges.bluez.modes import active_arguments, patterns, why_everything
from presence.edges.bluez.version import BluezVersion
from presence.errors import ConfigurationError
from tests.support.builders import (
    ANNA,
    a_list,
    advertisement,
    an_engine,
    approach,
    base64url,
    consent,
    identifier_of,
    moment,
)
from tests.support.shops import Shop

PREFIX = bytes.fromhex("5072657365636531")
IRK = bytes.fromhex("ec0234a357c8ad05341010a60a397d9b")
RPA = bytes.fromhex("708194") + rpa.ah(IRK, bytes.fromhex("708194"))


def as_ibeacon(at: Moment, *, prefix: bytes = PREFIX) -> object:
    payload = ibeacon.payload(prefix, identifier_of(ANNA, at.utc_s), tx_power_dbm=-59)
    return advertisement_from_payload(at, bytes(6), -60, payload)


def test_the_same_identifier_in_an_ibeacon_of_the_chain_leads_to_the_same_visit() -> None:
    engine = an_engine(consent(), formats=(*FORMATS, ibeacon.format_for(PREFIX)))
    for second in range(4):
        engine.receive(advertisement(at=moment(second)))
    steps = [
        engine.receive(
            as_ibeacon(moment(second), prefix=PREFIX)._replace(address=advertisement().address)
        )  # type: ignore[attr-defined]
        for second in range(4, 9)
    ]

    assert engine.counts.entered == 1
    assert [outgoing.ref for step in steps for outgoing in step.queued] == [ANNA]


def test_an_ibeacon_of_another_chain_is_a_stranger() -> None:
    engine = an_engine(consent(), formats=(*FORMATS, ibeacon.format_for(PREFIX)))

    engine.receive(as_ibeacon(moment(), prefix=bytes(8)))  # type: ignore[arg-type]

    assert (engine.counts.other_format, engine.counts.recognised) == (1, 0)


def test_a_test_phone_is_known_by_its_resolvable_address_and_a_strangers_address_is_not_kept() -> (
    None
):
    engine = an_engine(consent(), irks={ANNA: IRK})
    heard = advertisement_from_payload(moment(), RPA, -60, b"\x02\x01\x06")

    engine.receive(heard)
    engine.receive(heard._replace(address=bytes.fromhex("708195") + RPA[3:]))

    assert (engine.counts.recognised, engine.counts.other_format) == (1, 1)


def test_a_test_phone_that_sends_under_two_resolvable_addresses_at_once_is_no_suspect() -> None:
    engine = an_engine(consent(), irks={ANNA: IRK})
    prand = bytes.fromhex("608194")
    for n in range(12):
        address = RPA if n % 2 else prand + rpa.ah(IRK, prand)
        engine.receive(advertisement_from_payload(moment(n / 2), address, -60, b"\x02\x01\x06"))

    assert (engine.counts.recognised, engine.counts.suspect.total()) == (12, 0)


@pytest.mark.requirement("T-01")
def test_an_identifier_to_and_fro_under_two_addresses_is_held_back_and_counted() -> None:
    engine = an_engine(consent())
    for n, heard in enumerate(approach()):
        engine.receive(heard)
        engine.receive(heard._replace(address=b"\x5a" + bytes(5), at=moment(n + 0.5)))

    assert engine.counts.entered == 0
    assert engine.counts.suspect.total() > 5


@pytest.mark.requirement("T-03", "T-04")
def test_a_flood_of_our_format_from_many_addresses_holds_nothing_and_the_customer_is_found() -> (
    None
):
    engine = an_engine(consent())
    for n in range(50_000):
        engine.receive(
            advertisement(
                identifier=n.to_bytes(8, "big"), address=n.to_bytes(6, "big"), at=moment(n / 50_000)
            )
        )
    for heard in approach(moment(2)):
        engine.receive(heard)

    assert engine.counts.unknown == 50_000
    assert engine.counts.entered == 1
    assert len(engine.replay_guard) == 1


def test_a_list_that_comes_while_tables_are_built_elsewhere_is_used_when_they_are_there() -> None:
    from presence.core.engine import Engine
    from presence.core.recognition.slot_table import build_table
    from tests.support.builders import rules, standing

    engine = Engine(rules())
    engine.admissions.trust(standing())
    engine.apply(a_list(consent()), moment())
    engine.receive(advertisement())
    assert engine.counts.unknown == 1

    slots, keys = engine.matcher.wanted(moment().utc_s)
    for slot in slots:
        engine.matcher.install(build_table(slot, keys), keys)
    engine.receive(advertisement())

    assert engine.counts.recognised == 1


def test_with_ibeacons_or_addresses_bluez_leaves_nothing_out_and_else_it_does() -> None:
    one, two = eddystone.FORMAT.scan_filter, ibeacon.format_for(PREFIX).scan_filter

    assert why_everything(BluezVersion(5, 83), [one]) is None
    assert why_everything(BluezVersion(5, 83), [one, two]) == (
        "iBeacons have no UUID to filter by (identity.ibeacon_prefix)"
    )
    assert "identity.irk_file" in str(why_everything(BluezVersion(5, 83), [one, rpa.SCAN_FILTER]))
    assert active_arguments("hci0", one.service_uuids)["service_uuids"] == [eddystone.SERVICE_UUID]
    assert active_arguments("hci0", ())["service_uuids"] is None
    assert b"\x4c\x00\x02\x15" + PREFIX in [
        tuple(pattern)[2] for pattern in patterns(BluezVersion(5, 83), [one, two])
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", None),
        (json.dumps({base64url(ANNA): IRK.hex()}), None),
        ("[]", "not a JSON object"),
        (json.dumps({base64url(ANNA): "ec02"}), "not a JSON object"),
        (
            json.dumps({base64url(n.to_bytes(8, "big")): f"{n:032x}" for n in range(1001)}),
            "at most 1000",
        ),
    ],
)
def test_a_file_of_test_phones_is_read_or_refused_with_the_reason(
    text: str, words: str | None, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "irks.json"
    file.write_text(text)
    if words is None:
        read_irks(file)
        return
    with pytest.raises(ConfigurationError, match=words) as refusal:
        read_irks(file)
    assert IRK.hex() not in str(refusal.value)


def test_the_settings_switch_formats_on(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from presence.config import load_settings

    shop = Shop(tmp_path, 1883).open([])
    assert rules_of(load_settings(shop.config), bytes(32)).formats == FORMATS
    shop.config.write_text(
        shop.config.read_text() + f'identity: {{ibeacon_prefix: "{PREFIX.hex()}"}}\n'
    )
    settings = load_settings(shop.config)

    assert len(rules_of(settings, bytes(32)).formats) == 2
    assert dataclasses.replace(settings.identity).irk_file is None

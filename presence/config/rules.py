"""The settings as the core wants them."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

from presence.config.antennas import FIRST_ADAPTER
from presence.config.settings import CounterFacing, Settings, StoreSettings
from presence.core.consent.jws import BadKeys, KeySet, parse_key_set
from presence.core.consent.model import Audience, Purpose
from presence.core.encoding import decode_base64url
from presence.core.place import Place
from presence.core.recognition.beacons import FORMATS, Format, ScanFilter, ibeacon, rpa
from presence.core.rules import Bell, Rules
from presence.core.site import Site
from presence.core.visit.entry_figures import FiguresRule
from presence.core.visit.opening_hours import OpeningHours
from presence.core.visit.walks import Walked
from presence.errors import ConfigurationError

SECRET_BYTES = 32


def site_of(settings: Settings) -> Site:
    return Site(settings.store.chain, settings.store.store, settings.store.sensitive)


def hours_of(store: StoreSettings) -> OpeningHours:
    return OpeningHours(store.opening_hours, ZoneInfo(store.time_zone), store.opening_margin_min)


def figures_rule_of(settings: Settings) -> FiguresRule:
    figures, counter = settings.figures, settings.counter
    times = {Walked.PAST: figures.walk_past, Walked.IN: figures.walk_in}
    return FiguresRule(
        walks={kind: time for kind, time in times.items() if time is not None},
        counter_window_s=counter.window_s if counter.door is not None else None,
        counter_faces_out=counter.faces is CounterFacing.OUT,
    )


def formats_of(settings: Settings) -> tuple[Format, ...]:
    """What is recognised: the registered formats, and those that a setting switches on."""
    return formats_with(settings.identity.ibeacon_prefix)


def formats_with(ibeacon_prefix: str | None) -> tuple[Format, ...]:
    if ibeacon_prefix is None:
        return FORMATS
    return (*FORMATS, ibeacon.format_for(bytes.fromhex(ibeacon_prefix)))


def scan_filters_of(settings: Settings) -> tuple[ScanFilter, ...]:
    """What a radio must be asked for, so that all of it is heard."""
    addresses = () if settings.identity.irk_file is None else (rpa.SCAN_FILTER,)
    return (*addresses, *(each.scan_filter for each in formats_of(settings)))


def places_of(settings: Settings) -> dict[str, Place]:
    """Each antenna that listens → where it hangs."""
    adapters = {antenna.adapter: antenna.place for antenna in settings.radio.antennas}
    satellites = {satellite.name: satellite.place for satellite in settings.satellites}
    return (adapters or {FIRST_ADAPTER: Place.INSIDE}) | satellites


def bells_of(settings: Settings) -> dict[int, Bell]:
    """Number on air → bell. None where no adapter rings: a simulated shop has one of its own."""
    bells = settings.doorbell.bells if settings.doorbell.enabled else ()
    return {bell.number: Bell(bell.adapter, bell.rssi_offset_db, bell.place) for bell in bells} or {
        0: Bell()
    }


def rules_of(settings: Settings, store_key: bytes) -> Rules:
    """Raises ConfigurationError where the file of identity.irk_file cannot be used."""
    store = settings.store
    return Rules(
        site=site_of(settings),
        audiences=tuple(
            Audience(audience.name, Purpose(audience.purpose.value), frozenset(audience.campaigns))
            for audience in settings.audiences
        ),
        notice=settings.notice.id,
        store_key=store_key,
        entry=settings.entry,
        places=places_of(settings),
        hours=hours_of(store),
        figures=figures_rule_of(settings),
        expiry_s=settings.events.expiry_s,
        valid_for_s=settings.events.valid_for_s,
        outbox_length=settings.events.outbox_length,
        pad_to_bytes=settings.events.pad_to_bytes,
        formats=formats_of(settings),
        # A satellite does not tell what a phone says of its power: then it counts nowhere.
        reference_tx_dbm=None if settings.satellites else settings.identity.reference_tx_dbm,
        bells=bells_of(settings),
        irks=read_irks(settings.identity.irk_file) if settings.identity.irk_file else {},
    )


def read_irks(path: Path) -> dict[bytes, bytes]:
    """Ref → IRK; raises ConfigurationError without showing any of it."""
    key = f"identity.irk_file {path}"
    try:
        value = json.loads(path.read_text("ascii"))
        irks = {decode_base64url(ref): bytes.fromhex(irk) for ref, irk in value.items()}
        rpa.Resolver(irks)
    except rpa.TooManyKeys as error:
        raise ConfigurationError([f"{key}: {error}"]) from None
    except OSError as error:
        raise ConfigurationError(
            [f"{key}: {error.strerror}: name a file that this user can read"]
        ) from None
    except (ValueError, AttributeError, TypeError):
        raise ConfigurationError(
            [f"{key}: not a JSON object of refs (11 characters) and IRKs (32 hex digits)"]
        ) from None
    return irks


def read_notice_keys(path: Path) -> KeySet:
    """Who may sign notices, a JWK set; raises ConfigurationError."""
    try:
        return parse_key_set(path.read_bytes())
    except OSError as error:
        why = error.strerror
    except BadKeys as error:
        why = str(error)
    advice = "take the public keys (notices.jwks) from the consent service"
    raise ConfigurationError([f"consent.notice_keys {path}: {why}: {advice}"])


def read_store_key(path: Path) -> bytes:
    """The secret of the store; raises ConfigurationError without showing any of it."""
    advice = "`presence config init` makes it once; copy it to every gateway of the store"
    return read_key(path, "store.key_file", advice)


def read_satellite_keys(settings: Settings) -> dict[str, bytes]:
    """Name → key of each satellite; raises ConfigurationError, also where two have the same."""
    advice = "make it once with `openssl rand -hex 32` and copy it to this one satellite"
    keys: dict[str, bytes] = {}
    for number, satellite in enumerate(settings.satellites):
        setting = f"satellites[{number}].key_file"
        key = read_key(satellite.key_file, setting, advice)
        if key in keys.values():
            problem = f"{setting} {satellite.key_file}: the key of a satellite above: {advice}"
            raise ConfigurationError([problem])
        keys[satellite.name] = key
    return keys


def read_key(path: Path, setting: str, advice: str) -> bytes:
    """A secret of 64 hex digits in a file; raises ConfigurationError without showing any of it."""
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigurationError([f"{setting} {path}: {why}: {advice}"]) from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != SECRET_BYTES:
        raise ConfigurationError([f"{setting} {path}: not {2 * SECRET_BYTES} hex digits: {advice}"])
    return key

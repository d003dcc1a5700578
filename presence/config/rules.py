"""The settings as the core wants them."""

from pathlib import Path
from zoneinfo import ZoneInfo

from presence.config.settings import Settings
from presence.core.consent import Audience, Place, Purpose
from presence.core.opening_hours import OpeningHours
from presence.core.rules import Rules
from presence.errors import ConfigurationError

STORE_KEY_BYTES = 32


def place_of(settings: Settings) -> Place:
    return Place(settings.store.chain, settings.store.store, settings.store.sensitive)


def rules_of(settings: Settings, store_key: bytes) -> Rules:
    store = settings.store
    return Rules(
        place=place_of(settings),
        audiences=tuple(
            Audience(audience.name, Purpose(audience.purpose.value), frozenset(audience.campaigns))
            for audience in settings.audiences
        ),
        notice=settings.notice.id,
        store_key=store_key,
        entry=settings.entry,
        hours=OpeningHours(store.opening_hours, ZoneInfo(store.time_zone), store.opening_margin_min),
        expiry_s=settings.events.expiry_s,
        valid_for_s=settings.events.valid_for_s,
        outbox_length=settings.events.outbox_length,
    )


def read_store_key(path: Path) -> bytes:
    """The secret of the store, 64 hex digits in a file; raises ConfigurationError without showing any of it."""
    advice = "make it once with `openssl rand -hex 32` and copy it to every gateway of the store"
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigurationError([f"store.key_file {path}: {why}: {advice}"]) from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != STORE_KEY_BYTES:
        raise ConfigurationError([f"store.key_file {path}: not {2 * STORE_KEY_BYTES} hex digits: {advice}"])
    return key

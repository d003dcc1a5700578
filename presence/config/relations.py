"""The rules between settings: what each setting alone cannot tell.

Each relation takes one section and yields sentences that begin with the key they are about. It
reads no more than it judges: where a setting that it needs is broken already, the reader passes it
over.
"""

import difflib
import ipaddress
import re
import zoneinfo
from collections.abc import Iterator, Mapping

from presence.config.antennas import (
    each_adapter_is_named_once,
    no_number_hangs_in_a_place,
    score_is_of_these_antennas,
    somebody_could_be_recognised,
)
from presence.config.bells import (
    bells_have_adapters,
    doorbell_has_a_name_and_a_bell,
    each_bell_is_named_once,
    no_number_rings_in_a_place,
)
from presence.config.fields import Relation, Section
from presence.config.settings import (
    AudienceSettings,
    ConsentSettings,
    DoorbellSettings,
    EntrySettings,
    FiguresSettings,
    MqttSettings,
    PeerSettings,
    RadioSettings,
    Settings,
    StorageSettings,
    StoreSettings,
    TlsSettings,
)
from presence.core.event.cloudevent import largest_bytes
from presence.core.site import Site
from presence.core.visit.opening_hours import WEEKDAYS


def time_zone_exists(store: StoreSettings) -> Iterator[str]:
    if not _is_time_zone(store.time_zone):
        near = difflib.get_close_matches(
            store.time_zone, sorted(zoneinfo.available_timezones()), n=1
        )
        guess = f"did you mean {near[0]}?" if near else "use a name such as Europe/Helsinki"
        yield f"time_zone is not in the time-zone database of this machine (tzdata): {guess}"


def days_are_days(store: StoreSettings) -> Iterator[str]:
    for day in store.opening_hours:
        if day not in WEEKDAYS:
            yield f"opening_hours.{day} is no day: use {', '.join(WEEKDAYS)}"


def closes_when_it_does_not_open(store: StoreSettings) -> Iterator[str]:
    """An end before the start runs past midnight; an end at the start could mean a whole day, or
    nothing.
    """
    for day, hours in store.opening_hours.items():
        opens, _, closes = hours.partition("-")
        if closes == opens:
            yield (
                f"opening_hours.{day} closes as it opens: write 00:00-24:00 for a whole day, "
                "or remove the day"
            )


def lease_outlives_a_look(consent: ConsentSettings) -> Iterator[str]:
    """A look into the repository is at most twice refresh_s after the one before."""
    if consent.lease_s <= consent.poll_s:
        yield (
            "lease_s is not longer than poll_s: the list would run out between two looks; poll "
            "more often"
        )
    if consent.repository is not None and consent.lease_s <= 2 * consent.refresh_s:
        yield (
            "lease_s is not longer than twice refresh_s: the list would run out between two "
            "looks; look more often"
        )


def repository_has_its_root(consent: ConsentSettings) -> Iterator[str]:
    if (consent.repository is None) != (consent.root_file is None):
        yield "repository goes with root_file, by which it is proven: give both or neither"


def authority_goes_with_https(consent: ConsentSettings) -> Iterator[str]:
    if consent.repository_ca_file is not None and not (consent.repository or "").startswith(
        "https://"
    ):
        yield (
            "repository_ca_file is for a repository of https://…: remove it, or name such a "
            "repository"
        )


def offers_need_a_campaign(audience: AudienceSettings) -> Iterator[str]:
    if audience.purpose == "offers" and not audience.campaigns:
        yield "campaigns is empty, so nothing could be offered: name a category, e.g. [ap2:1551]"


def exit_lies_below_enter(entry: EntrySettings) -> Iterator[str]:
    if entry.exit_rssi_dbm > entry.enter_rssi_dbm:
        yield (
            "exit_rssi_dbm lies above enter_rssi_dbm, so a visit would end at once: put it "
            "5–15 dB below"
        )


def walks_have_a_time(figures: FiguresSettings) -> Iterator[str]:
    times = {"walk_past": figures.walk_past, "walk_in": figures.walk_in}
    spans = {}
    for name, time in times.items():
        if time is not None:
            start, _, end = time.partition("-")
            spans[name] = (start, end)
            if start >= end:
                yield f"{name} ends before it begins: give the earlier time first, on one day"
    if len(spans) == len(times):
        (past, past_end), (enter, enter_end) = spans["walk_past"], spans["walk_in"]
        if past < enter_end and enter < past_end:
            yield "walk_in overlaps walk_past, so nobody knows which walk it is: part them"


def walks_are_in_opening_hours(settings: Settings) -> Iterator[str]:
    """At another time nothing is heard."""
    hours = settings.store.opening_hours
    for name in ("walk_past", "walk_in"):
        time = getattr(settings.figures, name)
        if time is None or not hours:
            continue
        if not any(
            _within(time, spell, settings.store.opening_margin_min) for spell in hours.values()
        ):
            yield (
                f"figures.{name} is outside of store.opening_hours on every day, and nothing is "
                "heard then: choose a time within them"
            )


def _within(time: str, spell: str, margin_min: float) -> bool:
    opens, closes = map(_minutes, spell.split("-"))
    if closes <= opens:
        closes += 1440
    start, end = map(_minutes, time.split("-"))
    return any(
        opens - margin_min <= start + day and end + day <= closes + margin_min for day in (0, 1440)
    )


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:5])


def certificate_goes_with_its_key(tls: TlsSettings) -> Iterator[str]:
    if (tls.certificate_file is None) != (tls.key_file is None):
        yield "certificate_file goes with key_file: give both or neither"


def plain_text_stays_on_this_machine(mqtt: MqttSettings) -> Iterator[str]:
    hosts = mqtt.hosts or [mqtt.host]
    if mqtt.tls is None and not all(map(is_loopback, hosts)):
        yield (
            "tls is missing and the broker is another machine: add tls with ca_file, or use "
            "host 127.0.0.1"
        )


def brokers_are_listed_once(mqtt: MqttSettings) -> Iterator[str]:
    if mqtt.hosts and mqtt.host != MqttSettings.host:
        yield "host stands beside hosts: put it among them, and remove it"
    if len(set(mqtt.hosts)) < len(mqtt.hosts):
        yield "hosts names a broker twice: name each once"


def password_goes_with_a_username(mqtt: MqttSettings) -> Iterator[str]:
    if mqtt.password_file is not None and mqtt.username is None:
        yield "password_file stands without username: add the username, or remove the password"


def hold_off_has_a_range(peers: PeerSettings) -> Iterator[str]:
    if peers.hold_off_min_ms > peers.hold_off_max_ms:
        yield (
            "hold_off_min_ms is above hold_off_max_ms, so the weakest would be first: put it below"
        )


def visits_stay_off_the_disk(storage: StorageSettings) -> Iterator[str]:
    if storage.runtime_dir == storage.state_dir:
        yield "runtime_dir equals state_dir: keep it on a tmpfs such as /run/presence, off the disk"


def addresses_need_an_active_scan(settings: Settings) -> Iterator[str]:
    if settings.identity.irk_file is not None and settings.radio.mode == "passive":
        yield (
            "identity.irk_file needs radio.mode active: a passive scan finds payloads by "
            "pattern, and no addresses"
        )


def addresses_need_bluez(settings: Settings) -> Iterator[str]:
    if settings.identity.irk_file is not None and settings.radio.path != "bluez":
        yield (
            "identity.irk_file needs radio.path bluez: the kernel's filter finds payloads, and no "
            "addresses"
        )


def user_channel_is_passive(settings: Settings) -> Iterator[str]:
    if settings.radio.path == "user-channel" and settings.radio.mode == "active":
        yield (
            "radio.path user-channel sends nothing on air, so radio.mode cannot be active: write "
            "auto or passive"
        )


def le_coded_needs_the_user_channel(settings: Settings) -> Iterator[str]:
    if settings.radio.le_coded and settings.radio.path != "user-channel":
        yield (
            "radio.le_coded needs radio.path user-channel: bluetoothd listens on LE 1M only, and "
            "cannot be told otherwise"
        )


def bells_are_bluetoothds(settings: Settings) -> Iterator[str]:
    """An adapter in the user channel is not bluetoothd's, and a doorbell is rung through it."""
    doorbell = settings.doorbell
    if settings.radio.path != "user-channel" or not doorbell.enabled:
        return
    if doorbell.share_adapter:
        yield (
            "doorbell.share_adapter cannot be had with radio.path user-channel: the doorbell needs "
            "bluetoothd, which has no say on such an adapter. Give the bell an adapter of its own"
        )
    if not settings.radio.antennas:
        yield (
            "radio.antennas is empty, so radio.path user-channel might take the doorbell's adapter "
            "from bluetoothd: name the adapters that listen"
        )


def list_is_of_this_chain(settings: Settings) -> Iterator[str]:
    if settings.consent.list.partition("/")[0] != settings.store.chain:
        yield f"consent.list is of another chain than store.chain: use {settings.store.chain}/…"


def somebody_listens(settings: Settings) -> Iterator[str]:
    if not settings.audiences:
        yield "audiences is empty, so no event could be sent: name at least one audience"


def audience_names_differ(settings: Settings) -> Iterator[str]:
    seen: set[str] = set()
    for index, audience in enumerate(settings.audiences):
        if audience.name in seen:
            yield f"audiences[{index}].name is taken by an audience above: give each its own name"
        seen.add(audience.name)


def satellite_names_differ(settings: Settings) -> Iterator[str]:
    """From one another, and from adapters: by its name an antenna is told from the next."""
    seen: set[str] = set()
    for index, satellite in enumerate(settings.satellites):
        if satellite.name in seen:
            yield f"satellites[{index}].name is taken by a satellite above: give each its own name"
        elif re.fullmatch(r"hci[0-9]+|default", satellite.name):
            yield (
                f"satellites[{index}].name is that of an adapter: call a satellite by where it "
                "hangs, such as pavement"
            )
        seen.add(satellite.name)


def padding_holds_every_event(settings: Settings) -> Iterator[str]:
    """A size that some events exceed would tell which ones do."""
    site = Site(settings.store.chain, settings.store.store)
    longest = max(
        (
            largest_bytes(
                site,
                audience.name,
                audience.purpose,
                tuple(audience.campaigns),
                settings.notice.id,
            )
            for audience in settings.audiences
        ),
        default=0,
    )
    if 0 < settings.events.pad_to_bytes < longest:
        yield (
            f"events.pad_to_bytes is smaller than the longest event: use at least {longest}, "
            "or 0 for none"
        )


def is_loopback(host: str) -> bool:
    """Does `host` name this very machine, so that plain text never leaves it?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_time_zone(name: str) -> bool:
    """`right/…` counts leap seconds and `posix/…` is a copy: neither is a name of the IANA
    database.
    """
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return not name.startswith(("right/", "posix/"))


RELATIONS: Mapping[type[Section], tuple[Relation, ...]] = {
    StoreSettings: (
        time_zone_exists,
        days_are_days,
        closes_when_it_does_not_open,
    ),
    RadioSettings: (
        each_adapter_is_named_once,
        no_number_hangs_in_a_place,
    ),
    DoorbellSettings: (
        doorbell_has_a_name_and_a_bell,
        each_bell_is_named_once,
        no_number_rings_in_a_place,
    ),
    ConsentSettings: (
        lease_outlives_a_look,
        repository_has_its_root,
        authority_goes_with_https,
    ),
    AudienceSettings: (offers_need_a_campaign,),
    EntrySettings: (exit_lies_below_enter,),
    FiguresSettings: (walks_have_a_time,),
    TlsSettings: (certificate_goes_with_its_key,),
    MqttSettings: (
        plain_text_stays_on_this_machine,
        brokers_are_listed_once,
        password_goes_with_a_username,
    ),
    PeerSettings: (hold_off_has_a_range,),
    StorageSettings: (visits_stay_off_the_disk,),
    Settings: (
        list_is_of_this_chain,
        somebody_listens,
        audience_names_differ,
        satellite_names_differ,
        bells_have_adapters,
        somebody_could_be_recognised,
        score_is_of_these_antennas,
        padding_holds_every_event,
        addresses_need_an_active_scan,
        addresses_need_bluez,
        user_channel_is_passive,
        le_coded_needs_the_user_channel,
        bells_are_bluetoothds,
        walks_are_in_opening_hours,
    ),
}
"""The rules of each section; those between sections are those of `Settings`."""


def problems(section: Section) -> Iterator[str]:
    """What is wrong between the settings; each sentence begins with the key that it is about."""
    for relation in RELATIONS.get(type(section), ()):
        yield from relation(section)

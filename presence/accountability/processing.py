"""The record of processing (GDPR art. 30) and the parts of an impact assessment (art. 35) that
follow from the settings in force (R-26).

Each sentence is made of the settings, so that a changed retention changes the record. What follows
from no setting (why it is necessary, how it is balanced, who was heard) a person must write: the
last section names it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from presence.accountability.promises import revocation_delay
from presence.config import Settings
from presence.config.effective import EffectiveSetting, effective
from presence.config.rules import site_of
from presence.config.settings import HearingPath, MqttProtocol
from presence.core.event import cloudevent
from presence.core.timestamps import duration

Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RecordPart:
    """A heading, and what stands under it: pairs of a subject and sentences."""

    title: str
    rows: Rows

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.title, "rows": [list(row) for row in self.rows]}


TOUCH_PRIVACY: Final = (
    "store.sensitive",
    "store.opening_hours",
    "store.opening_margin_min",
    "consent.directory",
    "consent.notice_keys",
    "consent.poll_s",
    "consent.lease_s",
    "consent.max_span_days",
    "consent.refresh_s",
    "consent.require_synchronised_clock",
    "radio.mode",
    "radio.path",
    "doorbell.enabled",
    "identity.ibeacon_prefix",
    "identity.irk_file",
    "counter.door",
    "events.expiry_s",
    "events.valid_for_s",
    "events.pad_to_bytes",
    "mqtt.state_interval_s",
    "storage.state_dir",
    "storage.runtime_dir",
    "log.level",
    "metrics.export",
    "status.group",
)
"""Those of docs/settings.md that bear on privacy; audiences, notice and TLS stand in the record."""


def record_of_processing(settings: Settings) -> tuple[RecordPart, ...]:
    """Article 30(1), letter by letter."""
    return (
        RecordPart("Controller and contact (a)", tuple(_controller(settings))),
        RecordPart("Purposes (b)", tuple(_purposes(settings))),
        RecordPart("People and data (c)", tuple(_data(settings))),
        RecordPart("Recipients and transfers (d, e)", tuple(_recipients(settings))),
        RecordPart("Time limits for erasure (f)", tuple(_limits(settings))),
        RecordPart("Security measures (g)", tuple(_measures(settings))),
    )


def impact_assessment(settings: Settings, lines: Mapping[str, int]) -> tuple[RecordPart, ...]:
    """What the settings say for article 35(7). `lines`: where the file has which setting."""
    return (
        RecordPart("How it works", tuple(_description(settings))),
        RecordPart("Settings that differ from the default", tuple(_deviations(settings, lines))),
        RecordPart("Risks, and the answer of this gateway", tuple(_risks(settings))),
        RecordPart("What a person must write", BY_A_PERSON),
    )


def _controller(settings: Settings) -> Iterator[tuple[str, str]]:
    notice, store = settings.notice, settings.store
    yield "Controller", notice.controller
    yield "Data-protection officer", notice.dpo_contact
    yield "Place", f"Chain {store.chain}, store {store.store}, gateway {store.gateway}."
    yield (
        "Notice at the door",
        f"Version {notice.id}. It must be reviewed by {notice.review_by}; after that day the "
        "gateway hears nobody.",
    )


def _purposes(settings: Settings) -> Iterator[tuple[str, str]]:
    yield (
        "presence",
        "To notice that a customer who asked for it has entered the store. Legal basis: consent, "
        "art. 6(1)(a)." + (" Explicit consent, art. 9(2)(a)." if settings.store.sensitive else ""),
    )
    for audience in settings.audiences:
        campaigns = ", ".join(audience.campaigns) or "none"
        yield (
            audience.purpose.value,
            f"To tell the audience {audience.name}, where the customer agreed to this purpose, "
            f"too. Categories that it may be told: {campaigns}.",
        )


def _data(settings: Settings) -> Iterator[tuple[str, str]]:
    yield from DATA
    if settings.identity.irk_file is not None:
        yield (
            "Test phones",
            "Keys that know the phones of staff and technicians by their addresses, for years: a "
            "file of its own (identity.irk_file).",
        )


DATA: Final[Rows] = (
    (
        "Customers who agreed",
        "From the consent list: a reference of 8 bytes, window keys of 16 bytes, one key of 16 "
        "bytes for each audience, purposes, categories, begin and end. While they visit: when they "
        "entered and when they were last heard. No name, address, number or identity key.",
    ),
    (
        "Passers-by",
        "Their devices are heard, as by every radio. What they send is compared with the list in "
        "memory and dropped at once. Nothing of it is stored, logged, counted by device or sent.",
    ),
    (
        "Staff",
        "The audit log has the user number of who asked for more than the status, and the door's "
        "calibration the name that its walker typed. While a technician tests the door: what the "
        "antennas heard of the technician's own test phones.",
    ),
    (
        "An event",
        "A name for the customer, made for one audience and anew each day (the same each day for "
        "who agreed to `profiling`), the minute of entry, the categories that they agreed to, and "
        "the notice. No signal strength, no zone, no time spent. Who agreed to `visit_end` has a "
        "second event when the visit is over; a third takes the first one back.",
    ),
)


def _recipients(settings: Settings) -> Iterator[tuple[str, str]]:
    site, consent = site_of(settings), settings.consent
    for audience in settings.audiences:
        topic = cloudevent.topic(site, audience.name)
        yield f"Audience {audience.name}", f"Gets events on the topic {topic}."
    yield (
        "MQTT broker",
        f"{settings.mqtt.where}: it carries the events, {_on_the_way(settings)}. It may hold "
        "one for an audience that is away, until it expires.",
    )
    source = consent.repository if consent.repository is not None else str(consent.directory)
    yield "Consent list", f"Comes from {_without_user(source)}. The gateway sends nothing there."
    yield (
        "Transfers",
        "The gateway connects to these places alone. In which countries they are, a person must "
        "write.",
    )


def _without_user(address: str) -> str:
    """No user and password of an address."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    return f"{scheme}://{rest.rpartition('@')[2] if '@' in rest.split('/')[0] else rest}"


def _on_the_way(settings: Settings) -> str:
    tls = settings.mqtt.tls
    if tls is None:
        return "on this machine, without encryption"
    return "encrypted (TLS)" + (
        ", with a certificate of the gateway" if tls.certificate_file is not None else ""
    )


def _limits(settings: Settings) -> Iterator[tuple[str, str]]:
    consent, entry, events = settings.consent, settings.entry, settings.events
    yield "What strangers send", "Not kept."
    yield (
        "A present visit",
        f"In memory until {duration(entry.absence_s)} after the phone was last heard, and "
        f"{duration(entry.reentry_cooldown_s)} more, so that nobody is greeted twice. Gone when "
        "the gateway stops. Never on a disk. No history is made of it.",
    )
    yield (
        "An event that nobody took",
        f"{duration(events.expiry_s)} in memory, {events.outbox_length} events at most.",
    )
    yield (
        "What was told",
        f"In memory for {duration(events.valid_for_s)} at most, so that it can be taken back.",
    )
    yield (
        "An event at its audience",
        f"It may be acted on for {duration(events.valid_for_s)}. What the audience keeps is in its "
        "own record.",
    )
    yield (
        "An entry of the list",
        f"Until the customer withdraws or it ends, after {consent.max_span_days} days at most. "
        "Then it is overwritten.",
    )
    yield "A withdrawal", revocation_delay(settings)
    if consent.repository is None:
        yield "Window keys", "In the file of the list, for as long as it has them; and in memory."
    else:
        yield "Window keys", "In memory, for today and tomorrow: 18 to 36 hours."
    yield (
        "A technician's walk",
        "Until the test of the door ends, and 12 hours after its last walk at most.",
    )
    yield "Audit log", "The last 8 to 16 MB. No person stands in it but the user numbers of staff."
    yield "Log", "As long as the journal of this machine keeps it. No person stands in it."


def _measures(settings: Settings) -> Iterator[tuple[str, str]]:
    consent = settings.consent
    if consent.repository is not None:
        yield "List", "Signed; an old, cut or changed one is refused."
    else:
        yield "List", "A plain file: whoever can write it decides who is recognised."
    signed = consent.repository is not None or consent.notice_keys is not None
    yield (
        "Withdrawals",
        "Signed, and can only take away." if signed else "Come with the list alone.",
    )
    yield "Events on the way", f"{_on_the_way(settings).capitalize()}."
    if settings.mqtt.protocol is MqttProtocol.V311:
        yield "MQTT", "3.1.1: the broker does not end old events by itself."
    padded = settings.events.pad_to_bytes
    yield "Size of events", f"All {padded} bytes long." if padded else "Each as long as it is."
    yield "Names", "Two audiences cannot join the names that they are given for a customer."
    yield "Figures", "Counts are rounded to 5, hidden below 5, and told by the hour."
    yield "Log", "An allow list of fields; addresses, keys and identifiers are cut out of texts."
    yield "Audit log", "Each line has the hash of the one before; a change shows."
    yield (
        "Service",
        "Its own user in a sandbox of systemd: no core file, no capability, no other folder "
        "(`presence check --inside`, where it runs).",
    )


def _description(settings: Settings) -> Iterator[tuple[str, str]]:
    yield (
        "Flow",
        "Phone, radio, comparison with the list in memory, gate (what did this customer agree "
        "to?), visit, gate again, event to the audience.",
    )
    antennas = [f"{each.adapter} ({each.place.value})" for each in settings.radio.antennas]
    antennas += [f"satellite {each.name} ({each.place.value})" for each in settings.satellites]
    yield "Antennas", f"{', '.join(antennas) or 'The first adapter (inside)'}."
    yield "Hearing", _HEARING[settings.radio.path]
    hours = settings.store.opening_hours
    said = ", ".join(f"{day} {times}" for day, times in hours.items())
    yield (
        "Hours",
        f"{said} ({settings.store.time_zone}), and {settings.store.opening_margin_min:g} minutes "
        "before and after." if hours else "Day and night: store.opening_hours is not set.",
    )  # fmt: skip
    if settings.doorbell.enabled:
        yield "Doorbell", "Rings by Bluetooth. Phones of customers answer of their own accord."
    if settings.counter.door is not None:
        yield (
            "People counter",
            f"At the door {settings.counter.door}: how many pass, in which second.",
        )


_HEARING: Final = {
    HearingPath.BLUEZ: "bluetoothd hears, and forgets a device 30 s after it was last heard. Only "
    "formats of ours are asked for.",
    HearingPath.KERNEL: "A filter in the kernel lets only formats of ours reach the program.",
    HearingPath.USER_CHANNEL: "The program has the adapter alone. A filter in the kernel lets only "
    "formats of ours reach it, and it sends nothing.",
}


def _deviations(settings: Settings, lines: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    found = [
        each for each in effective(settings, lines) if each.path in TOUCH_PRIVACY and each.differs
    ]
    yield from ((each.path, _said(each)) for each in found)
    if not found:
        yield "None", "Each setting that bears on privacy is as delivered."


def _said(setting: EffectiveSetting) -> str:
    value = "given" if setting.secret else _shown(setting.value, setting.unit)
    return f"Is {value}; as delivered {_shown(setting.default, setting.unit)}."


def _shown(value: Any, unit: str) -> str:
    if value is None or value in ({}, []):
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return f"{value:g} {unit}".strip() if isinstance(value, int | float) else str(value)


def _risks(settings: Settings) -> Iterator[tuple[str, str]]:
    """By the number of docs/requirements.md#threats."""
    yield "A passer-by is followed (R-01)", "Nothing of strangers is kept: the test on this page."
    yield (
        "A neighbour is taken for a visitor (T-25)",
        "The door is calibrated by walking it; `presence status` says until when that holds.",
    )
    yield (
        "A recorded phone is played back (T-01, T-02)",
        "An identifier counts in its own 17 minutes. No payment and no access may rest on "
        "an event.",
    )
    yield (
        "The customer believes it is off (T-24)",
        revocation_delay(settings),
    )
    yield (
        "The gateway is stolen (T-13)",
        f"{_keys_of(settings)} It has no name. `presence incident-export` says what was on it.",
    )
    yield "Staff watch one customer (T-14)", "No command prints a customer; who asks is recorded."
    yield "Audiences join what they know (T-17)", "Their names for a customer cannot be joined."
    yield (
        "It becomes tracking (T-18)",
        "The schema of events is closed: no zone, no time spent, no strength.",
    )
    yield "The list is poisoned (T-19)", _measures_of_the_list(settings)


def _keys_of(settings: Settings) -> str:
    if settings.consent.repository is None:
        return "The file of the list has keys: as many windows as were written into it."
    return "It has keys for 36 hours at most, in memory."


def _measures_of_the_list(settings: Settings) -> str:
    if settings.consent.repository is None:
        return "Open: the list is a plain file, which nobody signs. Use a signed list."
    return "The list is signed, and one that grows by more than a fifth needs a second signature."


BY_A_PERSON: Final[Rows] = (
    ("Necessity", "Why the purpose cannot be reached with less; which alternatives were weighed."),
    ("Balance", "What it means for customers, for children and for those who work here."),
    ("Consultation", "What customers, staff and their representatives said."),
    ("Countries", "Where broker, consent service and audiences are, and by which transfer tool."),
    ("Processors", "Contracts with who runs the broker, the list and the audiences (art. 28)."),
    ("Advice and decision", "What the data-protection officer advised, who decided, and when."),
)

"""Every setting with its type, default, limits and reason; `config/presence.yaml` shows them to the
operator.

A section of the file is a frozen dataclass here, and a key is a field: `setting(...)` carries what
the reader checks. Rules between settings are in `presence.config.relations`.
"""
# ruff: noqa: RUF009  (`setting` is a field specifier like `dataclasses.field`)

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from presence.config.fields import Section, setting
from presence.config.operating import MetricsSettings, StatusSettings
from presence.core.place import Place

NAME = r"[a-z0-9-]{1,32}"
"""Chain, store, gateway and audience names stand in MQTT topics (docs/design.md#topics)."""
CATEGORY = r"[a-z0-9]{1,8}:[A-Za-z0-9._-]{1,32}"
"""`taxonomy:node`, e.g. `ap2:1551` of the IAB Ad Product Taxonomy 2.0."""
WALK_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]"
CLOCK_RANGE = r"([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)"
KEY_FILE = r"(?![0-9a-fA-F]{32,}$).+"
"""A path, and not the key itself pasted in its place: a configuration file is no place for a
secret.
"""

PREFIX = r"[0-9a-f]{16}"
PREFIX_REMEDY = "give the chain's 8 bytes as 16 digits of 0–9 and a–f, in quotes"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

ADAPTER = (
    r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}"
    r"|usb:[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,6}"
    r"|hci[0-9]{1,2}"
)
"""Address, USB path (the bus, and from its root on the ports: seven at most), today's number."""

ADAPTER_REMEDY = (
    "use its address in quotes, its USB path such as usb:1-1.4, or hci0: `presence check` prints "
    "all three"
)
_UUID_REMEDY = "use a UUID of your own in lower case, as `uuidgen` makes them"
REPOSITORY = (
    r"https://\S{1,500}"
    r"|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?(/\S{0,400})?"
    r"|/.{0,500}"
)
NAME_REMEDY = "use 1–32 of a–z, 0–9 and '-'"


class RadioMode(StrEnum):
    AUTO = "auto"
    ACTIVE = "active"
    PASSIVE = "passive"


class HearingPath(StrEnum):
    BLUEZ = "bluez"
    KERNEL = "kernel"
    USER_CHANNEL = "user-channel"


class MqttProtocol(StrEnum):
    V5 = "5"
    V311 = "3.1.1"


class HostOrder(StrEnum):
    LISTED = "listed"
    RANDOM = "random"


class AudiencePurpose(StrEnum):
    OFFERS = "offers"
    SERVICE = "service"


class LogFormat(StrEnum):
    AUTO = "auto"
    JSON = "json"
    HUMAN = "human"


@dataclass(frozen=True, kw_only=True)
class StoreSettings(Section):
    chain: str = setting(pattern=NAME, remedy=NAME_REMEDY, example="acme")
    store: str = setting(pattern=NAME, remedy=NAME_REMEDY, example="fi-0042")
    gateway: str = setting(pattern=NAME, remedy=NAME_REMEDY, example="door-1")
    key_file: Path = setting(
        pattern=KEY_FILE,
        remedy="name a file with 64 hex digits, the same on every gateway of this store",
        example="/etc/presence/store.key",
        secret=True,
    )
    sensitive: bool = setting(default=False)
    time_zone: str = setting(
        default="UTC", remedy="use a name of the IANA database such as Europe/Helsinki"
    )
    opening_hours: dict[str, str] = setting(
        default={},
        each=CLOCK_RANGE,
        remedy="use days mon…sun with HH:MM-HH:MM, such as 09:00-21:00",
        example="{mon: 09:00-21:00}",
    )
    opening_margin_min: float = setting(default=15, minimum=0, maximum=120)


@dataclass(frozen=True, kw_only=True)
class NoticeSettings(Section):
    id: str = setting(
        pattern=r"[A-Za-z0-9._-]{1,64}",
        remedy=(
            "give the version of the sign at the door, 1–64 of letters, digits, '.', '_' and '-'"
        ),
        example="fi-2026-03",
    )
    controller: str = setting(
        pattern=r".{1,200}", remedy="name the company that answers for the data", example="Acme Oy"
    )
    dpo_contact: str = setting(
        pattern=r".{3,200}",
        remedy="say how customers reach the data-protection officer",
        example="privacy@acme.example",
    )
    review_by: date = setting(
        remedy="give the day by which the notice is reviewed, year-month-day", example="2027-03-01"
    )


@dataclass(frozen=True, kw_only=True)
class AntennaSettings(Section):
    adapter: str = setting(pattern=ADAPTER, remedy=ADAPTER_REMEDY, example='"00:1A:7D:DA:71:13"')
    place: Place = setting(default=Place.INSIDE)


@dataclass(frozen=True, kw_only=True)
class RadioSettings(Section):
    mode: RadioMode = setting(default=RadioMode.AUTO)
    path: HearingPath = setting(default=HearingPath.BLUEZ)
    le_coded: bool = setting(default=False)
    antennas: list[AntennaSettings] = setting(
        default=[], example='[{adapter: "00:1A:7D:DA:71:13", place: inside}]'
    )
    silence_min: float = setting(default=30, minimum=5, maximum=240)
    queue_length: int = setting(default=4096, minimum=64, maximum=1_000_000)


@dataclass(frozen=True, kw_only=True)
class SatelliteAntenna(Section):
    name: str = setting(pattern=NAME, remedy=NAME_REMEDY, example="pavement")
    place: Place = setting(example="outside")
    key_file: Path = setting(
        pattern=KEY_FILE,
        remedy="name a file with 64 hex digits, the same as on the satellite and on no other",
        example="/etc/presence/pavement.key",
        secret=True,
    )


@dataclass(frozen=True, kw_only=True)
class BellSettings(Section):
    adapter: str = setting(pattern=ADAPTER, remedy=ADAPTER_REMEDY, example="usb:1-1.2")
    place: Place = setting(default=Place.INSIDE)
    number: int = setting(default=0, minimum=0, maximum=255)
    rssi_offset_db: int = setting(default=0, minimum=-40, maximum=40)


@dataclass(frozen=True, kw_only=True)
class DoorbellSettings(Section):
    enabled: bool = setting(default=False)
    service_uuid: str | None = setting(
        default=None,
        pattern=UUID,
        remedy=_UUID_REMEDY,
        example="5f0c1e52-7c3a-4f0e-9d3b-3f6f0f8b2a10",
    )
    bells: list[BellSettings] = setting(default=[], example="[{adapter: usb:1-1.2}]")
    share_adapter: bool = setting(default=False)
    beacon_uuid: str | None = setting(
        default=None,
        pattern=UUID,
        remedy=_UUID_REMEDY,
        example="0a6cb6b6-9b1f-4d59-8f5e-8a7a3b0d1c42",
    )
    beacon_major: int = setting(default=0, minimum=0, maximum=65_535)
    interval_ms: int = setting(default=150, minimum=20, maximum=1000)
    link_s: float = setting(default=3, minimum=1, maximum=10)


@dataclass(frozen=True, kw_only=True)
class IdentitySettings(Section):
    ibeacon_prefix: str | None = setting(
        default=None,
        pattern=PREFIX,
        remedy=PREFIX_REMEDY,
        example='"5072657365636531"',
    )
    reference_tx_dbm: int = setting(default=-18, minimum=-100, maximum=20)
    irk_file: Path | None = setting(
        default=None,
        pattern=KEY_FILE,
        remedy="name a file with a JSON object: ref → IRK of a test phone, 32 hex digits",
        example="/etc/presence/test-phones.json",
        secret=True,
    )


@dataclass(frozen=True, kw_only=True)
class ConsentSettings(Section):
    directory: Path = setting(default=Path("/var/lib/presence/consent"))
    list: str = setting(
        pattern=rf"{NAME}/{NAME}",
        remedy="give the list's name, chain/store",
        example="acme/fi-0042",
    )
    notice_keys: Path | None = setting(
        default=None,
        remedy="name the file notices.jwks of the consent service",
        example="/etc/presence/notices.jwks",
    )
    poll_s: float = setting(default=10, minimum=1, maximum=600)
    lease_s: float = setting(default=900, minimum=60, maximum=3600)
    max_span_days: int = setting(default=396, minimum=1, maximum=396)
    repository: str | None = setting(
        default=None,
        pattern=REPOSITORY,
        remedy="give https://… or an absolute path",
        example="https://lists.example/x",
    )
    root_file: Path | None = setting(default=None, example="/etc/presence/consent-root.json")
    repository_ca_file: Path | None = setting(default=None, example="/etc/presence/consent-ca.pem")
    refresh_s: float = setting(default=60, minimum=5, maximum=300)
    require_synchronised_clock: bool = setting(default=True)

    @property
    def max_span_s(self) -> float:
        return self.max_span_days * 86_400


@dataclass(frozen=True, kw_only=True)
class AudienceSettings(Section):
    name: str = setting(pattern=NAME, remedy=NAME_REMEDY, example="offers-main")
    purpose: AudiencePurpose = setting(default=AudiencePurpose.OFFERS)
    campaigns: list[str] = setting(
        default=[],
        each=CATEGORY,
        remedy="use categories such as ap2:1551; no other can stand in an event",
        example="[ap2:1551]",
    )


@dataclass(frozen=True, kw_only=True)
class EntrySettings(Section):
    enter_rssi_dbm: float = setting(default=-67, minimum=-110, maximum=-20)
    evidence_db_s: float = setting(default=30, minimum=1, maximum=500)
    exit_rssi_dbm: float = setting(default=-85, minimum=-120, maximum=-20)
    window_s: float = setting(default=15, minimum=2, maximum=60)
    min_sightings: int = setting(default=4, minimum=2, maximum=50)
    min_duration_s: float = setting(default=2, minimum=1, maximum=60)
    absence_s: float = setting(default=300, minimum=30, maximum=3600)
    reentry_cooldown_s: float = setting(default=900, minimum=60, maximum=86_400)
    side_offset_db: float | None = setting(default=None, minimum=-40, maximum=40, example="-2")
    near_dbm: float = setting(default=-62, minimum=-100, maximum=-20)
    score: float | None = setting(default=None, minimum=-100, maximum=200, example="106")


@dataclass(frozen=True, kw_only=True)
class FiguresSettings(Section):
    walk_past: str | None = setting(
        default=None,
        pattern=WALK_TIME,
        remedy="use HH:MM-HH:MM, such as 08:50-09:00, and quotes",
        example='"08:50-09:00"',
    )
    walk_in: str | None = setting(
        default=None,
        pattern=WALK_TIME,
        remedy="use HH:MM-HH:MM, such as 09:00-09:10, and quotes",
        example='"09:00-09:10"',
    )


class CounterFacing(StrEnum):
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, kw_only=True)
class CounterSettings(Section):
    door: str | None = setting(default=None, pattern=NAME, remedy=NAME_REMEDY, example="main")
    window_s: float = setting(default=8, minimum=1, maximum=60)
    faces: CounterFacing = setting(default=CounterFacing.IN)


@dataclass(frozen=True, kw_only=True)
class TlsSettings(Section):
    ca_file: Path = setting(
        remedy="name the certificate authority of the broker, PEM",
        example="/etc/presence/broker-ca.pem",
    )
    certificate_file: Path | None = setting(default=None, example="/etc/presence/gateway.pem")
    key_file: Path | None = setting(
        default=None, pattern=KEY_FILE, example="/etc/presence/gateway.key", secret=True
    )


@dataclass(frozen=True, kw_only=True)
class MqttSettings(Section):
    host: str = setting(
        default="127.0.0.1",
        pattern=r"[A-Za-z0-9._:-]{1,253}",
        remedy="give a host name or an address alone",
    )
    hosts: list[str] = setting(
        default=[],
        each=r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,7}",  # or an IPv6 address
        remedy="give host names or addresses alone; they have one port",
        example="[broker-1.example.com, broker-2.example.com]",
    )
    host_order: HostOrder = setting(default=HostOrder.LISTED)
    port: int = setting(default=1883, minimum=1, maximum=65_535)
    protocol: MqttProtocol = setting(default=MqttProtocol.V5)
    username: str | None = setting(default=None, example="presence-fi-0042", secret=True)
    password_file: Path | None = setting(
        default=None, example="/etc/presence/mqtt.password", secret=True
    )
    tls: TlsSettings | None = setting(default=None)
    keep_alive_s: int = setting(default=20, minimum=5, maximum=300)
    acknowledge_timeout_s: float = setting(default=10, minimum=1, maximum=60)
    reconnect_max_s: float = setting(default=120, minimum=1, maximum=600)
    state_interval_s: int = setting(default=60, minimum=5, maximum=3600)
    will_delay_s: int = setting(default=30, minimum=0, maximum=300)

    @property
    def brokers(self) -> tuple[str, ...]:
        return tuple(self.hosts) or (self.host,)

    @property
    def where(self) -> str:
        """For a person: all of them, with their port."""
        return ", ".join(f"{host}:{self.port}" for host in self.brokers)


@dataclass(frozen=True, kw_only=True)
class EventSettings(Section):
    expiry_s: int = setting(default=120, minimum=5, maximum=120)
    valid_for_s: int = setting(default=1800, minimum=60, maximum=3600)
    outbox_length: int = setting(default=256, minimum=16, maximum=256)
    pad_to_bytes: int = setting(default=0, minimum=0, maximum=16_384)


@dataclass(frozen=True, kw_only=True)
class PeerSettings(Section):
    enabled: bool = setting(default=True)
    hold_off_min_ms: int = setting(default=50, minimum=0, maximum=2000)
    hold_off_max_ms: int = setting(default=800, minimum=0, maximum=5000)
    settle_ms: int = setting(default=100, minimum=0, maximum=2000)
    takeover_ms: int = setting(default=2000, minimum=200, maximum=20_000)


@dataclass(frozen=True, kw_only=True)
class StorageSettings(Section):
    state_dir: Path = setting(default=Path("/var/lib/presence"))
    runtime_dir: Path = setting(default=Path("/run/presence"))


@dataclass(frozen=True, kw_only=True)
class LogSettings(Section):
    level: str = setting(
        default="info",
        pattern=r"debug|info|warning|error",
        remedy="use debug, info, warning or error",
    )
    format: LogFormat = setting(default=LogFormat.AUTO)


@dataclass(frozen=True, kw_only=True)
class Settings(Section):
    """The whole file. A section without a default must stand in the file."""

    store: StoreSettings = field()
    notice: NoticeSettings = field()
    consent: ConsentSettings = field()
    audiences: list[AudienceSettings] = field()
    radio: RadioSettings = field(default_factory=RadioSettings)
    satellites: list[SatelliteAntenna] = field(default_factory=list)
    doorbell: DoorbellSettings = field(default_factory=DoorbellSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    entry: EntrySettings = field(default_factory=EntrySettings)
    figures: FiguresSettings = field(default_factory=FiguresSettings)
    counter: CounterSettings = field(default_factory=CounterSettings)
    events: EventSettings = field(default_factory=EventSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    peers: PeerSettings = field(default_factory=PeerSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    log: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    status: StatusSettings = field(default_factory=StatusSettings)

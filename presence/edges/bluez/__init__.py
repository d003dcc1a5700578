"""The radio, through BlueZ and bleak: one `BluezScanner` for each adapter.

    scanner ─► choice ─► scans │ monitor   active through bleak, or passive by a monitor of our own
       │          └────► modes, version    what BlueZ is asked for, and how that is spelt
       ├─────► kernel_path                 a scan for nobody, heard beside BlueZ (edges.kernel)
       ├─────► connection                  is the adapter there, powered, bluetoothd still the same?
       ├─────► power, probe                off and on again; is anybody there?
       └─────► edges.radio.care            how the radio does (core.radio_health decides)

All of it that is not bleak's speaks to bluetoothd through `bus`, at the `pace` it is given;
`advertiser` and `gatt` advertise by it. `diagnosis` and `traces` answer `presence check`.

Imports: presence.core, presence.config, presence.ports, edges.kernel, edges.radio and edges.host.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from presence.config.antennas import FIRST_ADAPTER
from presence.config.bells import not_for_antennas
from presence.config.rules import scan_filters_of
from presence.config.settings import HearingPath, Settings
from presence.edges.bluez.choice import ScanPolicy
from presence.edges.bluez.connection import Adapter, Bluez
from presence.edges.bluez.faults import ERRORS
from presence.edges.bluez.host import THIS_MACHINE, BluezHost
from presence.edges.bluez.kernel_path import Ask
from presence.edges.bluez.scanner import BluezScanner
from presence.edges.kernel.descriptor import ask
from presence.edges.radio.care import Means
from presence.edges.radio.ledger import Ledger
from presence.errors import RadioError
from presence.ports import Clock
from presence.telemetry import Emit

__all__ = [
    "BluezScanner",
    "ScanPolicy",
    "adapters_now",
    "adapters_of",
    "policy_of",
    "radios",
    "watched_radios",
]


def policy_of(settings: Settings, *, everybody: bool = False) -> ScanPolicy:
    filters = scan_filters_of(settings)
    return ScanPolicy(mode=settings.radio.mode, filters=filters, everybody=everybody)


def way_past_bluez(settings: Settings, host: BluezHost = THIS_MACHINE) -> Ask | None:
    """None where BlueZ is to tell us what it hears."""
    if settings.radio.path is not HearingPath.KERNEL:
        return None
    prefix = settings.identity.ibeacon_prefix or ""
    return partial(ask, "monitor", ibeacon_prefix=prefix, path=host.radio_helper)


def radios(
    settings: Settings, *, clock: Clock, emit: Emit, host: BluezHost = THIS_MACHINE
) -> list[BluezScanner]:
    """One for each adapter of the settings, for a look at the radio: they take no steps of
    recovery, and hand over what everybody says.
    """
    return [_radio(settings, names, clock, emit, host=host) for names in adapters_of(settings)]


def watched_radios(
    settings: Settings, *, clock: Clock, emit: Emit, open_at: Callable[[float], bool]
) -> list[BluezScanner]:
    """The same for the daemon: they heal themselves, and rest while the shop is closed."""
    means = Means(
        silence_s=settings.radio.silence_min * 60, ledger=Ledger(settings.storage.runtime_dir)
    )
    found = [
        _radio(settings, names, clock, emit, means=means, open_at=open_at)
        for names in adapters_of(settings)
    ]
    for radio in found:
        if radio.care:
            radio.care.others = [other.care for other in found if other.care and other is not radio]
    return found


async def adapters_now(settings: Settings, *, host: BluezHost = THIS_MACHINE) -> dict[str, Adapter]:
    """Each antenna → which adapter that is now; none where bluetoothd cannot be asked."""
    found = {}
    with suppress(*ERRORS):
        async with Bluez.connect(usb_path_of=host.usb_path_of) as bluez:
            for adapter, others in adapters_of(settings):
                with suppress(RadioError):
                    found[adapter or FIRST_ADAPTER] = await bluez.adapter(adapter, others=others)
    return found


def adapters_of(settings: Settings) -> list[tuple[str, Sequence[str]]]:
    """What each antenna's adapter is called, empty for the first; and what those are called that
    it must not be. Of two that are one adapter, that with a mere number yields: the number was
    another's a moment ago.
    """
    names = [antenna.adapter for antenna in settings.radio.antennas]
    if not names:
        return [("", not_for_antennas(settings.doorbell))]
    lasting = [name for name in names if not name.startswith("hci")]
    return [
        (name, [other for other in (lasting if name in lasting else names) if other != name])
        for name in names
    ]


def _radio(
    settings: Settings,
    names: tuple[str, Sequence[str]],
    clock: Clock,
    emit: Emit,
    *,
    means: Means | None = None,
    open_at: Callable[[float], bool] = lambda _utc_s: True,
    host: BluezHost = THIS_MACHINE,
) -> BluezScanner:
    return BluezScanner(
        policy_of(settings, everybody=means is None),
        adapter=names[0],
        others=names[1],
        ask=None if means is None else way_past_bluez(settings, host),
        clock=clock,
        emit=emit,
        means=means,
        open_at=open_at,
        host=host,
    )

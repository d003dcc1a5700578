"""What `presence check` says of the radio: one answer for each question, with the next step.

    bluetoothd reachable ► adapters there ► those of our antennas powered ► BlueZ's version
    ► which mode can be had ► which path ► traces that BlueZ leaves ► a scan starts ► what it hears,
    and whether repeats arrive

An answer that makes the next question pointless ends the list. An antenna whose adapter is not
there ends it for that antenna alone.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from presence.config import Settings
from presence.config.antennas import FIRST_ADAPTER
from presence.config.settings import HearingPath, RadioMode
from presence.core.operations.radio_health import JUDGED_FROM, REPEATS_FROM
from presence.core.place import Place
from presence.edges.bluez import adapters_of, policy_of, radios, way_past_bluez
from presence.edges.bluez.choice import Choice, ScanPolicy, choose
from presence.edges.bluez.connection import Adapter, Bluez
from presence.edges.bluez.duty import main_conf_of
from presence.edges.bluez.faults import ERRORS, fault_of, reason_of
from presence.edges.bluez.host import THIS_MACHINE, BluezHost
from presence.edges.bluez.kernel_path import Ask
from presence.edges.bluez.scanner import BluezScanner
from presence.edges.bluez.traces import caches_on_disk, phone_plugins
from presence.edges.bluez.version import DIES_OF_UUID_FILTERS
from presence.errors import RadioError, RadioFault
from presence.language import Joined, Sentence
from presence.ports import Clock

LISTEN_S: Final = 5.0
UPGRADE_STEP: Final = Sentence(
    "upgrade BlueZ: this version cannot leave bystanders out of an active scan"
)
MODE_STEP: Final = Sentence(
    "mend that to send nothing (docs/radio-modes.md), or set radio.mode active if "
    "it is meant to be so"
)
CACHE_STEP: Final = Sentence(
    "give bluetoothd a tmpfs for /var/lib/bluetooth: install the drop-in of "
    "systemd/, restart bluetooth"
)
PLUGINS_STEP: Final = Sentence(
    "start bluetoothd with `--plugin=hostname,policy`: install the drop-in of systemd/"
)
HIDDEN_STEP: Final = Sentence(
    "off and on again, then another adapter: this controller or its driver filters duplicates"
)
NEAR_STEP: Final = Sentence("hold a test phone near, and look again")
NO_NAME: Final = Sentence("no name of its own")
SHOWN: Final = 4
"""Of the plug-ins."""


class RadioVerdict(Enum):
    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class RadioAnswer:
    question: str
    verdict: RadioVerdict
    found: str
    next_step: str = ""


async def diagnose(
    settings: Settings,
    clock: Clock,
    listen_s: float = LISTEN_S,
    *,
    host: BluezHost = THIS_MACHINE,
) -> AsyncIterator[RadioAnswer]:
    """Answers in the order of the questions; the last is named `radio`."""
    try:
        async with Bluez.connect(usb_path_of=host.usb_path_of) as bluez:
            found = await _antennas(settings, bluez)
            for answer in await _bluez(settings, bluez, found, host):
                yield answer
    except ERRORS as error:
        no_scan = Sentence("no scan: {reason}", reason=reason_of(error))
        yield RadioAnswer("radio", RadioVerdict.BAD, no_scan, fault_of(error).value)
        return
    scanners = radios(settings, clock=clock, emit=lambda _event: None, host=host)
    for radio in [each for each in scanners if isinstance(found[each.antenna], Adapter)]:
        for answer in await _listen(radio, listen_s):
            yield answer


async def diagnose_bluetoothd(settings: Settings) -> list[RadioAnswer]:
    """The questions about bluetoothd alone, for root to ask: a sandbox does not see another's
    process.

    Empty where no scan can be tried: the attempt itself then says why; and where no antenna is
    bluetoothd's.
    """
    if settings.radio.path is HearingPath.USER_CHANNEL:
        return []
    try:
        async with Bluez.connect() as bluez:
            return await _bluez(settings, bluez, await _antennas(settings, bluez), THIS_MACHINE)
    except ERRORS:
        return []


async def adapters_there(*, host: BluezHost = THIS_MACHINE) -> list[RadioAnswer]:
    """The adapters of this machine, ready to be pasted into settings."""
    try:
        return _adapters(await look_for_adapters(host=host))
    except RadioError as error:
        return [RadioAnswer("adapters", RadioVerdict.BAD, error.detail, error.fault.value)]


async def look_for_adapters(*, host: BluezHost = THIS_MACHINE) -> Sequence[Adapter]:
    """The adapters of this machine; they need not be sound. Raises RadioError."""
    try:
        async with Bluez.connect(usb_path_of=host.usb_path_of) as bluez:
            return await bluez.adapters()
    except ERRORS as error:
        raise RadioError(fault_of(error), reason_of(error)) from error


def lasting_names(adapter: Adapter, there: Sequence[Adapter]) -> list[str]:
    """What it is still called after the next start: its address, unless it shares that, and its
    USB path.
    """
    shared = _is_shared(adapter.address, there)
    return [name for name in ("" if shared else adapter.address, adapter.usb_path) if name]


def _between(names: Sequence[str], word: str) -> list[str]:
    """`word` between any two."""
    return [each for name in names for each in (word, name)][1:]


def _is_shared(address: str, there: Sequence[Adapter]) -> bool:
    return [each.address for each in there].count(address) > 1


def _adapters(there: Sequence[Adapter]) -> list[RadioAnswer]:
    answers = []
    for each in there:
        names = [
            f"{{adapter: {name}}}" if name.startswith("usb:") else f'{{adapter: "{name}"}}'
            for name in lasting_names(each, there)
        ]
        named = Joined(" ", _between(names, Sentence("or"))) if names else NO_NAME
        found = Sentence("{adapter}: {names}", adapter=each.name, names=named)
        if _is_shared(each.address, there):
            shared = Sentence("({address} is also another's)", address=each.address)
            found = Joined(" ", (found, shared))
        answers.append(RadioAnswer("adapters", RadioVerdict.GOOD, found))
    return answers


Found = Mapping[str, Adapter | RadioError]
"""By antenna: the adapter that bears its name, there and powered, or why there is none."""


async def _antennas(settings: Settings, bluez: Bluez) -> Found:
    """Raises RadioError where bluetoothd cannot be asked, or there is no adapter at all."""
    if not await bluez.adapters():
        raise RadioError(RadioFault.NO_ADAPTER, "no adapter is there")
    found: dict[str, Adapter | RadioError] = {}
    for name, others in adapters_of(settings):
        try:
            adapter = await bluez.adapter(name, others=others)
        except RadioError as error:
            found[name or FIRST_ADAPTER] = error
            continue
        off = RadioError(RadioFault.POWERED_OFF, f"{adapter.name} is off")
        found[name or FIRST_ADAPTER] = adapter if adapter.powered else off
    return found


def _antenna(name: str, place: Place, found: Adapter | RadioError) -> RadioAnswer:
    if isinstance(found, RadioError):
        what = f"{place}: {name}: {found.detail}"
        return RadioAnswer("antenna", RadioVerdict.BAD, what, found.fault.value)
    powered = Sentence(
        "{place}: {antenna} is {adapter}, powered", place=place, antenna=name, adapter=found
    )
    return RadioAnswer("antenna", RadioVerdict.GOOD, powered)


async def _bluez(
    settings: Settings, bluez: Bluez, found: Found, host: BluezHost
) -> list[RadioAnswer]:
    """Raises RadioError where bluetoothd cannot be asked."""
    answers = _adapters(await bluez.adapters())
    places = {each.adapter: each.place for each in settings.radio.antennas}
    answers += [_antenna(name, places.get(name, Place.INSIDE), found[name]) for name in found]
    adapters = [adapter for adapter in found.values() if isinstance(adapter, Adapter)]
    if not adapters:
        return answers
    version = await asyncio.to_thread(host.version)
    known = str(version) if version else Sentence("version unknown")
    answers.append(RadioAnswer("bluez", RadioVerdict.GOOD, known))
    command = host.command_of(await bluez.process())
    main_conf = None if command is None else main_conf_of(command)
    answers += [
        await _mode(policy_of(settings), bluez, adapter.name, main_conf, host)
        for adapter in adapters
    ]
    ask = way_past_bluez(settings, host)
    if ask is not None:
        answers += [await _path(ask, settings.radio.path, adapter.name) for adapter in adapters]
    return [*answers, *await _traces(bluez, host)]


async def _mode(
    policy: ScanPolicy, bluez: Bluez, adapter: str, main_conf: Path | None, host: BluezHost
) -> RadioAnswer:
    """What the settings want, and what can be had. `main_conf`: None where bluetoothd is out of our
    sight.
    """
    try:
        choice = await choose(policy, bluez, adapter, host=host)
    except RadioError as error:
        return RadioAnswer(
            "radio mode",
            RadioVerdict.BAD,
            f"{adapter}: {policy.mode}: {error.detail}",
            error.fault.value,
        )
    found, next_step = _chosen(adapter, choice), MODE_STEP if choice.hindrance else ""
    version = await asyncio.to_thread(host.version)
    if choice.mode is RadioMode.ACTIVE and DIES_OF_UUID_FILTERS.of(version):
        next_step = UPGRADE_STEP
    share = 1.0 if main_conf is None else await asyncio.to_thread(host.passive_share, main_conf)
    if choice.mode is RadioMode.PASSIVE and share < 1:
        found = Sentence(
            "{adapter}: passive, listens {percent:.0f} % of the time",
            adapter=adapter,
            percent=100 * share,
        )
        next_step = Sentence(
            "set ScanIntervalAdvMonitor=96 and ScanWindowAdvMonitor=96 under [LE] in {file}, and "
            "restart bluetooth",
            file=main_conf,
        )
    verdict = RadioVerdict.DOUBTFUL if next_step else RadioVerdict.GOOD
    return RadioAnswer("radio mode", verdict, found, next_step)


def _chosen(adapter: str, choice: Choice) -> str:
    found = f"{adapter}: {choice.mode}"
    if choice.hindrance:
        found = Sentence(
            "{adapter}: active, which sends scan requests: {reason}",
            adapter=adapter,
            reason=choice.hindrance.detail,
        )
    if choice.exposure is None:
        return found
    exposed = Sentence(
        "bystanders reach this process and are dropped here: {reason}", reason=choice.exposure
    )
    return Joined("; ", (found, exposed))


async def _path(ask: Ask, path: HearingPath, adapter: str) -> RadioAnswer:
    """Whether the way past D-Bus can be had, which the settings want."""
    try:
        descriptor = await ask(adapter)
    except RadioError as error:
        found = Sentence(
            "{adapter}: bluez, over D-Bus, in place of {path}: {reason}",
            adapter=adapter,
            path=path,
            reason=error.detail,
        )
        return RadioAnswer("radio path", RadioVerdict.DOUBTFUL, found, error.fault.value)
    descriptor.sock.close()
    found = Sentence(
        "{adapter}: {path}: strangers' advertisements end in the kernel", adapter=adapter, path=path
    )
    return RadioAnswer("radio path", RadioVerdict.GOOD, found)


async def _traces(bluez: Bluez, host: BluezHost) -> list[RadioAnswer]:
    process = await bluez.process()
    mounts, command = host.mounts_of(process), host.command_of(process)
    if mounts is None or command is None:
        return [
            RadioAnswer(
                "bluez traces",
                RadioVerdict.DOUBTFUL,
                Sentence("bluetoothd's mounts and options cannot be seen"),
                Sentence("run as root"),
            )
        ]
    disks = caches_on_disk([each.address for each in await bluez.adapters()], mounts)
    plugins = phone_plugins(command)
    cache = RadioAnswer("bluez cache", RadioVerdict.GOOD, Sentence("in memory"))
    if disks:
        found = Sentence(
            "on {folders}: the names of strangers' devices are written to a disk",
            folders=", ".join(disks),
        )
        cache = RadioAnswer("bluez cache", RadioVerdict.BAD, found, CACHE_STEP)
    untouched = Sentence("none that touches phones")
    doors = RadioAnswer("bluez plug-ins", RadioVerdict.GOOD, untouched)
    if plugins:
        shown, more = ", ".join(plugins[:SHOWN]), len(plugins) - SHOWN
        found = Sentence("{plugins} may answer phones", plugins=shown)
        if more > 0:
            found = Sentence(
                "{plugins} and {more} more may answer phones", plugins=shown, more=more
            )
        doors = RadioAnswer("bluez plug-ins", RadioVerdict.BAD, found, PLUGINS_STEP)
    return [cache, doors]


async def _listen(radio: BluezScanner, listen_s: float) -> list[RadioAnswer]:
    name = radio.antenna
    try:
        heard, senders = await radio.listen(listen_s)
    except RadioError as error:
        no_scan = Sentence("{antenna}: no scan: {reason}", antenna=name, reason=error.detail)
        return [RadioAnswer("radio", RadioVerdict.BAD, no_scan, error.fault.value)]
    starts = Sentence("{antenna}: a scan in mode {mode} starts", antenna=name, mode=radio.mode)
    answer = RadioAnswer("radio", RadioVerdict.GOOD, starts)
    if radio.refusal:
        found = Sentence(
            "{antenna}: a scan in mode {mode} starts, none in passive: {reason}",
            antenna=name,
            mode=radio.mode,
            reason=radio.refusal[1].detail,
        )
        answer = RadioAnswer("radio", RadioVerdict.DOUBTFUL, found, MODE_STEP)
    return [answer, _repeats(name, listen_s, heard, senders)]


def _repeats(name: str, listen_s: float, heard: int, senders: float | None) -> RadioAnswer:
    if not heard:
        found = Sentence(
            "{antenna}: nothing heard in {seconds:g} s: nobody of ours may be here",
            antenna=name,
            seconds=listen_s,
        )
        return RadioAnswer("repeats", RadioVerdict.DOUBTFUL, found, NEAR_STEP)
    if senders is not None and heard >= JUDGED_FROM and heard < REPEATS_FROM * senders:
        found = Sentence(
            "{antenna}: {heard} heard, of about {senders:.0f} senders: repeats are hidden",
            antenna=name,
            heard=heard,
            senders=senders,
        )
        return RadioAnswer("repeats", RadioVerdict.BAD, found, HIDDEN_STEP)
    found = Sentence(
        "{antenna}: {heard} heard in {seconds:g} s", antenna=name, heard=heard, seconds=listen_s
    )
    return RadioAnswer("repeats", RadioVerdict.GOOD, found)

"""What can go wrong, sorted by who must act.

    PresenceError
    ├── ConfigurationError   the operator: a setting is missing, misspelt or impossible
    ├── UsageError           whoever typed it: an option is missing or cannot be used
    ├── ConsentListError     the consent service: the list cannot be read or proven
    ├── ConsentServiceError  who runs the reference publisher: a key, a file, an entry is unusable
    ├── CaptureError         who recorded it: a capture is damaged, cut short or of an unknown kind
    ├── InstallationError    whoever installed it: systemd or the sandbox does not give what we need
    │   └── ClockUnreadable  … does not let us ask whether the clock is synchronised
    ├── RadioError           the technician: no adapter, powered off, BlueZ away
    ├── BrokerError          the operator: the MQTT broker is away or refuses us
    ├── StorageError         the operator: a disk is full, read-only or holds what we did not write
    └── HungUp               nobody: the terminal is gone, and who was there comes back

A message names the file, key or record, and the next step. It never holds an address, an identifier
or a key.
"""

import contextlib
from collections.abc import Iterator
from enum import Enum
from typing import TypeVar

from presence.language import Sentence

E = TypeVar("E", bound=BaseException)


class PresenceError(Exception):
    """Somebody must act; the message says who and how."""


class ConfigurationError(PresenceError):
    """The configuration cannot be used. `problems` lists every fault found, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UsageError(PresenceError):
    """The command line cannot be used; the message names the option."""


CLOCK_STEP = (
    "install systemd/presence.service anew (scripts/install), and look for ProtectClock= or "
    "SystemCallFilter= in "
    "drop-ins (`systemctl cat presence`)"
)


class InstallationError(PresenceError):
    """The service is not installed as it must be."""


class ClockUnreadable(InstallationError):
    """The kernel does not answer adjtimex(2), so nobody knows whether the clock is synchronised."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the sandbox forbids adjtimex ({reason}), so the clock cannot be trusted: {CLOCK_STEP}"
        )


class ConsentListError(PresenceError):
    """The consent list was refused as a whole; the list in force stays, and its lease keeps
    running.
    """


class ListRolledBack(ConsentListError):
    """The list is older than one that this gateway already had: somebody must find out who brought
    it back.
    """


class ListGrew(ConsentListError):
    """The list grew by more than a fifth within a day, and nobody approved it: look where they come
    from.
    """

    def __init__(self, message: str, *, entries: int) -> None:
        super().__init__(message)
        self.entries = entries
        """That it would have."""


class ListUnfinished(ConsentListError):
    """More of the list came, and not all of it within one look: nobody must act, the next look goes
    on from there.
    """


class ConsentServiceError(PresenceError):
    """The publisher cannot do what it was asked for; nothing was changed or published."""


class CaptureError(PresenceError):
    """A capture could not be read to its end. `offset` is the byte at which reading stopped."""

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class RadioFault(Enum):
    """Why the radio does not scan; the value is the next step for the technician."""

    NO_BLUEZ = Sentence("bluetoothd does not answer on D-Bus: `systemctl start bluetooth`")
    NO_ADAPTER = Sentence(
        "plug the adapter in, or name another in the settings: `presence check` prints the address "
        "and USB path of each"
    )
    SHARED_NAME = Sentence(
        "name each adapter once, and where two share an address by their USB paths: "
        "`presence check` prints them"
    )
    POWERED_OFF = Sentence(
        "the adapter is powered off: `bluetoothctl power on`, and look for rfkill"
    )
    BLOCKED = Sentence(
        "the adapter is blocked by rfkill: `rfkill unblock bluetooth`, or the switch on the machine"
    )
    DENIED = Sentence(
        "D-Bus denies access to org.bluez: install the policy of systemd/ or run as its user"
    )
    UNSUPPORTED = Sentence(
        "BlueZ cannot scan in the mode of radio.mode: start `bluetoothd "
        "--experimental`, or choose `active`"
    )
    CONTROLLER_FILTERS = Sentence(
        "this controller tells of each device once in a passive scan: choose `active`, or `auto`"
    )
    BROKEN_PATTERNS = Sentence(
        "BlueZ 5.69 and 5.70 match no service data in a passive scan: upgrade it, "
        "or choose `active`"
    )
    CRASHING_PATTERNS = Sentence(
        "this BlueZ can be killed by a long advertisement: upgrade it to 5.83, "
        "or choose `auto` or `active`"
    )
    MONITOR_REFUSED = Sentence(
        "the kernel refuses a passive scan here: choose `auto` or `active`; "
        "bluetoothd's journal says why"
    )
    NO_HELPER = Sentence(
        "radio.path needs `systemctl enable --now presence-radio.socket`; until then `kernel` "
        "hears by BlueZ, and `user-channel` nothing"
    )
    KERNEL_REFUSES = Sentence(
        "the kernel gives no socket for this: `journalctl -u 'presence-radio@*'`; until then "
        "`kernel` hears by BlueZ, and `user-channel` nothing"
    )
    ADAPTER_BUSY = Sentence(
        "bluetoothd holds this adapter, or it is still being set up: where nothing else needs "
        "bluetoothd, `systemctl mask --now bluetooth`; else `bluetoothctl power off`, and "
        "AutoEnable=false in /etc/bluetooth/main.conf"
    )
    ADAPTER_TAKEN = Sentence(
        "another program has this adapter for itself (a user channel): stop it, or name another "
        "adapter; of ours there may be a second gateway or a `presence check` just now"
    )
    DEAF = Sentence(
        "the radio hears nothing, and all milder steps were tried: we ask systemd to start us anew"
    )
    OTHER = Sentence("see the message; `systemctl status bluetooth` tells more")


class RadioError(PresenceError):
    """Scanning is not possible now."""

    def __init__(self, fault: RadioFault, detail: str) -> None:
        super().__init__(f"{detail}: {fault.value}" if detail else fault.value)
        self.fault = fault
        self.detail = detail


class BrokerError(PresenceError):
    """The broker is away, refuses us, or did not acknowledge in time; the event stays in the
    outbox.
    """


class MessageNotTaken(BrokerError):
    """The broker did not take this one message now (MQTT 5 reason code ≥ 0x80); the connection goes
    on.
    """

    def __init__(self, message: str, *, reason_code: int) -> None:
        super().__init__(message)
        self.reason_code = reason_code


class MessageRefused(MessageNotTaken):
    """The broker refused this one message for good: sending again will not help."""


class MessageUnheard(BrokerError):
    """The broker has an event, and nobody is subscribed to its topic (MQTT 5 reason code 0x10): it
    has gone to nobody, and stays in the outbox.
    """

    def __init__(self) -> None:
        super().__init__("nobody is subscribed to the events of this audience (0x10)")


class StorageError(PresenceError):
    """State cannot be read or written."""


class HungUp(PresenceError):
    """The terminal is gone, so nobody reads any more."""


class MemoryLost(StorageError):
    """A file of ours was damaged and is begun anew: somebody must find out who or what damaged
    it.
    """


def leaves(group: BaseExceptionGroup[E]) -> Iterator[E]:
    """The errors themselves, out of the groups of groups that tasks' errors come in."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


@contextlib.contextmanager
def ungrouped() -> Iterator[None]:
    """Of a group that holds nothing but errors of ours, as tasks' come, the first by itself. Python
    3.11.2, Debian 12's, would make a group of it again if `except*` raised it.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        ours, others = group.split(PresenceError)
        if ours is None or others is not None:
            raise
        raise next(leaves(ours)) from None


def reason_of(error: BaseException) -> str:
    """Why the system refused, in words alone: its number says nothing, and the message that quotes
    this names the file.
    """
    if isinstance(error, OSError) and error.strerror:
        words = error.strerror
        return words[0].lower() + words[1:] if words[1:2].islower() else words
    return str(error) or type(error).__name__


def type_and_place(error: BaseException) -> str:
    """All that may be told of an error that is not ours: its text may quote what was on air
    (R-65).
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    code = trace.tb_frame.f_code
    return f"{type(error).__name__} at {code.co_name}:{trace.tb_lineno}"

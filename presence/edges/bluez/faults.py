"""What went wrong with the radio, as what the technician has to do about it."""

from typing import Final

from bleak.exc import BleakBluetoothNotAvailableError, BleakError
from dbus_fast import AuthError, DBusError

from presence import errors
from presence.errors import RadioError, RadioFault

ERRORS: Final = (
    RadioError,
    BleakError,
    DBusError,
    AuthError,
    OSError,
    EOFError,
    TimeoutError,
    AssertionError,
)
"""What bleak and dbus-fast raise when bluetoothd, the bus or the controller goes away in the middle
of something; bleak asserts that a reply is a reply.
"""

MOST_LETTERS: Final = 200
"""Of a reason."""

_SIGNS: Final = (
    ("ServiceUnknown", RadioFault.NO_BLUEZ),
    ("NameHasNoOwner", RadioFault.NO_BLUEZ),
    ("NoReply", RadioFault.NO_BLUEZ),
    ("FileNotFound", RadioFault.NO_BLUEZ),
    ("AccessDenied", RadioFault.DENIED),
    ("NotReady", RadioFault.POWERED_OFF),
    ("UnknownObject", RadioFault.NO_ADAPTER),
    ("adapter", RadioFault.NO_ADAPTER),
    ("UnknownMethod", RadioFault.UNSUPPORTED),
    ("--experimental", RadioFault.UNSUPPORTED),
)


def fault_of(error: BaseException) -> RadioFault:
    if isinstance(error, RadioError):
        return error.fault
    name = getattr(error, "dbus_error", "") or getattr(error, "type", "")
    text = f"{name} {error}"
    if isinstance(error, BleakBluetoothNotAvailableError) or "No Bluetooth adapters" in text:
        return RadioFault.NO_ADAPTER
    for sign, fault in _SIGNS:
        if sign in text:
            return fault
    if isinstance(error, AuthError):
        return RadioFault.DENIED
    return (
        RadioFault.NO_BLUEZ
        if isinstance(error, OSError | EOFError | TimeoutError)
        else RadioFault.OTHER
    )


def reason_of(error: BaseException) -> str:
    """For the journal: short, and never empty. A sentence of ours stays one, to be translated."""
    words = error.detail if isinstance(error, RadioError) else errors.reason_of(error)
    return (words if len(words) <= MOST_LETTERS else words[:MOST_LETTERS]) or type(error).__name__

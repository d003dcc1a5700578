"""What an error of bluetoothd means, whoever of us asked."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from presence.edges.bluez.bus import ADAPTER, BLUEZ, GATT, MONITORS, BluezBus, NoAnswer
from presence.edges.bluez.faults import reason_of
from presence.errors import RadioError, RadioFault
from presence.language import Sentence, language_named

pytestmark = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed"
)
DBUS = "org.freedesktop.DBus.Error"


@asynccontextmanager
async def a_bluetoothd_that_answers(address: str, error: str | None) -> AsyncIterator[None]:
    """With this error, or with nothing at all."""
    bus = await MessageBus(bus_address=address).connect()

    def on_message(message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        return True if error is None else Message.new_error(message, error, "no way")

    bus.add_message_handler(on_message)
    await bus.request_name(BLUEZ)
    try:
        yield
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()


@pytest.mark.parametrize(
    ("error", "interface", "fault"),
    [
        (f"{DBUS}.AccessDenied", ADAPTER, RadioFault.DENIED),
        (f"{DBUS}.UnknownObject", ADAPTER, RadioFault.NO_ADAPTER),
        (f"{DBUS}.UnknownMethod", GATT, RadioFault.NO_ADAPTER),
        (f"{DBUS}.UnknownInterface", ADAPTER, RadioFault.NO_ADAPTER),
        (f"{DBUS}.UnknownMethod", MONITORS, RadioFault.UNSUPPORTED),
        (f"{DBUS}.UnknownInterface", MONITORS, RadioFault.UNSUPPORTED),
        (f"{DBUS}.NoReply", ADAPTER, RadioFault.NO_BLUEZ),
        ("org.bluez.Error.NotReady", ADAPTER, RadioFault.POWERED_OFF),
        ("org.bluez.Error.Blocked", ADAPTER, RadioFault.BLOCKED),
        ("org.bluez.Error.Failed", ADAPTER, RadioFault.OTHER),
    ],
)
async def test_an_error_is_named_by_what_the_technician_has_to_do(
    bus: str, error: str, interface: str, fault: RadioFault
) -> None:
    async with (
        a_bluetoothd_that_answers(bus, error),
        BluezBus.connect(call_s=5) as bluez,
    ):
        with pytest.raises(RadioError, match="Do: no way") as refused:
            await bluez.call("/org/bluez/hci0", f"{interface}.Do")
    assert refused.value.fault is fault


async def test_nobody_nothing_and_no_bus_are_told_apart(bus: str) -> None:
    async with BluezBus.connect(call_s=0.2) as bluez:
        with pytest.raises(RadioError, match=BLUEZ.replace(".", "[.]")) as nobody:
            await bluez.call("/", f"{ADAPTER}.Do")
        async with a_bluetoothd_that_answers(bus, None):
            with pytest.raises(NoAnswer, match=r"Do: no answer within 0\.2 s"):
                await bluez.call("/", f"{ADAPTER}.Do")
        bluez.raw.disconnect()
        await bluez.raw.wait_for_disconnect()
        with pytest.raises(RadioError, match="the connection to D-Bus was lost"):
            await bluez.call("/", f"{ADAPTER}.Do")
    with pytest.raises(RadioError, match=r"^the system's D-Bus is not there:") as no_bus:
        async with BluezBus.connect(call_s=1, address="unix:path=/nowhere/bus"):
            raise AssertionError
    assert {nobody.value.fault, no_bus.value.fault} == {RadioFault.NO_BLUEZ}


@pytest.mark.parametrize(("language", "words"), [("fi", "D-Busia ei ole"), ("sv", "finns inte")])
async def test_that_there_is_no_bus_is_said_in_the_language_of_whoever_reads(
    language: str, words: str
) -> None:
    with pytest.raises(RadioError) as no_bus:
        async with BluezBus.connect(call_s=1, address="unix:path=/nowhere/bus"):
            raise AssertionError
    finding = Sentence("no scan: {reason}", reason=reason_of(no_bus.value))
    assert words in language_named(language).say(finding)

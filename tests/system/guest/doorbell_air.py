"""A virtual air with connections: bumble's controllers on one link, one of them Linux's own through
/dev/vhci.

    gateway: bluetoothd ─ kernel ─ /dev/vhci ─ Radio ─┐
    phones:  bumble host ─────────────────── Radio ─┴─ Ether

Runs with bumble 0.0.236 as root. What bumble's controller lacks for this is added here, as
the trial before it found (docs/recordings.md#trial):

* ACL data carries the connection's own address (bumble always says the random one, and every reply
  is lost);
* advertisements that nobody may connect to, and their true event types, strengths and intervals;
* a connection that nobody accepted fails with 0x3E; creating one can be cancelled.

Numbers: Core Specification 5.4, Vol 4, Part E. No loss, no radio timing: times are the cost of
software.
"""

import asyncio
import dataclasses
import os
import random
import struct
import time
from typing import Any, Final

import bumble.controller as bumble_controller
from bumble import hci, ll
from bumble.hci import Address
from bumble.link import LocalLink

CONNECTABLE, SCANNABLE, BROADCAST = 0, 2, 3
EXTENDED_EVENT: Final = {CONNECTABLE: 0x13, SCANNABLE: 0x12, BROADCAST: 0x10}
"""Legacy advertisements in an extended report (7.7.65.13)."""
STRENGTH_DBM: Final = -50
VENDOR: Final = 0xFF
"""hci_vhci's own packet type."""
NOT_ESTABLISHED: Final = 0x3E
Recorded = tuple[float, str, int, bytes]
"""Of an advertisement: when (monotonic), whose, its kind, its payload."""
EXTENDED_COMMANDS: Final = {
    hci.HCI_LE_SET_EXTENDED_SCAN_PARAMETERS_COMMAND,
    hci.HCI_LE_SET_EXTENDED_SCAN_ENABLE_COMMAND,
    hci.HCI_LE_SET_EXTENDED_ADVERTISING_PARAMETERS_COMMAND,
    hci.HCI_LE_SET_EXTENDED_ADVERTISING_DATA_COMMAND,
    hci.HCI_LE_SET_EXTENDED_ADVERTISING_ENABLE_COMMAND,
    hci.HCI_LE_REMOVE_ADVERTISING_SET_COMMAND,
    hci.HCI_LE_CLEAR_ADVERTISING_SETS_COMMAND,
    hci.HCI_LE_SET_ADVERTISING_SET_RANDOM_ADDRESS_COMMAND,
    hci.HCI_LE_READ_NUMBER_OF_SUPPORTED_ADVERTISING_SETS_COMMAND,
}


@dataclasses.dataclass
class Heard(ll.AdvertisingPdu):
    advertiser_address: Address
    data: bytes
    kind: int = BROADCAST


class LegacyAdvertiser(bumble_controller.LegacyAdvertiser):
    def _on_timer_fired(self) -> None:
        self.send_advertising_data()
        interval_s = max(self.advertising_interval_min * 0.000625, 0.02)
        self.timer_handle = asyncio.get_running_loop().call_later(interval_s, self._on_timer_fired)

    def send_advertising_data(self) -> None:
        if self.enabled:
            heard = Heard(self.address, bytes(self.advertising_data), self.advertising_type)
            self.controller.send_advertising_pdu(heard)


class AdvertisingSet(bumble_controller.AdvertisingSet):
    @property
    def kind(self) -> int:
        properties = self.parameters.advertising_event_properties if self.parameters else 0
        return CONNECTABLE if properties & 1 else SCANNABLE if properties & 2 else BROADCAST

    def start(self) -> None:
        self.stop()
        super().start()

    def send_extended_advertising_data(self) -> None:
        if self.address:
            self.controller.send_advertising_pdu(Heard(self.address, bytes(self.data), self.kind))


bumble_controller.AdvertisingSet = AdvertisingSet


class Ether(LocalLink):
    """`recorded`: each advertisement while `recording`."""

    def __init__(self) -> None:
        super().__init__()
        self.recording = False
        self.recorded: list[Recorded] = []

    def send_acl_data(self, sender: Any, destination: Any, transport: Any, data: bytes) -> None:
        connection = sender.le_connections.get(destination)
        receiver = self.find_le_controller(destination)
        if connection and receiver:
            asyncio.get_running_loop().call_soon(
                receiver.on_link_acl_data, connection.self_address, transport, data
            )

    def send_ll_control_pdu(self, sender_address: Any, receiver_address: Any, packet: Any) -> None:
        if self.find_le_controller(receiver_address):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)

    def send_advertising_pdu(self, sender: Any, packet: Any) -> None:
        if self.recording and isinstance(packet, Heard):
            self.recorded.append(
                (time.monotonic(), str(packet.advertiser_address), packet.kind, packet.data)
            )
        listeners = [each for each in self.controllers if each is not sender]
        random.shuffle(listeners)  # else the same phone wins every race
        for listener in listeners:
            asyncio.get_running_loop().call_soon(listener.on_ll_advertising_pdu, packet)


class Radio(bumble_controller.Controller):
    """`extended`: with LE extended advertising (4.1.2 Vol 6, Part B), as a Bluetooth 5 adapter has
    it.
    """

    def __init__(self, name: str, ether: Ether, address: str, *, extended: bool = False) -> None:
        features = hci.LeFeatureMask
        without = (
            features.LE_EXTENDED_ADVERTISING
            | features.LE_PERIODIC_ADVERTISING
            | features.LL_PRIVACY
        )
        base = bumble_controller.Controller
        self.extended = extended
        self.le_features = base.le_features & ~without
        self.supported_commands = set(base.supported_commands)
        if extended:
            self.le_features |= features.LE_EXTENDED_ADVERTISING
            self.supported_commands |= EXTENDED_COMMANDS
        self.le_acl_data_packet_length = self.acl_data_packet_length = 251
        super().__init__(name, link=ether, public_address=address)
        self.le_legacy_advertiser = LegacyAdvertiser(self)

    def on_hci_le_create_connection_cancel_command(self, _command: Any) -> Any:
        if not self.pending_le_connection:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        pending, self.pending_le_connection = self.pending_le_connection, None
        cancelled = hci.HCI_LE_Connection_Complete_Event(
            status=0x02,
            connection_handle=0,
            role=0,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, cancelled)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_ll_advertising_pdu(self, packet: Any) -> None:
        if not isinstance(packet, Heard):
            super().on_ll_advertising_pdu(packet)
            return
        if self.le_scan_enable:
            self._report(packet)
        pending = self.pending_le_connection
        if (
            pending
            and packet.kind == CONNECTABLE
            and pending.peer_address == packet.advertiser_address
        ):
            self.create_le_connection(packet.advertiser_address)

    def _report(self, heard: Heard) -> None:
        address, kind = bytes(heard.advertiser_address), int(heard.advertiser_address.address_type)
        strength, length = struct.pack("b", STRENGTH_DBM), bytes((len(heard.data),))
        if self.extended:
            # One report: event type, address, both PHYs, set, power, strength, no periodic
            # interval, no direct address.
            event = struct.pack("<H", EXTENDED_EVENT[heard.kind])
            between = bytes((1, 0, 0xFF, 0x7F)) + strength + bytes(9)
            body = (
                bytes((0x0D, 1)) + event + bytes((kind,)) + address + between + length + heard.data
            )
        else:
            body = bytes((0x02, 1, heard.kind, kind)) + address + length + heard.data + strength
        if self.host:
            packet = bytes((4, 0x3E, len(body))) + body
            asyncio.get_running_loop().call_soon(self.host.on_packet, packet)

    def on_le_connect_ind(self, packet: Any) -> None:
        """Only what is connectable is connected to, and nobody twice."""
        sets = sorted(self.advertising_sets.items(), key=lambda item: item[1].kind != CONNECTABLE)
        self.advertising_sets = dict(sets)
        legacy, wanted = self.le_legacy_advertiser, packet.advertiser_address
        open_to = [each.address for _, each in sets if each.enabled and each.kind == CONNECTABLE]
        if legacy.enabled and legacy.advertising_type == CONNECTABLE:
            open_to.append(legacy.address)
        if wanted in open_to and packet.initiator_address not in self.le_connections:
            super().on_le_connect_ind(packet)

    def create_le_connection(self, peer: Any) -> None:
        super().create_le_connection(peer)
        made = self.le_connections.get(peer)

        def check() -> None:
            other = self.link.find_le_controller(peer)
            accepted = other is not None and made.self_address in other.le_connections
            if self.le_connections.get(peer) is made and not accepted:
                self.on_le_disconnected(made, NOT_ESTABLISHED)

        if made:
            asyncio.get_running_loop().call_later(0.05, check)


class Vhci:
    """A radio as an adapter (hciN) of this kernel."""

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self._file = os.open("/dev/vhci", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        os.write(self._file, bytes((VENDOR, 0)))
        answer = b""
        while not answer:
            try:
                answer = os.read(self._file, 2048)
            except BlockingIOError:
                time.sleep(0.002)
        self.name = f"hci{struct.unpack_from('<H', answer, 2)[0]}"
        radio.host = self
        asyncio.get_running_loop().add_reader(self._file, self._readable)

    def on_packet(self, packet: bytes) -> None:
        """From the controller to the kernel."""
        os.write(self._file, packet)

    def _readable(self) -> None:
        for _ in range(16):
            try:
                packet = os.read(self._file, 2048)
            except BlockingIOError:
                return
            self._radio.on_packet(packet)

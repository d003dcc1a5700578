"""The doorbell on BlueZ: the gateway advertises, phones come and answer (docs/doorbell.md).

Plain D-Bus through dbus-fast, which bleak brings along: bless and bluez-peripheral wrap the same
two managers, but neither tells which connection reads and writes, nor advertises anew while a
connection is open.

Imports: as presence.edges.bluez, and its bus.
"""

from presence.edges.bluez.gatt.server import Doorbell

__all__ = ["Doorbell"]

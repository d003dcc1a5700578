"""Advertisements from the kernel's Bluetooth sockets, past bluetoothd and D-Bus.

    opener ── a descriptor, its filter locked ──► descriptor ─┬─► monitor_channel ─► edges.bluez
                                                              └─► user_channel: without bluetoothd

`opener` has the right to open such a socket, and a process of its own that ends at once
(presence-radio@.service). The daemon has no right, and reads what the filter lets pass.

Imports: presence.core, presence.errors, edges.host; `opener` nothing beyond Python's own library.
"""

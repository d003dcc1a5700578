"""The Host Controller Interface: what a Bluetooth controller and its host say to each other, as
bytes, without a socket; and when the host says what, to scan without bluetoothd.

Imports: the formats of presence.core.recognition, nothing of consent, visits or events.
"""

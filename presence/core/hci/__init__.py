"""HCI: what a Bluetooth controller and its host say to each other, as bytes, without a socket.

Imports: the formats of presence.core.recognition, nothing of consent, visits or events.
"""

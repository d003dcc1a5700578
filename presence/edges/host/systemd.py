"""Tells systemd how we are: sd_notify(3) over its datagram socket.

Without NOTIFY_SOCKET (started by hand) every call does nothing.
"""

import os
import socket
import time


class SystemdNotifier:
    def __init__(self, environment: dict[str, str] | None = None) -> None:
        environment = dict(os.environ) if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        # The manager kills us after WATCHDOG_USEC without a sign of life; half of it is the advised
        # rhythm.
        self.watchdog_s = int(environment.get("WATCHDOG_USEC", "0")) / 1e6 / 2

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def reloading(self) -> None:
        """sd_notify(3) asks for the monotonic time with it, in microseconds."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        """To be called by whoever has just made progress; see the daemon."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            notify.settimeout(1)
            try:
                notify.sendto(message.encode(), self._address)
            except OSError:
                # The manager is away for a moment (daemon-reexec); the next sign of life reaches
                # it. A dead manager cannot be told anything, so there is nobody to report this to.
                return

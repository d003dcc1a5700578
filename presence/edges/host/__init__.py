"""The machine we run on: clocks, systemd, journal, metrics, the status socket, the audit log.

Imports: presence.core, presence.config, presence.ports; no other edge."""

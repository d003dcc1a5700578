"""What is kept on this machine, in SQLite: visits and outbox, consents, revocations.

Imports: presence.core, presence.config, presence.ports; no other edge."""

"""What is told to whom: the events, the outbox, and which gateway of a store tells.

Imports: everything of presence.core but the engine."""

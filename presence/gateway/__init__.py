"""The services of a running gateway, each a task over the core, without input or output of its own.

Imports: presence.core, presence.config and presence.ports; never an edge."""

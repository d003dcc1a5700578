"""The shop on a terminal: a story with customers and strangers, and its measured privacy account.

Imports: presence.assembly, presence.simulation and what lies below; never presence.cli."""

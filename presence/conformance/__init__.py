"""The conformance kit: plays what happens to events against anybody's offer engine, and says which
rule of the contract it broke.

Imports: presence.diagnosis, presence.edges and what lies below; never presence.cli."""

"""What a data-protection officer is shown of one gateway: what was promised, how it is shown, and
the record of processing that follows from its settings (`presence evidence`).

Imports: presence.assembly, presence.diagnosis, presence.simulation and what lies below; never
presence.cli.
"""

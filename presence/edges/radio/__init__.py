"""What all radios of ours need, whoever is asked for them: a look at how each does, and the steps
that help a deaf one.

    care ─► tally     what came since the last look
      └───► ledger    the memory of steps of recovery

Imports: presence.core, presence.config, presence.ports and edges.host.
"""

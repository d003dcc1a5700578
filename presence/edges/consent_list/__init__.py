"""Where the consent list comes from: the signed one (TUF), or a plain file.

Imports: presence.core, presence.config, presence.ports; of the edges: sqlite, which keeps it, and
host.
"""

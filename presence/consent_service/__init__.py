"""The reference publisher: a consent service in small, for demonstrations, tests and chains that
have none yet.

    commands ─┬─► Register (SQLite: identity keys, versions)
              │      └─► ConsentService.publish ─► Repository (TUF) ──► gateways
              └─► revocations (signed, over MQTT) ────────────────────► what was taken away, at once

Identity keys stay here. A gateway is given window keys only, one window ahead
(docs/design.md#identity, docs/design.md#consent).

Imports: presence.core, presence.config; presence.edges.mqtt to hand on revocations.
Never on a gateway.
"""

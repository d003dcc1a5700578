"""What an operator may know: counts, snapshots, alarms, the health of radios; never who.

Imports: presence.core.consent and what lies below it."""

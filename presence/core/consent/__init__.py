"""What customers agreed to: the model, the gate, the list in all its forms, and revocations.

Imports: presence.core.recognition for keys and identifiers, and the ground of presence.core."""

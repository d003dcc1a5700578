"""The visit of a technician: radio, phone, walks at the door, and what they say of the settings.

Imports: presence.diagnosis, presence.simulation and what lies below; never presence.cli."""

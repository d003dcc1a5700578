"""From sightings to a visit: evidence, beginning and end, and which threshold fits a door.

Imports: the ground of presence.core only."""

"""Where an antenna hangs: what one place hears and another does not tells on which side of the
door a phone is.

An *antenna* is one radio that hears advertisements: an adapter of this machine, or a satellite. Its
name is what the configuration calls it, and never the `hciN` that the kernel gave it today. The
recommended set-up is a pair at the door, back to back, of which the inner one is at the `door` and
the one that faces the street `outside`, and a third deep `inside` the shop. Several antennas may
hang in one place.
"""

from enum import StrEnum


class Place(StrEnum):
    """Where an antenna hangs; one of which nothing is said is inside."""

    INSIDE = "inside"
    DOOR = "door"
    """At the door, on its inner side."""
    OUTSIDE = "outside"
    """At the door, and turned to the street."""

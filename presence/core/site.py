"""Where this gateway stands."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """The store that this gateway stands in."""

    chain: str
    store: str
    sensitive: bool = False
